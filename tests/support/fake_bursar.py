"""A bursar without a server: its exports count as delivered, its payment files as loaded."""

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
    """The outcome of a record: the amount that was applied, and the amount of a credit for an overpayment."""

    outcome: str
    applied: Decimal | None
    credited: Decimal | None


@dataclass
class FakeBursar:
    """Exports fines and applies payments in the ledger alone, without a server and a folder."""

    library: Library

    def export(self, *, close: bool = True, profile: str = "STUDENTS", import_active: bool = True) -> int:
        """Exports all open fines, and closes them if `close` is true; returns the id of the batch."""
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

    def get_transaction(self, fine: int) -> str:
        """Returns the transaction id of the last export of a fine."""
        return str(
            self.library.one(
                "SELECT transaction_id FROM batch_lines WHERE fine_id = :fine ORDER BY batch_id DESC LIMIT 1", fine=fine
            )
        )

    def add_file(self, *payments: Payment, amounts: str = "incremental", profile: str = "STUDENTS") -> int:
        """Adds a loaded payment file; returns its id."""
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
            " VALUES (:profile, 'run', :name, 1, now(), :name, :amounts, :records, CAST(:totals AS jsonb), now())",
            profile=profile,
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

    def pay(self, *payments: Payment, amounts: str = "incremental", profile: str = "STUDENTS") -> list[Outcome]:
        """Applies payments as one file; returns the outcome of each."""
        file = self.add_file(*payments, amounts=amounts, profile=profile)
        self.apply(file)
        return self.list_outcomes(file)

    def apply(self, file: int) -> ImportFile:
        """Applies a loaded file."""
        return apply_payments(self.library.ledger, file, run_id="run")

    def list_outcomes(self, file: int) -> list[Outcome]:
        """Returns the outcomes of a file's records, in their order."""
        with self.library.ledger.connect() as connection:
            rows = connection.execute(
                text(
                    "SELECT outcome, applied, credit_amount FROM import_records WHERE file_id = :file ORDER BY number"
                ),
                {"file": file},
            )
            return [Outcome(*row) for row in rows]

    def reverse_alone(self, charge: int, amount: str | None = None) -> int:
        """Reverses an open charge by a credit that is exported alone, because the charge is disputed meanwhile."""
        with self.library.ledger.begin() as connection:
            desk.dispute(connection, charge, "not mine")
            credit = desk.reverse_charge(connection, charge, None if amount is None else Decimal(amount))
        self.export(import_active=False)
        with self.library.ledger.begin() as connection:
            desk.resolve_dispute(connection, charge, "mine")
        return credit

    def export_fine(self, amount: str = "10.00", **fine: Any) -> tuple[int, str]:
        """Adds a fine and exports it; returns its id and its transaction id."""
        fine_id = self.library.fine(amount=amount, **fine)
        self.export()
        return fine_id, self.get_transaction(fine_id)

    def _run(self, sql: str, **values: Any) -> None:
        with self.library.ledger.begin() as connection:
            connection.execute(text(sql), values)
