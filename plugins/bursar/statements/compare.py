"""Compares the lines of a statement with the ledger, in the caller's transaction; only the report is written.

The SQL has the rules: `name_lines` finds the fines, `expect_open_amounts` and `expect_billed_amounts` say what the
bursar should and might have, `insert_results` decides the outcomes. All of it is set-based.
"""

import logging
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from bursar.db.bulk_copy import copy_into
from bursar.db.queries import query
from bursar.errors import BursarError, InputFileError
from bursar.imports.decompress import open_decompressed
from bursar.layouts.payments.parse import parse_records
from bursar.layouts.payments.statement import StatementLayout
from bursar.layouts.read import get_layout
from bursar.money import pluralize
from bursar.profiles import Profile
from bursar.progress import log_progress

log = logging.getLogger(__name__)

_COLUMNS = (
    *("number", "line", "transaction_id", "internal_id", "currency", "sum", "problem", "identifier", "reference"),
)


@dataclass(frozen=True)
class Comparison:
    """What a statement is compared with: the fines of a profile, at a moment (aware) for which the statement counts."""

    profile: Profile
    layout: StatementLayout
    stated_at: datetime

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of the statements in SQL."""
        pending_days, billed_days = self.profile.statement.pending_days, self.layout.billed_days
        return {
            "profile": self.profile.code,
            "lists": self.layout.lists,
            "of_users": self.layout.has_totals_of_users,
            "partial": self.layout.partial,
            "stated_at": self.stated_at,
            "pending_days": pending_days,
            "since": self.stated_at - timedelta(days=pending_days),
            "billed_since": self.stated_at - timedelta(days=billed_days) if billed_days else "-infinity",
        }

    def at_day(self, day: date) -> "Comparison":
        """Returns the comparison for the start of a day, if that is earlier: a statement of today may lack today."""
        start = datetime.combine(day, time.min, ZoneInfo(self.profile.time_zone))
        return replace(self, stated_at=min(start, self.stated_at))


def get_statement_layout(profile: Profile) -> StatementLayout:
    """Returns the layout of a profile's statements.

    Raises:
        BursarError: it is missing or invalid, or does not suit the profile.
    """
    name = profile.statement.layout
    layout = get_layout(name, StatementLayout)
    if layout.lists == "open" and not profile.import_.active:
        raise BursarError(
            f"The layout {name} lists what is open at the bursar, and the import of {profile.code} is not active: its "
            "exported fines count as paid, so nothing is open here. Activate the import, or ask the bursar for a list "
            "of what was billed."
        )
    if layout.partial and not profile.statement.pending_days:
        raise BursarError(
            f"The layout {name} is of lists that come in several files. Each lacks fines that another one has, and "
            f"with pending_days: 0 in the profile {profile.code} these are missed immediately. Write pending_days: 1 "
            "or more, so that all files of a list come within these days."
        )
    # A fine is missed so many days after its export, at the latest.
    days = profile.statement.pending_days * (2 if layout.partial else 1)
    if layout.billed_days and layout.billed_days <= days:
        raise BursarError(
            f"The layout {name} expects a fine for {pluralize(layout.billed_days, 'day')} after its export "
            f"(billed_days), and one that is in no file may be pending for {pluralize(days, 'day')}, because of the "
            f"pending_days of the profile {profile.code}. So it might never be missed. Write billed_days: {days + 1} "
            "or more, or fewer pending_days."
        )
    return layout.with_name(name)


def stage_lines(connection: Connection, name: str, path: Path, comparison: Comparison) -> tuple[int, Comparison]:
    """Copies the lines of a fetched statement into temporary tables of the transaction.

    Returns their number, and the comparison at the day that the file names, if it names one.

    Raises:
        InputFileError: it is no valid statement, or names several days, or one in the future.
    """
    layout, days = comparison.layout, dict[str, int]()
    connection.execute(query("statements/create_tables"))
    count = 0
    with copy_into(connection, f"stated_lines ({', '.join(_COLUMNS)})") as copy:
        records = parse_records(layout, partial(open_decompressed, path, name), name, days)
        for record in log_progress(records, f"Read lines of {name}"):
            copy.write_row([getattr(record, column) for column in _COLUMNS])
            count += 1
    connection.execute(query("statements/analyze_stated_lines"))
    for number, (text, line) in enumerate(days.items()):
        day = date.fromisoformat(text)
        if number:
            raise InputFileError(
                f"{name}:{line}: the statement counts for {text} here, and for {next(iter(days))} in line "
                f"{next(iter(days.values()))}. stated_on has to be one day in the whole file. Correct the layout "
                f"{layout.name}, or ask the bursar for one statement."
            )
        if day > datetime.now(ZoneInfo(comparison.profile.time_zone)).date():
            raise InputFileError(
                f"{name}:{line}: the statement counts for {text}, a day in the future. See how the layout "
                f"{layout.name} reads stated_on, or ask the bursar for the right statement."
            )
        comparison = comparison.at_day(day)
    return count, comparison


def compare_lines(connection: Connection, statement_id: int, name: str, comparison: Comparison) -> None:
    """Compares the staged lines with the ledger, and writes the results and outcomes of a registered statement.

    Raises:
        InputFileError: lines of the file `name` add up to more than the ledger can hold.
    """
    parameters = comparison.parameters | {"statement_id": statement_id}
    layout = comparison.layout
    connection.execute(query("statements/name_lines"), parameters)
    connection.execute(query(f"statements/expect_{layout.lists}_amounts"), parameters)
    connection.execute(query("statements/analyze_expected_amounts"))
    if layout.has_totals_of_users:
        connection.execute(query("statements/find_users"), parameters)
        connection.execute(query("statements/compare_users"), parameters)
    else:
        if layout.fields.reference:
            connection.execute(query("statements/find_fines_of_items"))
        connection.execute(query("statements/compare_fines"), parameters)
        if layout.lists == "open":
            connection.execute(query("statements/merge_credits"))
    if found := connection.execute(query("statements/find_too_large")).first():
        subject = found.transaction_id or "a user"  # logs name nobody
        raise InputFileError(
            f"{name}:{found.line}: the {found.lines:,} lines of {subject} add up to {found.theirs:,f}, more than any "
            "amount in the ledger. Nothing was compared. Ask the bursar for the right statement, or see how the layout "
            f"{layout.name} reads sums."
        )
    connection.execute(query("statements/insert_results"), parameters)
    connection.execute(query("statements/record_outcomes"), parameters)
