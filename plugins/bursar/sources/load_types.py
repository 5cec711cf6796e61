"""The types of a load: the rules of its source, its rows, its counts and its result."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from bursar.errors import InputFileError
from bursar.ledger.entry_type import EntryType
from bursar.sources.csv.reader import Record
from bursar.sources.csv.tables import CsvTable
from bursar.sources.messages import RowMessage

MAX_MESSAGES = 1_000
"""Messages of each kind and reason that a load keeps; all rows are counted."""
MAX_ERRORS_SHOWN = 50


def sanitize_path(path: Path) -> str:
    """Returns a path as text that the ledger and logs accept, whatever the bytes of its name are."""
    return os.fsencode(path).decode(errors="replace")


@dataclass(frozen=True)
class SourceRules:
    """How a source's rows are read and compared.

    `code` is '' for files that a person names. The rows of a `complete` source are all its fines. A source that
    `closes_exported_fines` reports a balance of 0 for them. `currency` and `time_zone` (an IANA name) are the defaults
    for values without one. Nothing is loaded if at least `min_rejected_rows` rows of a table, and more than
    `max_rejected_percent` of them, are rejected. With `minor_units`, amounts are whole numbers of cents and the like.
    Unless `allow_older`, nothing is loaded if a file is older than one of its kind that was loaded from the source.

    For a reading of a library's system: `maps` has Bursar's values by column of fines and value there, `libraries` the
    names of libraries to add by code, and messages have no lines, since a person has no such file.
    """

    currency: str
    time_zone: str
    code: str = ""
    complete: bool = False
    closes_exported_fines: bool = False
    max_rejected_percent: int = 10
    min_rejected_rows: int = 20
    minor_units: bool = False
    allow_older: bool = False
    maps: Mapping[str, Mapping[str, str]] | None = None
    libraries: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_reading(self) -> bool:
        """Whether the rows are a reading of a library's system."""
        return self.maps is not None


@dataclass(frozen=True)
class Rows:
    """The rows of one table. `name` is that of their file in messages; `sha256` is asked for once they are read.

    `facts` are recorded with the file: values of JSON by their names.
    """

    table: CsvTable
    name: str
    records: Iterator[Record]
    checksum: Any = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class LoadCounts:
    """The counts of a load. Rows are read, and rejected or not; the fines that are not are added, changed, unchanged or
    deferred. `fines_rounded` had more decimals than their currency.
    """  # noqa: D205 - one sentence would be too long

    rows: int = 0
    rejected: int = 0
    users_added: int = 0
    users_updated: int = 0
    fines_added: int = 0
    fines_changed: int = 0
    fines_unchanged: int = 0
    fines_deferred: int = 0
    fines_rounded: int = 0
    warnings: int = 0


@dataclass(frozen=True)
class EntrySum:
    """The entries of one type and currency that a load posted: fines, and what they changed."""

    entry_type: EntryType
    currency: str
    fines: int
    balance_change: Decimal
    outstanding_change: Decimal

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "EntrySum":
        """Reads what `asdict` wrote as JSON, with decimals as text."""
        amounts = {name: Decimal(value[name]) for name in ("balance_change", "outstanding_change")}
        return cls(**{**value, "entry_type": EntryType(value["entry_type"]), **amounts})


@dataclass(frozen=True)
class LoadResult:
    """The result of a load. `messages` has at most MAX_MESSAGES of each kind and reason; `rejected` counts rows."""

    load_id: int
    counts: LoadCounts
    rejected: Mapping[str, int] = field(default_factory=dict)
    entries: tuple[EntrySum, ...] = ()
    messages: tuple[RowMessage, ...] = ()


class InvalidRowsError(InputFileError):
    """Too many rows are invalid, and nothing was loaded.

    `lines` has the first of them, each as `file:line: message`; `count` is their total number.
    """

    def __init__(self, lines: tuple[str, ...], count: int, introduction: str = "") -> None:
        self.lines, self.count = lines, count
        more = [f"and {count - len(lines):,} more"] if count > len(lines) else []
        super().__init__("\n".join([*([introduction] if introduction else []), *lines, *more]))


class OlderFileError(InputFileError):
    """A file is older than one of the same kind that was loaded before, and nothing was loaded."""

    def __init__(self, message: RowMessage) -> None:
        self.message = message
        super().__init__(f"{message.file}: {message}")
