"""The lines of a CSV file, decoded."""

import codecs
import csv
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

from bursar.sources.csv.dialect import AUTO, Dialect
from bursar.sources.csv.faults import UNDECODABLE, HeadingError

MAX_RECORD_LENGTH = 1_000_000
"""Characters of a record: memory is bounded even if a file has no line feed."""
_BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_MARK_ERRORS = "bursar.undecodable"


def _mark_error(error: UnicodeError) -> tuple[str, int]:
    if isinstance(error, UnicodeDecodeError):
        return UNDECODABLE, error.end
    raise error


# Python's "surrogateescape" does so for bytes above 127 alone, and there are others in UTF-16.
codecs.register_error(_MARK_ERRORS, _mark_error)


@contextmanager
def open_lines(path: Path, dialect: Dialect) -> Generator["Lines"]:
    """Opens a file in the encoding of its dialect, or in that of its byte order mark, which is no part of its lines.

    Raises:
        HeadingError: the byte order mark contradicts the dialect.
        OSError: the file can't be read.
    """
    with path.open("rb") as file:
        start = file.peek(max(map(len, _BYTE_ORDER_MARKS)))
        mark = next((mark for mark in _BYTE_ORDER_MARKS if start.startswith(mark)), b"")
        encoding = _BYTE_ORDER_MARKS.get(mark, "utf-8")
        if dialect.encoding != AUTO:
            said = codecs.lookup(dialect.encoding).name.removesuffix("-sig")
            if mark and not encoding.startswith(said):
                fault = (
                    f"the file starts with the byte order mark of {encoding.upper()}, the source says "
                    f"{dialect.encoding}; save the file in that encoding, or change what the source says"
                )
                raise HeadingError(path, 1, [fault], about_format=True)
            if not mark:  # of UTF-16, nearly all programs write the little end first
                encoding = "utf-16-le" if said == "utf-16" else dialect.encoding
        file.read(len(mark))
        yield Lines(path, TextIOWrapper(file, encoding, _MARK_ERRORS, newline=""))


class Lines:
    """The lines of a file, one by one.

    At the end of a record, the reader sets `length` to 0 and `start` to the number of the next line.

    Raises:
        csv.Error: a record is too long: more than MAX_RECORD_LENGTH characters since `length` was set to 0.
    """

    def __init__(self, path: Path, file: TextIO) -> None:
        self._path = path
        self._file = file
        self.encoding = file.encoding.upper()
        self.length = 0
        self.start = 1

    def describe_faults(self, *faults: str, about_format: bool = False) -> HeadingError:
        """Returns the error of a record, or of the heading, that makes the whole file unfit."""
        return HeadingError(self._path, self.start, faults, about_format=about_format)

    def __iter__(self) -> Iterator[str]:
        """Reads the lines from here on."""
        readline = self._file.readline
        while line := readline(MAX_RECORD_LENGTH + 1):
            self.length += len(line)
            if self.length > MAX_RECORD_LENGTH:
                raise csv.Error(f"a record has more than {MAX_RECORD_LENGTH:,} characters")
            yield line
