"""Processes that belong to a folder: they carry its mark in their environment and are found and stopped by it."""

import pwd
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from bursar.errors import BursarError

MARK = "BURSAR_EMBEDDED_IN"


def start(
    command: Sequence[str], folder: Path, log: Path, env: Mapping[str, str], *, user: str | None = None
) -> subprocess.Popen[bytes]:
    """Starts a command that belongs to a folder, in a session of its own, which Ctrl-C does not reach.

    All processes that it starts inherit the mark, even those that leave the session or outlive this process.
    """
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603  commands of our own
            command,
            cwd=folder,
            env={**env, MARK: str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=user,
            group=pwd.getpwnam(user).pw_gid if user else None,
            extra_groups=[] if user else None,
        )


def find_processes(folder: Path) -> list[psutil.Process]:
    """Returns the running processes that carry a folder's mark, including those of earlier programs."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):  # it has ended, or belongs to another user
            if process.environ().get(MARK) == str(folder):
                found.append(process)
    return found


def end_all(folder: Path, *, gently: signal.Signals = signal.SIGTERM, timeout_seconds: float = 15) -> None:
    """Stops every process that belongs to a folder, and kills those that still run after `timeout_seconds` seconds."""
    for kind, seconds in ((gently, timeout_seconds), (signal.SIGKILL, 10)):
        for process in find_processes(folder):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(kind)
        deadline = time.monotonic() + seconds
        while find_processes(folder) and time.monotonic() < deadline:
            time.sleep(0.1)
    if left := find_processes(folder):
        numbers = ", ".join(str(process.pid) for process in left)
        raise BursarError(f"Processes of {folder} still run, although they were killed: {numbers}.")


def last_lines(log: Path, count: int = 15) -> str:
    """Returns the last lines of a log, for an error message."""
    lines = log.read_text(errors="replace").splitlines()[-count:]
    return "\n".join(["", f"The last lines of {log}:", *(f"  {line}" for line in lines)])


def private_file(file: Path, text: str) -> None:
    """Writes a file that only its owner may read."""
    file.touch(mode=0o600)
    file.write_text(text)
