"""The readings and writings of the bench: a library's system with so many open fines, two for each user.

All fines are read and loaded. A part of them, or all, is handed over to the bursar, written back into the system, and
read again. The reference sends the same requests to a server that was filled with the same fines, over one connection,
and reads the answers without looking into them.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from typing import IO, Any
from urllib.parse import urlsplit

from bench.profile import PROFILE, SETTINGS
from bench.report import STAGES
from bench.rounds import ROOT, Bench, Given, Round, WrongResultError
from bench.system_sources import GROUPS
from bursar.db.engine import ledger_engine
from bursar.exports.close import close_fines
from bursar.exports.selection import select_fines
from tests.support.fixtures import record_delivery

MANY_FINES = 100_000
"""From so many fines on, a tenth is handed over and written back, and of fewer a hundredth."""


class SystemBench:
    """The readings and writings of one system."""

    def __init__(self, bench: Bench, system: str, fines: int, *, write_all: bool) -> None:
        self._bench, self._system = bench, system
        self._zeros = 0 if write_all else 1 if fines >= MANY_FINES else 2
        self._users = max(fines // 200, 1) * 100
        self._fines = self._users * 2
        self._ledger = bench.create_ledger(0)
        self._staging = bench.folder / "system"

    def run(self) -> Round:
        """Reads, hands over, writes back and reads by the product, and then repeats its requests as the reference."""
        shutil.rmtree(self._staging, ignore_errors=True)
        self._staging.mkdir()
        written = self._fines // 10**self._zeros
        with self._bench.copy_ledger(self._ledger) as ledger, self._run_server() as server:
            account = server.account | {"connection_id": self._system}
            given: Given = {
                "ledger": self._bench.url(ledger),
                "staging": str(self._staging),
                "system": self._system,
                "account": account,
            }
            costs = self._run_stage("read_system", given, {"fines_added": self._fines, "fines_changed": 0})
            if (handed_over := self._hand_over(given)) != written:
                raise WrongResultError(f"{handed_over} fines of {self._system} were handed over, not {written}")
            costs |= self._run_stage("write_system", given, {"fines_added": 0, "fines_changed": 0})
            found = (given["written"], server.count_open())
            if found != ({"done": written, "refused": 0, "unknown": 0, "held": 0}, self._fines - written):
                raise WrongResultError(f"the events of {written} fines of {self._system} left {found}")
        with self._run_server() as server:
            plain = {
                step: self._repeat(stage, server, costs)
                for stage, [*steps] in STAGES["system"].items()
                for step in steps
            }
        for stage in STAGES["system"]:
            costs[stage]["fines"] = self._fines if stage in ("read", "load") else written
        return Round(costs, plain)

    def _run_stage(self, stage: str, given: Given, expected: dict[str, int]) -> dict[str, Any]:
        self._bench.run_stage(stage, given)
        for counts in given["loads"]:
            found = {name: counts[name] for name in (*expected, "rejected", "fines_deferred")}
            if found != expected | {"rejected": 0, "fines_deferred": 0}:
                raise WrongResultError(f"{stage} of {self._fines} fines of {self._system} left {counts}")
        costs: dict[str, Any] = given["costs"]
        return costs

    def _hand_over(self, given: Given) -> int:
        """Exports the fines of users whose numbers end with zeros, without a file; returns how many fines they are."""
        export = PROFILE.export.model_copy(
            update={
                "user_groups": (GROUPS[self._system],),
                "identifier_pattern": rf"\d{{{8 - self._zeros}}}" + "0" * self._zeros,
                "time_before_export_days": 0,
            }
        )
        engine = ledger_engine(given["ledger"])
        profile = PROFILE.model_copy(update={"export": export})
        as_of = datetime.now(UTC) + timedelta(days=1)
        batch = select_fines(engine, profile, SETTINGS, run_id="bench", as_of=as_of)
        record_delivery(engine, batch.id)
        return close_fines(engine, batch.id).fines

    def _run_server(self) -> AbstractContextManager["SystemServer"]:
        return run_server(self._system, self._fines, self._users)

    def _repeat(self, stage: str, server: "SystemServer", costs: dict[str, Any]) -> float:
        """Sends the requests of a stage again; returns the seconds, and adds the number of calls to the costs."""
        with (self._staging / f"{stage}.jsonl").open() as requests:
            calls, seconds = repeat_requests(server, requests)
        costs[stage]["calls"] = calls
        return seconds


@dataclass(frozen=True)
class SystemServer:
    """A running server: `account` for the product, `headers` of a login for the reference."""

    account: dict[str, Any]
    headers: dict[str, str]
    stdin: IO[str]
    stdout: IO[str]

    def count_open(self) -> int:
        """Returns how many fines are open in the system."""
        self.stdin.write("\n")
        self.stdin.flush()
        return int(self.stdout.readline())


@contextmanager
def run_server(system: str, fines: int, users: int) -> Iterator[SystemServer]:
    """Runs the server of a system in a process until the block ends; the same numbers give the same fines."""
    env = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}"}
    command = [sys.executable, "-m", "bench.system_server", system, str(fines), str(users)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=env, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:  # noqa: S603
        assert process.stdin  # noqa: S101
        assert process.stdout  # noqa: S101
        try:
            described = json.loads(process.stdout.readline())
            yield SystemServer(**described, stdin=process.stdin, stdout=process.stdout)
        finally:
            process.terminate()


def repeat_requests(server: SystemServer, requests: IO[str]) -> tuple[int, float]:
    """Sends recorded requests over one connection, and reads the answers; returns their number and the seconds."""
    address = urlsplit(server.account["url"])
    connection = HTTPConnection(str(address.hostname), address.port)
    calls = 0
    began = time.monotonic()
    for line in requests:
        calls += 1
        method, path, body = json.loads(line)
        connection.request(method, path, body or None, server.headers)
        answer = connection.getresponse()
        answer.read()
        if answer.status not in (200, 201):
            raise WrongResultError(f"{method} {path} was answered with {answer.status}, and not so to the product")
    seconds = time.monotonic() - began
    connection.close()
    return calls, seconds
