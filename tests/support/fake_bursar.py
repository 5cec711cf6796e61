"""A bursar's office without a server: exports as if they had been delivered, payment files as if they had been read."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any, NamedTuple

from sqlalchemy import text

from bursar.exports.close import close_fines
from bursar.exports.selection import select_fines
from bursar.imports.apply import apply_payments
from bursar.ledger import desk
from bursar.ledger.import_files import ImportFile
from tests.support.fixtures import Library, make_profile, make_settings, record_delivery

FILES = count(1)


class Payment(NamedTuple):
    """A record as a bursar writes it."""

    transaction_id: str | None
    sum: str | None
    currency: str | None = "USD"
    internal_id: str | None = None


class Outcome(NamedTuple):
    """What became of a record."""

    outcome: str
    applied: Decimal | None
    credited: Decimal | None


@dataclass
class FakeBursar:
    """Exports without a server, and payment files without a folder: as if they had been delivered, and read."""

    library: Library

    def export(self, *, close: bool = True, profile: str = "STUDENTS", import_active: bool = True) -> int:
        """Exports all that is open; returns the batch."""
        batch = select_fines(
            self.library.ledger,
            make_profile(code=profile, import_active=import_active),
            make_settings(),
            run_id=str(next(FILES)),
            as_of=datetime.now(UTC),
        )
        record_delivery(self.library.ledger, batch.id)
        if close:
            close_fines(self.library.ledger, batch.id)
        return batch.id

    def transaction(self, fine: int) -> str:
        """The id under which a fine went out last."""
        return str(
            self.library.one(
                "SELECT transaction_id FROM batch_lines WHERE fine_id = :fine ORDER BY batch_id DESC LIMIT 1", fine=fine
            )
        )

    def file(self, *payments: Payment, amounts: str = "incremental") -> int:
        """A file that was read; returns its id."""
        totals: dict[str, Decimal] = {}
        for payment in payments:
            if re.fullmatch(r"[+-]?\d+(\.\d{0,3}0{0,20})?", payment.sum or ""):
                totals[payment.currency or ""] = totals.get(payment.currency or "", Decimal()) + Decimal(
                    payment.sum or 0
                )
        number = next(FILES)
        self._run(
            "INSERT INTO import_files (profile, run_id, name, size, modified, sha256, amount_mode, records, totals, "
            "read_at)"
            " VALUES ('STUDENTS', 'run', :name, 1, now(), :name, :amounts, :records, CAST(:totals AS jsonb), now())",
            name=f"payments {number}",
            amounts=amounts,
            records=len(payments),
            totals=str({currency: str(total) for currency, total in totals.items()}).replace("'", '"'),
        )
        file: int = self.library.one("SELECT max(id) FROM import_files")
        records = [
            {"file": file, "number": number, "line": number * 10, **payment._asdict()}
            for number, payment in enumerate(payments, start=1)
        ]
        if records:
            with self.library.ledger.begin() as connection:
                connection.execute(
                    text(
                        "INSERT INTO import_records (file_id, number, line, transaction_id, internal_id, currency, sum)"
                        " VALUES (:file, :number, :line, :transaction_id, :internal_id, :currency, :sum)"
                    ),
                    records,
                )
        return file

    def pay(self, *payments: Payment, amounts: str = "incremental") -> list[Outcome]:
        """Applies payments as one file; returns what became of each."""
        file = self.file(*payments, amounts=amounts)
        self.apply(file)
        return self.outcomes(file)

    def apply(self, file: int) -> ImportFile:
        return apply_payments(self.library.ledger, file, run_id="run")

    def outcomes(self, file: int) -> list[Outcome]:
        with self.library.ledger.connect() as connection:
            rows = connection.execute(
                text(
                    "SELECT outcome, applied, credit_amount FROM import_records WHERE file_id = :file ORDER BY number"
                ),
                {"file": file},
            )
            return [Outcome(*row) for row in rows]

    def reverse_alone(self, charge: int, amount: str | None = None) -> int:
        """Reverses an open charge by a credit that goes to a bursar alone, because the charge is disputed meanwhile."""
        with self.library.ledger.begin() as connection:
            desk.dispute(connection, charge, "not mine")
            credit = desk.reverse_charge(connection, charge, None if amount is None else Decimal(amount))
        self.export(import_active=False)
        with self.library.ledger.begin() as connection:
            desk.resolve_dispute(connection, charge, "mine")
        return credit

    def exported(self, amount: str = "10.00", **fine: Any) -> tuple[int, str]:
        """A fine that is with the bursar, and its transaction id."""
        fine_id = self.library.fine(amount=amount, **fine)
        self.export()
        return fine_id, self.transaction(fine_id)

    def _run(self, sql: str, **values: Any) -> None:
        with self.library.ledger.begin() as connection:
            connection.execute(text(sql), values)
