"""Files of payments: the durable record of each import, and the steps that it has taken."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, RowMapping

from bursar.errors import InputFileError
from bursar.ledger.statements import statement

OUTCOMES = (
    "PAID",
    "PARTLY_PAID",
    "OVERPAID",
    "ALREADY_SETTLED",
    "NO_PAYMENT",
    "UNMATCHED",
    "CURRENCY_MISMATCH",
    "INVALID",
)
"""What can become of a record, in the order in which people are told."""
EFFECTIVE = ("PAID", "PARTLY_PAID", "OVERPAID")
"""The outcomes that move money; the others change nothing, and their records are in the rejects report."""


def in_order(outcomes: Mapping[str, Any]) -> dict[str, Any]:
    """Returns outcomes in the order of `OUTCOMES`, unknown ones last; the ledger keeps them in an order of its own."""
    return {outcome: outcomes[outcome] for outcome in (*OUTCOMES, *outcomes) if outcome in outcomes}


class FileState(StrEnum):
    """How far a file has come. The ledger derives it from the moments of its steps."""

    REGISTERED = "REGISTERED"
    READ = "READ"
    APPLIED = "APPLIED"
    REFUSED = "REFUSED"


@dataclass(frozen=True, kw_only=True)
class ImportFile:
    """One file of payments, known by its bytes.

    `totals` is `{currency as in the file, or "": sum as text}`, `outcomes` is
    `{outcome: {"records": n, "sums" | "applied" | "credited": {currency: text}}}`, with "paid_twice" where charges
    had been settled at the library before. All moments are aware, in UTC.
    """

    id: int
    profile: str
    run: str
    name: str
    size: int
    modified: datetime
    sha256: str
    amounts: str
    records: int | None
    totals: Mapping[str, str] | None
    refusal: str | None
    outcomes: Mapping[str, Mapping[str, Any]] | None
    read_at: datetime | None
    applied_at: datetime | None
    refused_at: datetime | None
    state: FileState

    @classmethod
    def from_row(cls, row: RowMapping) -> "ImportFile":
        """Makes a file of a row of the table."""
        return cls(**{field.name: row[field.name] for field in fields(cls)} | {"state": FileState(row["state"])})


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """A file as it lay in the bursar's folder under a name, in one run of a profile; its bytes may have come before.

    `put_away_to` is its path from that folder now, None if it still lies there or was taken away by somebody else.
    """

    id: int
    file_id: int
    size: int
    modified: datetime
    put_away_at: datetime | None
    put_away_to: str | None


def arrival(connection: Connection, profile: str, run: str, name: str) -> Arrival | None:
    """What arrived under a name in a run, if it was registered."""
    parameters = {"profile": profile, "run": run, "name": name}
    row = connection.execute(statement("import/get_arrival"), parameters).mappings().first()
    return Arrival(**{field.name: row[field.name] for field in fields(Arrival)}) if row else None


def import_file(connection: Connection, file_id: int, *, lock: bool = False) -> ImportFile:
    """One file; with `lock` no one else can take a step with it until the transaction ends.

    Raises:
        InputFileError: there is no such file.
    """
    one = statement("import/lock_file" if lock else "import/get_file")
    row = connection.execute(one, {"file_id": file_id}).mappings().first()
    if row is None:
        raise InputFileError(f"There is no import file {file_id}.")
    return ImportFile.from_row(row)
