"""Hostile and broken files are refused with their line, within limits of size and depth."""

import pytest

from bursar.layouts.alma_xml.parse import MAX_ATTRIBUTES, MAX_DEPTH, MAX_FIELD_LENGTH
from tests.support.payment_xml import (
    CLOSING,
    ID,
    NAMESPACE,
    OPENING,
    PAYMENT,
    SUM,
    file_of,
    read,
    refusal,
)


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
        ("<bill/>", "1: the outermost element is 'bill' and not xml-fragment"),
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
        (file_of() + "<a/>", "2: something follows the end of the list, as if several files had been joined to one"),
        (
            f"{file_of()}\n<?xml version='1.0'?>{file_of()}",
            "3: something follows the end of the list, as if several files had been joined to one",
        ),
        (f"{file_of()}\0x", "2: control character 0x00"),
        (f"<?xml version='1.0'{' ' * 9_000}encoding='latin1'?>{file_of()}", "1: the XML declaration is far too long"),
    ],
)
def test_a_hostile_or_broken_file_is_refused_with_its_line(content: str, reason: str) -> None:
    assert refusal(content).startswith(reason)


@pytest.mark.parametrize(
    "content",
    [
        file_of(ID + SUM + "<a>" * (MAX_DEPTH - 6) + "</a>" * (MAX_DEPTH - 6)),
        file_of(ID + SUM + attributes(MAX_ATTRIBUTES)),
        file_of(ID + SUM + "x" * (MAX_FIELD_LENGTH // 2)),
        file_of(
            f"{ID}{SUM}<!--{'x' * (MAX_FIELD_LENGTH // 2)}--><a/><a b='{'x' * (MAX_FIELD_LENGTH // 2)}'/>"
            + "<a>" * 26
            + "</a>" * 26,
        ),
        file_of(ID + SUM + "<a>x</a>" * MAX_FIELD_LENGTH),
    ],
    ids=["depth", "attributes", "text", "comment and attribute", "many texts"],
)
def test_what_is_within_the_bounds_is_read(content: str) -> None:
    assert read(content) == [PAYMENT]
