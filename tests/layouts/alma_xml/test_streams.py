"""Files of any length are read in flat memory, and files that end anywhere are refused."""

import io
import tracemalloc
from itertools import chain, repeat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.errors import InputFileError
from bursar.layouts.alma_xml import parse
from bursar.layouts.alma_xml.parse import MAX_FIELD_LENGTH
from bursar.layouts.alma_xml.parse_fast import parse_records
from tests.support.payment_xml import CLOSING, ID, OPENING, SAMPLE, SUM, Stream, file_of, outcome, read, refusal


@pytest.mark.parametrize(
    "endless",
    [b"x" * 1_000, b"\n", b"<!-- ", b"<![CDATA[ ", b"<a b='", b"<a>", b"<?x ", b"&#49;", b"</xb:x", b"]]"],
)
def test_a_file_without_end_is_given_up_soon(endless: bytes) -> None:
    stream = Stream(iter([OPENING.encode(), endless]), repeat(endless[-2:] * 500))
    with pytest.raises(InputFileError):
        list(stream.records())
    assert stream.taken < 2 * MAX_FIELD_LENGTH


FINE = f"<xb:userFineFee>{ID}</xb:userFineFee>\n".encode()
START, END = FINE.split(b"</xb:userFineFee>")[0], b"</xb:userFineFee>"


@pytest.mark.parametrize(
    ("pieces", "count"),
    [
        (lambda: repeat(FINE, 40_000), 40_000),
        (lambda: chain([START], repeat(b"<a>b<xb:c d='1'/></a>" * 100, 1_000), [END]), 1),
        (lambda: chain([START], repeat(b"<xb:itemTitle>" + b"x" * 30_000 + b"</xb:itemTitle>", 200), [END]), 1),
        (lambda: chain(repeat(b"<a>b<xb:c d='1'/></a>" * 100, 1_000), [FINE]), 100_001),
    ],
    ids=["40,000 records", "200,000 elements of no use", "6 MB of text", "100,000 elements in the list"],
)
def test_memory_stays_flat(pieces: object, count: int) -> None:
    assert callable(pieces)
    stream = Stream(iter([OPENING.encode()]), pieces(), iter([CLOSING.encode()]))
    tracemalloc.start()
    try:
        assert sum(1 for _ in stream.records()) == count
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert stream.taken > 2_000_000
    assert peak < 500_000


def test_a_file_cut_off_anywhere_is_refused_and_gives_no_wrong_record() -> None:
    whole = read(SAMPLE)
    for end in range(len(SAMPLE.rstrip())):
        found = whole[:0]
        with pytest.raises(InputFileError, match=r"^paid\.xml:\d+: the file (ends too early|is empty)"):
            found.extend(parse_records(io.BytesIO(SAMPLE[:end]), "paid.xml"))
        assert found == whole[: len(found)]


@pytest.mark.parametrize("codec", ["utf-8", "utf-16"])
def test_a_cut_in_any_encoding_is_refused(codec: str) -> None:
    sample = file_of(ID + SUM).encode(codec)
    for end in range(len(sample)):
        refusal(sample[:end])


Change = tuple[float, int, bytes]


@settings(max_examples=300, deadline=None)
@given(
    codec=st.sampled_from(["utf-8", "utf-16"]),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 8), st.binary(max_size=8)), min_size=1, max_size=5),
)
def test_no_bytes_make_anything_else_than_records_or_a_refusal(codec: str, changes: list[Change]) -> None:
    content = bytearray(SAMPLE.decode().replace("UTF-8", codec.upper()).encode(codec))
    for place, length, put in changes:
        at = int(place * len(content))
        content[at : at + length] = put
    found, refusal = outcome(parse_records(io.BytesIO(content), "paid.xml"))
    assert [record.number for record in found] == list(range(1, len(found) + 1))
    assert (found, refusal) == outcome(parse.parse_records([bytes(content)], "paid.xml"))
