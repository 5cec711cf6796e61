"""Loads users and fines from CSV files. docs/reference/csv.md describes the files for librarians."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from bursar.errors import InputFileError
from bursar.sources.csv.dialect import DEFAULT_DIALECT, Dialect
from bursar.sources.csv.faults import HeadingError
from bursar.sources.csv.reader import Record, records
from bursar.sources.csv.tables import FINES, GROUPS, LIBRARIES, USERS, CsvTable
from bursar.sources.load import load_rows
from bursar.sources.load_types import LoadResult, Rows, SourceRules, sanitize_path

BLOCK_SIZE = 1024 * 1024


@dataclass(frozen=True)
class CsvFile:
    """A file under another name than that of its path. `facts` are recorded with it, as in `Rows`."""

    path: Path
    name: str
    facts: Mapping[str, Any] = field(default_factory=dict)


def load(
    engine: Engine,
    rules: SourceRules,
    *,
    groups: Path | CsvFile | None = None,
    libraries: Path | CsvFile | None = None,
    users: Path | CsvFile | None = None,
    fines: Path | CsvFile | None = None,
    dialect: Dialect = DEFAULT_DIALECT,
    **options: Any,  # noqa: ANN401
) -> LoadResult:
    """Loads user groups, libraries, users and fines from files; `options` are those of `load_rows`.

    Raises:
        InvalidRowsError: too many rows are bad, and nothing was loaded.
        InputFileError: a file can't be read, or its heading is wrong.
    """
    rules = replace(rules, minor_units=dialect.minor_units)
    files = [(GROUPS, groups), (LIBRARIES, libraries), (USERS, users), (FINES, fines)]
    return load_rows(engine, [_read(table, file, dialect) for table, file in files if file], rules, **options)


def _read(table: CsvTable, file: Path | CsvFile, dialect: Dialect) -> Rows:
    if isinstance(file, Path):
        file = CsvFile(file, sanitize_path(file))
    checksum = hashlib.sha256()
    return Rows(table, file.name, _hash_first(file, checksum, records(file.path, table, dialect)), checksum, file.facts)


def _hash_first(file: CsvFile, checksum: "hashlib._Hash", rows: Iterator[Record]) -> Iterator[Record]:
    """Yields the rows of a file after its bytes have been hashed."""
    try:
        with file.path.open("rb") as opened:
            while block := opened.read(BLOCK_SIZE):
                checksum.update(block)
    except OSError as error:
        raise InputFileError(f"{file.name}: the file can't be read: {error.strerror}.") from error
    try:
        yield from rows
    except HeadingError as error:
        raise HeadingError(Path(file.name), error.line, error.faults, about_format=error.about_format) from error
