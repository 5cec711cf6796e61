"""Files of payments: the durable record of each import, and its steps."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, RowMapping

from bursar.db.queries import query
from bursar.described_enum import DescribedEnum
from bursar.errors import ImportFileNotFoundError
from bursar.ledger.totals import Amounts, OutcomeTotals, read_amounts, read_outcomes


class PaymentOutcome(DescribedEnum):
    """The outcome of a payment record, in the order in which people read the outcomes."""

    PAID = "PAID", "all that was outstanding"
    PARTLY_PAID = "PARTLY_PAID", "a part of what was outstanding"
    OVERPAID = "OVERPAID", "more than was outstanding; the rest became a credit"
    OVERPAID_HELD = "OVERPAID_HELD", "more than was outstanding; the rest is beyond the limit and waits for a person"
    PAYMENT_REVERSED = "PAYMENT_REVERSED", "the bursar took a payment back; it is outstanding again"
    ALREADY_SETTLED = "ALREADY_SETTLED", "nothing was outstanding any more"
    NO_PAYMENT = "NO_PAYMENT", "the sum is 0"
    REPEATED = "REPEATED", "a payment that an earlier file had"
    UNMATCHED = "UNMATCHED", "no exported fine has this transaction id or internal id"
    AMBIGUOUS = "AMBIGUOUS", "several outstanding fines could be meant"
    CURRENCY_MISMATCH = "CURRENCY_MISMATCH", "another currency than the fine's"
    INVALID = "INVALID", "not a payment that can be applied"


APPLIED_OUTCOMES = frozenset(
    (
        PaymentOutcome.PAID,
        PaymentOutcome.PARTLY_PAID,
        PaymentOutcome.OVERPAID,
        PaymentOutcome.OVERPAID_HELD,
        PaymentOutcome.PAYMENT_REVERSED,
    )
)
"""The outcomes that change amounts; records with other outcomes have no effect."""


class UserMatching(StrEnum):
    """How a record that names a user, and no id of a fine, finds its fines, if the layout says so."""

    REFERENCE = "reference"  # the one outstanding fine of the user for the item
    OLDEST_FIRST = "oldest_first"  # the sum is divided among the outstanding charges of the user


class FileState(DescribedEnum):
    """The progress of a file, derived by the ledger from the moments of its steps."""

    REGISTERED = "REGISTERED", "not read yet"
    READ = "READ", "read, and not applied yet"
    APPLIED = "APPLIED", "applied"
    REJECTED = "REJECTED", "rejected"


@dataclass(frozen=True, kw_only=True)
class ImportFile:
    """One file of payments, identified by its bytes, or by the arrival of known bytes that a person applied again.

    `layout` is the name of the layout by which it was read, None for XML; `has_payment_keys` says whether payments that
    an earlier file had are recognised. `totals` has the sums of its records by the currency in the file, or "" where a
    record has none. `outcomes` has the totals of its records by outcome, once the file is applied. All moments are
    aware, in UTC.
    """

    id: int
    profile: str
    run_id: str
    name: str
    size: int
    modified: datetime
    sha256: str
    amount_mode: str
    layout: str | None
    user_matching: UserMatching | None
    has_payment_keys: bool
    records: int | None
    totals: Amounts | None
    rejection: str | None
    outcomes: Mapping[str, OutcomeTotals] | None
    read_at: datetime | None
    applied_at: datetime | None
    rejected_at: datetime | None
    repeated_arrival_id: int | None
    requested_by: str | None
    state: FileState

    @classmethod
    def from_row(cls, row: RowMapping) -> "ImportFile":
        """Makes a file of a row of the table."""
        values = {field.name: row[field.name] for field in fields(cls)}
        typed = {
            "totals": None if row["totals"] is None else read_amounts(row["totals"]),
            "outcomes": None if row["outcomes"] is None else read_outcomes(row["outcomes"]),
            "state": FileState(row["state"]),
            "user_matching": UserMatching(row["user_matching"]) if row["user_matching"] else None,
        }
        return cls(**values | typed)


@dataclass(frozen=True, kw_only=True)
class FileArrival:
    """The arrival of a file under a name in the bursar's folder, in a run of a profile; its bytes may be known before.

    `archived_path` is its present path, relative to that folder; None if it was not moved, or was removed by others.
    """

    id: int
    file_id: int
    size: int
    modified: datetime
    archived_at: datetime | None
    archived_path: str | None


def get_arrival(connection: Connection, profile: str, run_id: str, name: str) -> FileArrival | None:
    """Returns the arrival of a file under a name in a run; None if none was registered."""
    parameters = {"profile": profile, "run_id": run_id, "name": name}
    row = connection.execute(query("ledger/get_file_arrival"), parameters).mappings().first()
    return FileArrival(**{field.name: row[field.name] for field in fields(FileArrival)}) if row else None


def get_import_file(connection: Connection, file_id: int, *, lock: bool = False) -> ImportFile:
    """Returns a file; with `lock`, other transactions can't change its state until this one ends.

    Raises:
        InputFileError: there is no such file.
    """
    statement = query("ledger/lock_import_file" if lock else "ledger/get_import_file")
    row = connection.execute(statement, {"file_id": file_id}).mappings().first()
    if row is None:
        raise ImportFileNotFoundError(f"There is no import file {file_id}.")
    return ImportFile.from_row(row)
