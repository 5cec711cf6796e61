"""A library system whose fines go to a bursar: loads, exports and what they leave in the ledger."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Row, text

from bursar.exports.close import close_fines
from bursar.exports.recover import release_batch
from bursar.sources.load_types import LoadResult
from tests.support.fake_bursar import FakeBursar
from tests.support.fixtures import Library
from tests.support.library_system import FINE, LibrarySystem

CHARGE = {"fine_id": "F1", "primary_id": "user1", "amount": "10.00", "owner_library": "LAW"}
CREDIT = CHARGE | {"fine_id": "C1", "fine_fee_type": "CREDIT", "amount": "-10.00", "reverses": "F1"}


@dataclass
class LibrarySource:
    """A library system with the users user1 and user2, and a bursar who receives its fines.

    Rows are given as what differs from CHARGE. `rules` are those of the source.
    """

    library: Library
    folder: Path
    rules: dict[str, Any] = field(default_factory=dict)
    users: int = 2

    def __post_init__(self) -> None:
        self.system = LibrarySystem(self.library.ledger, self.folder)
        self.bursar = FakeBursar(self.library)
        for _ in range(self.users):
            self.library.user()

    def load(self, *rows: dict[str, str]) -> LoadResult:
        """Loads rows of fines; without any, a file that has a heading alone."""
        fines = self.system.write("fines", [FINE | CHARGE | row for row in rows or [{}]])
        if not rows:
            fines.write_text(fines.read_text().splitlines()[0])
        return self.system.load(rules={"currency": "USD"} | self.rules, fines=fines)

    def codes(self, *rows: dict[str, str]) -> list[str]:
        """Loads rows; returns the codes of what the load says about them."""
        return [message.code for message in self.load(*rows).messages]

    def fine(self, source_id: str = "F1") -> Row[Any]:
        """Returns a fine of the ledger."""
        fine: Row[Any] = self.system.fine(source_id)
        return fine

    def position(self, source_id: str = "F1") -> tuple[str, str, str]:
        """Returns status, balance and outstanding amount of a fine."""
        fine = self.fine(source_id)
        return fine.status, f"{fine.balance:.2f}", f"{fine.outstanding:.2f}"

    def pending(self, source_id: str = "F1") -> str:
        """Returns the amount that the next export reverses, because it was settled at the library."""
        return f"{self.fine(source_id).pending_reversal:.2f}"

    def entries(self, source_id: str = "F1") -> list[tuple[str, str, str]]:
        """Returns type, and changes of balance and outstanding amount, of a fine's entries after the first."""
        entries = "SELECT * FROM journal_entries WHERE fine_id = :fine ORDER BY id OFFSET 1"
        with self.library.ledger.connect() as connection:
            rows = connection.execute(text(entries), {"fine": self.fine(source_id).id})
            return [(row.entry_type, f"{row.balance_change:.2f}", f"{row.outstanding_change:.2f}") for row in rows]

    def count_entries(self) -> int:
        """Returns the number of all journal entries."""
        return int(self.library.one("SELECT count(*) FROM journal_entries"))

    def select(self) -> int:
        """Exports all open fines without closing them; returns the batch."""
        return self.bursar.export(close=False)

    def close(self, batch: int) -> None:
        """Closes the fines of a batch."""
        close_fines(self.library.ledger, batch)

    def release(self, batch: int) -> None:
        """Releases a batch that the bursar has not received."""
        release_batch(self.library.ledger, batch, confirmed_not_received=True)

    def export(self, **export: Any) -> list[tuple[str, str | None]]:
        """Exports all open fines; returns amount and reversed transaction of each line."""
        batch = self.bursar.export(**export)
        with self.library.ledger.connect() as connection:
            lines = connection.execute(
                text("SELECT amount, reversed_transaction_id FROM batch_lines WHERE batch_id = :batch ORDER BY number"),
                {"batch": batch},
            )
            return [(f"{line.amount:.2f}", line.reversed_transaction_id) for line in lines]
