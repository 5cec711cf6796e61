"""The edges of a file: blanks, marks and padding that programs add, and files of another kind altogether."""

import codecs

import pytest

from tests.support.payment_xml import ID, PAYMENT, SUM, file_of, read, refusal

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'
GOOD = file_of(ID + SUM)
BROKEN = file_of(ID + SUM, "\n<xb:sum>")


@pytest.mark.parametrize(
    "blanks", ["\n", " ", "\r\n\r\n", "\r\r", "\n\t \n" * 500, "\ufeff", "\n\ufeff\r\n", "\ufeff\ufeff\n"]
)
@pytest.mark.parametrize("declaration", [DECLARATION, ""])
@pytest.mark.parametrize("codec", ["utf-8", "utf-16", "utf-16-le", "utf-16-be"])
def test_blanks_before_the_declaration_are_skipped_and_lines_stay_right(
    blanks: str, declaration: str, codec: str
) -> None:
    lines = len(blanks.replace("\ufeff", "").replace("\t", "").replace(" ", "").replace("\r\n", "\n"))
    if codec in {"utf-16-le", "utf-16-be"}:
        blanks = blanks.replace("\ufeff", "")  # Python writes none; a file with one is of utf-16
    assert read((blanks + declaration + GOOD).encode(codec)) == [PAYMENT._replace(line=2 + lines)]
    assert refusal((blanks + declaration + BROKEN).encode(codec)).startswith(f"{4 + lines}: not well-formed XML")


@pytest.mark.parametrize("padding", ["\x1a", "\n\x1a", "\x1a\x1a\r\n", "\0", "\0" * 30_000, "\n\0\n\x1a\0 "])
@pytest.mark.parametrize("codec", ["utf-8", "utf-16", "latin-1"])
def test_padding_behind_the_end_is_dropped(padding: str, codec: str) -> None:
    declaration = f"<?xml version='1.0' encoding='{codec}'?>"
    assert read((declaration + GOOD + padding).encode(codec)) == [PAYMENT]


@pytest.mark.parametrize("end", [b"\x1a", b"\0"])
def test_a_single_byte_of_padding_may_end_a_file_of_utf_16(end: bytes) -> None:
    assert read(GOOD.encode("utf-16") + end) == [PAYMENT]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (GOOD[:-1] + "\0" * 100, "2: the file ends too early"),
        (GOOD[:-1] + "\x1a", "2: the file ends too early"),
        (GOOD + "\0" * 100_000, "2: control character 0x00"),
        (GOOD + "\x1a" + GOOD, "2: control character 0x1a"),
        (GOOD.replace("70001", "7\x1a"), "2: control character 0x1a"),
    ],
)
def test_padding_elsewhere_is_refused(content: str, reason: str) -> None:
    assert refusal(content).startswith(reason)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"<html><body>Maintenance until 8</body></html>", "a web page (HTML), such as an error or a login page"),
        (b"\r\n<!-- a --><!DOCTYPE  HTML PUBLIC '-//W3C//DTD'>\n<HTML>", "a web page"),
        (b"<?xml version='1.0'?>\n<!DOCTYPE html><html xmlns='http://www.w3.org/1999/xhtml'/>", "a web page"),
        (b"<br />\n<b>Warning</b>: mysql_connect()", "a web page"),
        ("<!doctype html><title>Fehler</title>".encode("utf-16"), "a web page"),
        (codecs.BOM_UTF8 + b"<html>", "a web page"),
        (b"%PDF-1.4\n1 0 obj <<>>", "a PDF document"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), "an Excel or Word document (.xls, .doc)"),
        (b"<?xml version='1.0'?><?mso-application progid='Excel.Sheet'?><Workbook/>", "a spreadsheet (Excel)"),
        (b"{\\rtf1\\ansi", "a text document (.rtf)"),
        (b'{"payments": []}', "a text in JSON"),
        (b"70001;USD;5\n", "a table or a text, such as CSV"),
        ("Größe\t5".encode("utf-8-sig"), "a table or a text, such as CSV"),
        (bytes(5_000), "filled with zeros as after an interrupted transfer"),
        (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
        (b"-----BEGIN PGP MESSAGE-----", "encrypted or signed with PGP"),
        (DECLARATION.encode("utf-32"), "a text in UTF-32"),
        (DECLARATION.encode("cp037"), "a text in EBCDIC"),
        (b"\x85\x01\x0c\x03", "of an unknown kind"),
    ],
)
def test_a_file_of_another_kind_is_named(content: bytes, kind: str) -> None:
    message = refusal(content)
    assert f": the file is {kind}" in message
    assert message.endswith(", not an XML file of payments. Ask the bursar for the XML file, and where it was put.")


def test_payments_that_excel_wrote_are_read() -> None:
    office = "urn:schemas-microsoft-com:office:spreadsheet"
    content = GOOD.replace(" xmlns:xb", f" xmlns:ss='{office}' xmlns:xb", 1)
    assert read(f"{DECLARATION}<?mso-application progid='Excel.Sheet'?>{content}") == [PAYMENT]


def test_no_text_of_a_file_of_another_kind_is_quoted() -> None:
    assert "00451237" not in refusal(b"00451237;Ada Lovelace;5.00\n")
