r"""The regular expressions that an identifier can be asked to match.

PostgreSQL evaluates them, so only what it reads exactly as written here is let through; the two look alike and
differ in the corners (a backspace for \b, no atomic groups, bounds to 255).
"""

import re
import warnings

_BRACKET_CHARACTER = r"(?:[^\[\]\\-]|\\[dsw]|\\[^A-Za-z0-9])"
_PIECE = re.compile(
    rf"""
    (?: \\[dDsSwW] | \\[^A-Za-z0-9]                                         # a class, or a sign taken as itself
      | \[\^?-?(?:{_BRACKET_CHARACTER}(?:-{_BRACKET_CHARACTER})?)+-?\]      # one of these characters
      | \((?:\?:)?(?![?*]) | \)                                             # a group
      | [^\\()\[\]{{}}*+?]                                                  # any other character, and . ^ $ |
    )
    (?: (?:[*+?]|\{{\d{{1,2}}(?:,\d{{0,2}})?\}})\??(?![*+?{{]) )?            # how often
    """,
    re.VERBOSE,
)


def checked_pattern(pattern: str) -> str:
    r"""The pattern, if PostgreSQL reads it as it is meant.

    Raises:
        ValueError: says from which sign on it isn't understood, and what may be used instead.
    """
    position = 0
    while position < len(pattern):
        piece = _PIECE.match(pattern, position)
        if piece is None:
            raise ValueError(
                f"{pattern[position:]!r} in this regular expression is not understood. Use characters, [A-Z] \\d \\w . "
                "( ) | and the repetitions ? * + {8} {2,5}; a backslash before any other sign takes it as it is."
            )
        position = piece.end()
    try:
        with warnings.catch_warnings(action="ignore"):  # that && in brackets may mean more in some later Python
            re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is not a regular expression: {error}") from None
    return pattern
