"""Recognises files that are no payment files by their first bytes, so that a message can name the real cause."""

import re
from collections.abc import Collection

HEAD_SIZE = 8 * 1024
"""Bytes at the start of a file that are looked at."""

_SIGNATURES = (
    (b"%PDF", "a PDF document"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel or Word document (.xls, .doc)"),
    (b"{\\rtf", "a text document (.rtf)"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"-----BEGIN PGP", "encrypted or signed with PGP"),
    (b"\xff\xfe\0\0", "a text in UTF-32"),
    (b"\0\0\xfe\xff", "a text in UTF-32"),
    (b"<\0\0\0", "a text in UTF-32"),
    (b"\0\0\0<", "a text in UTF-32"),
    (b"\x4c\x6f\xa7\x94", "a text in EBCDIC, the encoding of mainframes"),  # <?xm
)
_BEFORE_ELEMENT = rb"\s*+(?:<\?xml[^>]*+>\s*+)?+(?:<!--(?:(?!-->).)*+-->\s*+)*+"
_WEB_PAGE = re.compile(
    _BEFORE_ELEMENT + rb"<(?:!doctype\s+html|(?:html|head|body|script|br|b)[\s/>])", re.IGNORECASE | re.DOTALL
)
_EXCEL_XML = re.compile(rb"\s*+(?:<\?[^>]*+>\s*+)*+<(?:\w+:)?Workbook[\s/>]")
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_BLANKS = b" \t\r\n"


def find_signature(head: bytes) -> str | None:
    """Returns the kind of a file that its first bytes show, whatever its encoding; None for text."""
    return next((kind for signature, kind in _SIGNATURES if head.startswith(signature)), None)


def find_other_kind(head: bytes) -> str | None:
    """Returns the kind of a text that is not the XML of payments, such as `a web page (HTML)`; None if it may be.

    `head` is in an encoding that has the characters of ASCII as single bytes.
    """
    if kind := find_signature(head):
        return kind
    if _WEB_PAGE.match(head):
        return "a web page (HTML), such as an error or a login page"
    if _EXCEL_XML.match(head):
        return "a spreadsheet (Excel)"
    text = head.lstrip(_BLANKS)
    return _find_kind_of_text(text) if text and not text.startswith(b"<") else None


def find_kind_of_no_table(head: bytes) -> str | None:
    """Returns the kind of a file that has no rows of text, such as `a PDF document`; None if it may have."""
    if kind := find_signature(head):
        return kind
    text = head.lstrip(_BLANKS)
    if text.startswith(b"<"):
        return find_other_kind(head) or "a text in XML"
    return "filled with zeros as after an interrupted transfer" if text and not text.strip(b"\0") else None


def _find_kind_of_text(text: bytes) -> str:
    if not text.strip(b"\0"):
        return "filled with zeros as after an interrupted transfer"
    if text[:1] in b"{[":
        return "a text in JSON"
    return "of an unknown kind" if _CONTROL.search(text, 0, 80) else "a table or a text, such as CSV"


def find_office_kind(names: Collection[str]) -> str | None:
    """Returns the kind of a document by the names of the files in its zip archive; None if it is none."""
    if "mimetype" in names and any(name in names for name in ("content.xml", "META-INF/manifest.xml")):
        return "a spreadsheet or document (OpenDocument)"
    for folder, kind in (("xl/", "an Excel workbook (.xlsx)"), ("word/", "a Word document (.docx)")):
        if any(name.startswith(folder) for name in names):
            return kind
    return "a document of Microsoft Office" if "[Content_Types].xml" in names else None
