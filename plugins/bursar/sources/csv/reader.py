"""Reads the CSV files of users and fines: their columns, and their records one by one."""

import csv
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from bursar.errors import InputFileError
from bursar.money import pluralize

IDENTIFIER = "identifier:"
PRIMARY_ID_TYPE = "userName"
MAX_ID_LENGTH = 500
"""Characters of an id, which the ledger keeps in indexes of at most 2,704 bytes an entry."""
MAX_TYPE_LENGTH = 100
"""Characters of an identifier's type, which shares an index entry with the identifier."""
MAX_VALUE_LENGTH = 8_000
"""Characters of any other value; a payment file in which the bursar returns a longer one is not read."""
MAX_RECORD_LENGTH = 1_000_000
"""Characters of a record: memory is bounded even if a file has no line feed."""
MAX_NAME_LENGTH_SHOWN = 60
IDS = {"code", "id", "primary_id", "fine_id", "item_barcode", "reverses"}
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}


@dataclass(frozen=True)
class CsvTable:
    """The columns of one kind of file, described for librarians in docs/reference/csv.md.

    `required` columns have to be in the header, `optional` ones may be. With `identifiers`, further columns named
    `identifier:<TYPE>` may follow; they are read as one column `identifiers`, a JSON object of type and value.
    """

    name: str
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    identifiers: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """The values of a record after its line and fault, in this order."""
        return (*self.required, *self.optional, *(["identifiers"] if self.identifiers else []))


GROUPS = CsvTable("groups", ("code", "name"))
LIBRARIES = CsvTable("libraries", ("code", "id", "name"))
USERS = CsvTable(
    "users",
    ("primary_id", "last_name", "first_name", "user_group", "expiry_date", "purge_date"),
    identifiers=True,
)
FINES = CsvTable(
    "fines",
    ("fine_id", "primary_id", "fine_fee_type", "amount", "created_at"),
    (
        "balance",
        "currency",
        "owner_library",
        "item_barcode",
        "item_title",
        "item_call_number",
        "item_library",
        "item_location",
        "item_internal_location",
        "item_due_date",
        "vat",
        "comment",
        "reverses",
    ),
)

Record = tuple[int | str | None, ...]


def records(path: Path, layout: CsvTable) -> Iterator[Record]:
    """Reads a file record by record, in constant memory.

    A record has its first line, its fault or None, and its values in the order of `layout.columns`: blank values and
    those of absent columns are None, spaces around a value are removed. A record with a fault has no values. The values
    are not interpreted.

    Raises:
        InputFileError: the file can't be read.
    """
    no_values = (None,) * len(layout.columns)
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            lines = _Lines(file)
            rows = _read_rows(lines)
            line, header = next(rows, (1, f"the header is missing; the columns are {_list_columns(layout)}"))
            faults = [header] if isinstance(header, str) else list(_find_header_faults(header, layout))
            if faults and (separator := _find_other_separator(lines.first, layout)):
                faults = [f"the columns are separated by {separator}; save the file with commas between the values"]
            yield from ((line, fault, *no_values) for fault in faults)
            if faults:
                return
            fields, identifiers = _find_columns(header, layout)
            for line, row in rows:
                if fault := row if isinstance(row, str) else _find_row_fault(row, header):
                    yield line, fault, *no_values
                    continue
                values = [*(value or None for value in row), None]
                record = (line, None, *(values[place] for place in fields))
                if layout.identifiers:
                    record += (json.dumps({type_: values[place] for type_, place in identifiers}),)
                yield record
    except OSError as error:
        raise InputFileError(f"{path}: the file can't be read: {error.strerror}.") from error


