"""The encodings of a payment file, and the reasons why expat does not accept its bytes."""

import codecs
from xml.parsers import expat

ENCODINGS = ("UTF-8", "UTF-16", "ISO-8859-1", "ISO-8859-15", "WINDOWS-1252", "US-ASCII")

SEND_AGAIN = "Ask the bursar to send the file again."
CUT_OFF = f"the file ends too early, as if the transfer was cut off. {SEND_AGAIN}"
_END_ERRORS = {
    expat.errors.XML_ERROR_NO_ELEMENTS,
    expat.errors.XML_ERROR_UNCLOSED_TOKEN,
    expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
    expat.errors.XML_ERROR_PARTIAL_CHAR,
}


def utf16_decoder(start: bytes) -> codecs.IncrementalDecoder | None:
    """Returns a decoder if the first two bytes of a file are those of UTF-16; expat decodes all other encodings.

    In UTF-16, expat accepts half a surrogate pair together with the character after it, even a <. The decoder passes
    such a half on as bytes that are not valid in UTF-8, so that expat rejects it on its line.
    """
    if start in {codecs.BOM_UTF16_LE, b"<\0"}:
        return codecs.getincrementaldecoder("utf-16-le")("surrogatepass")
    if start in {codecs.BOM_UTF16_BE, b"\0<"}:
        return codecs.getincrementaldecoder("utf-16-be")("surrogatepass")
    return None


def syntax_error_reason(error: expat.ExpatError, token: bytes, encoding: str) -> str:
    """Returns the reason and the remedy for an error of expat.

    `token` is the first bytes at the place of the error. If the file is in UTF-16, they are in UTF-8, as decoded.
    """
    reason = expat.ErrorString(error.code)
    if reason in _END_ERRORS:
        return CUT_OFF
    if reason != expat.errors.XML_ERROR_INVALID_TOKEN:
        return f"not well-formed XML: {reason}. {SEND_AGAIN}"
    try:
        codecs.getincrementaldecoder("utf-8" if encoding.upper() == "UTF-16" else encoding)().decode(token)
    except UnicodeDecodeError:
        return f"byte {token[0]:#04x} does not fit the encoding {encoding}. Ask the bursar for UTF-8."
    if token and token[0] < ord(" ") and token[:1] not in b"\t\n\r":
        return f"control character {token[0]:#04x}, which XML forbids. {SEND_AGAIN}"
    return f"not well-formed XML: a character in a place where XML forbids it, such as & or < in a text. {SEND_AGAIN}"
