"""Reads the start of a payment file: its encoding, and blanks before its declaration; also drops padding at its end.

Programs write declarations that contradict the bytes of the file, and files with a blank line before the declaration.
The bytes decide if they leave no doubt: those of UTF-16, a byte order mark, and text that is valid in UTF-8.
"""

import codecs
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

from bursar.errors import InputFileError
from bursar.layouts.alma_xml.encoding import ENCODINGS, find_encoding, get_declared_encoding, quote, utf16_decoder
from bursar.layouts.file_kind import HEAD_SIZE, find_other_kind, find_signature

MAX_PADDING = 64 * 1024
_SKIPPED = re.compile(rb"(?:\xef\xbb\xbf|[ \t\r\n])*+")
_LINE_END = re.compile(rb"\r\n?|\n")
_PADDING = re.compile(rb"[\0\x1a]")
_PADDING_AND_BLANKS = b"\0\x1a \t\r\n"
_HALF_PADDING = {b"", b"\0", b"\x1a"}


class Text(NamedTuple):
    """The text of a file for the parser."""

    encoding: str  # of the bytes of the file, one of ENCODINGS; the blocks of UTF-16 have been recoded to UTF-8
    declared: str | None  # the name of the encoding in the declaration
    lines: int  # before the first block
    blocks: Iterator[bytes]
    decoder: codecs.IncrementalDecoder | None  # of UTF-16

    def ends_within_character(self) -> bool:
        """Returns whether half a character of UTF-16 is left after the last block; a byte of padding is none."""
        return self.decoder is not None and self.decoder.getstate()[0] not in _HALF_PADDING


def open_text(blocks: Iterator[bytes], file_name: str) -> Text:
    """Returns the text of a file from its first `<` on; all of its blocks, if there is none.

    Raises:
        InputFileError: it is no XML file, or it names an encoding that is not known.
    """
    head, blocks = _peek(blocks)
    if kind := find_signature(head):
        raise InputFileError(f"{file_name}:1: {_no_xml(kind)}")
    if decoder := utf16_decoder(head[:2]):
        head, blocks = _peek(_recode(blocks, decoder))
    skipped = match[0] if (match := _SKIPPED.match(head)) else b""
    if len(skipped) == len(head):  # there may be more of it; the parser reads blanks, too
        skipped = b""
    head, lines = head[len(skipped) :], len(_LINE_END.findall(skipped))
    where = f"{file_name}:{lines + 1}"
    if kind := find_other_kind(head):
        raise InputFileError(f"{where}: {_no_xml(kind)}")
    declared = get_declared_encoding(head)
    encoding = find_encoding(declared) if declared else "UTF-8"
    if declared and encoding is None:
        raise InputFileError(
            f"{where}: the encoding {quote(declared)} is not known. Ask the bursar for one of {', '.join(ENCODINGS)}."
        )
    if decoder:
        encoding = "UTF-16"
    elif encoding == "UTF-16" or codecs.BOM_UTF8 in skipped:
        encoding = "UTF-8"
    return Text(encoding or "UTF-8", declared, lines, _skip(blocks, len(skipped)), decoder)


def drop_padding(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yields blocks without the zeros and the ^Z at the end of the file, up to `MAX_PADDING` bytes of them."""
    held = b""
    for block in blocks:
        padding = _PADDING.search(block, len(block.rstrip(_PADDING_AND_BLANKS)))
        end = padding.start() if padding else len(block)
        if held and block.strip(_PADDING_AND_BLANKS):
            yield held
            held = b""
        if held:
            held += block
        else:
            yield block[:end]
            held = block[end:]
        if len(held) > MAX_PADDING:
            yield held
            held = b""


def _peek(blocks: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Returns the first bytes of a file, at least `HEAD_SIZE` if it has so many, and all of its blocks."""
    read: list[bytes] = []
    while sum(map(len, read)) < HEAD_SIZE and (block := next(blocks, None)) is not None:
        read.append(block)
    return b"".join(read), chain(read, blocks)


def _recode(blocks: Iterator[bytes], decoder: codecs.IncrementalDecoder) -> Iterator[bytes]:
    for block in blocks:
        yield decoder.decode(block).encode("utf-8", "surrogatepass")


def _skip(blocks: Iterator[bytes], count: int) -> Iterator[bytes]:
    for block in blocks:
        if count < len(block):
            yield block[count:]
        count = max(count - len(block), 0)


def _no_xml(kind: str) -> str:
    return f"the file is {kind}, not an XML file of payments. Ask the bursar for the XML file, and where it was put."
