"""How messages are worded."""

import re

_PLURAL_OF_ONE = re.compile(r"(?<![\w.,:/-])1 (?:good )?(?!(?:is|has|was|does)\b)[a-z]+s\b")


def find_wrong_plurals(text: str) -> list[str]:
    """What a text says of one thing as if it were several, as in `1 fines`."""
    return _PLURAL_OF_ONE.findall(text)
