"""Reads the content of a CSV file, with the fault of each record in one piece."""

from pathlib import Path
from typing import Any

from bursar.sources.csv.dialect import DEFAULT_DIALECT, Dialect
from bursar.sources.csv.faults import RowFault
from bursar.sources.csv.reader import FAULT_COLUMNS, records
from bursar.sources.csv.tables import GROUPS, CsvTable


def read(
    path: Path, content: str | bytes, layout: CsvTable = GROUPS, dialect: Dialect = DEFAULT_DIALECT
) -> list[tuple[Any, ...]]:
    """Returns the records of a file as its line, its RowFault or None, and its values."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    end = 1 + len(FAULT_COLUMNS)
    found: list[tuple[Any, ...]] = []
    for record in records(path, layout, dialect):
        fault: Any = record[1:end]
        found.append((record[0], RowFault(*fault) if any(fault) else None, *record[end:]))
    return found
