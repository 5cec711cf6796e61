"""The model of a layout: how the file of an export looks, without any code.

The module is long because it has the description of every key.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, ClassVar, Literal, Self, get_args

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import InitErrorDetails

from bursar.layouts.due import DueDay
from bursar.layouts.templates import Template, TemplateText, ValueType
from bursar.layouts.terms import check_first_day
from bursar.layouts.text_files import (
    LINE_ENDS,
    SEPARATORS,
    Encoding,
    LineEnd,
    PositionText,
    Separator,
    TextLayout,
    Width,
    allow_characters,
    to_tuple,
)
from bursar.layouts.values import get_type
from bursar.profiles.field_types import Matches, StrictModel, Text, YesNo
from bursar.profiles.rules import Rules, wrong

Each = Literal["file", "user", "fine"]
Kind = Literal["charge", "credit", "reversal"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""The kinds of fines, as `line_kind` in the ledger."""


def _validate_fill(value: object) -> str:
    text = str(value)
    if len(text) != 1 or not " " < text <= "~":
        raise ValueError(f"{text!r} is not one character of ASCII: write it in quotes, as in '0'")
    return text


FirstDay = Annotated[Text, AfterValidator(check_first_day)]


class DerivedValue(StrictModel):
    """A value of the layout's own: a code (`of`, `codes`), the code of a term (`day`, `terms`), or a day (`due`)."""

    of: Annotated[tuple[Text, ...], BeforeValidator(to_tuple)] = Field(
        (), description="The value, or the list of values, on which the code depends, as in `fine_fee_type`."
    )
    codes: dict[str, TemplateText] = Field(
        {},
        description="The codes. A key is a text of the value; of several values the texts divided by `/`, as in "
        "`LAW/OVERDUEFINE`; `*` is any text. The first key that fits counts. A code may have values in braces.",
    )
    else_: TemplateText | None = Field(
        None, alias="else", description="The code if no key fits. Blank: such a fine is skipped, and stays open."
    )
    day: Text | None = Field(
        None, description="The day that decides about the term: `exported_on`, `last_transaction_on` or `charged_on`."
    )
    terms: dict[FirstDay, TemplateText] = Field(
        {},
        description="The codes of terms by their first days: month and day of every year, as in `08-16`, or a date, as "
        "in `2026-08-24`. A code may have `{year}` and `{yy}` of the year in which the term began, also as in "
        "`{year+1}`.",
    )
    due: DueDay | None = Field(None, description="The rule of a due day, which columns write like other days.")

    def _check_kind(self) -> Iterator[InitErrorDetails]:
        if [bool(self.of or self.codes), bool(self.day or self.terms), self.due is not None].count(True) != 1:
            yield wrong("write either `of` with `codes`, or `day` with `terms`, or `due`")
        elif self.due:
            if self.else_ is not None:
                yield wrong("belongs to `codes`: remove it", "else")
        elif bool(self.of) != bool(self.codes or self.else_):
            yield wrong("`of` and `codes` belong together: write both")
        elif bool(self.day) != bool(self.terms):
            yield wrong("`day` and `terms` belong together: write both")
        elif self.day and self.else_ is not None:
            yield wrong("belongs to `codes`: a day before the first term has no code", "else")

    def _check_keys(self) -> Iterator[InitErrorDetails]:
        for key in self.codes:
            if len(self.of) > 1 and key.count("/") != len(self.of) - 1:
                yield wrong(
                    f"{key!r} has not {len(self.of)} parts, as `of` has: divide them by /, and write * for any text",
                    *("codes", key),
                )

    rules: ClassVar[Rules] = (_check_kind, _check_keys)

    @property
    def templates(self) -> list[Template]:
        """The templates of all its codes."""
        return [*self.codes.values(), *self.terms.values(), *([self.else_] if self.else_ is not None else [])]

    @property
    def needs(self) -> set[str]:
        """The names of the values on which it depends directly."""
        if self.day:
            return {self.day}
        if self.due:
            return {self.due.of}
        return {*self.of, *(slot.name for template in self.templates for slot in template.slots)}


