"""Makes text from outside harmless where it is shown: names of files, answers of servers, texts of errors.

Nobody controls such text. On a terminal or in a mail, control characters could move the cursor or reverse the reading
direction. In Markdown, as in the notes of runs, markup could show a link, an image or a heading.
"""

import re

_CODE = r"(?<!`)`[^`|\\]+`(?!`)"
_ADDRESS = r"(?:https?://|www\.)[^\s\\`'\"<>|]*"
_MARKUP = r"[\\`*\[\]<>|~]|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;)"
_MARKUP_AT_START = r"^[#+=-]|(?:(?<=^\d)|(?<=^\d\d)|(?<=^\d\d\d))[.)](?=\s|$)"
# Also marks of the reading direction, which a terminal and a spreadsheet obey.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_NUMBER = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?")
# A spreadsheet may read this as a formula, also after the separators by which some split a line.
_FORMULA = re.compile(r"(^|[;,|])(\s*)(?=[=+\-@\uFF1D\uFF0B\uFF0D\uFF20])")
_TEXT = re.compile(rf"({_ADDRESS})|{_MARKUP}|{_MARKUP_AT_START}", re.IGNORECASE)
_SENTENCE = re.compile(rf"({_CODE})|({_ADDRESS})|{_MARKUP}|{_MARKUP_AT_START}", re.IGNORECASE)


def replace_controls(text: str) -> str:
    """Returns a text in one line: line ends become blanks, and other characters that are not printable are replaced."""
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}"
        for character in " ".join(text.splitlines())
    )


def escape_markdown(text: str) -> str:
    """Returns a text, in one line, as Markdown that shows it. Addresses become code, so that they are no links."""
    return _TEXT.sub(lambda match: f"`{match[1]}`" if match[1] else f"\\{match[0]}", replace_controls(text).strip())


def escape_sentence(sentence: str) -> str:
    """Returns a sentence of Bursar as `escape_markdown` does, and keeps code such as `bin/bursar runs list`.

    Code shows its characters as they are, so it is harmless even if it comes from outside.
    """

    def escape(match: re.Match[str]) -> str:
        code, address = match.groups()
        return code or (f"`{address}`" if address else f"\\{match[0]}")

    return _SENTENCE.sub(escape, replace_controls(sentence).strip())


def escape_formula(value: object) -> str:
    """Returns a value as a safe cell: formulas escaped, control characters replaced by blanks."""
    text = _CONTROL.sub(" ", "" if value is None else str(value))
    return text if _NUMBER.fullmatch(text) else _FORMULA.sub(r"\1\2'", text)
