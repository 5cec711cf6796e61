"""The lines of a file as text: its encoding is found, and lines of any length can't fill the memory."""

import codecs
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import BinaryIO, TypeAlias

from bursar.errors import InputFileError
from bursar.layouts.alma_xml.encoding import CUT_OFF, SEND_AGAIN
from bursar.layouts.alma_xml.start_of_file import drop_padding
from bursar.layouts.file_kind import HEAD_SIZE, find_kind_of_no_table

BLOCK_SIZE = 64 * 1024
MAX_LINE_LENGTH = 64 * 1024
"""Characters of a line."""
MAX_LINES_OF_ROW = 100
"""Lines of one row of a delimited file, whose quoted values may have line ends."""

OpenSource: TypeAlias = Callable[[], AbstractContextManager[BinaryIO]]
"""Opens a file from its start, each time that it is called."""

_BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_LINE = re.compile(r"[^\r\n]*+(?:\r\n?|\n)")
_LINE_END = re.compile(r"\r\n?|\n")


def find_encoding(open_source: OpenSource, encodings: Sequence[str], name: str) -> tuple[str, int]:
    """Returns the encoding of a file, and the length of its byte order mark, which decides if there is one.

    Else it is the first of the encodings that the whole file is in; the last one is not tried.

    Raises:
        InputFileError: the file is empty, or is a document, an archive or the like.
    """
    with open_source() as source:
        head = source.read(HEAD_SIZE)
    if not head:
        raise InputFileError(f"{name}: the file is empty. {SEND_AGAIN}")
    if kind := find_kind_of_no_table(head):
        raise InputFileError(
            f"{name}:1: the file is {kind}, not rows of text in the layout. Ask the bursar for the right file."
        )
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if head.startswith(mark):
            return encoding, len(mark)
    *tried, last = encodings
    return next((encoding for encoding in tried if _fits(open_source, encoding)), last), 0


def _fits(open_source: OpenSource, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    with open_source() as source:
        try:
            for block in iter(partial(source.read, BLOCK_SIZE), b""):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


class Lines:
    """The lines of a file with their ends, one by one; a line ends with LF, CR or both.

    `count` is the number of lines that were read. The reader of rows sets `start` to it at the end of each row.
    """

    def __init__(self, source: BinaryIO, encoding: str, mark_length: int, name: str) -> None:
        source.read(mark_length)
        blocks: Iterable[bytes] = iter(partial(source.read, BLOCK_SIZE), b"")
        self._blocks = blocks if encoding.startswith("utf-16") else drop_padding(blocks)
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._encoding = encoding
        self._name = name
        self.count = 0
        self.start = 0

    def error(self, reason: str, line: int | None = None) -> InputFileError:
        """Returns the error of the present row, or of a line."""
        return InputFileError(f"{self._name}:{line or self.start + 1}: {reason}")

    def __iter__(self) -> Iterator[str]:
        """Yields the lines.

        Raises:
            InputFileError: the text is not in its encoding, has a NUL character, or lines that are far too long.
        """
        for lines in self._split():
            for line in lines:
                self.count += 1
                if self.count - self.start > MAX_LINES_OF_ROW:
                    raise self.error(
                        f"a row has more than {MAX_LINES_OF_ROW} lines: most likely a quotation mark is not closed. "
                        f"{SEND_AGAIN}"
                    )
                yield line

    def _split(self) -> Iterator[list[str]]:
        """Yields the lines of each block."""
        rest = ""
        for block in self._blocks:
            text = rest + self._decode(block, rest)
            if "\0" in text:
                raise self.error(
                    "there is a NUL character, as in a damaged file or in UTF-16 without a byte order mark. "
                    f"{SEND_AGAIN}",
                    self.count + 1 + len(_LINE_END.findall(text[: text.index("\0")])),
                )
            end = max(text.rfind("\n"), text.rfind("\r", 0, -1)) + 1  # a CR at the end may be followed by its LF
            lines, rest = _LINE.findall(text, 0, end), text[end:]
            if max(map(len, lines), default=0) > MAX_LINE_LENGTH or len(rest) > MAX_LINE_LENGTH:
                raise self._length_error()
            yield lines
        self._decode(b"", rest, final=True)
        if rest:
            yield [rest]

    def _length_error(self) -> InputFileError:
        return self.error(f"a line from here on has more than {MAX_LINE_LENGTH:,} characters. {SEND_AGAIN}")

    def _decode(self, block: bytes, rest: str, *, final: bool = False) -> str:
        try:
            return self._decoder.decode(block, final)
        except UnicodeDecodeError as error:
            before = rest + error.object[: error.start].decode(self._encoding, "replace")
            line = self.count + 1 + len(_LINE_END.findall(before))
            if error.reason == "unexpected end of data":
                raise self.error(CUT_OFF, line) from error
            raise self.error(
                f"byte {error.object[error.start]:#04x} does not fit the encoding {self._encoding}. Add the encoding "
                "of the file to the layout, or ask the bursar for the right one.",
                line,
            ) from error
