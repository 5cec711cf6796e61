"""Compares patterns of file names."""

import re
from functools import cache

_CLASS = re.compile(r"\[!?\]?[^\]]*\]")
_ANY = "?"


def do_patterns_overlap(one: str, another: str) -> bool:
    """Returns whether two patterns with `*`, `?` and `[...]` may match the same name, in any case.

    A class of characters counts as any character, so that the answer is never wrongly no.
    """
    left, right = (re.sub(r"\*+", "*", _CLASS.sub(_ANY, pattern.casefold())) for pattern in (one, another))

    @cache
    def overlap(i: int, j: int) -> bool:
        """Returns whether the rests of both patterns overlap."""
        if i == len(left) or j == len(right):
            return not (left[i:] + right[j:]).strip("*")
        if left[i] == "*":
            return overlap(i + 1, j) or overlap(i, j + 1)
        if right[j] == "*":
            return overlap(i, j + 1) or overlap(i + 1, j)
        return (left[i] == right[j] or _ANY in (left[i], right[j])) and overlap(i + 1, j + 1)

    return overlap(0, 0)
