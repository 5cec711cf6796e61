"""The encodings of a payment file, and the reasons why expat does not accept its bytes."""

import codecs
from contextlib import suppress
from xml.parsers import expat

_NAMES = {
    "UTF-8": ("utf8", "cp65001"),
    "UTF-16": ("utf16", "utf16le", "utf16be", "ucs2", "iso10646ucs2"),
    "ISO-8859-1": ("iso88591", "latin1", "isolatin1", "l1"),
    "ISO-8859-15": ("iso885915", "latin9"),
    "WINDOWS-1252": ("windows1252", "cp1252"),
    "US-ASCII": ("usascii", "ascii", "ansix341968", "iso646us"),
}
"""The encodings, each with the names that programs write for it: in lower case, without hyphens and the like."""
ENCODINGS = tuple(_NAMES)
_BY_NAME = {name: encoding for encoding, names in _NAMES.items() for name in names}

SEND_AGAIN = "Ask the bursar to send the file again."
CUT_OFF = f"the file ends too early, as if the transfer was cut off. {SEND_AGAIN}"
_END_ERRORS = {
    expat.errors.XML_ERROR_NO_ELEMENTS,
    expat.errors.XML_ERROR_UNCLOSED_TOKEN,
    expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
    expat.errors.XML_ERROR_PARTIAL_CHAR,
}
_JOINED_ERRORS = {expat.errors.XML_ERROR_JUNK_AFTER_DOC_ELEMENT, expat.errors.XML_ERROR_MISPLACED_XML_PI}
_MAX_QUOTED = 60
_UTF_16_STARTS = (b"<", b" ", b"\t", b"\r", b"\n")


def find_encoding(name: str) -> str | None:
    """Returns the encoding that a program means by a name, such as UTF-8 by `utf8`; None if it is not known."""
    return _BY_NAME.get(name.lower().translate({ord(character): None for character in "-_.: "}))


def get_declared_encoding(start: bytes) -> str | None:
    """Returns the encoding that the XML declaration at the start of a file names, as it is written; None without one.

    The declaration itself is read as Latin-1, in which no byte is an error.
    """
    found: list[str | None] = []
    parser = expat.ParserCreate("ISO-8859-1")
    parser.XmlDeclHandler = lambda _version, encoding, _standalone: found.append(encoding)
    with suppress(expat.ExpatError):  # a fault that the reader of the file reports
        parser.Parse(start[: start.find(b"?>") + 2])
    return found[0] if found else None


def utf16_decoder(start: bytes) -> codecs.IncrementalDecoder | None:
    """Returns a decoder if the first two bytes of a file are those of UTF-16; expat decodes all other encodings.

    In UTF-16, expat accepts half a surrogate pair together with the character after it, even a <. The decoder passes
    such a half on as bytes that are not valid in UTF-8, so that expat rejects it on its line.
    """
    if start == codecs.BOM_UTF16_LE or start in {first + b"\0" for first in _UTF_16_STARTS}:
        return codecs.getincrementaldecoder("utf-16-le")("surrogatepass")
    if start == codecs.BOM_UTF16_BE or start in {b"\0" + first for first in _UTF_16_STARTS}:
        return codecs.getincrementaldecoder("utf-16-be")("surrogatepass")
    return None


def syntax_error_reason(error: expat.ExpatError, token: bytes, encoding: str, declared: str | None) -> str:
    """Returns the reason and the remedy for an error of expat.

    `token` is the first bytes at the place of the error. If the file is in UTF-16, they are in UTF-8, as decoded.
    `declared` is the name of the encoding in the XML declaration.
    """
    reason = expat.ErrorString(error.code)
    if reason in _END_ERRORS:
        return CUT_OFF
    if reason in _JOINED_ERRORS:
        return f"something follows the end of the list, as if several files had been joined to one. {SEND_AGAIN}"
    if reason != expat.errors.XML_ERROR_INVALID_TOKEN:
        return f"not well-formed XML: {reason}. {SEND_AGAIN}"
    try:
        codecs.getincrementaldecoder("utf-8" if encoding == "UTF-16" else encoding)().decode(token)
    except UnicodeDecodeError:
        contradiction = (
            f", although the file says {quote(declared)}" if declared and find_encoding(declared) != encoding else ""
        )
        return f"byte {token[0]:#04x} does not fit the encoding {encoding}{contradiction}. Ask the bursar for UTF-8."
    if token and token[0] < ord(" ") and token[:1] not in b"\t\n\r":
        return f"control character {token[0]:#04x}, which XML forbids. {SEND_AGAIN}"
    return f"not well-formed XML: a character in a place where XML forbids it, such as & or < in a text. {SEND_AGAIN}"


def quote(text: str, length: int = _MAX_QUOTED) -> str:
    """Quotes a text of the file for a message: short, and without control characters."""
    return repr(text if len(text) <= length else f"{text[: length - 1]}…")