class Column(StrictModel):
    """A column of a record: the value, and how it fills its place."""

    name: Text | None = Field(None, description="The heading of the column, and its name in messages.")
    at: PositionText | None = Field(
        None,
        description="Of a fixed layout: the first and the last character of the column, as in `12-20`; `85-` is to the "
        "end of the line, however long. Gaps between columns are blank.",
    )
    value: TemplateText = Field(
        "",
        validate_default=True,
        description="What the column shows: a text with values in braces. After a colon stands how a value is written: "
        "`{amount:0.00}`, `{exported_on:%m/%d/%Y}`, `{patron_name:upper}`. Blank: the column is empty.",
    )
    most: Width | None = Field(
        None,
        description="Of a delimited layout: how many characters the column may have. A fine with a longer text is "
        "skipped, and stays open, unless the column has `cut`.",
    )
    cut: Literal["end", "start"] | None = Field(
        None, description="Whether a text that is too long loses its `end` or its `start`. Blank: nothing is cut."
    )
    align: Literal["left", "right"] | None = Field(
        None, description="Where the text stands in its place. Blank: right if `fill` is `0`, else left."
    )
    fill: Annotated[str, BeforeValidator(_validate_fill)] | None = Field(
        None,
        description="The character that fills the place, such as `'0'`. Zeros stand behind the sign of an amount. "
        "Blank: a blank. In a delimited layout, columns with `fill` or `align` are filled to `most` characters.",
    )
    blank: Literal["space"] | None = Field(
        None, description="What an empty column of a delimited layout has: nothing, or one blank (`space`)."
    )
    delimiter: Literal["space"] | None = Field(
        None,
        description="With `quotes: never`: `space` makes a blank of each delimiter within the text. Blank: a fine with "
        "the delimiter in its text is skipped.",
    )
    required: YesNo = Field(
        default=False, description="Whether a fine whose text is empty here is skipped, and stays open."
    )

    @property
    def width(self) -> int | None:
        """The number of characters that the column may have; None for any."""
        return self.at.width if self.at else self.most

    @property
    def is_filled(self) -> bool:
        """Whether the text is filled to the width of its place."""
        return self.at is not None or self.fill is not None or self.align is not None

    @property
    def is_right_aligned(self) -> bool:
        """Whether the text stands at the right end of its place."""
        return self.align == "right" or (self.align is None and self.fill == "0")

    def _check_fill(self) -> Iterator[InitErrorDetails]:
        if self.at is None and (self.fill or self.align or self.cut) and self.most is None:
            yield wrong("the column needs a width for `fill`, `align` and `cut`: write `most`")

    rules: ClassVar[Rules] = (_check_fill,)


class Record(StrictModel):
    """A line of the file. What is before the fines opens the file, or a user, and what is behind them closes it."""

    each: Each = Field(description="Whether the line is written once a `file`, for each `user`, or for each `fine`.")
    length: Width | None = Field(
        None, description="Of a fixed layout: the length of the line, to which it is filled with blanks."
    )
    columns: tuple[Column, ...] = Field(description="The columns of the line, in their order.")

    def _check_columns(self) -> Iterator[InitErrorDetails]:
        if not self.columns:
            yield wrong("is empty: write a list of columns", "columns")

    rules: ClassVar[Rules] = (_check_columns,)


class FileKeys(StrictModel):
    """One of several files of an export: the fines that it has, and its name."""

    file_name: TemplateText = Field(description="The name of the file, as the `file_name` of a layout with one file.")
    kinds: Annotated[tuple[Kind, ...], BeforeValidator(to_tuple)] = Field(
        description="The kinds of its fines: `charge`, `credit`, and `reversal` (a credit that takes a charge back). "
        "Each kind belongs to one file."
    )
    if_empty: Literal["leave out", "send"] = Field(
        "leave out", description="What happens to the file if no fine belongs to it: `leave out`, or `send` it."
    )
    records: tuple[Record, ...] = Field((), description="The lines of this file. Blank: those of the layout.")


