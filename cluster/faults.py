"""What goes wrong on purpose: a stage is held in its middle, and the machine that runs it is killed."""

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

HELD_WITHIN = 240  # seconds until a stage is where it is wanted; Redis dies on the way, so it may be a second try
IN_THE_MIDDLE = 3.0  # seconds that a held stage has run before its worker is killed


class Gate:
    """Holds an SFTP server's operations on a path that contains a text, until it is opened again."""

    def __init__(self) -> None:
        self._held: set[tuple[str, str]] = set()
        self.waiting: set[tuple[str, str]] = set()

    @contextmanager
    def closed(self, operation: str, part: str) -> Iterator[tuple[str, str]]:
        """Lets no such operation pass inside the block."""
        self._held.add((operation, part))
        try:
            yield operation, part
        finally:
            self._held.discard((operation, part))
            self.waiting.discard((operation, part))

    def files(self, channel: SSHServerChannel[bytes], folder: bytes) -> SFTPServer:
        """Serves the files below a folder to one client."""
        return _GatedFiles(channel, folder, self)

    async def pass_by(self, operation: str, path: bytes) -> None:
        """Waits while the gate is closed for this."""
        while held := next((one for one in self._held if one[0] == operation and one[1] in path.decode()), None):
            self.waiting.add(held)
            await asyncio.sleep(0.1)


class _GatedFiles(SFTPServer):
    def __init__(self, channel: SSHServerChannel[bytes], folder: bytes, gate: Gate) -> None:
        super().__init__(channel, chroot=folder)
        self._gate = gate

    async def open(self, path: bytes, pflags: int, attrs: SFTPAttrs) -> object:
        await self._gate.pass_by("open", path)
        return super().open(path, pflags, attrs)

    async def rename(self, oldpath: bytes, newpath: bytes) -> None:
        await self._gate.pass_by("rename", oldpath)
        super().rename(oldpath, newpath)

    async def scandir(self, path: bytes) -> AsyncIterator[SFTPName]:
        await self._gate.pass_by("scandir", path)
        async for name in super().scandir(path):
            yield name


@dataclass(frozen=True)
class Fault:
    """A stage of a DAG's run that is held by `hold` and then loses the machine that runs it."""

    dag: str
    run_id: str
    task: str
    hold: AbstractContextManager[object]


@contextmanager
def held(client: AirflowClient, faults: list[Fault]) -> Iterator[Iterator[tuple[Fault, str]]]:
    """Holds all of the stages inside the block; gives each, as soon as it is in its middle, with its machine's name."""
    with ExitStack() as holds:
        for fault in faults:
            holds.enter_context(fault.hold)
        yield ((fault, _in_the_middle(client, fault)) for fault in faults)


def _in_the_middle(client: AirflowClient, fault: Fault) -> str:
    """Waits until a held stage has run for long enough to be in its middle; returns the machine that runs it.

    That is a worker, or the triggerer if the task is deferred.
    """
    deadline = time.monotonic() + HELD_WITHIN
    while time.monotonic() < deadline:
        for task in client.tasks(fault.dag, fault.run_id):
            triggerer = (task["triggerer_job"] or {}).get("hostname")
            host = {"running": task["hostname"], "deferred": triggerer}.get(task["state"])
            if task["task_id"] == fault.task and host:
                began = datetime.fromisoformat(task["start_date"])
                if (datetime.now(UTC) - began).total_seconds() > IN_THE_MIDDLE:
                    return str(host)
        time.sleep(0.5)
    raise BursarError(f"{fault.task} of {fault.dag} was not seen running.")


@contextmanager
def locked(engine: Engine, sql: str, *, once: str | None = None) -> Iterator[None]:
    """Holds a lock of the ledger inside the block; `once` is a query that has to find something before that."""
    deadline = time.monotonic() + HELD_WITHIN
    while once:
        with engine.connect() as connection:
            if connection.execute(text(once)).first() is not None:
                break
        if time.monotonic() > deadline:
            raise BursarError(f"It did not come to this: {once}")
        time.sleep(0.1)
    with engine.connect() as connection, connection.begin():
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        connection.execute(text(sql))
        yield
