"""Files that can't be read by a layout, or that would exhaust the memory: encodings, lengths, quotes, other kinds."""

import io
import tracemalloc
from itertools import repeat
from typing import TYPE_CHECKING, cast

import pytest

from bursar.errors import InputFileError
from bursar.layouts.payments.lines import MAX_LINE_LENGTH, MAX_LINES_OF_ROW
from bursar.layouts.payments.parse import parse_records
from tests.support.payment_layouts import POSITIONS, make_layout, read, refusal
from tests.support.payment_xml import Stream

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = """\
for: payments
kind: delimited
encoding: %s
delimiter: ","
fields:
  transaction_id: {column: Größe}
  sum: {column: Paid, as: 0.00}
  currency: {is: USD}
"""
CONTENT = "Größe,Paid\nÄ1,5.00\n"


@pytest.mark.parametrize(
    ("encodings", "content"),
    [
        ("utf-8", CONTENT.encode()),
        ("utf-8", CONTENT.encode("utf-8-sig")),
        ("windows-1252", CONTENT.encode("utf-8-sig")),
        ("utf-8", CONTENT.encode("utf-16")),
        ("utf-8", b"\xfe\xff" + CONTENT.encode("utf-16-be")),
        ("windows-1252", CONTENT.encode("windows-1252")),
        ("[utf-8, windows-1252]", CONTENT.encode("windows-1252")),
        ("[utf-8, windows-1252]", CONTENT.encode()),
        ("[ascii, utf-8, iso-8859-1]", CONTENT.encode()),
    ],
)
def test_the_encoding_is_that_of_the_file(encodings: str, content: bytes) -> None:
    (record,) = read(make_layout(NAMES % encodings), content)
    assert (record.transaction_id, record.sum, record.line) == ("Ä1", "5.00", 2)


def test_the_whole_file_decides_about_its_encoding() -> None:
    rows = "A,5.00\n" * 20_000
    content = f"Größe,Paid\n{rows}".encode() + "Ä,5.00\n".encode("windows-1252")
    assert "column 'Größe' is missing" in refusal(make_layout(NAMES % "[utf-8, windows-1252]"), content)
    assert refusal(make_layout(NAMES % "utf-8"), content).startswith(
        "20002: byte 0xc4 does not fit the encoding utf-8."
    )


def test_a_character_that_is_cut_off_is_an_error() -> None:
    content = CONTENT.encode() + "Ä".encode()[:1]
    assert refusal(make_layout(NAMES % "utf-8"), content).startswith("3: the file ends too early")


def test_a_fixed_file_with_a_byte_order_mark_has_one_byte_a_character() -> None:
    row = f"260301LIB001{'':42}00001250P"
    assert read(make_layout(POSITIONS), row.encode("utf-8-sig"))[0].sum == "12.50"
    assert refusal(make_layout(POSITIONS), row.replace("P", "é").encode("utf-8-sig")).startswith("1: byte 0xc3")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty."),
        (b"\n \n", ": the column 'Größe' is missing. Found: no heading."),
        (b"%PDF-1.4", "1: the file is a PDF document,"),
        (b"<html><body>Login</body></html>", "1: the file is a web page (HTML),"),
        (b'<?xml version="1.0"?><a/>', "1: the file is a text in XML,"),
        (b"\0" * 500, "1: the file is filled with zeros"),
        (CONTENT.encode().replace(b"5.00", b"5.\0000"), "2: there is a NUL character"),
        (
            CONTENT.encode("ascii", "replace").decode().encode("utf-16-le"),
            "1: there is a NUL character, as in a damaged file or in UTF-16",
        ),
        (CONTENT.encode() + b'"A",5.00\n"B,5.00\n', "4: a quotation mark is opened and never closed."),
        (CONTENT.encode() + b'"A"x,5.00\n', "3: text follows a closing quotation mark."),
        (CONTENT.encode() + b"A" * MAX_LINE_LENGTH + b"A,5.00\n", ": a line from here on has more than 65,536"),
        (
            CONTENT.encode() + b'"' + b"A\n" * MAX_LINES_OF_ROW + b'",5.00\n',
            "3: a row has more than 100 lines: most likely a quotation mark is not closed.",
        ),
    ],
)
def test_a_file_that_is_not_in_the_layout_is_rejected(content: bytes, reason: str) -> None:
    assert reason in refusal(make_layout(NAMES % "utf-8"), content)


def test_a_fixed_file_of_blank_lines_is_rejected() -> None:
    assert (
        refusal(make_layout(POSITIONS), b" \n\n") == "1: the file has no rows. Ask the bursar to send the file again."
    )


@pytest.mark.parametrize(
    "endless",
    [b"A" * 10_000, b'"', b'"A\n', b"A,5.00,", b'"A\n",'],
    ids=["a line", "quotes", "lines in quotes", "values", "values of several lines"],
)
def test_the_memory_does_not_grow_with_a_hostile_file(endless: bytes) -> None:
    stream = Stream(iter([CONTENT.encode()]), cast("Iterator[bytes]", repeat(endless, 20_000_000 // len(endless))))
    heads = iter([io.BytesIO(CONTENT.encode() + endless * 10), cast("io.BytesIO", stream)])
    tracemalloc.start()
    try:
        with pytest.raises(InputFileError):
            for _ in parse_records(make_layout(NAMES % "utf-8"), lambda: next(heads), "paid.txt"):
                pass
        assert tracemalloc.get_traced_memory()[1] < 16_000_000
    finally:
        tracemalloc.stop()
    assert stream.taken < 10_000_000


def test_the_memory_does_not_grow_with_the_payments() -> None:
    rows = (f"T{number},5.00\n".encode() for number in range(20_000))
    heads = iter([io.BytesIO(CONTENT.encode()), cast("io.BytesIO", Stream(iter([CONTENT.encode()]), rows))])
    tracemalloc.start()
    try:
        count = sum(1 for _ in parse_records(make_layout(NAMES % "utf-8"), lambda: next(heads), "paid.txt"))
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()
    assert count == 20_001
