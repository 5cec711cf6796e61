"""Workers: processes that run one stage, forked and observed by this one, as Airflow forks its tasks."""

import ctypes
import faulthandler
import json
import logging
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from bursar.errors import BursarError, TransientError
from tests.campaign.points import Point, Points, watch

Work = Callable[["Reports"], object]
STACK_SECONDS = 0.5
DIES_WITH_PARENT = 1  # PR_SET_PDEATHSIG


@dataclass(frozen=True)
class Result:
    """The result of a worker: `value` is that of its stage, `error` is empty if it succeeded.

    `is_bursar_error`: Bursar has raised the error on purpose. `is_transient`: the stage may be retried.
    """

    value: Any = None
    error: str = ""
    text: str = ""
    is_bursar_error: bool = False
    is_transient: bool = False
    killed: bool = False

    @property
    def ok(self) -> bool:
        return not self.error and not self.killed

    @property
    def needs_person(self) -> bool:
        return bool(self.error) and self.is_bursar_error and not self.is_transient

    def __str__(self) -> str:
        if self.killed:
            return "killed"
        return f"{self.error}: {self.text}" if self.error else f"succeeded: {self.value}"


@dataclass
class Worker:
    """A running worker.

    `reports` are those of its stage, `acts` the points that it has passed, `backends` its PostgreSQL sessions. While it
    is paused at the point of its fault, `paused_at` names that.
    """

    name: str
    pid: int
    point: Point | None
    started: float
    log: Path
    _from: int
    _to: int
    reports: list[Any] = field(default_factory=list)
    acts: list[str] = field(default_factory=list)
    backends: list[int] = field(default_factory=list)
    paused_at: str | None = None
    frozen: bool = False
    result: Result | None = None
    _rest: bytes = b""
    _ended: Result | None = None

    def poll(self) -> None:
        """Reads the messages of the worker, and its result if it has ended."""
        if self.result:
            return
        self._read()
        pid, _status = os.waitpid(self.pid, os.WNOHANG)
        if pid:
            self._read()
            self.result = self._ended or Result(killed=True)
            self.paused_at = None
            for end in (self._from, self._to):
                os.close(end)

    def resume(self) -> None:
        """Resumes a paused worker."""
        self.paused_at = None
        os.write(self._to, b".")

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal, unless the worker has ended."""
        if self.result is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def freeze(self) -> None:
        """Stops all threads of the worker until `thaw`."""
        self.frozen = True
        self.signal(signal.SIGSTOP)
        self.resume()

    def stack(self) -> str:
        """Returns the lines of the code at which the threads of a running worker are."""
        before = self.log.stat().st_size
        self.signal(signal.SIGUSR1)
        time.sleep(STACK_SECONDS)
        with self.log.open("rb") as log:
            log.seek(before)
            return log.read().decode(errors="replace")

    def thaw(self) -> None:
        """Resumes a frozen worker."""
        self.frozen = False
        self.started = time.monotonic()
        self.signal(signal.SIGCONT)

    def _read(self) -> None:
        while True:
            try:
                block = os.read(self._from, 65536)
            except BlockingIOError:
                return
            if not block:
                return
            *lines, self._rest = (self._rest + block).split(b"\n")
            for line in lines:
                self._receive(json.loads(line))

    def _receive(self, message: dict[str, Any]) -> None:
        for kind, value in message.items():
            match kind:
                case "act":
                    self.acts.append(value)
                case "backend":
                    self.backends.append(value)
                case "paused":
                    self.paused_at = value
                case "report":
                    self.reports.append(value)
                case "end":
                    self._ended = Result(**value)


class Reports:
    """The messages of a worker to its parent."""

    def __init__(self, to_parent: int, from_parent: int, point: Point | None) -> None:
        self._to, self._from = to_parent, from_parent
        self.points = Points(point, lambda name: self.send(act=name), self._pause)

    def send(self, **message: object) -> None:
        """Sends a message."""
        data = json.dumps(message, default=str).encode() + b"\n"
        while data:
            data = data[os.write(self._to, data) :]

    def report(self, result: object) -> None:
        """Reports the result of a part of the work."""
        self.send(report=result)

    def _pause(self, where: str) -> None:
        self.send(paused=where)
        os.read(self._from, 1)


def fork(name: str, work: Work, *, point: Point | None = None, file_limit: int | None = None, log: Path) -> Worker:
    """Starts a worker; it pauses at `point`. With `file_limit` its disk is full after so many bytes of a file."""
    from_child, to_parent = os.pipe()
    from_parent, to_child = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(from_child)
        os.close(to_child)
        _run(Reports(to_parent, from_parent, point), work, file_limit, log)
    os.close(to_parent)
    os.close(from_parent)
    os.set_blocking(from_child, False)
    return Worker(name, pid, point, time.monotonic(), log, from_child, to_child)


def become_child(log: Path) -> None:
    """Makes a forked process one that ends with its parent, ignores Ctrl-C, and writes to a log."""
    os.setpgid(0, 0)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(DIES_WITH_PARENT, signal.SIGKILL)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    logging.disable(logging.NOTSET)
    with log.open("ab") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)


def _run(reports: Reports, work: Work, file_limit: int | None, log: Path) -> NoReturn:
    status = 1
    try:
        become_child(log)
        faulthandler.register(signal.SIGUSR1, all_threads=True)
        watch(reports.points, lambda pid: reports.send(backend=pid))
        if file_limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, resource.RLIM_INFINITY))
        reports.send(end={"value": work(reports)})
        status = 0
    except Exception as error:  # noqa: BLE001  the checks evaluate it
        reports.send(end=describe(error))
    finally:
        os._exit(status)


def describe(error: Exception) -> dict[str, Any]:
    """Returns an error as the fields of a `Result`."""
    ours = isinstance(error, BursarError)
    where = "" if ours else " | ".join(line.strip() for line in traceback.format_exception(error)[-3:])
    return {
        "error": type(error).__name__,
        "text": str(error) if ours else f"{error} {where}".strip(),
        "is_bursar_error": ours and bool(str(error).strip()),
        "is_transient": isinstance(error, TransientError),
    }
