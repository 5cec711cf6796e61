"""A FOLIO on loopback, the ledger that reads it and writes into it, and a bursar."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Row, text

from bursar.sources.folio.model import FolioSource
from bursar.sources.folio.session import FolioSession
from bursar.sources.folio.system import FolioSystem
from bursar.sources.load_types import LoadResult
from bursar.sources.outbox import Outbox, WriteCounts
from bursar.sources.readings import ReadingRun
from bursar.sources.source_lock import lock_source
from tests.support.fake_bursar import FakeBursar
from tests.support.fixtures import Library
from tests.support.folio import make_client, make_folio_source
from tests.support.folio_records import Json
from tests.support.folio_server import TENANT, FolioServer


@dataclass
class FolioTown:
    """A library with FOLIO, whose fines are exported to a bursar and closed there. `day` counts complete readings."""

    library: Library
    folio: FolioServer
    session: FolioSession
    work_dir: Path
    source: FolioSource = field(default_factory=make_folio_source)
    day: int = 0

    def __post_init__(self) -> None:
        self.bursar = FakeBursar(self.library)

    @property
    def system(self) -> FolioSystem:
        """FOLIO as the source describes it."""
        return FolioSystem(self.source, self.session)

    def read(self) -> list[str]:
        """Reads what changed and all that is open, as in a night; returns the codes of what the loads say."""
        self.day += 1
        return [message.code for result in self.load() for message in result.messages]

    def load(self) -> list[LoadResult]:
        """Reads and loads as on the present day."""
        with lock_source(self.library.ledger, self.source.code) as lock:
            return ReadingRun(
                engine=self.library.ledger,
                lock=lock,
                source=self.source,
                system=self.system,
                work_dir=self.work_dir,
                run_id="run",
                requested_by=None,
                now=datetime.now(UTC) + timedelta(days=self.day),
            ).load()

    def write(self) -> WriteCounts:
        """Writes what is due into FOLIO."""
        return Outbox(self.library.ledger, self.source, repeat_after_seconds=0).write(self.system)

    def export(self) -> list[tuple[str, str | None]]:
        """Exports all open fines; returns amount and reversed transaction of each line."""
        batch = self.bursar.export()
        lines = "SELECT amount, reversed_transaction_id FROM batch_lines WHERE batch_id = :batch ORDER BY number"
        with self.library.ledger.connect() as connection:
            rows = connection.execute(text(lines), {"batch": batch})
            return [(f"{line.amount:.2f}", line.reversed_transaction_id) for line in rows]

    def fine(self, account: Json) -> Row[Any]:
        """Returns the fine of an account."""
        with self.library.ledger.connect() as connection:
            return connection.execute(text("SELECT * FROM fines WHERE source_id = :id"), {"id": account["id"]}).one()

    def position(self, account: Json) -> tuple[str, str, str]:
        """Returns status, balance and outstanding amount of a fine."""
        fine = self.fine(account)
        return fine.status, f"{fine.balance:.2f}", f"{fine.outstanding:.2f}"

    def entries(self, account: Json) -> list[tuple[str, str, str]]:
        """Returns type, and changes of balance and outstanding amount, of a fine's entries after the first."""
        entries = "SELECT * FROM journal_entries WHERE fine_id = :fine ORDER BY id OFFSET 1"
        with self.library.ledger.connect() as connection:
            rows = connection.execute(text(entries), {"fine": self.fine(account).id})
            return [(row.entry_type, f"{row.balance_change:.2f}", f"{row.outstanding_change:.2f}") for row in rows]

    def owed(self, account: Json) -> float:
        """Returns what is owed in FOLIO."""
        remaining: float = self.folio.library.get(account)["remaining"]
        return remaining


@pytest.fixture
def make_town(library: Library, folio: FolioServer, tmp_path: Path) -> Iterator[Callable[..., FolioTown]]:
    """Returns a function that makes a town of keys of its source. Its ledger has read FOLIO once, without fines."""
    with make_client(folio.url) as client:

        def make(**changes: Any) -> FolioTown:
            source = make_folio_source(libraries={"MAIN": "Main", "LAW": "Law"}, **changes)
            town = FolioTown(library, folio, FolioSession(client, TENANT), tmp_path, source)
            town.read()
            town.write()
            return town

        yield make


@pytest.fixture
def town_of_folio(make_town: Callable[..., FolioTown]) -> FolioTown:
    """Returns a town in which a fine is transferred when it is handed over."""
    return make_town()
