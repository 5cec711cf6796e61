"""Reads the records of the CSV files of users and fines one by one."""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

from bursar.errors import InputFileError
from bursar.sources.csv.dialect import DEFAULT_DIALECT, Dialect, get_amount_parser
from bursar.sources.csv.faults import MAX_ID_LENGTH, RowFault, find_row_fault, shorten
from bursar.sources.csv.heading import Heading, read_heading
from bursar.sources.csv.lines import Lines, open_lines
from bursar.sources.csv.tables import IDENTIFIER, CsvTable

if TYPE_CHECKING:
    from _csv import Reader

FAULT_COLUMNS = tuple(f"fault_{field}" for field in RowFault._fields)
_NO_FAULT = (None,) * len(FAULT_COLUMNS)

Record = tuple[int | str | None, ...]


def records(path: Path, layout: CsvTable, dialect: Dialect = DEFAULT_DIALECT) -> Iterator[Record]:
    """Reads a file record by record, in constant memory.

    A record is flat: its first line, the values of its RowFault or as many None, and its values in the order of
    `layout.columns`. A record with a fault has no values. Blank values and those of absent columns are None, spaces
    around a value are removed. Values are not interpreted. Only the amounts of a dialect that writes them otherwise are
    rewritten as `1234.56`; with `minor_units` they are whole numbers of those.

    Raises:
        HeadingError: nothing of the file may be loaded, not even the records that were read before.
        InputFileError: the file can't be read.
    """
    try:
        with open_lines(path, dialect) as lines:
            try:
                heading, rows = read_heading(lines, layout, dialect)
                yield from _read_records(lines, heading, rows, layout, dialect)
            except csv.Error as error:
                # After a misplaced quotation mark, values can't be separated any more.
                raise lines.describe_faults(f"not readable as CSV from here on: {_explain(error)}") from error
    except OSError as error:
        raise InputFileError(f"{path}: the file can't be read: {error.strerror}.") from error


def _read_records(
    lines: Lines, heading: Heading, rows: "Reader", layout: CsvTable, dialect: Dialect
) -> Iterator[Record]:
    """Yields the records below a heading, of which `lines.start` is the first line."""
    names, width, lines_above = heading.names, len(heading.names), lines.start - 1
    no_values = (None,) * len(layout.columns)
    # -1 is the None after the last value.
    pick_values = itemgetter(*(names.index(name) if name in names else -1 for name in layout.known))
    types = [(name.removeprefix(IDENTIFIER), i) for i, name in enumerate(names) if name.startswith(IDENTIFIER)]
    rewrite_amounts = _get_amount_rewriter(names, layout, dialect)
    lines.length, lines.start = 0, lines_above + rows.line_num + 1
    for row in rows:
        values, content = row, "".join(row)
        if " " in content:
            values = [value.strip(" ") for value in row]
            content = "".join(values)
        if content:
            fault = None
            # Most rows need no look at their single values.
            if len(values) != width or len(content) > MAX_ID_LENGTH or not content.isascii() or "\0" in content:
                fault = find_row_fault(values, names, heading.separator, lines.encoding)
            if rewrite_amounts and not fault:
                fault = rewrite_amounts(values)
            if fault:
                yield lines.start, *fault, *no_values
            else:
                cells = [value or None for value in values]
                cells.append(None)
                record = (lines.start, *_NO_FAULT, *pick_values(cells))
                if layout.identifiers:
                    record += (json.dumps({type_: cells[place] for type_, place in types}),)
                yield record
        lines.length, lines.start = 0, lines_above + rows.line_num + 1


def _get_amount_rewriter(
    names: Sequence[str], layout: CsvTable, dialect: Dialect
) -> Callable[[list[str]], RowFault | None] | None:
    """Returns a function that rewrites the amounts of a row, and returns its fault or None.

    Returns None for a dialect that writes amounts as the ledger reads them. That one checks them, too.
    """
    parse = get_amount_parser(dialect)
    if parse is None:
        return None
    places = [(name, names.index(name)) for name in layout.amounts if name in names]
    wanted = "a whole number of minor units" if dialect.minor_units else "a sum"

    def rewrite(values: list[str]) -> RowFault | None:
        for name, place in places:
            if value := values[place]:
                amount = parse(value)
                if amount is None:
                    reason = f"is not {wanted} such as {dialect.amount_example}, as the source writes them"
                    return RowFault(name, shorten(value), reason, "correct it, or change what the source says")
                values[place] = amount
        return None

    return rewrite


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
