"""Divides the lines of a file into rows, and rows into values."""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Protocol, TypeAlias, TypeVar

from bursar.layouts.alma_xml.encoding import SEND_AGAIN, quote
from bursar.layouts.payments.cells import Cell
from bursar.layouts.payments.lines import Lines
from bursar.layouts.payments.row_layout import RecordKind, RowLayout
from bursar.layouts.text_files import SEPARATORS
from bursar.money import pluralize

MAX_NAMES_SHOWN = 30
Row = TypeVar("Row")
Pick: TypeAlias = Callable[[Row], Sequence[str]]


class Rows(Protocol[Row]):
    """The rows of a file; `lines.start` is the number of lines before the present one."""

    lines: Lines

    def __iter__(self) -> Iterator[Row]:
        """Yields the rows that are not blank.

        Raises:
            InputFileError: the rest of the file can't be divided into rows.
        """
        ...

    def starts_with(self, row: Row, text: str) -> bool:
        """Returns whether a row is of the kind that starts with a text."""
        ...

    def find_fault(self, row: Row, kind: RecordKind) -> str | None:
        """Returns the reason why the values of a row are not at their places; None if they are."""
        ...

    def get_picker(self, cells: Iterable[Cell], *, by_number: bool = False) -> Pick[Row]:
        """Returns a function that picks values out of a row; columns have numbers in the rows of a whole file.

        Raises:
            InputFileError: a column is not in the heading.
        """
        ...

    def describe(self, row: Row) -> str:
        """Returns the start of a row, for messages."""
        ...


class DelimitedRows:
    """The rows of a delimited file, each a list of values."""

    def __init__(self, lines: Lines, layout: RowLayout) -> None:
        self.lines = lines
        text = iter(lines)
        for _ in zip(range(layout.skip_lines), text, strict=False):
            lines.start = lines.count
        self._delimiter = SEPARATORS[layout.delimiter or "comma"]
        self._rows = csv.reader(
            text,
            delimiter=self._delimiter,
            quoting=csv.QUOTE_NONE if layout.quotes == "never" else csv.QUOTE_MINIMAL,
            strict=True,
        )
        self._has_heading = layout.heading
        self._heading: list[str] = []
        self._width = 0
        if layout.heading:
            self._heading = next(iter(self), [])
            self._width = len(self._heading)
            self._heading_line = lines.start + 1
            lines.start = lines.count

    def __iter__(self) -> Iterator[list[str]]:
        """Yields the rows that are not blank."""
        lines = self.lines
        try:
            for row in self._rows:
                if row and (row[0].strip() or any(map(str.strip, row))):
                    yield row
                lines.start = lines.count
        except csv.Error as error:
            raise lines.error(_explain(error)) from error

    def starts_with(self, row: list[str], text: str) -> bool:
        """Returns whether a row is of the kind that starts with a text."""
        return row[0].strip() == text

    def find_fault(self, row: list[str], kind: RecordKind) -> str | None:
        """Returns the reason why the values of a row are not at their places."""
        if kind.each == "file":
            last = max((int(cell.column or 0) for cell in kind.controls.values()), default=0)
            return None if len(row) >= last else f"the row has {pluralize(len(row), 'value')}"
        self._width = self._width or len(row)  # the first one decides, if there is no heading
        if len(row) == self._width:
            return None
        return (
            f"the row has {pluralize(len(row), 'value')}, and {self._width} are expected: a value with the delimiter "
            "in it needs quotation marks"
        )

    def get_picker(self, cells: Iterable[Cell], *, by_number: bool = False) -> Pick[list[str]]:
        """Returns a function that picks values out of a row."""
        is_named = self._has_heading and not by_number
        places = [self._find(cell.column or "") if is_named else int(cell.column or 0) - 1 for cell in cells]
        if len(places) == 1:
            (place,) = places
            return lambda row: (row[place],)
        return itemgetter(*places)

    def describe(self, row: list[str]) -> str:
        """Returns the start of a row, for messages."""
        return quote(row[0], 24)

    def _find(self, column: str) -> int:
        found = [place for place, name in enumerate(map(_fold, self._heading)) if name == _fold(column)]
        if len(found) == 1:
            return found[0]
        count = "twice" if found else "missing"
        others = [name for name, sign in SEPARATORS.items() if len(self._heading) == 1 and sign in self._heading[0]]
        remedy = f"The columns may be separated by {others[0]}s. " if others else ""
        names = ", ".join(map(quote, self._heading[:MAX_NAMES_SHOWN])) or "no heading"
        raise self.lines.error(
            f"the column {quote(column)} is {count}. Found: {names}. "
            f"{remedy}Correct the layout, or ask the bursar for the right file.",
            self._heading_line,
        )


class FixedRows:
    """The rows of a fixed file, each a line without its end."""

    def __init__(self, lines: Lines, layout: RowLayout) -> None:
        self.lines = lines
        self._text = iter(lines)
        for _ in zip(range(layout.skip_lines), self._text, strict=False):
            lines.start = lines.count
        self._row_length = _get_length(layout.fields.by_name.values())

    def __iter__(self) -> Iterator[str]:
        """Yields the rows that are not blank."""
        lines = self.lines
        for line in self._text:
            row = line.rstrip("\r\n")
            if row and not row.isspace():
                yield row
            lines.start = lines.count

    def starts_with(self, row: str, text: str) -> bool:
        """Returns whether a row is of the kind that starts with a text."""
        return row.startswith(text)

    def find_fault(self, row: str, kind: RecordKind) -> str | None:
        """Returns the reason why the values of a row are not at their places."""
        if kind.length is None:
            least = self._row_length if kind.each != "file" else _get_length(kind.controls.values())
            if len(row) >= least:
                return None
            expected = f"at least {least}"
        else:
            if kind.length - kind.may_be_shorter <= len(row) <= kind.length:
                return None
            expected = (
                f"{kind.length - kind.may_be_shorter} to {kind.length}" if kind.may_be_shorter else f"{kind.length}"
            )
        return f"the line has {pluralize(len(row), 'character')}, and {expected} are expected"

    def get_picker(self, cells: Iterable[Cell], *, by_number: bool = False) -> Pick[str]:  # noqa: ARG002
        """Returns a function that picks values out of a row."""
        places = [slice(cell.at.first - 1, cell.at.last) for cell in cells if cell.at]
        if len(places) == 1:
            (place,) = places
            return lambda row: (row[place],)
        return itemgetter(*places)

    def describe(self, row: str) -> str:
        """Returns the start of a row, for messages."""
        return quote(row, 24)


def _get_length(cells: Iterable[Cell]) -> int:
    """Returns how long a line must be to have all values."""
    return max((cell.at.last or cell.at.first for cell in cells if cell.at), default=0)


def _fold(name: str) -> str:
    return " ".join(name.split()).casefold()


def _explain(error: csv.Error) -> str:
    reason = str(error)
    if "unexpected end of data" in reason:
        return f"a quotation mark is opened and never closed. {SEND_AGAIN}"
    if "expected after" in reason:
        return "text follows a closing quotation mark. Write quotes: never in the layout if values are not quoted."
    if "field larger" in reason:
        return f"a value is far too long. {SEND_AGAIN}"
    return f"not readable from here on: {reason}. {SEND_AGAIN}"
