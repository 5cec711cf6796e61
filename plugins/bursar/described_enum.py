"""Values of the ledger that have words for people: each value and its words are defined once, in one member."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Self, TypeVar

T = TypeVar("T")


class DescribedEnum(StrEnum):
    """A StrEnum whose members also have a `description`, written in a librarian's words."""

    description: str

    def __new__(cls, value: str, description: str = "") -> Self:
        """Makes a member of its value in the ledger and its description."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.description = description
        return member

    @classmethod
    def describe(cls, value: str) -> str:
        """Returns the description of a value; a value that this version does not know is returned as it is."""
        return next((member.description for member in cls if member == value), value)

    @classmethod
    def sort(cls, by_value: Mapping[str, T]) -> dict[str, T]:
        """Returns a mapping in the order of the members; values that this version does not know come last."""
        known = [member.value for member in cls if member in by_value]
        return {value: by_value[value] for value in dict.fromkeys((*known, *by_value))}
