"""Reading a bursar's XML: every record as it stands there, and no way for a file to do harm."""

import codecs
import io
import tracemalloc
from collections.abc import Iterator
from itertools import chain, repeat
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.errors import InputFileError
from bursar.layouts.alma_xml import parse
from bursar.layouts.alma_xml.parse import MAX_ATTRIBUTES, MAX_DEPTH, MAX_FIELD_LENGTH
from bursar.layouts.alma_xml.parse_fast import parse_records
from bursar.layouts.alma_xml.records import Record

SAMPLE = (Path(__file__).parents[2] / "samples" / "export.xml").read_bytes()
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


def test_the_sample_gives_its_records_with_their_lines() -> None:
    assert read(SAMPLE) == [
        Record(1, 18, "70001", None, "USD", "300", None),
        Record(2, 41, "70002", None, "USD", "-3.25", None),
        Record(3, 77, "70003", None, "CAD", "0.82", None),
    ]


@pytest.mark.parametrize("count", [0, 1, 1_000, 1_001])
def test_every_record_of_a_file_is_read(count: int) -> None:
    found = read(file_of(*(f"<xb:internalId>{i}</xb:internalId>{SUM}" for i in range(count))))
    assert found == [Record(i + 1, i + 2, None, str(i), "USD", "5", None) for i in range(count)]


def test_lines_are_exact_in_long_files() -> None:
    found = read(OPENING + "<xb:userFineFee/>\r\n" * 70_000 + "\n<xb:userFineFee\n/>" + CLOSING)
    assert (found[-2].line, found[-1].line, found[-1].number) == (70_001, 70_003, 70_001)


