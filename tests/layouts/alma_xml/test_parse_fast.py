"""Plain files of payments: read by themselves, they give what any reading of them would."""

import io
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.layouts.alma_xml import parse, parse_fast
from bursar.layouts.alma_xml.parse_fast import parse_records
from tests.support.payment_xml import SAMPLE, outcome, read


def plain_file(fines: int = 40) -> bytes:
    """What an export of the sample's fines would be, with more of them."""
    before, fine, rest = SAMPLE.partition(b"\t\t\t\t\t<xb:userFineFee>")
    one, end, behind = (fine + rest).partition(b"</xb:userFineFee>\n")
    return before + (one + end) * fines + behind


@pytest.mark.parametrize("content", [SAMPLE, plain_file(), plain_file().replace(b"\n", b"").replace(b"\t", b"")])
def test_a_plain_file_needs_no_other_reading(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
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
"""What a plain file has not, or not there."""


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
def test_from_what_is_not_plain_on_a_file_is_read_as_any_other(
    place: float, length: int, put: bytes, block: int
) -> None:
    """Whatever stands wherever, the same records on the same lines, or a refusal with the same line.

    Its reason may be another where a character lies across two blocks.
    """
    content = bytearray(plain_file())
    at = int(place * len(content))
    content[at : at + length] = put
    with patch.object(parse_fast, "BLOCK_SIZE", block):
        found, refusal = outcome(parse_records(io.BytesIO(content), "paid.xml"))
    expected, reason = outcome(parse.parse_records([bytes(content)], "paid.xml"))
    assert (found, refusal.split(":")[:2]) == (expected, reason.split(":")[:2])
