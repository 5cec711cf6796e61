"""The part that layouts of payments and of statements share: how rows are written, and what control records are."""

from collections.abc import Iterator
from itertools import combinations
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, PrivateAttr
from pydantic_core import InitErrorDetails

from bursar.layouts.payments.cells import (
    Cell,
    ControlCount,
    ControlHash,
    ControlSum,
    FieldName,
    RowFields,
)
from bursar.layouts.text_files import (
    MAX_LINE_LENGTH,
    Encoding,
    Separator,
    TextLayout,
    Width,
    allow_characters,
    to_tuple,
)
from bursar.profiles.field_types import StrictModel, Text, WholeNumber, YesNo
from bursar.profiles.rules import Rules, wrong

MAX_COLUMNS = 1_000
MAX_SKIPPED_LINES = 1_000


def _allow_characters(schema: dict[str, Any]) -> None:
    allow_characters(schema["anyOf"][0])


Encodings = Annotated[tuple[Encoding, ...], BeforeValidator(to_tuple)]


class RecordKind(StrictModel):
    """One kind of record: the rows, or a record of the whole file, such as a header or a trailer."""

    each: str
    starts: Text | None = Field(
        None,
        description="The characters with which a line of this kind starts; in a delimited file, its whole first value. "
        "Blank: all lines that are of no other kind.",
    )
    length: Width | None = Field(
        None, description="In a fixed file: the characters of the line, without its end. Blank: any number."
    )
    may_be_shorter: Annotated[WholeNumber, Field(le=MAX_LINE_LENGTH)] = Field(
        0, description="How many characters may be missing at the end of the line."
    )
    count: ControlCount | None = Field(
        None, description="Where the number of rows in the file is. If it differs, the file is rejected."
    )
    sum: ControlSum | None = Field(
        None, description="Where the total of all rows is. If it differs, the file is rejected."
    )
    hash: ControlHash | None = Field(
        None, description="Where the hash total of the rows is. If it differs, the file is rejected."
    )

    @property
    def controls(self) -> dict[str, Cell]:
        """The totals of a control record, by name; none if it is no control record."""
        named = {"count": self.count, "sum": self.sum, "hash": self.hash}
        return {name: cell for name, cell in named.items() if cell is not None}

    def _check_controls(self) -> Iterator[InitErrorDetails]:
        for name in self.controls:
            if self.each != "file":
                yield wrong("belongs to the whole file: put it into a record with each: file", name)

    def _check_length(self) -> Iterator[InitErrorDetails]:
        if self.may_be_shorter >= (self.length or 1) and self.may_be_shorter:
            yield wrong("must be less than the length", "may_be_shorter")

    rules: ClassVar[Rules] = (_check_controls, _check_length)


class Ignored(StrictModel):
    """Rows that mean nothing. They are left out, and only counted in the log."""

    sum: Literal["zero", "blank", "zero or blank"] | None = Field(
        None, description="Which sums mean nothing: `zero`, `blank`, or `zero or blank`."
    )