@pytest.mark.parametrize(
    "inner",
    [
        "<xb:userExportedFineFees><xb:userExportedList/></xb:userExportedFineFees>",
        EMPTY,
        f"<xb:userExportedFineFees><xb:exportNumber>7</xb:exportNumber></xb:userExportedFineFees>\n{EMPTY}",
        EMPTY.replace("<xb:finefeeList", f"{USER}<xb:finefeeList"),
        EMPTY.replace("<xb:finefeeList/>", "<xb:finefeeList><!-- none\n --></xb:finefeeList>\n"),
    ],
    ids=["no users", "no fines", "an export number", "a user without fines", "blanks and a comment"],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_file_whose_list_is_empty_gives_no_records(inner: str, encoding: str) -> None:
    assert read(fragment(inner).encode(encoding)) == []


@pytest.mark.parametrize(
    ("inner", "found"),
    [
        ("", "1: … Found: no userExportedList."),
        ("<xb:userExportedFineFees/>", "1: … Found: no userExportedList."),
        ("\n<xb:exportNumber>7</xb:exportNumber>", "2: … Found: no userExportedList."),
        (EMPTY.replace("<xb:finefeeList/>", USER), "1: … Found: no finefeeList."),
        (NAMED, "1: … Found: 'paid' in finefeeList."),
        (NAMED.replace(":paid>", ":userFineFees>"), "1: … Found: 'userFineFees' in finefeeList."),
        (NAMED.replace(":paid>", ":finefeeRecord>"), "1: … Found: 'finefeeRecord' in finefeeList."),
        (NAMED.replace("finefeeList", "fineFeeList"), "1: … Found: 'fineFeeList' in userExportedFineFeesList."),
        (NAMED.replace("ExportedList>", "PaidList>"), "1: … Found: 'userPaidList' in userExportedFineFees."),
        (NAMED.replace("userExportedFineFees>", "paid>"), "1: … Found: 'paid' in xml-fragment."),
        (
            f"\n<xb:userExportedList>\n{ID}{SUM}</xb:userExportedList>",
            "2: … Found: 'userExportedList' in xml-fragment.",
        ),
        (EMPTY + "\n<xb:paidToday><xb:sum>5</xb:sum></xb:paidToday>", "2: … Found: 'paidToday' in xml-fragment."),
        (f"{EMPTY}\n{EMPTY.replace('<xb:finefeeList/>', '<xb:paid/>')}", "2: … Found: 'paid' in userExported"),
        (
            EMPTY.replace("<xb:finefeeList/>", "<xb:finefeeList>70001;5</xb:finefeeList>"),
            "1: … Found: text in finefeeList.",
        ),
        (
            EMPTY.replace("<xb:finefeeList/>", "<xb:finefeeList><a xmlns='urn:a'/><b/><c/></xb:finefeeList>"),
            "1: … Found: 'a' of another namespace in finefeeList, 'b' of another namespace in finefeeList.",
        ),
        (
            EMPTY.replace("xb:userExportedList", "userExportedList"),
            "1: … Found: 'userExportedList' of another namespace",
        ),
        (NAMED.replace(":paid>", f":{'a' * 90}>"), f"1: … Found: '{'a' * 23}…' in finefeeList."),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_file_in_which_no_payment_is_recognised_is_refused(inner: str, found: str, encoding: str) -> None:
    """A file of another structure must not end as an import of nothing."""
    line, _, rest = found.partition("… ")
    expected = (
        "no payment is recognised. Expected: userFineFee in userExportedList/userExportedFineFeesList/finefeeList"
    )
    assert refusal(fragment(inner).encode(encoding)).startswith(f"{line}{expected}. {rest}")


@pytest.mark.parametrize("before", ["", f"<xb:userFineFee>{ID}{SUM}</xb:userFineFee>\n"])
def test_a_record_whose_name_differs_by_case_is_refused_among_others_too(before: str) -> None:
    line = 1 + before.count("\n")
    content = EMPTY.replace("<xb:finefeeList/>", f"<xb:finefeeList>{before}<xb:userfinefee/></xb:finefeeList>")
    assert refusal(fragment(content)).startswith(f"{line}: a payment is not recognised. Expected: userFineFee in")


def test_other_elements_beside_a_record_are_no_reason_to_refuse() -> None:
    content = EMPTY.replace(
        "<xb:finefeeList/>", f"<xb:finefeeList>x<a/><xb:userFineFee>{ID}</xb:userFineFee></xb:finefeeList>"
    )
    assert [record.transaction_id for record in read(fragment(content + "<b/>"))] == ["70001"]


@pytest.mark.parametrize("prefix", ["", "bursar:", "É.1:"])
def test_the_prefix_of_the_namespace_does_not_matter(prefix: str) -> None:
    declared = f"xmlns:{prefix}".rstrip(":")
    content = (
        SAMPLE.decode().replace("xmlns:xb", declared).replace("<xb:", f"<{prefix}").replace("</xb:", f"</{prefix}")
    )
    assert "xb:" not in content
    assert read(content) == read(SAMPLE)


def test_lists_add_up_and_the_export_number_may_be_missing() -> None:
    opening, inner = file_of(SUM).removesuffix("</xb:xml-fragment>").split(">", maxsplit=1)
    content = f"{opening}>{inner * 3}</xb:xml-fragment>"
    assert [record.number for record in read(content)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("fine", "record"),
    [
        ("", Record(1, 2, None, None, None, None, None)),
        (ID + SUM, PAYMENT),
        (SUM + ID, PAYMENT),
        (f"{SUM}<xb:internalId>00A</xb:internalId>", PAYMENT._replace(transaction_id=None, internal_id="00A")),
        (ID, PAYMENT._replace(currency=None, sum=None)),
        (f"{ID}<xb:compositeSum><xb:sum>5</xb:sum></xb:compositeSum>", PAYMENT._replace(currency=None)),
        (ID.replace("70001", "\n\t 70001 \n") + SUM, PAYMENT),
        (ID.replace("70001", "7<!-- no. -->0<?a b?>0<![CDATA[0]]>&#49;") + SUM, PAYMENT),
        (ID.replace("70001", " \n ") + SUM, PAYMENT._replace(transaction_id=None)),
        (f"<xb:bursarTransactionId/>{SUM}", PAYMENT._replace(transaction_id=None)),
        (f'<xb:bursarTransactionId {NIL}"true"/>{SUM}', PAYMENT._replace(transaction_id=None)),
        (ID + SUM.replace("<xb:sum", f'<xb:sum {NIL}"1"'), PAYMENT._replace(sum=None)),
        (ID + SUM.replace("<xb:sum", f'<xb:sum {NIL}"false"'), PAYMENT),
        (ID.replace("70001", "&lt;&amp;'é\N{GRINNING FACE}") + SUM, PAYMENT._replace(transaction_id="<&'é😀")),
        (ID.replace("70001", "x" * 20_000) + SUM, PAYMENT._replace(transaction_id="x" * 20_000)),
    ],
)
def test_a_record_is_what_its_fine_says(fine: str, record: Record) -> None:
    assert read(file_of(fine)) == [record]


@pytest.mark.parametrize(
    "fine",
    [
        f"<xb:itemCallNumebr>PG 3476</xb:itemCallNumebr>{ID}{SUM}",
        f"<xb:itemCallNumber>PG 3476</xb:itemCallNumber>{ID}{SUM}",
        f"<xb:sum>9</xb:sum><xb:currency>EUR</xb:currency>{ID}{SUM}",
        f"<xb:refund><xb:compositeSum><xb:sum>9</xb:sum></xb:compositeSum></xb:refund>{ID}{SUM}",
        f'{ID}{SUM}<b:x xmlns:b="urn:b"><b:sum>9</b:sum><xb:bursarTransactionId>1</xb:bursarTransactionId></b:x>',
        f'<compositeSum><sum>9</sum></compositeSum><x:sum xmlns:x="urn:x">9</x:sum>{ID}{SUM}',
        f"text of its own {ID} and more {SUM} and & the end".replace("&", "&amp;"),
        ID + SUM.replace("<xb:sum>", "<xb:vat>1</xb:vat><xb:tax><xb:sum>9</xb:sum></xb:tax><xb:sum>"),
    ],
)
def test_what_is_not_needed_is_ignored(fine: str) -> None:
    assert read(file_of(fine, more="<xb:paidAt>10</xb:paidAt>")) == [PAYMENT]


@pytest.mark.parametrize(
    ("fine", "record"),
    [
        (ID + SUM + ID, PAYMENT._replace(transaction_id=None, problem="bursarTransactionId is given more than once")),
        (
            ID + SUM.replace("<xb:sum>", "<xb:sum/><xb:sum>"),
            PAYMENT._replace(sum=None, problem="sum is given more than once"),
        ),
        (
            ID + SUM.replace("5", "5<x>0</x>0"),
            PAYMENT._replace(sum=None, problem="sum has elements in it"),
        ),
        (
            f"{ID}{SUM}<xb:compositeSum/>",
            PAYMENT._replace(problem="compositeSum is given more than once"),
        ),
    ],
)
def test_what_is_not_certain_is_a_problem_of_its_record_only(fine: str, record: Record) -> None:
    assert read(file_of(fine, ID + SUM)) == [record, PAYMENT._replace(number=2, line=3)]


@pytest.mark.parametrize(
    ("declared", "codec"),
    [
        (None, "utf-8"),
        (None, "utf-8-sig"),
        (None, "utf-16"),
        ("utf-8", "utf-8"),
        ("UTF-8", "utf-8-sig"),
        ("UTF-16", "utf-16"),
        ("UTF-16", "utf-16-le"),
        ("UTF-16", "utf-16-be"),
        ("ISO-8859-1", "latin-1"),
        ("iso-8859-15", "iso-8859-15"),
        ("Windows-1252", "cp1252"),
    ],
)
def test_a_file_may_have_any_usual_encoding(declared: str | None, codec: str) -> None:
    declaration = f'<?xml version="1.0" encoding="{declared}"?>\n' if declared else ""
    content = declaration + file_of(*[ID.replace("70001", "Größe") + SUM] * 400)
    found = read(content.encode(codec))
    assert len(found) == 400
    assert found[-1] == Record(400, 402 if declared else 401, "Größe", None, "USD", "5", None)


def test_big_endian_utf_16_may_have_a_byte_order_mark() -> None:
    assert read(codecs.BOM_UTF16_BE + file_of(ID + SUM).encode("utf-16-be")) == [PAYMENT]


@pytest.mark.parametrize(
    ("declared", "content", "reason"),
    [
        ("UTF-8", "é".encode("latin-1"), "byte 0xe9 does not fit the encoding UTF-8"),
        ("UTF-8", b"\xed\xa0\x80", "byte 0xed does not fit the encoding UTF-8"),
        ("UTF-8", b"\xc0\xbc", "byte 0xc0 does not fit the encoding UTF-8"),
        ("US-ASCII", "é".encode(), "byte 0xc3 does not fit the encoding US-ASCII"),
        ("windows-1252", b"\x81", "byte 0x81 does not fit the encoding windows-1252"),
        ("UTF-16", b"x", "the file is not in UTF-16, although it says so"),
        ("utf8", b"x", "the encoding 'utf8' is not known. Ask the bursar for one of UTF-8, UTF-16"),
        ("Shift_JIS", b"x", "the encoding 'Shift_JIS' is not known"),
        ("unicode_escape", b"x", "the encoding 'unicode_escape' is not known"),
        ("x" * 1_000, b"x", f"the encoding '{'x' * 59}…' is not known"),
        ("-", b"x", "not well-formed XML: XML declaration not well-formed"),
    ],
)
def test_bytes_that_do_not_fit_the_encoding_are_refused(declared: str, content: bytes, reason: str) -> None:
    message = refusal(
        f'<?xml version="1.0" encoding="{declared}"?>'.encode() + file_of("?").encode().replace(b"?", content)
    )
    assert message.split(":", 1)[1].strip().startswith(reason)


@pytest.mark.parametrize("half", [b"\0\xd8", b"\0\xdc", b"\0\xd8<\0b\0/\0>\0", b"\0\xdc\0\xd8"])
def test_half_a_character_of_utf_16_is_refused_on_its_line(half: bytes) -> None:
    before, behind = file_of(ID + SUM, "?").encode("utf-16").split(b"?\0")
    assert refusal(before + half + behind).startswith("3: byte 0xed does not fit the encoding UTF-16")


def test_utf_16_under_another_name_is_refused() -> None:
    content = '<?xml version="1.0" encoding="UTF-8"?>' + file_of(ID)
    assert refusal(content.encode("utf-16")).startswith("1: the file is not in UTF-8, although it says so")


def deep(levels: int) -> str:
    """A file with a record, whose innermost element has so many around it, itself counted."""
    return file_of(ID + SUM).replace(
        CLOSING, CLOSING.replace("</xb:xml", "<a>" * (levels - 1) + "</a>" * (levels - 1) + "</xb:xml")
    )


def attributes(count: int) -> str:
    return "<a " + " ".join(f"a{i}='1'" for i in range(count)) + "/>"


LONG = 2 * MAX_FIELD_LENGTH
ENTITIES = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 12))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (f"<!DOCTYPE a SYSTEM 'file:///etc/passwd'>{file_of()}", "1: a document type (<!DOCTYPE) is not accepted"),
        (f"\n<!DOCTYPE a>{file_of()}", "2: a document type"),
        (f'<!DOCTYPE a [<!ENTITY l0 "lol">{ENTITIES}]>{file_of("&l11;")}', "1: a document type"),
        (f'<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]>{file_of("&e;")}', "1: a document type"),
        (f'<!DOCTYPE a [<!ENTITY % e SYSTEM "http://127.0.0.1/x.dtd">%e;]>{file_of()}', "1: a document type"),
        (file_of("", "&e;"), "3: not well-formed XML: undefined entity"),
        (deep(MAX_DEPTH + 1), f"2: elements are nested more than {MAX_DEPTH} deep"),
        (deep(100_000), f"2: elements are nested more than {MAX_DEPTH} deep"),
        (file_of("<a>" * 27 + "</a>" * 27), f"2: elements are nested more than {MAX_DEPTH} deep"),
        (file_of(more="x" * LONG), "2: a text, a tag or a comment is far too long"),
        (file_of("x" * LONG), "2: a text, a tag or a comment is far too long"),
        (file_of(ID.replace("7", "7" * LONG)), "2: a text, a tag or a comment is far too long"),
        (file_of(f"<xb:sum>{'x' * LONG}</xb:sum>"), "2: a text, a tag or a comment is far too long"),
        (file_of(f"<![CDATA[{'<a>' * MAX_FIELD_LENGTH}]]>"), "2: a text, a tag or a comment is far too long"),
        (file_of(f"<!--{'x' * LONG}-->"), "2: a text, a tag or a comment is far too long"),
        (file_of(f"<?x {'x' * LONG}?>"), "2: a text, a tag or a comment is far too long"),
        (file_of(f"<a b='{'x' * LONG}'/>"), "2: a text, a tag or a comment is far too long"),
        (file_of(f"<{'x' * LONG}/>"), "2: a text, a tag or a comment is far too long"),
        (" " * LONG + file_of(), "1: a text, a tag or a comment is far too long"),
        (file_of() + " " * LONG, "2: a text, a tag or a comment is far too long"),
        (file_of(f"<{'x' * 40_000}/>", f"<{'y' * 40_000}/>"), "3: the names of elements and attributes are too"),
        (file_of(more="".join(f"<a{i}/>" for i in range(20_000))), "2: the names of elements and attributes"),
        (file_of(more="".join(f"<a a{i}='1'/>" for i in range(20_000))), "2: the names of elements and attributes"),
        (file_of(more="".join(f"<a xmlns:a{i}='u'/>" for i in range(20_000))), "2: the names of elements and"),
        (file_of(more="".join(f"<a xmlns='u{i}'/>" for i in range(20_000))), "2: the names of elements and"),
        (file_of(more=attributes(MAX_ATTRIBUTES + 1)), f"2: an element has more than {MAX_ATTRIBUTES} attributes"),
        (file_of(more=attributes(5_000)), f"2: an element has more than {MAX_ATTRIBUTES} attributes"),
        ("<html/>", "1: the outermost element is 'html' and not xml-fragment"),
        ("\n<xml-fragment/>", f"2: the namespace is '' and not {NAMESPACE}"),
        ("<xml-fragment xmlns='urn:\u202ex'/>", r"1: the namespace is 'urn:\u202ex' and not"),
        (f"<{'x' * 1_000}/>", f"1: the outermost element is '{'x' * 59}…' and not"),
        (file_of().replace(NAMESPACE, f"{NAMESPACE}2"), f"1: the namespace is '{NAMESPACE}2' and not {NAMESPACE}"),
        (
            file_of("<xb:userFineFee/>"),
            "2: a userFineFee is in a place where none is expected, or in another namespace",
        ),
        (file_of(more="\n<userFineFee/>"), "3: a userFineFee is in a place where none is expected"),
        (file_of(more="<a><xb:userFineFee/></a>"), "2: a userFineFee is in a place where none is expected"),
        (
            OPENING.replace("finefeeList", "fineFeeList") + "<xb:userFineFee/>",
            "2: a userFineFee is in a place where none",
        ),
        ("", "1: the file is empty"),
        (" \n", "2: the file ends too early, as if the transfer was cut off"),
        (file_of("")[:-1], "2: the file ends too early"),
        (file_of("<![CDATA[")[: -len(CLOSING) - len("</xb:userFineFee>")], "2: the file ends too early"),
        (file_of("a\0b"), "2: control character 0x00, which XML forbids"),
        (file_of("a\x1bb"), "2: control character 0x1b, which XML forbids"),
        (file_of("&#0;"), "2: not well-formed XML: reference to invalid character number"),
        (
            file_of("Smith & Sons"),
            "2: not well-formed XML: a character in a place where XML forbids it, such as & or <",
        ),
        (file_of("a <\n b"), "2: not well-formed XML: a character in a place where XML forbids it, such as & or <"),
        (file_of("<\N{MULTIPLICATION SIGN}/>"), "2: not well-formed XML: a character in a place where XML forbids it"),
        (file_of("</xb:sum>"), "2: not well-formed XML: mismatched tag"),
        (file_of("<x:a/>"), "2: not well-formed XML: unbound prefix"),
        (file_of("<a b='1' b='2'/>"), "2: not well-formed XML: duplicate attribute"),
        (file_of() + "<a/>", "2: not well-formed XML: junk after document element"),
        (file_of() + "\0", "2: control character 0x00"),
        (
            f" <?xml version='1.0'?>{file_of()}",
            "1: not well-formed XML: XML or text declaration not at start of entity",
        ),
        ("70001;USD;5\n", "1: not well-formed XML"),
        ("%PDF-1.4\n1 0 obj <<>>", "1: not well-formed XML"),
    ],
)
def test_a_hostile_or_broken_file_is_refused_with_its_line(content: str, reason: str) -> None:
    assert refusal(content).startswith(reason)


