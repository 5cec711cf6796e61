"""Fault injection: a task is held while it runs, and the machine that runs it is killed."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from asyncssh import SFTPAttrs, SFTPName, SFTPServer, SSHServerChannel
from sqlalchemy import Engine, text

from bursar.errors import BursarError
from demo.airflow_client import AirflowClient

HOLD_TIMEOUT_SECONDS = 240  # Redis is killed meanwhile, so the held task may be a second try
MIN_RUNNING_SECONDS = 3.0  # of a held task before its worker is killed


class Gate:
    """Holds the operations of an SFTP server on certain paths while it is closed for them."""

    def __init__(self) -> None:
        self._held: set[tuple[str, str]] = set()
        self.waiting: set[tuple[str, str]] = set()

    @contextmanager
    def closed(self, operation: str, part: str) -> Iterator[tuple[str, str]]:
        """Holds an operation on paths that contain `part` inside the block."""
        self._held.add((operation, part))
        try:
            yield operation, part
        finally:
            self._held.discard((operation, part))
            self.waiting.discard((operation, part))

    def files(self, channel: SSHServerChannel[bytes], folder: bytes) -> SFTPServer:
        """Serves the files below a folder to one client."""
        return _GatedFiles(channel, folder, self)

    async def wait_until_open(self, operation: str, path: bytes) -> None:
        """Waits while the gate is closed for this operation and path."""
        while held := next((one for one in self._held if one[0] == operation and one[1] in path.decode()), None):
            self.waiting.add(held)
            await asyncio.sleep(0.1)


class _GatedFiles(SFTPServer):
    def __init__(self, channel: SSHServerChannel[bytes], folder: bytes, gate: Gate) -> None:
        super().__init__(channel, chroot=folder)
        self._gate = gate

    async def open(self, path: bytes, pflags: int, attrs: SFTPAttrs) -> object:
        await self._gate.wait_until_open("open", path)
        return super().open(path, pflags, attrs)

    async def rename(self, oldpath: bytes, newpath: bytes) -> None:
        await self._gate.wait_until_open("rename", oldpath)
        super().rename(oldpath, newpath)

    async def scandir(self, path: bytes) -> AsyncIterator[SFTPName]:
        await self._gate.wait_until_open("scandir", path)
        async for name in super().scandir(path):
            yield name


@dataclass(frozen=True)
class Fault:
    """A task of a run that is held by `hold` until the machine that runs it is killed."""

    dag: str
    run_id: str
    task: str
    hold: AbstractContextManager[object]


@contextmanager
def held(client: AirflowClient, faults: list[Fault]) -> Iterator[Iterator[tuple[Fault, str]]]:
    """Holds all of the tasks inside the block; yields each one, once it runs, with the name of its machine."""
    with ExitStack() as holds:
        for fault in faults:
            holds.enter_context(fault.hold)
        yield ((fault, _wait_until_running(client, fault)) for fault in faults)


def _wait_until_running(client: AirflowClient, fault: Fault) -> str:
    """Waits until a held task has run for some seconds; returns the name of the machine that runs it.

    It is a worker, or the triggerer if the task is deferred.
    """
    deadline = time.monotonic() + HOLD_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        for task in client.tasks(fault.dag, fault.run_id):
            triggerer = (task["triggerer_job"] or {}).get("hostname")
            host = {"running": task["hostname"], "deferred": triggerer}.get(task["state"])
            if task["task_id"] == fault.task and host:
                began = datetime.fromisoformat(task["start_date"])
                if (datetime.now(UTC) - began).total_seconds() > MIN_RUNNING_SECONDS:
                    return str(host)
        time.sleep(0.5)
    raise BursarError(f"{fault.task} of {fault.dag} was not seen running.")


@contextmanager
def locked(engine: Engine, sql: str, *, once: str | None = None) -> Iterator[None]:
    """Holds a lock of the ledger inside the block, after the query `once` has found a row."""
    deadline = time.monotonic() + HOLD_TIMEOUT_SECONDS
    while once:
        with engine.connect() as connection:
            if connection.execute(text(once)).first() is not None:
                break
        if time.monotonic() > deadline:
            raise BursarError(f"This query found no row in time: {once}")
        time.sleep(0.1)
    with engine.connect() as connection, connection.begin():
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        connection.execute(text(sql))
        yield
