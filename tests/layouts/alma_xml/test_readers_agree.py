"""Both readers agree on files of any structure, encoding and edges, and neither of them ignores a possible payment."""

import io
from typing import NamedTuple
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.layouts.alma_xml import parse, parse_fast
from tests.support.payment_xml import ID, NAMESPACE, SUM, USER, outcome

RECORD = f"<xb:userFineFee>{SUM}{ID}</xb:userFineFee>"
IN_RECORD = (
    RECORD,
    RECORD.replace(ID, ""),
    RECORD.replace(SUM, ""),
    "<xb:userFineFee/>",
    f"<xb:userFineFee>{ID}{SUM}</xb:userFineFee>",
)
OTHERS = (
    f"<xb:paid>{ID}{SUM}</xb:paid>",
    "<xb:total>5</xb:total>",
    "<total xmlns=''/>",
    "<xb:finefeeList/>",
    "70001;5",
    f"<xb:refund><xb:finefeeList>{SUM}</xb:finefeeList></xb:refund>",
)
"""Things that are no records, in the place of records."""
MISTAKEN = ("<xb:userfinefee/>", "<userFineFee xmlns='urn:x'/>", "<xb:user><xb:userFineFee/></xb:user>")
"""Things for which a file is refused."""
IGNORED = ("", "\n", "\t\n ", "<!-- </xb:userFineFee>\n -->", "<?a b?>", USER, "<xb:exportNumber>7</xb:exportNumber>")

ENTRIES = [
    (kind, text) for kind, texts in (("record", IN_RECORD), ("other", OTHERS), ("ignored", IGNORED)) for text in texts
]
ENCODINGS = ("UTF-8", "utf8", "UTF-16", "latin1", "ascii", "ebcdic")


class PaymentFile(NamedTuple):
    """A file with entries in its list, one of which may be a mistake."""

    entries: list[tuple[str, str]]
    mistake: tuple[int, str] | None
    list_name: str
    separator: str
    declaration: str
    start: str
    end: str
    codec: str

    def content(self) -> bytes:
        texts = [text for _, text in self.entries]
        if self.mistake:
            texts.insert(*self.mistake)
        return (
            f'{self.start}{self.declaration}<xb:xml-fragment xmlns:xb="{NAMESPACE}"><xb:userExportedFineFees>'
            f"<xb:userExportedList><xb:userExportedFineFeesList><xb:{self.list_name}>{self.separator.join(texts)}"
            f"</xb:{self.list_name}></xb:userExportedFineFeesList></xb:userExportedList></xb:userExportedFineFees>"
            f"</xb:xml-fragment>{self.end}"
        ).encode(self.codec)

    def is_sound(self) -> bool:
        return not self.mistake and "ebcdic" not in self.declaration and self.end not in {"x", "<a/>"}


FILES = st.builds(
    PaymentFile,
    st.lists(st.one_of(st.just(("record", RECORD)), st.sampled_from(ENTRIES)), max_size=12),
    st.one_of(st.none(), st.none(), st.none(), st.tuples(st.integers(0, 12), st.sampled_from(MISTAKEN))),
    st.sampled_from(["finefeeList", "finefeeList", "finefeeList", "fineFeeList"]),
    st.sampled_from(["", "\n"]),
    st.sampled_from(["", *(f"<?xml version='1.0' encoding='{name}'?>" for name in ENCODINGS)]),
    st.sampled_from(["", "\n", "\r\n \n", "\ufeff", "\n\ufeff"]),
    st.sampled_from(["", "\n", "\x1a", "\n\0\0", "\n\x1a\n", "x", "<a/>"]),
    st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16"]),
)


@settings(max_examples=200, deadline=None)
@given(FILES, st.sampled_from([300, 16 * 1024]))
def test_both_readers_give_the_same_and_ignore_no_payment(file: PaymentFile, block: int) -> None:
    content = file.content()
    records, refusal = expected = outcome(parse.parse_records([content], "paid.xml"))
    with patch.object(parse_fast, "BLOCK_SIZE", block):
        assert outcome(parse_fast.parse_records(io.BytesIO(content), "paid.xml")) == expected
    pieces = [content[at : at + 7] for at in range(0, len(content), 7)]
    assert outcome(parse.parse_records(pieces, "paid.xml")) == expected

    kinds = [kind for kind, _ in file.entries]
    if not file.is_sound() or file.list_name != "finefeeList":
        assert refusal
    elif "record" in kinds:
        assert not refusal
        assert sum(record.problem is None for record in records) == kinds.count("record")
        assert ("other" in kinds) == any(record.problem for record in records)
    else:
        assert ("no payment is recognised" in refusal) == ("other" in kinds)
        assert not records
