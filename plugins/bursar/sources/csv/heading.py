"""The heading of a CSV file: the separator between its columns, and their names."""

import csv
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from bursar.sources.csv.dialect import AUTO, SEPARATORS, Dialect
from bursar.sources.csv.faults import UNDECODABLE, shorten
from bursar.sources.csv.lines import Lines
from bursar.sources.csv.tables import IDENTIFIER, CsvTable

if TYPE_CHECKING:
    from _csv import Reader

PRIMARY_ID_TYPE = "userName"
MAX_TYPE_LENGTH = 100
"""Characters of an identifier's type, which shares an index entry with the identifier."""
_BLANKS = ' "\t\r\n' + "".join(SEPARATORS.values())
_SEPARATORS = "commas, semicolons, tabs or vertical bars"
_SEPARATOR_LINE = re.compile(r'"?sep=([^\r\n])"?\1*\s*', re.IGNORECASE)


class Heading(NamedTuple):
    """The folded names of the columns, and the name of their separator."""

    names: list[str]
    separator: str


def read_heading(lines: Lines, layout: CsvTable, dialect: Dialect) -> tuple[Heading, "Reader"]:
    """Reads the heading of a file, and returns it with the rows below it; `lines.start` is its first line.

    Raises:
        HeadingError: the file has none, or it is wrong.
        csv.Error: it is not CSV.
    """
    text = iter(lines)
    sign = None
    for line in text:
        match = _SEPARATOR_LINE.fullmatch(line)
        if match and not sign:
            sign = match[1]
        elif line.strip(_BLANKS):
            break
        lines.start += 1
        lines.length = 0
    else:
        raise lines.describe_faults(f"the heading is missing; {_list_columns(layout)}", about_format=True)
    if fault := _find_encoding_fault(line, lines.encoding):
        raise lines.describe_faults(fault, about_format=True)
    separator, fault = _find_separator(line, layout, dialect, sign)
    if fault:
        raise lines.describe_faults(fault, about_format=True)
    rows = csv.reader(chain([line], text), delimiter=SEPARATORS[separator], strict=True)
    names = [fold_name(name) for name in next(rows)]
    if faults := list(_find_name_faults(names, layout)):
        raise lines.describe_faults(*faults)
    return Heading(names, separator), rows


def _find_encoding_fault(line: str, encoding: str) -> str | None:
    if UNDECODABLE in line:
        return f"the heading is not {encoding}; save the file in that encoding, or name its own encoding in the source"
    if "\0" in line:
        return "the heading has a NUL character; if the file is UTF-16, name that in the source, as in utf-16-le"
    return None


def _find_separator(line: str, layout: CsvTable, dialect: Dialect, sign: str | None) -> tuple[str, str | None]:
    """Returns the name of the separator in the first line of a heading, and its fault or None.

    The separator is that of the dialect, or else the `sign` that the file names, or else the one with which the heading
    has most of the columns of a layout.
    """
    said: str | None
    counts = {name: _count_columns(line, separator, layout) for name, separator in SEPARATORS.items()}
    found = max(counts, key=lambda name: counts[name])
    said, by = (dialect.separator, "the source") if dialect.separator != AUTO else (None, "the line sep=")
    if sign and not said:
        said = next((name for name, separator in SEPARATORS.items() if separator == sign), None)
        if not said:
            return found, f'the line sep= names "{shorten(sign)}", but the columns can be separated by {_SEPARATORS}'
    if said and counts[found] > counts[said]:
        remedy = f"save the file with {said}s between the values, or change what {by} says"
        return found, f"the columns are separated by {found}s, {by} says {said}s; {remedy}"
    separator = said or found
    if not counts[separator]:
        signs = f"{said}s" if said else _SEPARATORS
        return separator, f"no column is recognised with {signs} between the columns; {_list_columns(layout)}"
    return separator, None


def _count_columns(line: str, separator: str, layout: CsvTable) -> int:
    try:
        names = {fold_name(name) for name in next(csv.reader([line], delimiter=separator), [])}
    except csv.Error:  # reported when the heading is read
        return 0
    return sum(name in layout.known or _is_identifier(name, layout) for name in names)


def fold_name(name: str) -> str:
    """Returns the name of a column in lower case, without blanks around it. An identifier's type keeps its case."""
    prefix, colon, type_ = name.strip().partition(":")
    return f"{prefix.strip().lower()}{colon}{type_.strip()}"


def _is_identifier(name: str, layout: CsvTable) -> bool:
    return layout.identifiers and name.startswith(IDENTIFIER) and name != IDENTIFIER


def _find_name_faults(names: Sequence[str], layout: CsvTable) -> Iterator[str]:
    """Yields the faults of the folded names of a heading."""
    for name, count in Counter(names).items():
        if count > 1:
            yield f"column {_quote(name)} is in the heading {count} times"
        type_ = name.removeprefix(IDENTIFIER) if _is_identifier(name, layout) else ""
        if type_ == PRIMARY_ID_TYPE:
            yield f"column {name} is primary_id by another name; leave it out"
        elif len(type_) > MAX_TYPE_LENGTH:
            yield f"column {_quote(name)} is an identifier whose type has more than {MAX_TYPE_LENGTH} characters"
        elif not type_ and name not in layout.known:
            yield f"unknown column {_quote(name)}; {_list_columns(layout)}"
    for name in layout.required:
        if name not in names:
            yield f"column {name} is missing"
    if layout.one_of and not set(layout.one_of) & set(names):
        yield f"column {' or '.join(layout.one_of)} is missing"


def _list_columns(layout: CsvTable) -> str:
    names = [*layout.known, *([f"{IDENTIFIER}<TYPE>"] if layout.identifiers else [])]
    return f"the columns are {', '.join(names)}"


def _quote(name: str) -> str:
    """Quotes the name of a column for a message: short, and without control characters."""
    return json.dumps(shorten(name), ensure_ascii=False)