class _Lines:
    """The lines of a file, one by one; `first` is the first that is not blank.

    Raises:
        csv.Error: a record is too long: more than MAX_RECORD_LENGTH characters since `length` was set to 0.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.first = ""
        self.length = 0

    def __iter__(self) -> Iterator[str]:
        while line := self._file.readline(MAX_RECORD_LENGTH + 1):
            self.first = self.first or line.strip()
            self.length += len(line)
            if self.length > MAX_RECORD_LENGTH:
                raise csv.Error(f"a record has more than {MAX_RECORD_LENGTH:,} characters")
            yield line


def _read_rows(lines: _Lines) -> Iterator[tuple[int, list[str] | str]]:
    """Yields each row that is not blank, with its first line, and at the end a fault if the rest is not CSV."""
    reader = csv.reader(lines, strict=True)
    line = 1
    try:
        for row in reader:
            lines.length = 0
            values = [value.strip(" ") for value in row]
            if any(values):
                yield line, values
            line = reader.line_num + 1
    except csv.Error as error:
        # After a misplaced quotation mark, values can't be separated any more.
        yield line, f"not readable as CSV from here on: {_explain(error)}"


def _explain(error: csv.Error) -> str:
    """Returns the reason of an error of the CSV parser, and a remedy, in words for a librarian."""
    reason = str(error)
    if "unexpected end of data" in reason:
        return "a quotation mark is opened and never closed; close it, or double it if it is part of the value"
    if "expected after" in reason:
        return "text follows a closing quotation mark; double each quotation mark that is part of a value"
    if "field larger than field limit" in reason:
        reason = f"a value has more than {csv.field_size_limit():,} characters"
    return f"{reason}; most likely a quotation mark is not closed, or the file is not CSV"


def _find_row_fault(row: Sequence[str], header: Sequence[str]) -> str | None:
    if len(row) != len(header):
        counts = f"{pluralize(len(row), 'value')} for {pluralize(len(header), 'column')}"
        return f"{counts}; a value with a comma in it needs quotation marks"
    if max(map(len, row)) > MAX_ID_LENGTH and (fault := _find_long_value(row, header)):
        return fault
    content = "".join(row)
    try:
        content.encode()
    except UnicodeEncodeError:  # bytes that are not UTF-8 were decoded as surrogates
        return "not UTF-8; save the file in that encoding"
    if "\0" in content:
        return "a NUL character, which the ledger can't keep"
    return None


def _find_long_value(row: Sequence[str], header: Sequence[str]) -> str | None:
    for name, value in zip(header, row, strict=True):
        limit = MAX_ID_LENGTH if name in IDS or name.startswith(IDENTIFIER) else MAX_VALUE_LENGTH
        if len(value) > limit:
            return (
                f"{_quote(name)} has {len(value):,} characters, of which the ledger keeps at most {limit:,}; shorten it"
            )
    return None


def _find_other_separator(header: str, layout: CsvTable) -> str | None:
    """Returns the name of another separator than commas between the columns of a header; None if there is none."""
    for separator, name in SEPARATORS.items():
        columns = {column.strip(' "') for column in header.split(separator)}
        if len(columns) > 1 and columns & {*layout.required, *layout.optional}:
            return name
    return None


def _quote(name: str) -> str:
    """Quotes the name of a column for a message: short, and without control characters."""
    return json.dumps(name[:MAX_NAME_LENGTH_SHOWN], ensure_ascii=False)


def _find_header_faults(header: Sequence[str], layout: CsvTable) -> Iterator[str]:
    if fault := _find_row_fault(header, header):
        yield fault
        return
    for name, count in Counter(header).items():
        if count > 1:
            yield f"column {_quote(name)} is in the header {count} times"
        type_ = name.removeprefix(IDENTIFIER) if layout.identifiers and name.startswith(IDENTIFIER) else None
        if type_ == PRIMARY_ID_TYPE:
            yield f"column {name} is primary_id by another name; leave it out"
        elif type_ and len(type_) > MAX_TYPE_LENGTH:
            yield f"column {_quote(name)} is an identifier whose type has more than {MAX_TYPE_LENGTH} characters"
        elif not type_ and name not in layout.required + layout.optional:
            yield f"unknown column {_quote(name)}; the columns are {_list_columns(layout)}"
    for name in layout.required:
        if name not in header:
            yield f"column {name} is missing"


def _list_columns(layout: CsvTable) -> str:
    names = [*layout.required, *layout.optional, *([f"{IDENTIFIER}<TYPE>"] if layout.identifiers else [])]
    return ", ".join(names) + ", with commas between them"


def _find_columns(header: Sequence[str], layout: CsvTable) -> tuple[list[int], list[tuple[str, int]]]:
    """Returns the position of each field in a record (-1: the None after the last value), and of each identifier."""
    fields = [header.index(name) if name in header else -1 for name in layout.required + layout.optional]
    types = [(name.removeprefix(IDENTIFIER), i) for i, name in enumerate(header) if name.startswith(IDENTIFIER)]
    return fields, types