@pytest.mark.parametrize(
    "content",
    [
        deep(MAX_DEPTH),
        file_of(ID + SUM + attributes(MAX_ATTRIBUTES)),
        file_of(ID + SUM, more="x" * (MAX_FIELD_LENGTH // 2)),
        file_of(
            ID + SUM,
            more=f"<!--{'x' * (MAX_FIELD_LENGTH // 2)}--><a/><a b='{'x' * (MAX_FIELD_LENGTH // 2)}'/>"
            + "<a>" * 26
            + "</a>" * 26,
        ),
        file_of(ID + SUM, more="<a>x</a>" * MAX_FIELD_LENGTH),
    ],
    ids=["depth", "attributes", "text", "comment and attribute", "many texts"],
)
def test_what_is_within_the_bounds_is_read(content: str) -> None:
    assert read(content) == [PAYMENT]


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


@pytest.mark.parametrize(
    ("pieces", "count"),
    [
        (lambda: repeat(FINE, 200_000), 200_000),
        (lambda: chain(repeat(b"<a>b<xb:c d='1'/></a>" * 100, 5_000), [FINE]), 1),
        (lambda: chain(repeat(b"<xb:itemTitle>" + b"x" * 30_000 + b"</xb:itemTitle>", 1_000), [FINE]), 1),
    ],
    ids=["200,000 records", "a million elements of no use", "30 MB of text"],
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
    assert stream.taken > 10_000_000
    assert peak < 500_000


def test_a_file_cut_off_anywhere_is_refused_and_gives_no_wrong_record() -> None:
    whole = read(SAMPLE)
    for end in range(len(SAMPLE.rstrip())):
        found: list[Record] = []
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
