"""Checks the plurals of messages."""

import re

_PLURAL_OF_ONE = re.compile(r"(?<![\w.,:/-])1 (?:good )?(?!(?:is|has|was|does)\b)[a-z]+s\b")


def find_wrong_plurals(text: str) -> list[str]:
    """Returns the plurals that follow a 1 in a text."""
    return _PLURAL_OF_ONE.findall(text)
