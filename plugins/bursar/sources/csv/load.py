"""Loads users and fines from CSV files of the library system, all or nothing; a load can be repeated.

The files are copied unchanged into staging tables, which SQL statements check and transfer
(include/sql/sources/csv). docs/reference/csv.md describes the files for librarians.
"""

import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Connection, CursorResult, Engine

from bursar.db.bulk_copy import copy_into
from bursar.db.queries import query
from bursar.errors import InputFileError
from bursar.money import get_currency_decimals, pluralize
from bursar.sources.csv.reader import FAULT_COLUMNS, records
from bursar.sources.csv.tables import FINES, GROUPS, LIBRARIES, USERS, CsvTable

log = logging.getLogger(__name__)

MAX_ERRORS_SHOWN = 50


class InvalidRowsError(InputFileError):
    """Lines of the files are invalid, and nothing was loaded.

    `lines` has the first of them, each as `file:line: message`; `count` is their total number.
    """

    def __init__(self, lines: tuple[str, ...], count: int) -> None:
        self.lines, self.count = lines, count
        more = [f"and {count - len(lines):,} more"] if count > len(lines) else []
        super().__init__("\n".join([*lines, *more]))


@dataclass(frozen=True)
class LoadResult:
    """The result of a load. The four counts of fines, without `fines_rounded`, add up to the fines in the file.

    `users_updated` were known to the ledger before. Of the known fines, `fines_paid_down` owe less than before,
    `fines_settled` are closed or with the bursar and are not changed, `fines_unchanged` are the others. The amount,
    balance or VAT of `fines_rounded`, which were added or owe less, had more decimals than their currency.
    """

    users_added: int
    users_updated: int
    fines_added: int
    fines_paid_down: int
    fines_unchanged: int
    fines_settled: int
    fines_rounded: int = 0


def load(
    engine: Engine,
    *,
    groups: Path | None = None,
    libraries: Path | None = None,
    users: Path | None = None,
    fines: Path | None = None,
    currency: str,
    time_zone: str,
) -> LoadResult:
    """Loads user groups, libraries, users and fines into the ledger, in one transaction.

    Users that the ledger knows by their primary id are updated. A fine that it knows by its `fine_id` is never added
    again; if it owes less than before, the difference is posted as paid. A credit counts in full, whatever its balance,
    if the charge that it reverses has been exported to a bursar. Amounts are rounded half up to the decimals of their
    currency. `currency` and `time_zone` (its IANA name) are the
    defaults for values without one. Payments and exports block during the transfer.

    Raises:
        InvalidRowsError: lines are invalid; users and fines are checked once groups and libraries are valid.
        HeadingError: the heading of a file is wrong, or its rows can't be divided.
        InputFileError: a file can't be read.
    """
    with engine.begin() as connection:
        _run(connection, "create_row_errors", "create_incoming_fines", "parse_day", "parse_money", "parse_moment")
        _run(connection, "create_known_currencies", currency_decimals=json.dumps(get_currency_decimals()))
        _stage(connection, GROUPS, groups)
        _stage(connection, LIBRARIES, libraries)
        user_count = _stage(connection, USERS, users)
        _stage(connection, FINES, fines)
        connection.execute(query("ledger/lock_fines_table"))

        _run(connection, "check_groups", file=_printable(groups))
        _run(connection, "check_libraries", file=_printable(libraries))
        raise_row_errors(connection)
        _run(connection, "upsert_groups", "upsert_libraries")

        _run(connection, "check_users", "check_identifiers", file=_printable(users))
        _run(connection, "resolve_fines", currency=currency, time_zone=time_zone)
        _run(connection, "analyze_incoming_fines")
        if credit_count := _run(connection, "count_credits_in_full"):
            log.info("Credits that count in full, because their charge has been exported to a bursar: %s", credit_count)
        _run(connection, "check_fines", file=_printable(fines), time_zone=time_zone)
        _run(connection, "add_if_fits", "sum_fitting")
        _run(connection, "check_reversals", file=_printable(fines))
        raise_row_errors(connection)

        _run(connection, "update_users")
        users_added = _run(connection, "insert_users")
        _run(connection, "delete_identifiers", "insert_identifiers")
        _run(connection, "upsert_items", "insert_fines", "link_reversals", "post_entries")
        rows = connection.execute(query("sources/csv/count_fine_outcomes")).all()
    outcomes = {row.outcome: row.fines for row in rows}
    rounded = sum(row.rounded for row in rows)
    if rounded:
        log.info("The amounts of %s were rounded to the decimals of their currency.", pluralize(rounded, "fine"))
    return LoadResult(
        users_added=users_added,
        users_updated=user_count - users_added,
        fines_added=outcomes.get("added", 0),
        fines_paid_down=outcomes.get("paid_down", 0),
        fines_unchanged=outcomes.get("unchanged", 0),
        fines_settled=outcomes.get("settled", 0),
        fines_rounded=rounded,
    )


def _printable(path: Path | None) -> str:
    """Returns a path as text that the ledger and logs accept, whatever the bytes of its name are."""
    return os.fsencode(path).decode(errors="replace") if path else ""


def _stage(connection: Connection, layout: CsvTable, path: Path | None) -> int:
    """Copies a file into `staged_<name>`, which stays empty without a file, and returns its number of records."""
    table = f"staged_{layout.name}"
    columns = ", ".join(f"{name} text" for name in (*FAULT_COLUMNS, *layout.columns))
    connection.exec_driver_sql(f"CREATE TEMPORARY TABLE {table} (line integer, {columns}) ON COMMIT DROP")
    if path is None:
        return 0
    record_count = 0
    with copy_into(connection, table) as copy:
        for record in records(path, layout):
            copy.write_row(record)
            record_count += 1
    log.info("%s: %s.", _printable(path), pluralize(record_count, "record"))
    connection.exec_driver_sql(f"ANALYZE {table}")
    return record_count


def _run(connection: Connection, *names: str, **parameters: str) -> int:
    """Runs statements in order and returns the number of rows that the last one changed."""
    changed = 0
    for name in names:
        result = cast("CursorResult[Any]", connection.execute(query(f"sources/csv/{name}"), parameters))
        changed = result.rowcount
        log.debug("%s: %s.", name, pluralize(changed, "row"))
    return changed


def raise_row_errors(connection: Connection) -> None:
    """Raises an InvalidRowsError for the rows in the temporary table `row_errors`, if there are any."""
    errors = connection.execute(query("sources/csv/list_row_errors"), {"wanted": MAX_ERRORS_SHOWN}).all()
    if errors:
        raise InvalidRowsError(tuple(f"{row.file}:{row.line}: {row.message}" for row in errors), errors[0].total)