class RowLayout(TextLayout):
    """How a bursar writes files that are read row by row."""

    row: ClassVar[str]
    """The value of `each` of the records that are rows."""
    noun: ClassVar[str]
    """The word for a row in messages."""

    description: Text | None = Field(None, description="Whose files these are, and who knows more about them.")
    encoding: Encodings = Field(
        description="The encoding of the files, such as `windows-1252`. Several are tried in their order; a byte order "
        "mark decides, if the file has one."
    )
    delimiter: Separator | None = Field(
        None,
        description="In a delimited file: the sign between two values, by its name or as the character in quotes.",
        json_schema_extra=_allow_characters,
    )
    heading: YesNo = Field(
        default=True,
        description="In a delimited file: whether the first row has the names of the columns.",
    )
    skip_lines: Annotated[WholeNumber, Field(le=MAX_SKIPPED_LINES)] = Field(
        0, description="How many lines at the start of the file are skipped, before the heading."
    )
    records: tuple[RecordKind, ...] = Field(
        (), description="The kinds of records, if there are others than rows. Blank: each line is a row."
    )
    fields: RowFields = Field(description="The fields of a row, and where each is.")
    ignore: Ignored = Field(Ignored(), description="Rows that mean nothing. Blank: none.")

    @property
    def kinds(self) -> tuple[RecordKind, ...]:
        """The kinds of records, also if the layout names none."""
        return self.records or (RecordKind(each=self.row),)

    @property
    def key(self) -> tuple[FieldName, ...]:
        """The fields that together identify a row among those of all files; none if each row is a new one."""
        return ()

    _name: str = PrivateAttr(default="")

    @property
    def name(self) -> str:
        """The name of its file, if it was given one."""
        return self._name

    def with_name(self, name: str) -> Self:
        """Returns the layout with the name of its file."""
        copy = self.model_copy()
        copy._name = name  # noqa: SLF001  its own class
        return copy

    @property
    def has_heading(self) -> bool:
        """Whether the first row of a file names the columns."""
        return self.kind == "delimited" and self.heading

    @property
    def _cells(self) -> Iterator[tuple[tuple[str | int, ...], Cell]]:
        """The values that a row of the file has, each with its place in the layout."""
        yield from ((("fields", name), field) for name, field in self.fields.by_name.items())
        for number, record in enumerate(self.records):
            yield from ((("records", number, name), cell) for name, cell in record.controls.items())

    def _check_kind(self) -> Iterator[InitErrorDetails]:
        is_fixed = self.kind == "fixed"
        if is_fixed and self.delimiter:
            yield wrong("belongs to delimited files: remove it, or write kind: delimited", "delimiter")
        if not is_fixed and self.delimiter is None:
            yield wrong('is missing: write the sign between two values, as in ";"', "delimiter")
        if is_fixed and "utf-8" in self.encoding:
            yield wrong(
                "positions are those of bytes, and a character of UTF-8 may have several: write ascii or windows-1252",
                "encoding",
            )
        if not self.encoding:
            yield wrong("write an encoding, as in utf-8", "encoding")
        for number, record in enumerate(self.records):
            if not is_fixed and record.length:
                yield wrong("belongs to fixed files: remove it", "records", number, "length")

    def _check_places(self) -> Iterator[InitErrorDetails]:
        for place, cell in self._cells:
            if self.kind == "fixed":
                if cell.at is None or cell.column is not None:
                    yield wrong("is in a fixed file: write its place as in at: 12-20", *place)
            elif cell.column is None or cell.at is not None:
                yield wrong("is in a delimited file: write its place as in column: Amount", *place)
            elif (not self.heading or place[0] == "records") and not _is_column_number(cell.column):
                reason = "without a heading" if place[0] == "fields" else "in a header or trailer"
                yield wrong(
                    f"{cell.column!r} is no number, and {reason} columns have no names: write the number, from 1",
                    *(*place, "column"),
                )

    def _check_lengths(self) -> Iterator[InitErrorDetails]:
        for number, record in enumerate(self.records):
            if self.kind != "fixed" or record.length is None:
                continue
            cells = record.controls if record.each == "file" else self.fields.by_name
            for name, cell in cells.items():
                last = cell.at.last if cell.at else None
                if last and last > record.length - record.may_be_shorter:
                    yield wrong(
                        f"{name} ends at position {last}, and a line may have only "
                        f"{record.length - record.may_be_shorter} characters",
                        *("records", number, "length"),
                    )

    def _check_records(self) -> Iterator[InitErrorDetails]:
        starts = [record.starts for record in self.kinds]
        if all(record.each == "file" for record in self.kinds):
            yield wrong(f"there are no {self.noun}s: add a record with each: {self.row}", "records")
        for number, record in enumerate(self.kinds):
            if record.starts is None and (record.each == "file" or starts.count(None) > 1):
                yield wrong("is missing: write the characters with which a line of this kind starts", "records", number)
        for (one, first), (two, second) in combinations(enumerate(starts), 2):
            if first and second and (first.startswith(second) or second.startswith(first)):
                yield wrong(
                    f"{second!r} and {first!r} of record {one + 1} start the same line: write more characters",
                    *("records", two, "starts"),
                )

    def _check_controls(self) -> Iterator[InitErrorDetails]:
        for number, record in enumerate(self.records):
            if record.sum and self.fields.currency.is_ is None:
                yield wrong(
                    "a total of several currencies says nothing: write the currency of all rows as in currency: "
                    "{is: USD}, or remove the total",
                    *("records", number, "sum"),
                )
            if record.hash and record.hash.of not in self.fields.by_name:
                yield wrong(f"{record.hash.of} is no field of the rows", "records", number, "hash", "of")
            if record.hash and self.kind == "delimited" and record.hash.digits is None:
                yield wrong("is missing: write how many digits the total has", "records", number, "hash", "digits")

    rules: ClassVar[Rules] = (
        _check_kind,
        _check_places,
        _check_lengths,
        _check_records,
        _check_controls,
    )


def _is_column_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_COLUMNS
