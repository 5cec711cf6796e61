"""Plain files of payments: those that have the very form of an export, as a bursar's answer to one does.

That form is regular, so that an expression says all of it: no byte of a fine that fits has another meaning than the
expression gives it. From the first byte that does not fit, `bursar.layouts.alma_xml.parse` takes over, which knows all
of XML.
"""

import codecs
import re
from collections.abc import Generator, Iterator
from itertools import chain
from typing import BinaryIO

from bursar.layouts.alma_xml import parse
from bursar.layouts.alma_xml.check import NAMESPACE
from bursar.layouts.alma_xml.parse import Record, RecordsBefore

BLOCK_SIZE = 16 * 1024
MAX_RECORDS_IN_BLOCK = 16 * 1024
"""Bytes of a plain fine, with the beginning of its user."""

_BLANK = rb"[ \t\n]*+"
_VALUE = rb"[^<>&\x00-\x08\x0b-\x1f]*+"
_TEXT = rb"%b(?:&(?:amp|lt|gt|quot|apos|#13);%b)*+" % (_VALUE, _VALUE)
_NIL = rb' xsi:nil="true" xmlns:xsi="http://www\.w3\.org/2001/XMLSchema-instance"/>'


def _all(name: str, *inner: bytes) -> bytes:
    """An element with others in it."""
    return _BLANK.join([f"<xb:{name}>".encode(), *inner, f"</xb:{name}>".encode()])


def _one(name: str, text: bytes) -> bytes:
    return f"<xb:{name}>".encode() + text + f"</xb:{name}>".encode()


def _maybe(*elements: bytes) -> bytes:
    """Elements each of which may be missing."""
    return b"".join(b"(?:%b%b)?+" % (element, _BLANK) for element in elements)


def _ignored(*names: str) -> bytes:
    return _maybe(*(f"<xb:{name}(?:>".encode() + _TEXT + f"</xb:{name}>|".encode() + _NIL + b")" for name in names))


_OWNER = _maybe(_all("owneredEntity", _ignored("InstitutionId", "libraryId", "libraryCode")))
_SUM = _all("compositeSum", _one("currency", b"(%b)" % _VALUE), _one("sum", b"(%b)" % _VALUE), _ignored("vat"))
_FINE = b"(<xb:userFineFee>)" + _BLANK.join(
    [
        b"",
        _ignored("fineFeeComment", "fineFeeType") + _OWNER + _ignored("lastTransactionDate", "itemTitle")
        + _ignored("itemCallNumebr", "itemLibrary", "itemLocation", "itemInternalLocation", "itemDueDate")
        + _ignored("itemBarcode") + _SUM,
        _maybe(_one("bursarTransactionId", b"(%b)" % _VALUE), _one("internalId", b"(%b)" % _VALUE))
        + _ignored("reversedTransactionId") + b"</xb:userFineFee>",
    ]
)  # fmt: skip
_USER_BEGINS = _BLANK.join(
    [
        b"<xb:userExportedFineFeesList>",
        _maybe(_all("user", _ignored("type", "value") + _OWNER)) + _ignored("patronName") + b"<xb:finefeeList>",
    ]
)
_USER_ENDS = _BLANK.join([b"</xb:finefeeList>", b"</xb:userExportedFineFeesList>"])

_BEGINNING = re.compile(
    _BLANK.join(
        [
            rb'(?:<\?xml version="1\.0" encoding="UTF-8"\?>)?',
            b'<xb:xml-fragment xmlns:xb="%b">' % re.escape(NAMESPACE.encode()),
            _maybe(_all("userExportedFineFees", _ignored("exportNumber"))) + b"<xb:userExportedFineFees>",
            b"<xb:userExportedList>",
        ]
    )
)
_FIRST = re.compile(_BLANK.join([b"", _USER_BEGINS, _FINE]))
_NEXT = re.compile(_BLANK + b"(?:%b)?+" % _BLANK.join([_USER_ENDS, _USER_BEGINS, b""]) + _FINE)
_OPEN = b"<xb:userExportedFineFeesList><xb:finefeeList>"
"""What is open behind a fine, below the beginning."""
_END = re.compile(
    _BLANK.join([b"", _USER_ENDS, b"</xb:userExportedList>", b"</xb:userExportedFineFees>", b"</xb:xml-fragment>", b""])
)


def parse_records(source: BinaryIO, name: str) -> Iterator[Record]:
    """Reads a file's records, with the promises of `bursar.layouts.alma_xml.parse.records`."""
    blocks = iter(lambda: source.read(BLOCK_SIZE), b"")
    left = yield from _plain(blocks)
    if left:
        before, rest = left
        yield from parse.parse_records(chain([rest], blocks), name, before)


def _plain(blocks: Iterator[bytes]) -> Generator[Record, None, tuple[RecordsBefore, bytes] | None]:
    """The plain fines with which a file begins; returns what was taken of what is left, and what comes before it."""
    rest = next(blocks, b"")
    begun = _BEGINNING.match(rest)
    decoder = codecs.getincrementaldecoder("utf-8")()
    if begun is None or not _is_text(rest, decoder):
        return RecordsBefore(), rest
    number, at = 0, begun.end()
    first_line = line = 1 + begun[0].count(b"\n")
    expected = _FIRST
    block = rest
    while block:
        while fine := expected.match(rest, at):
            expected = _NEXT
            number += 1
            line += rest.count(b"\n", at, fine.start(1))
            currency, sum_, transaction, internal = map(_value, fine.group(2, 3, 4, 5))
            yield Record(number, line, transaction, internal, currency, sum_, None)
            line += rest.count(b"\n", fine.start(1), fine.end())
            at = fine.end()
        if len(rest) - at > MAX_RECORDS_IN_BLOCK:
            break
        block = next(blocks, b"")
        rest, at = rest[at:] + block, 0
        if not _is_text(block, decoder):
            break
    else:  # the end of the file
        if number and _END.fullmatch(rest):
            return None
    return RecordsBefore(begun[0] + (_OPEN if number else b""), number, line - first_line), rest[at:]


def _value(text: bytes | None) -> str | None:
    return (text.decode().strip() or None) if text else None


def _is_text(block: bytes, decoder: codecs.IncrementalDecoder) -> bool:
    """Whether it goes on with characters that XML allows, beyond those of ASCII."""
    try:
        text = decoder.decode(block)
    except UnicodeDecodeError:
        return False
    return not ("\ufffe" in text or "\uffff" in text)
