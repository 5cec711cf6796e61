"""Templates: texts with values in braces, as in `Overdue {item_barcode}` and `{amount:0.00}`."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from string import Formatter
from typing import Annotated, Self

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from bursar.layouts.pictures import DatePicture, MoneyPicture

_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_TEXT_STEP = re.compile(r"(upper|lower|without zeros|(?:first|last) [1-9][0-9]{0,3})(?: |$)")
MAX_DIGITS = 38


class ValueType(StrEnum):
    """The type of a value, which decides what pictures it has."""

    TEXT = "text"
    NUMBER = "number"
    MONEY = "money"
    DATE = "date"
    MOMENT = "moment"
    HASH = "hash"


@dataclass(frozen=True)
class Slot:
    """A value in a template, and its picture (may be empty)."""

    name: str
    picture: str


class Template(str):
    """A text with slots, as it is written in the layout; `parts` are its constant texts and its slots."""

    __slots__ = ("parts",)
    parts: tuple[str | Slot, ...]

    def __new__(cls, text: str) -> Self:
        """Parses a template.

        Raises:
            ValueError: the braces are wrong, or it has a control character; the message says what to write.
        """
        if match := _UNPRINTABLE.search(text):
            raise ValueError(f"the control character U+{ord(match[0]):04X} is not allowed here: remove it")
        template = super().__new__(cls, text)
        template.parts = tuple(_parse(text))
        return template

    @property
    def slots(self) -> list[Slot]:
        """The values in the template, in its order."""
        return [part for part in self.parts if isinstance(part, Slot)]

    @property
    def constants(self) -> list[str]:
        """The constant texts in the template, in its order."""
        return [part for part in self.parts if isinstance(part, str)]

    @property
    def only_slot(self) -> Slot | None:
        """The slot of a template that has nothing else."""
        return self.slots[0] if len(self.parts) == 1 and self.slots else None


def _validate(value: object) -> Template:
    if isinstance(value, (list, tuple, dict)):
        raise ValueError("write one text here, not a list or a section")  # noqa: TRY004  pydantic wants ValueError
    return value if isinstance(value, Template) else Template("" if value is None else str(value))


TemplateText = Annotated[
    Template,
    PlainValidator(_validate),
    PlainSerializer(str),
    WithJsonSchema({"type": ["string", "number"]}),
]
"""A template, which is blank if nothing is written."""


def _parse(text: str) -> Iterator[str | Slot]:
    hint = "write values in braces, as in {amount:0.00}, and a brace itself twice"
    try:
        pieces = list(Formatter().parse(text))
    except ValueError:
        raise ValueError(f"the braces in {text!r} are wrong: {hint}") from None
    literal = ""
    for constant, name, picture, conversion in pieces:
        literal += constant
        if name is None:
            continue
        if not name or conversion or "{" in (picture or ""):
            raise ValueError(f"the braces in {text!r} are wrong: {hint}")
        if literal:
            yield literal
            literal = ""
        yield Slot(name, picture or "")
    if literal:
        yield literal


def list_text_steps(picture: str) -> list[tuple[str, int]]:
    """Returns the steps of a picture of a text, such as `upper` and `first 7`, each with its number or 0.

    Raises:
        ValueError: it is no such picture.
    """
    steps, rest = [], picture
    while rest:
        match = _TEXT_STEP.match(rest)
        if match is None:
            raise ValueError(
                f"{picture!r} is no picture of a text: write upper, lower, first 7, last 7, without zeros, or several "
                "with a blank between"
            )
        word, _, count = match[1].rpartition(" ") if match[1][-1].isdigit() else (match[1], "", "0")
        steps.append((word, int(count)))
        rest = rest[match.end() :]
    return steps


def apply_text_steps(text: str, picture: str) -> str:
    """Returns a text as its picture shows it."""
    for step, count in list_text_steps(picture):
        match step:
            case "upper":
                text = text.upper()
            case "lower":
                text = text.lower()
            case "first":
                text = text[:count]
            case "last":
                text = text[-count:]
            case _:
                text = text.lstrip("0")
    return text


def check_picture(type_: ValueType, picture: str) -> None:
    """Checks that values of a type can be written in a picture.

    Raises:
        ValueError: they can't; the message says what to write.
    """
    match type_:
        case ValueType.MONEY:
            MoneyPicture.parse(picture)
        case ValueType.DATE | ValueType.MOMENT:
            if type_ is ValueType.DATE and re.search("%[HMS]", picture):
                raise ValueError(f"{picture!r} shows a time, and the value is a day: write a picture such as %Y-%m-%d")
            DatePicture.parse(picture)
        case ValueType.HASH:
            if not re.fullmatch("[1-9][0-9]?", picture) or int(picture) > MAX_DIGITS:
                raise ValueError(f"write how many of the last digits are shown, 1 to {MAX_DIGITS}, as in :10")
        case ValueType.NUMBER:
            if not re.fullmatch("0{0,20}", picture):
                raise ValueError(
                    f"{picture!r} is no picture of a number: write as many zeros as it has digits, or none"
                )
        case ValueType.TEXT:
            list_text_steps(picture)


def suggest(written: str, names: Iterable[str]) -> str:
    """Returns the end of a message about an unknown name: the nearest name, or all of them."""
    known = sorted(names)
    near = get_close_matches(written, known, 1)
    return f"did you mean {near[0]}?" if near else f"write one of {', '.join(known)}"
