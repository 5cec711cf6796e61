"""Loads users and fines from CSV files of a library system. docs/reference/csv.md describes the files for librarians."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from bursar.errors import InputFileError
from bursar.sources.csv.dialect import DEFAULT_DIALECT, Dialect
from bursar.sources.csv.reader import Record, records
from bursar.sources.csv.tables import FINES, GROUPS, LIBRARIES, USERS, CsvTable
from bursar.sources.load import LoadResult, Rows, SourceRules, load_rows

BLOCK_SIZE = 1024 * 1024


def load(
    engine: Engine,
    rules: SourceRules,
    *,
    groups: Path | None = None,
    libraries: Path | None = None,
    users: Path | None = None,
    fines: Path | None = None,
    dialect: Dialect = DEFAULT_DIALECT,
    **options: Any,  # noqa: ANN401 - those of load_rows
) -> LoadResult:
    """Loads user groups, libraries, users and fines from files; `options` are those of `load_rows`.

    Raises:
        InvalidRowsError: too many rows are bad, and nothing was loaded.
        InputFileError: a file can't be read, or its heading is wrong.
    """
    files = [(GROUPS, groups), (LIBRARIES, libraries), (USERS, users), (FINES, fines)]
    return load_rows(engine, [_read(table, path, dialect) for table, path in files if path], rules, **options)


def _read(table: CsvTable, path: Path, dialect: Dialect) -> Rows:
    name = os.fsencode(path).decode(errors="replace")  # the ledger and logs accept it, whatever its bytes are
    checksum = hashlib.sha256()
    return Rows(table, name, _hash_first(path, checksum, records(path, table, dialect)), checksum)


def _hash_first(path: Path, checksum: "hashlib._Hash", rows: Iterator[Record]) -> Iterator[Record]:
    """Yields the rows of a file after its bytes have been hashed."""
    try:
        with path.open("rb") as file:
            while block := file.read(BLOCK_SIZE):
                checksum.update(block)
    except OSError as error:
        raise InputFileError(f"{path}: the file can't be read: {error.strerror}.") from error
    yield from rows
