"""Stages the rows of files: copies them unchanged into temporary tables, which SQL statements check."""

import json
import logging
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from bursar.db.bulk_copy import copy_into
from bursar.money import get_currency_decimals, pluralize
from bursar.sources.csv.reader import FAULT_COLUMNS
from bursar.sources.csv.tables import FINES, GROUPS, LIBRARIES, USERS
from bursar.sources.load_types import Rows
from bursar.sources.statements import Statements

log = logging.getLogger(__name__)

TABLES = (GROUPS, LIBRARIES, USERS, FINES)


def stage_rows(statements: Statements, sets: Sequence[Rows], files: Sequence[dict[str, Any]]) -> None:
    """Creates the temporary tables of a load and fills them; adds rows and checksum to each of the `files`.

    The rows that earlier loads deferred are staged with negative lines.

    Raises:
        HeadingError: the heading of a file is wrong, or its rows can't be separated.
        InputFileError: a file can't be read.
    """
    connection = statements.connection
    statements.run("create_row_messages", "create_incoming_fines", "create_fine_changes")
    statements.run("create_fault", "parse_day", "parse_money", "parse_moment", "add_if_fits", "sum_fitting")
    statements.run("create_known_currencies", currency_decimals=json.dumps(get_currency_decimals()))
    for table in TABLES:
        columns = ", ".join(f"{name} text" for name in (*FAULT_COLUMNS, *table.columns))
        connection.exec_driver_sql(
            f"CREATE TEMPORARY TABLE staged_{table.name} (line integer, {columns}) ON COMMIT DROP"
        )
    for rows, file in zip(sets, files, strict=True):
        file["rows"] = _copy(connection, rows)
        file["sha256"] = rows.checksum.hexdigest() if rows.checksum else None
    statements.run("stage_deferred_fines", "report_unreadable_rows")
    if statements.rules.maps is not None:
        maps, libraries = json.dumps(statements.rules.maps), json.dumps(statements.rules.libraries)
        statements.run("reject_unmapped_rows", "map_values", "stage_libraries", maps=maps, libraries=libraries)
    for table in TABLES:
        connection.exec_driver_sql(f"ANALYZE staged_{table.name}")


def _copy(connection: Connection, rows: Rows) -> int:
    count = 0
    with copy_into(connection, f"staged_{rows.table.name}") as copy:
        for record in rows.records:
            copy.write_row(record)
            count += 1
    log.info("%s: %s.", rows.name, pluralize(count, "record"))
    return count
