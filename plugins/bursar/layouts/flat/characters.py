"""Characters: those that an encoding lacks, and how others are written in ASCII."""

from collections.abc import Iterable, Mapping
from functools import cache
from itertools import groupby

from anyascii import anyascii

from bursar.layouts.layout import Layout

_LAST = 0xFFFF


def find_foreign_characters(layout: Layout) -> str | None:
    """Returns the regular expression of PostgreSQL for a character that the encoding lacks; None if it has all."""
    return None if layout.encoding == "utf-8" else _get_foreign_pattern(layout.encoding)


@cache
def _get_foreign_pattern(encoding: str) -> str:
    known = [code for code in range(1, _LAST) if _is_in_encoding(chr(code), encoding)]
    ranges = []
    for _, run in groupby(enumerate(known), key=lambda one: one[1] - one[0]):
        codes = [code for _, code in run]
        ranges.append(rf"\u{codes[0]:04X}-\u{codes[-1]:04X}")
    return f"[^{''.join(ranges)}]"


def _is_in_encoding(character: str, encoding: str) -> bool:
    try:
        character.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def spell_in_ascii(characters: Iterable[str]) -> Mapping[str, str]:
    """Returns how each character is written in ASCII; one that has no spelling is a question mark."""
    return {character: anyascii(character) or "?" for character in sorted(characters)}
