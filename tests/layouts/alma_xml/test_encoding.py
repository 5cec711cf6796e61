"""Encodings: those that programs write are read, and bytes that do not fit are refused."""

import codecs

import pytest

from bursar.layouts.alma_xml.records import Record
from tests.support.payment_xml import ID, PAYMENT, SUM, file_of, read, refusal


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
        ("windows-1252", b"\x81", "byte 0x81 does not fit the encoding WINDOWS-1252"),
        ("utf8", b"\xe9", "byte 0xe9 does not fit the encoding UTF-8. Ask"),
        ("UTF-16", b"\xe9", "byte 0xe9 does not fit the encoding UTF-8, although the file says 'UTF-16'. Ask"),
        ("Shift_JIS", b"x", "the encoding 'Shift_JIS' is not known. Ask the bursar for one of UTF-8, UTF-16"),
        ("ansi", b"x", "the encoding 'ansi' is not known"),
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


PROGRAMS = {
    "utf-8": ("utf8", "UTF8", "Utf_8", "cp65001"),
    "latin-1": ("latin1", "Latin-1", "ISO8859_1", "iso_8859-1", "l1"),
    "iso-8859-15": ("ISO8859-15", "latin9"),
    "cp1252": ("cp1252", "CP-1252", "windows1252"),
    "ascii": ("ascii", "ASCII", "us_ascii", "ANSI_X3.4-1968"),
    "utf-16": ("utf16", "UTF-16LE", "ucs-2"),
}
"""Codecs of Python, each with the names that programs write for it."""
ALIASES = [(name, codec) for codec, names in PROGRAMS.items() for name in names]


@pytest.mark.parametrize(("name", "codec"), ALIASES, ids=[name for name, _ in ALIASES])
def test_an_encoding_may_have_any_of_the_names_that_programs_write(name: str, codec: str) -> None:
    value = "Grosse" if codec == "ascii" else "Größe"
    content = f"<?xml version='1.0' encoding='{name}'?>\n{file_of(ID.replace('70001', value) + SUM)}"
    assert read(content.encode(codec)) == [PAYMENT._replace(line=3, transaction_id=value)]


@pytest.mark.parametrize(
    ("declared", "codec"),
    [
        ("utf-16", "utf-8"),
        ("UTF-16", "utf-8-sig"),
        ("utf-8", "utf-16"),
        ("ISO-8859-1", "utf-16"),
        ("ISO-8859-1", "utf-8-sig"),
        ("windows-1252", "utf-8-sig"),
    ],
)
def test_bytes_that_leave_no_doubt_count_more_than_the_declaration(declared: str, codec: str) -> None:
    """Databases and programs recode a file, and leave the declaration as it was."""
    content = f'<?xml version="1.0" encoding="{declared}"?>\n{file_of(ID.replace("70001", "Größe") + SUM)}'
    assert read(content.encode(codec)) == [PAYMENT._replace(line=3, transaction_id="Größe")]


def test_a_byte_order_mark_with_bytes_of_another_encoding_is_refused() -> None:
    content = f'<?xml version="1.0" encoding="ISO-8859-1"?>{file_of(ID.replace("70001", "é"))}'.encode("latin-1")
    assert refusal(codecs.BOM_UTF8 + content).startswith(
        "2: byte 0xe9 does not fit the encoding UTF-8, although the file says 'ISO-8859-1'. Ask"
    )
