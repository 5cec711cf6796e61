"""A Koha, the ledger that reads and writes it, and a bursar."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import text

from bursar.sources.koha.model import KohaSource
from bursar.sources.koha.system import KohaSystem
from bursar.sources.load_types import LoadResult
from bursar.sources.outbox import Outbox, WriteCounts
from bursar.sources.readings import ReadingRun
from bursar.sources.source_lock import lock_source
from bursar.sources.system import LibrarySystem
from tests.support.fake_bursar import FakeBursar, Payment
from tests.support.fixtures import Library
from tests.support.koha_library import make_koha_source, open_system
from tests.support.koha_server import KohaServer
from tests.support.memory_system import ALL_ON


@dataclass
class KohaTown:
    """Runs on a Koha, each with a client of its own. `closes` is what closes a fine there."""

    koha: KohaServer
    library: Library
    work_dir: Path
    source: KohaSource = field(default_factory=lambda: make_koha_source(write_back=ALL_ON))

    def __post_init__(self) -> None:
        self.bursar = FakeBursar(self.library)

    def change(self, **changes: Any) -> None:
        """Changes keys of the source."""
        self.source = self.source.model_copy(update=changes)

    def read(self) -> list[str]:
        """Reads Koha, and loads what it says; returns the codes of the messages about rows."""
        with open_system(self.koha, self.source) as system:
            return [message.code for result in self.load(system) for message in result.messages]

    def load(self, system: KohaSystem) -> list[LoadResult]:
        """Reads Koha by a given client, and loads what it says."""
        with lock_source(self.library.ledger, self.source.code) as lock:
            return ReadingRun(
                engine=self.library.ledger,
                lock=lock,
                source=self.source,
                system=system,
                work_dir=self.work_dir,
                run_id="run 1",
                requested_by=None,
                now=datetime.fromtimestamp(self.koha.state.now(), UTC),
            ).load()

    def write(self, system: LibrarySystem | None = None) -> WriteCounts:
        """Writes what is due; what was lost is written again without a delay."""
        if system:
            return Outbox(self.library.ledger, self.source, repeat_after_seconds=0).write(system)
        with open_system(self.koha, self.source) as opened:
            return self.write(opened)

    def sync(self) -> list[str]:
        """Writes and reads, as a run of the DAG; returns the codes of the messages about rows."""
        self.write()
        return self.read()

    def pass_day(self) -> None:
        """Moves Koha's clock on by a day."""
        self.koha.state.seconds += 86_400

    def rows(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """Returns the rows of a query on the ledger."""
        with self.library.ledger.connect() as connection:
            return [tuple(row) for row in connection.execute(text(sql), parameters)]

    def position(self, line: int) -> tuple[str, str, str]:
        """Returns balance, outstanding amount and pending reversal of a fine."""
        [row] = self.rows(
            "SELECT balance::numeric(14, 2)::text, outstanding::numeric(14, 2)::text,"
            " pending_reversal::numeric(14, 2)::text FROM fines WHERE source = 'KOHA' AND source_id = :id",
            id=str(line),
        )
        return row

    def export(self) -> list[tuple[str, str | None]]:
        """Exports all open fines; returns amount and reversed transaction of each line."""
        batch = self.bursar.export()
        return [
            (f"{amount:.2f}", reversed_)
            for amount, reversed_ in self.rows(
                "SELECT amount, reversed_transaction_id FROM batch_lines WHERE batch_id = :batch ORDER BY number",
                batch=batch,
            )
        ]

    def pay_at_bursar(self, line: int, amount: str) -> None:
        """Reports a payment of a fine."""
        [(fine,)] = self.rows("SELECT id FROM fines WHERE source_id = :id", id=str(line))
        self.bursar.pay(Payment(self.bursar.get_transaction(fine), amount))

    def events(self) -> list[tuple[str, str, str]]:
        """Returns fine, kind and state of the events, oldest first."""
        return self.rows(
            "SELECT source_id, kind, state FROM outbox_events JOIN fines ON fines.id = fine_id"
            " ORDER BY outbox_events.id"
        )
