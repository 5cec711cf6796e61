"""The ledger of a town whose library has a system in memory: it reads it, writes to it, and exports to a bursar."""

from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from bursar.sources.kinds import KINDS
from bursar.sources.load_types import LoadResult
from bursar.sources.open_system import SYSTEMS
from bursar.sources.outbox import Outbox, WriteCounts
from bursar.sources.readings import ReadingRun
from bursar.sources.source_lock import lock_source
from tests.support.fake_bursar import FakeBursar, Payment
from tests.support.fixtures import Library
from tests.support.memory_system import MemorySource, MemorySystem, make_system_source


@dataclass
class Town:
    """The system in memory, the ledger that reads it, and a bursar."""

    library: Library
    work_dir: Path
    source: MemorySource = field(default_factory=make_system_source)
    system: MemorySystem = field(default_factory=MemorySystem)
    repeat_after_seconds: int = 0

    def __post_init__(self) -> None:
        self.bursar = FakeBursar(self.library)

    def change(self, **changes: Any) -> None:
        """Changes keys of the source."""
        self.source = make_system_source(**(self.source.model_dump() | changes))

    def charge(self, *amounts: str) -> None:
        """Adds fines 1, 2 and so on to the system, and reads them."""
        for number, amount in enumerate(amounts, 1):
            self.system.charge(str(number), amount)
        self.read()

    def pay_at_bursar(self, amount: str, fine: str = "1") -> None:
        """Reports a payment of a fine to the bursar."""
        self.bursar.pay(Payment(self.bursar.get_transaction(self.id_of(fine)), amount))

    def id_of(self, source_id: str) -> int:
        """Returns the ledger's id of a fine."""
        [(id_,)] = self.rows("SELECT id FROM fines WHERE source_id = :id", id=source_id)
        return int(id_)

    def read(self, *, dry_run: bool = False, run_id: str = "run 1", now: datetime | None = None) -> list[LoadResult]:
        """Reads the system, and loads what it says. `now` is the ledger's own moment, if the system has another."""
        with lock_source(self.library.ledger, self.source.code) as lock:
            return ReadingRun(
                engine=self.library.ledger,
                lock=lock,
                source=self.source,
                system=self.system,
                work_dir=self.work_dir,
                run_id=run_id,
                requested_by=None,
                now=now or self.system.now,
            ).load(dry_run=dry_run)

    def write(self) -> WriteCounts:
        """Writes what is due."""
        outbox = Outbox(self.library.ledger, self.source, repeat_after_seconds=self.repeat_after_seconds)
        return outbox.write(self.system)

    def sync(self) -> WriteCounts:
        """Writes and reads, as a run of the DAG."""
        counts = self.write()
        self.read()
        return counts

    def lose_lock(self) -> None:
        """Ends the session that holds the lock of the source, as a failover of the database does."""
        self.rows(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_locks WHERE locktype = 'advisory'"
            " AND pid <> pg_backend_pid()"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )

    def rows(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """Returns the rows of a query."""
        with self.library.ledger.connect() as connection:
            return [tuple(row) for row in connection.execute(text(sql), parameters)]

    def fine(self, source_id: str) -> tuple[str, str, str]:
        """Returns balance, outstanding amount and pending reversal of a fine."""
        [row] = self.rows(
            "SELECT balance::numeric(14, 2)::text, outstanding::numeric(14, 2)::text,"
            " pending_reversal::numeric(14, 2)::text FROM fines WHERE source = 'TOWN' AND source_id = :id",
            id=source_id,
        )
        return row

    def events(self) -> list[tuple[Any, ...]]:
        """Returns fine, kind, amount and state of the events, oldest first."""
        return self.rows(
            "SELECT source_id, kind, outbox_events.amount::numeric(14, 2)::text, state FROM outbox_events"
            " JOIN fines ON fines.id = fine_id ORDER BY outbox_events.id"
        )


@pytest.fixture
def registered_town(town: Town, monkeypatch: pytest.MonkeyPatch) -> Town:
    """Returns the town; its kind of system is known, and opens its system, and its connection is one of Airflow's."""
    monkeypatch.setitem(KINDS, "memory", MemorySource)
    monkeypatch.setitem(SYSTEMS, "memory", lambda _source, _account: nullcontext(town.system))
    monkeypatch.setenv("AIRFLOW_CONN_TOWN_SYSTEM", '{"conn_type": "http", "host": "library.example"}')
    return town


@pytest.fixture
def town(library: Library, tmp_path: Path) -> Town:
    """Returns a town whose system is informed of everything. Its ledger has read it once, when it had no fine."""
    town = Town(library, tmp_path)
    town.read()
    return town
