"""Payment files for the readers of XML, and the readings of them."""

import io
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import cast

import pytest

from bursar.errors import InputFileError
from bursar.layouts.alma_xml.parse_fast import parse_records
from bursar.layouts.alma_xml.records import Record

SAMPLE = (Path(__file__).parents[1] / "samples" / "export.xml").read_bytes()
# A copy: the tests must notice if Bursar changes the namespace.
NAMESPACE = "http://com/exlibris/urm/rep/externalsysfinesfees/xmlbeans"
NIL = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil='
OPENING = (
    f'<xb:xml-fragment xmlns:xb="{NAMESPACE}"><xb:userExportedFineFees><xb:userExportedList>'
    "<xb:userExportedFineFeesList><xb:finefeeList>\n"
)
CLOSING = (
    "</xb:finefeeList></xb:userExportedFineFeesList></xb:userExportedList></xb:userExportedFineFees></xb:xml-fragment>"
)
SUM = "<xb:compositeSum><xb:currency>USD</xb:currency><xb:sum>5</xb:sum></xb:compositeSum>"
ID = "<xb:bursarTransactionId>70001</xb:bursarTransactionId>"
EMPTY = (
    "<xb:userExportedFineFees><xb:userExportedList><xb:userExportedFineFeesList><xb:finefeeList/>"
    "</xb:userExportedFineFeesList></xb:userExportedList></xb:userExportedFineFees>"
)
NAMED = EMPTY.replace("<xb:finefeeList/>", f"<xb:finefeeList><xb:paid>{ID}{SUM}</xb:paid></xb:finefeeList>")
USER = "<xb:user><xb:type>02</xb:type><xb:value>00451237</xb:value></xb:user><xb:patronName>Ada</xb:patronName>"
PAYMENT = Record(1, 2, "70001", None, "USD", "5", None)


class Stream(io.RawIOBase):
    """Pieces as a file that nobody has in memory, and how many bytes of it were read."""

    def __init__(self, *pieces: Iterator[bytes]) -> None:
        self.pieces = chain(*pieces)
        self.rest = b""
        self.taken = 0

    def read(self, size: int = -1, /) -> bytes:
        while len(self.rest) < size and (piece := next(self.pieces, b"")):
            self.rest += piece
        block, self.rest = self.rest[:size], self.rest[size:]
        self.taken += len(block)
        return block

    def records(self) -> Iterator[Record]:
        return parse_records(cast("io.BufferedReader", self), "paid.xml")


def read(content: str | bytes) -> list[Record]:
    return list(parse_records(io.BytesIO(content.encode() if isinstance(content, str) else content), "paid.xml"))


def fragment(inner: str) -> str:
    return f'<xb:xml-fragment xmlns:xb="{NAMESPACE}">{inner}</xb:xml-fragment>'


def outcome(found: Iterator[Record]) -> tuple[list[Record], str]:
    """The records that are found, and why no more are."""
    whole: list[Record] = []
    try:
        whole.extend(found)
    except InputFileError as error:
        return [], str(error)
    return whole, ""


def file_of(*fines: str, more: str = "") -> str:
    return OPENING + more + "\n".join(f"<xb:userFineFee>{fine}</xb:userFineFee>" for fine in fines) + CLOSING


def refusal(content: str | bytes) -> str:
    with pytest.raises(InputFileError) as caught:
        read(content)
    message = str(caught.value)
    assert message.startswith("paid.xml:")
    assert message.isprintable()
    assert len(message) < 300
    return message.removeprefix("paid.xml:")
