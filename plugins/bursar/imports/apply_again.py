"""Applies the payments of a file with known bytes after all, once for each arrival, because a person says so.

A file that arrives again is most likely a repetition, and changes nothing. It may also report a second instalment of
the same amounts. A person who has asked the bursar applies it: its records are copied from those of the first file, as
a file of its own, and applied like any other.
"""

import logging
from dataclasses import dataclass, fields
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, Row

from bursar.db.queries import query
from bursar.errors import ImportFileNotFoundError, InputFileError
from bursar.imports.apply import apply_payments
from bursar.ledger.import_files import ImportFile
from bursar.ledger.totals import Amounts, read_amounts
from bursar.money import format_totals, pluralize
from bursar.page_names import Page
from bursar.profiles import Import
from bursar.remote_files.entries import UNKNOWN_TIME

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class RepeatedArrival:
    """An arrival of a file that another arrival has applied, as the view `repeated_arrivals` shows it.

    `file_id` is the file that was applied under `applied_name`, with so many `records` and the `totals` of their sums
    by currency. `same_arrival_id` is the first arrival of the same name, size and time: the file was not moved away
    since. `again_file_id` is the file that applies it again, at the request of `requested_by`; `applied_again_at` is
    None until that is done.
    """

    id: int
    profile: str
    run_id: str
    name: str
    file_id: int
    applied_name: str
    applied_at: datetime
    size: int
    modified: datetime
    records: int
    totals: Amounts
    same_arrival_id: int | None
    again_file_id: int | None
    requested_by: str | None
    applied_again_at: datetime | None

    @property
    def is_same_file(self) -> bool:
        """Whether it is a file that had arrived before and was not moved away, so no second one."""
        return self.same_arrival_id is not None

    @classmethod
    def from_row(cls, row: Row) -> "RepeatedArrival":  # type: ignore[type-arg]
        """Makes an arrival of a row of the view."""
        values = {field.name: getattr(row, field.name) for field in fields(cls)}
        return cls(**values | {"totals": read_amounts(row.totals)})


def list_repeated_arrivals(connection: Connection, profile: str, run_id: str) -> list[RepeatedArrival]:
    """Returns the arrivals of a run whose files had been applied before, in their order."""
    of_run = {"profile": profile, "run_id": run_id, "arrival_id": None}
    return [
        RepeatedArrival.from_row(row) for row in connection.execute(query("imports/list_repeated_arrivals"), of_run)
    ]


def get_repeated_arrival(connection: Connection, arrival_id: int) -> RepeatedArrival:
    """Returns an arrival whose file had been applied before.

    Raises:
        InputFileError: there is no such arrival.
    """
    of_arrival = {"profile": None, "run_id": None, "arrival_id": arrival_id}
    row = connection.execute(query("imports/list_repeated_arrivals"), of_arrival).first()
    if row is None:
        raise ImportFileNotFoundError(
            f"There is no repeated file {arrival_id} that could be applied again. The report of the run in which a "
            "file came again gives its number (`bin/bursar runs list`)."
        )
    return RepeatedArrival.from_row(row)


def describe_arrival(arrival: RepeatedArrival) -> str:
    """Says which file a repeated arrival is, of which profile, from when, and how much it pays."""
    sent = (
        "of unknown time"
        if arrival.modified == UNKNOWN_TIME
        else f"of {arrival.modified.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    )
    return (
        f"{arrival.name} {sent}, for the profile {arrival.profile}, has {pluralize(arrival.records, 'record')} with "
        f"{format_totals(arrival.totals) or 'no valid sum'}. {arrival.applied_name} with the same content was applied "
        f"on {arrival.applied_at.astimezone(UTC):%Y-%m-%d at %H:%M} UTC."
    )


def require_second_file(arrival: RepeatedArrival) -> None:
    """Checks that an arrival is no file that had arrived before and was not moved away.

    Raises:
        InputFileError: it is; its payments would count twice.
    """
    if arrival.is_same_file:
        raise InputFileError(
            f"{arrival.name} can't be applied again: it is the file that had arrived before as number "
            f"{arrival.same_arrival_id}, with the same name, size and time, and was not moved away. Its payments would "
            "count twice. If the bursar reports a second payment by it, ask for that file under another name. "
            f"{Page.HISTORY} has the files that were applied (`bin/bursar imports list`)."
        )


def apply_again(engine: Engine, arrival_id: int, section: Import, *, by: str) -> ImportFile:
    """Applies the payments of a repeated file after all, once, and records the person `by`; returns the new file.

    A repeated call completes what an earlier one has begun, and changes nothing after that.

    Args:
        engine: the ledger.
        arrival_id: the number of the arrival, from the report of its run.
        section: the import section of the profile of the arrival.
        by: the login of the person.

    Raises:
        InputFileError: there is no such arrival of a file that had been applied before, or it is that file itself,
            which was not moved away.
        TransientError: a fine of the file is in an export that has not been closed yet: repeat the call.
    """
    with engine.begin() as connection:
        connection.execute(query("imports/lock_arrival"), {"arrival_id": arrival_id})
        arrival = get_repeated_arrival(connection, arrival_id)
        file_id = arrival.again_file_id
        if file_id is None:
            require_second_file(arrival)
            facts = {"arrival_id": arrival_id, "requested_by": by, "amount_mode": section.amount_mode}
            file_id = int(connection.execute(query("imports/insert_repeated_file"), facts).scalar_one())
            connection.execute(query("imports/copy_records"), {"from_file_id": arrival.file_id, "to_file_id": file_id})
    log.info("%s is applied again as file %s, at the request of a person.", arrival.name, file_id)
    return apply_payments(engine, file_id, run_id=None, max_overpayment=section.max_overpayment)
