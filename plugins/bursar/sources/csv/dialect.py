"""The dialect of a source: how its program writes CSV files and the amounts in them."""

import re
from collections.abc import Callable, Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import InitErrorDetails

from bursar.profiles.field_types import StrictModel, Text, YesNo
from bursar.profiles.rules import Rules, wrong

AUTO = "auto"
SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "vertical bar": "|"}
"""The separators of columns, by the name that a dialect has for them."""
_DECIMALS = {"point": ".", "comma": ","}
_THOUSANDS = {"none": "", "point": ".", "comma": ",", "space": " \u00a0\u2009\u202f", "apostrophe": "'\u2019"}
_NAMES = {
    character: name
    for signs in (SEPARATORS, _DECIMALS, _THOUSANDS)
    for name, characters in signs.items()
    for character in characters
}


def _name_sign(value: object) -> object:
    """Returns the name of a sign that is written as the character itself."""
    return _NAMES.get(value, _NAMES.get(value.strip(), value.strip())) if isinstance(value, str) else value


def _allow_signs(schema: dict[str, Any]) -> None:
    """Adds the characters to a JSON Schema that has their names."""
    schema["enum"] += [character for character, name in _NAMES.items() if name in schema["enum"]]


def _validate_encoding(value: str) -> str:
    if value == AUTO:
        return value
    try:
        # ASCII without backslash, and what may be an escape of half a character.
        (bytes(range(92)) + rb"\ud800").decode(value, "surrogateescape").encode()
    except (LookupError, UnicodeError):
        raise ValueError(
            f"{value!r} is not an encoding of text files that is known here: write auto, or an encoding such as utf-8, "
            "utf-16-le, windows-1252 or iso-8859-15"
        ) from None
    return value


class Dialect(StrictModel):
    """How the program of a source writes its files. A sign is given by its name, or as the character itself."""

    encoding: Annotated[Text, AfterValidator(_validate_encoding)] = Field(
        AUTO,
        description="The encoding of the files, such as `windows-1252`. `auto`: UTF-8 with or without a byte order "
        "mark, and UTF-16 with one.",
    )
    separator: Annotated[Literal["auto", "comma", "semicolon", "tab", "vertical bar"], BeforeValidator(_name_sign)] = (
        Field(
            "auto",
            description="The sign between two columns. `auto`: the one with which the heading has columns.",
            json_schema_extra=_allow_signs,
        )
    )
    decimal: Annotated[Literal["point", "comma"], BeforeValidator(_name_sign)] = Field(
        "point", description="The decimal sign of amounts.", json_schema_extra=_allow_signs
    )
    thousands: Annotated[Literal["none", "point", "comma", "space", "apostrophe"], BeforeValidator(_name_sign)] = Field(
        "none",
        description="The sign between groups of three digits. An amount may be written without it, too.",
        json_schema_extra=_allow_signs,
    )
    minor_units: YesNo = Field(
        default=False,
        description="Whether amounts are whole numbers of the smallest unit of their currency, such as cents: 1250 is "
        "12.50 EUR, and 1250 JPY.",
    )

    def _check_signs(self) -> Iterator[InitErrorDetails]:
        if self.decimal == self.thousands:
            yield wrong(f"a {self.decimal} can't be the decimal sign and also the sign of thousands", "thousands")

    rules: ClassVar[Rules] = (_check_signs,)

    @property
    def amount_example(self) -> str:
        """An amount as the source writes it."""
        group = _THOUSANDS[self.thousands][:1]
        return f"1{group}250" if self.minor_units else f"1{group}234{_DECIMALS[self.decimal]}50"


DEFAULT_DIALECT = Dialect()


def get_amount_parser(dialect: Dialect) -> Callable[[str], str | None] | None:
    """Returns a function that rewrites an amount as `-1234.56`, and returns None if it is not written in the dialect.

    Returns None for a dialect that writes amounts so already: they are left as they are.
    """
    if (dialect.decimal, dialect.thousands, dialect.minor_units) == ("point", "none", False):
        return None
    thousands = _THOUSANDS[dialect.thousands]
    whole = f"[0-9]{{1,3}}(?:[{thousands}][0-9]{{3}})+|[0-9]+" if thousands else "[0-9]+"
    fraction = "" if dialect.minor_units else f"(?:[{_DECIMALS[dialect.decimal]}][0-9]+)?"
    match = re.compile(f"-?(?:{whole}){fraction}").fullmatch
    plain_signs = str.maketrans(_DECIMALS[dialect.decimal], ".", thousands)

    def parse_amount(value: str) -> str | None:
        return value.translate(plain_signs) if match(value) else None

    return parse_amount
