"""The fast path of the reader: it gives the same records and errors as the general reader."""

import io
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.layouts.alma_xml import parse, parse_fast
from bursar.layouts.alma_xml.parse_fast import parse_records
from tests.support.payment_xml import SAMPLE, outcome, read


def make_plain_file(fines: int = 40) -> bytes:
    """Returns a file like the sample, with more fines."""
    before, fine, rest = SAMPLE.partition(b"\t\t\t\t\t<xb:userFineFee>")
    one, end, behind = (fine + rest).partition(b"</xb:userFineFee>\n")
    return before + (one + end) * fines + behind


@pytest.mark.parametrize(
    "content", [SAMPLE, make_plain_file(), make_plain_file().replace(b"\n", b"").replace(b"\t", b"")]
)
def test_a_plain_file_is_read_by_the_fast_path_alone(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = outcome(parse.parse_records([content], "paid.xml"))
    monkeypatch.setattr(parse, "parse_records", None)
    assert (read(content), "") == expected
    assert len(expected[0]) >= 3


ODD = (
    *(b"<!-- </xb:userFineFee> -->", b"<![CDATA[9]]>", b"<?a b?>", b"]]>", b"&#57;", b"&amp;", b"&lt;xb:sum&gt;"),
    *(b"<xb:sum>9</xb:sum>", b"<xb:internalId>9</xb:internalId>", b"<xb:userFineFee/>", b"<xb:userFineFee>", b"<a/>"),
    *(b"</xb:finefeeList>", b"</xb:userExportedFineFeesList>", b' xsi:nil="true"', b' a="1"'),
    *("Größe".encode(), b"\xef\xbf\xbe", b"\xed\xa0\x80", b"<\0", b"\0<", b"\0", b"\xff\xfe", b"\xfe\xff"),
    *(b"\r\n", b"\n \n", b"\n" * 18_000, b"x" * 20_000),
)
"""Bytes that do not occur in a plain file, or not everywhere."""


@settings(max_examples=300, deadline=None)
@given(
    place=st.floats(0, 1),
    length=st.integers(0, 30),
    put=st.one_of(
        st.binary(max_size=8),
        st.sampled_from(ODD),
    ),
    block=st.sampled_from([700, 5_000, 64 * 1024]),
)
def test_any_changed_file_gives_the_result_of_the_general_reader(
    place: float, length: int, put: bytes, block: int
) -> None:
    """The records and their lines are the same, and so is the line of an error.

    The reason of an error may differ if a character is divided between two blocks.
    """
    content = bytearray(make_plain_file())
    at = int(place * len(content))
    content[at : at + length] = put
    with patch.object(parse_fast, "BLOCK_SIZE", block):
        found, refusal = outcome(parse_records(io.BytesIO(content), "paid.xml"))
    expected, reason = outcome(parse.parse_records([bytes(content)], "paid.xml"))
    assert (found, refusal.split(":")[:2]) == (expected, reason.split(":")[:2])
