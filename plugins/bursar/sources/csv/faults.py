"""The faults of CSV files: of a whole file, of which nothing is loaded, and of single rows, which are rejected."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bursar.errors import InputFileError
from bursar.escaping import replace_controls
from bursar.money import pluralize
from bursar.sources.csv.tables import IDENTIFIER, IDS

MAX_ID_LENGTH = 500
"""Characters of an id, which the ledger keeps in indexes of at most 2,704 bytes an entry."""
MAX_VALUE_LENGTH = 8_000
"""Characters of any other value; a payment file in which the bursar returns a longer one is not read."""
MAX_LENGTH_SHOWN = 60
UNDECODABLE = "\udc80"
"""What bytes are decoded as that are not in the encoding of their file; no text has it."""


class HeadingError(InputFileError):
    """The heading of a file is wrong, or a row after which the others can't be divided: nothing may be loaded.

    `line` is the first line of the heading or of that row; `faults` has a sentence for each fault. Without a heading,
    they quote the first row, which may name people. If they are about the format, about separators or the encoding
    alone, they quote nothing.
    """

    def __init__(self, path: Path, line: int, faults: Sequence[str], *, about_format: bool = False) -> None:
        self.path, self.line, self.faults, self.about_format = path, line, tuple(faults), about_format
        super().__init__("\n".join(f"{replace_controls(str(path))}:{line}: {fault}" for fault in faults))


class RowFault(NamedTuple):
    """A fault of a row. Field and value are those of the cell, if there is one; the value is safe to be shown.

    Its sentence is `<field> <value> <reason>; <remedy>`.
    """

    field: str | None
    value: str | None
    reason: str
    remedy: str


def shorten(value: str) -> str:
    """Returns the start of a value, in one line and without control characters."""
    return replace_controls(value[:MAX_LENGTH_SHOWN])


def find_row_fault(values: Sequence[str], names: Sequence[str], separator: str, encoding: str) -> RowFault | None:
    """Returns the first fault of a row under columns of these names; None if it has none.

    `separator` is the name of the sign between its values, and `encoding` that of its file's encoding.
    """
    if len(values) != len(names):
        counts = f"{pluralize(len(values), 'value')} for {pluralize(len(names), 'column')}"
        return RowFault(None, None, counts, f"a value with a {separator} in it needs quotation marks")
    for name, value in zip(names, values, strict=True):
        limit = MAX_ID_LENGTH if name in IDS or name.startswith(IDENTIFIER) else MAX_VALUE_LENGTH
        if len(value) > limit:
            reason, remedy = f"has more than {limit:,} characters, the most that the ledger keeps", "shorten it"
        elif UNDECODABLE in value:
            reason = f"is not {encoding}"
            remedy = "save the file in that encoding, or name its own encoding in the source"
        elif "\0" in value:
            reason, remedy = "has a NUL character, which the ledger can't keep", "remove it"
        else:
            continue
        return RowFault(shorten(name), shorten(value), reason, remedy)
    return None
