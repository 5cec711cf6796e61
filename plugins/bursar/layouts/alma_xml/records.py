"""The records of a payment file, which both readers return."""

from typing import NamedTuple


class Record(NamedTuple):
    """The values of one fine in a file: the text without surrounding blanks, None where there is no text."""

    number: int  # from 1, in the order of the file
    line: int  # of its start tag, from 1
    transaction_id: str | None
    internal_id: str | None
    currency: str | None
    sum: str | None
    problem: str | None  # the reason why it must have no effect, although the rest of the file can be read


class ResumePoint(NamedTuple):
    """The place in a file up to which another reader has read it; the default is the start of the file."""

    opening: bytes = b""  # the start tags of all elements that are open there
    records: int = 0  # records before it
    lines: int = 0  # lines between the opening and it
