"""Writes the rejects of a file as CSV: the records that a person has to look at.

They had no effect, paid an amount that had been settled, overpaid beyond the limit, or reversed a payment.
"""

import csv
import logging
from pathlib import Path
from typing import TextIO

from sqlalchemy import Connection, Engine

from bursar.db.queries import query
from bursar.escaping import escape_formula
from bursar.ledger.import_files import get_import_file
from bursar.money import pluralize
from bursar.work_dir import atomic_write

log = logging.getLogger(__name__)

COLUMNS = ("file", "line", "record", "outcome", "reason", "transaction_id", "internal_id", "currency", "sum")
ROWS_AT_ONCE = 2_000
MAX_NAME_LENGTH = 50  # characters of the name of the file in that of its rejects; file systems allow 255 bytes


def write_rejects(connection: Connection, file_id: int, out: TextIO) -> int:
    """Writes the rejects of an applied file, one a line; returns their number.

    A value that a spreadsheet would run as a formula gets an apostrophe in front. Open `out` with `newline=""`.
    """
    rows = connection.execute(
        query("imports/list_rejects"), {"file_id": file_id}, execution_options={"yield_per": ROWS_AT_ONCE}
    )
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    count = 0
    for row in rows:
        writer.writerow([escape_formula(value) for value in row])
        count += 1
    return count


def save_rejects(engine: Engine, file_id: int, folder: Path) -> Path | None:
    """Writes the rejects of a file into a folder, over an earlier version; returns the path, None without rejects."""
    with engine.connect() as connection:
        file = get_import_file(connection, file_id)
        if not connection.execute(query("imports/list_rejects"), {"file_id": file_id}).first():
            return None
    path = folder / f"{file.name[:MAX_NAME_LENGTH]}.{file.id}.csv"
    # With a byte order mark, by which spreadsheets recognise UTF-8.
    with (
        atomic_write(path) as draft,
        engine.connect() as connection,
        draft.open("w", encoding="utf-8-sig", newline="") as out,
    ):
        count = write_rejects(connection, file.id, out)
    log.warning(
        "To look at: %s of %s in %s. They are listed in %s.",
        count,
        pluralize(file.records or 0, "record"),
        file.name,
        path,
    )
    return path