class LayoutKeys(TextLayout):
    """The keys of a layout of exports; `Layout` adds the rules over several of them."""

    for_: Literal["export"] = Field("export", alias="for", description="What the layout is for: `export`.")
    encoding: Encoding = Field(
        "utf-8",
        description="The encoding of the file. A fine with a character that it does not have is skipped.",
    )
    characters: Literal["any", "ascii"] = Field(
        "any",
        description="`ascii` writes every text in ASCII, as `Garcia` for `García`. `any` changes nothing.",
    )
    line_end: LineEnd = Field("lf", description="What ends a line: `lf`, `crlf` (as on Windows) or `cr`.")
    last_line_end: YesNo = Field(default=True, description="Whether the last line has a line end, too.")
    delimiter: Separator = Field(
        "comma",
        description="The sign between two columns, by its name or as the character in quotes.",
        json_schema_extra=allow_characters,
    )
    heading: YesNo = Field(
        default=False,
        description="Whether the first line has the names of the columns, of the first record of users or fines.",
    )
    file_name: TemplateText = Field(
        "{profile}-{batch}-{exported_at:%Y%m%d%H%M%S}.txt",
        validate_default=True,
        description="The name of the file, with the values `batch`, `profile`, `exported_on` and `exported_at`.",
    )
    files: tuple[FileKeys, ...] = Field(
        (),
        description="The files of an export that has several, in the order of upload. Blank: one file, `file_name`.",
    )
    done_file: TemplateText | None = Field(
        None,
        description="The name of an empty file that is uploaded last, and says that the others are complete; with the "
        "values of `file_name`.",
    )
    compress: Literal["gzip"] | None = Field(
        None, description="Whether the files are compressed: `gzip`. Their names stay as `file_name` says."
    )
    encrypt: Literal["pgp"] | None = Field(
        None,
        description="Whether the files are encrypted: `pgp`, with the bursar's public key in the extra of the S/FTP "
        "connection. Their names stay as `file_name` says.",
    )
    values: dict[
        Annotated[Text, Matches("[a-z][a-z0-9_]{0,40}", "write small letters, digits and _")], DerivedValue
    ] = Field({}, description="Values of the layout's own: codes from tables, and terms.")
    records: tuple[Record, ...] = Field(
        (), description="The lines of the file, in their order; of each file that has no `records` of its own."
    )

    @property
    def separator(self) -> str:
        """The sign between two columns."""
        return SEPARATORS[self.delimiter]

    @property
    def line_end_bytes(self) -> bytes:
        """The bytes that end a line."""
        return LINE_ENDS[self.line_end]

    def list_records(self, each: Each) -> list[tuple[int, Record]]:
        """Returns the records of a kind, each with its place in the layout."""
        return [(number, record) for number, record in enumerate(self.records) if record.each == each]

    @property
    def first_body(self) -> int:
        """The place of the first record of users or fines."""
        return next(number for number, record in enumerate(self.records) if record.each != "file")

    def list_used(self, each: Each | None = None) -> set[str]:
        """Returns the values that the records use, or those of a kind, with all on which these depend."""
        records = [record for record in self.records if each in (None, record.each)]
        return self.list_needed({slot.name for one in records for column in one.columns for slot in column.value.slots})

    def get_type(self, name: str, each: Each) -> ValueType | None:
        """Returns the type of a value, also of the layout's own, in the records of a kind; None if there is none."""
        if derived := self.values.get(name):
            return ValueType.DATE if derived.due else ValueType.TEXT
        return get_type(name, each)

    def list_needed(self, names: set[str]) -> set[str]:
        """Returns the values, and all on which they depend, directly or not."""
        found: set[str] = set()
        pending = list(names)
        while pending:
            name = pending.pop()
            if name not in found and name in self.values:
                pending += self.values[name].needs
            found.add(name)
        return found

    def get_file(self, number: int) -> Self:
        """Returns the layout of one file; the number of the first one is 1."""
        if not self.files:
            return self
        file = self.files[number - 1]
        own = {"file_name": file.file_name, "files": (), "records": file.records or self.records}
        return self.model_copy(update=own)

    def list_files(self) -> list[tuple[Sequence[Kind] | None, Self]]:
        """Returns the layout of each file with the kinds of its fines, in order; None for all kinds."""
        if not self.files:
            return [(None, self)]
        return [(file.kinds, self.get_file(number)) for number, file in enumerate(self.files, start=1)]

    @property
    def file_names(self) -> list[str]:
        """The templates of the names of all files, in the order of their upload."""
        names = [layout.file_name for _, layout in self.list_files()]
        return [*names, *([self.done_file] if self.done_file is not None else [])]

    @property
    def joins_users(self) -> bool:
        """Whether the file has lines of users around those of their fines."""
        return {"user", "fine"} <= {record.each for record in self.records}

    @property
    def adds_money(self) -> bool:
        """Whether a file has a sum over several fines."""
        totals = {"sum", "charges", "credits"}
        return any(not layout.list_used().isdisjoint(totals) for _, layout in self.list_files())

    @property
    def needs_one_currency(self) -> bool:
        """Whether an amount in a file can be taken for one of another currency."""
        return self.adds_money or any("currency" not in layout.list_used("fine") for _, layout in self.list_files())

    @property
    def shows_transactions(self) -> bool:
        """Whether each file has the transaction id or the number of each fine, by which payments can be matched."""
        ids = {"transaction_id", "fine_id"}
        return all(layout.list_used("fine") & ids for _, layout in self.list_files())

    def dump(self) -> str:
        """Returns the layout as JSON, for the record of a batch: a text, as jsonb changes the order of codes."""
        return self.model_dump_json(by_alias=True, exclude_defaults=True)
