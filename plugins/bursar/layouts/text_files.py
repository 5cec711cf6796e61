"""What the layouts of all text files have in common: keys, encodings, separators, line ends and positions."""

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema

from bursar.profiles.field_types import StrictModel, WholeNumber

MAX_LINE_LENGTH = 10_000
"""Characters of a line of a fixed layout."""
Encoding = Literal["utf-8", "ascii", "iso-8859-1", "iso-8859-15", "windows-1252"]
"""The encodings of text files, by names that Python knows. All but UTF-8 have one byte a character."""
SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "vertical bar": "|"}
"""The separators of columns, by the name that a layout has for them."""
LINE_ENDS = {"lf": b"\n", "crlf": b"\r\n", "cr": b"\r"}
"""The ends of lines, by the name that a layout has for them."""
_NAMES = {character: name for name, character in SEPARATORS.items()}


def name_separator(value: object) -> object:
    """Returns the name of a separator that is written as the character itself."""
    return _NAMES.get(value, value.strip()) if isinstance(value, str) else value


def allow_characters(schema: dict[str, Any]) -> None:
    """Adds the characters to the JSON Schema of a `Separator`, which has their names."""
    schema["enum"] += list(_NAMES)


Separator = Annotated[Literal["comma", "semicolon", "tab", "vertical bar"], BeforeValidator(name_separator)]
"""A separator, by its name; the character itself is accepted, too."""
LineEnd = Literal["lf", "crlf", "cr"]
Width = Annotated[WholeNumber, Field(ge=1, le=MAX_LINE_LENGTH)]


def to_tuple(value: object) -> object:
    """Returns a single text as a list of one."""
    return (value.strip(),) if isinstance(value, str) else value


class TextLayout(StrictModel):
    """The keys that the layouts of exports, payments and statements share."""

    for_: str = Field(alias="for")
    kind: Literal["delimited", "fixed"] = Field(
        description="`delimited`: columns divided by a delimiter, as in CSV. `fixed`: columns at fixed positions."
    )
    quotes: Literal["needed", "all", "never"] = Field(
        "needed",
        description="Which columns are in double quotes: those that need it, `all`, or none (`never`), where a double "
        "quote is a character like any other. Within double quotes it is doubled.",
    )


@dataclass(frozen=True)
class Position:
    """The characters `first` to `last` of a line, counted from 1; to the end of the line if `last` is None."""

    first: int
    last: int | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parses a position as bursars write it: `12-20`, `41` or, to the end of the line, `85-`.

        Raises:
            ValueError: it is none; the message says what to write.
        """
        match = re.fullmatch(r"([0-9]{1,5})(?: ?(-) ?([0-9]{1,5})?)?", text)
        first = int(match[1]) if match else 0
        last = None if match is None or (match[2] and not match[3]) else int(match[3] or first)
        end = first if last is None else last
        if match is None or not 1 <= first <= end <= MAX_LINE_LENGTH:
            raise ValueError(
                f"{text!r} is no position in a line: write the first and the last character with a hyphen, as in "
                f"12-20, counted from 1 to {MAX_LINE_LENGTH:,}"
            )
        return cls(first, last)

    @property
    def width(self) -> int | None:
        """The number of characters; None if it reaches to the end of the line."""
        return None if self.last is None else self.last - self.first + 1

    def __str__(self) -> str:
        """Returns the position as it is written in a layout."""
        if self.last == self.first:
            return str(self.first)
        return f"{self.first}-{'' if self.last is None else self.last}"


def _parse_position(value: object) -> Position:
    return value if isinstance(value, Position) else Position.parse(str(value).strip())


PositionText = Annotated[
    Position,
    PlainValidator(_parse_position),
    PlainSerializer(str),
    WithJsonSchema({"type": ["string", "integer"], "pattern": "^[0-9]{1,5}(-[0-9]{0,5})?$"}),
]
