"""Reading: from a bursar's XML to its records, one by one, whatever the file tries.

A file has the structure of the export; only ids, currency and sum are needed. expat does the parsing, because it can be
held to flat memory (no tree, no document type and thus no entities, a bound on whatever it keeps) and counts any number
of lines.
"""

import codecs
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, NamedTuple
from xml.parsers import expat

from bursar.errors import InputFileError
from bursar.layouts.alma_xml.check import NAMESPACE

MAX_FIELD_LENGTH = 64 * 1024
"""Bytes that may pass before the next element starts: of text, of a comment, of one tag with all its attributes. It is
looked at block by block, so a file may be refused up to two blocks earlier. Also the characters of all different names.
"""
BLOCK_SIZE = 8 * 1024
MAX_DEPTH = 32
MAX_ATTRIBUTES = 64
ENCODINGS = ("UTF-8", "UTF-16", "ISO-8859-1", "ISO-8859-15", "WINDOWS-1252", "US-ASCII")

_ROOT = "xml-fragment"
_RECORD = "userFineFee"
_LIST, _USERS, _FINES = "userExportedList", "userExportedFineFeesList", "finefeeList"
_NOT_NEEDED = ("exportNumber", "user", "patronName")  # elements of an export that may be in a file without records
_FIELDS = ("bursarTransactionId", "internalId", "currency", "sum")  # as in Record
_REMEMBERED = 64  # elements at each place of which the names are known; of further ones they are asked again
_NIL = "http://www.w3.org/2001/XMLSchema-instance nil"
_TRUE = {"true", "1"}
_SHOWN = 60
_STRANGE_SHOWN, _STRANGE_LENGTH = 2, 24
_AGAIN = "Ask the bursar to send the file again."
_FORMAT = "Ask the bursar for a file with the structure of the export."
_EXPECTED = f"Expected: {_RECORD} in {_LIST}/{_USERS}/{_FINES}"
_CUT_OFF = f"the file ends too early, as if cut off on its way. {_AGAIN}"
_END_ERRORS = {
    expat.errors.XML_ERROR_NO_ELEMENTS,
    expat.errors.XML_ERROR_UNCLOSED_TOKEN,
    expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
    expat.errors.XML_ERROR_PARTIAL_CHAR,
}


class Record(NamedTuple):
    """What a file says of one fine: text as it stands there without blanks around it, None where there is nothing."""

    number: int  # from 1, in the order of the file
    line: int  # where its start tag begins, from 1
    transaction_id: str | None
    internal_id: str | None
    currency: str | None
    sum: str | None
    problem: str | None  # why it must have no effect, although the rest of the file can be read


class _Place(dict[str, "_Place"]):
    """A place in a file: by their full names, the elements that may stand there, and the place that each of them is."""

    __slots__ = ("counts", "lists", "name")  # asked for each element twice

    def __init__(self, name: str, *children: "_Place", counts: bool = False) -> None:
        super().__init__({f"{NAMESPACE} {child.name}": child for child in children})
        self.name: str = name
        self.counts: bool = counts
        self.lists: dict[str, _Place] | None = None


class _List(_Place):
    """A place around the records. It starts empty, so that the first element of each kind in it is noted."""

    __slots__ = ()

    def __init__(self, name: str, *children: _Place) -> None:
        super().__init__(name)
        self.lists = {f"{NAMESPACE} {child.name}": child for child in children}


def _structure() -> _Place:
    """The places that a reading starts with, from the document down: those that are needed."""
    transaction_id, internal_id, currency, sum_ = (_Place(name, counts=True) for name in _FIELDS)
    record = _Place(
        _RECORD, transaction_id, internal_id, _Place("compositeSum", currency, sum_, counts=True), counts=True
    )
    users = _List(_USERS, _List(_FINES, record))
    return _Place("", _List(_ROOT, _List("userExportedFineFees", _List(_LIST, users))))


class RecordsBefore(NamedTuple):
    """What of a file was read before, by somebody else."""

    beginning: bytes = b""  # start tags of all that is open where the rest begins, and whatever else comes before
    records: int = 0
    lines: int = 0  # between the beginning and what is left


_NOTHING = RecordsBefore()


def parse_records(pieces: Iterable[bytes], name: str, before: RecordsBefore = _NOTHING) -> Iterator[Record]:
    """Reads a file's records as it streams by, in memory that does not grow with it.

    Unknown elements are ignored wherever they stand, and a needed one counts at its place only. A record that leaves
    something open is given with its `problem`, and with None for what is open. A file whose list is empty gives none. A
    file without records that has other elements in their place, or no list, is refused.

    Args:
        pieces: the file, or what comes behind the part that was read before.
        name: what messages call it.
        before: that part.

    Raises:
        InputFileError: with `name:line: reason`, as soon as the fault is met. What was read until then is void, too.
    """
    blocks = (piece[at : at + BLOCK_SIZE] for piece in pieces for at in range(0, len(piece), BLOCK_SIZE))
    first = next(blocks, b"")
    decoder = None if before.beginning else _utf16_decoder(first[:2])
    reading = _Reading(name, before, utf16=decoder is not None)
    for block in chain([first], blocks):
        yield from reading.feed(decoder.decode(block).encode("utf-8", "surrogatepass") if decoder else block)
    if decoder and decoder.getstate()[0]:
        raise reading.refusal(_CUT_OFF)
    yield from reading.feed(b"", final=True)


def _utf16_decoder(start: bytes) -> codecs.IncrementalDecoder | None:
    """A decoder if a file that starts so is in UTF-16; the others are left to expat.

    In UTF-16, expat takes half a surrogate pair and whatever follows it, be it a <, for one character. Passed on as
    bytes that UTF-8 has no place for, such a half is refused on its line.
    """
    if start in {codecs.BOM_UTF16_LE, b"<\0"}:
        return codecs.getincrementaldecoder("utf-16-le")("surrogatepass")
    if start in {codecs.BOM_UTF16_BE, b"\0<"}:
        return codecs.getincrementaldecoder("utf-16-be")("surrogatepass")
    return None


class _Reading:
    """What is known of a file between two blocks. Each element comes through `_start` and `_end`: keep them lean."""

    def __init__(self, name: str, before: RecordsBefore, *, utf16: bool) -> None:
        self._name = name
        self._utf16 = utf16
        self._encoding = "UTF-16" if utf16 else "UTF-8"
        self._fed = 0
        self._unstarted = 0  # bytes of the blocks behind the last one in which an element started
        self._path = [_structure()]
        self._ignored = [_Place("ignored") for _ in range(MAX_DEPTH + 1)]  # by depth, which is thus asked for once
        self._text: list[str] = []
        self._collect = self._text.append
        self._nil = False
        self._seen: set[str] = set()  # names of the lists and records that have occurred
        self._strange: dict[str, int] = {}  # what else is in the lists before the first record, with its first line
        self._number = before.records
        self._lines = 0
        self._line = 0
        self._given: dict[str, str | None] = {}
        self._problems: dict[str, str] = {}
        self._records: list[Record] = []
        self._names: dict[Any, str] = {}  # all that expat keeps until the end; a default namespace's prefix is None
        self._known = 0  # how many of them were added up
        self._parser = expat.ParserCreate("UTF-8" if utf16 else None, " ", self._names)
        self._parser.buffer_text = True
        self._parser.XmlDeclHandler = self._declaration
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.StartNamespaceDeclHandler = lambda _prefix, _uri: None  # puts the prefix into the names
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text_in_list  # until the first field, behind which there is none
        self.feed(before.beginning)
        self._lines = before.lines

    def feed(self, block: bytes, *, final: bool = False) -> list[Record]:
        """Parses a block and returns the records that end in it."""
        self._unstarted += len(block)
        self._parser.StartElementHandler = self._first
        try:
            self._parser.Parse(block, final)
        except expat.ExpatError as error:
            raise self.refusal(self._reason(error, block)) from error
        self._fed += len(block)
        if final and not self._number:
            self._refuse_unless_empty()
        if self._unstarted > MAX_FIELD_LENGTH - 2 * BLOCK_SIZE:
            raise self.refusal(f"a text, a tag or a comment is far too long. {_FORMAT}")
        if len(self._names) > self._known:
            self._known = len(self._names)
            if sum(map(len, filter(None, self._names))) > MAX_FIELD_LENGTH:
                raise self.refusal(f"the names of elements and attributes are too many or too long. {_FORMAT}")
        found, self._records = self._records, []
        return found

    def refusal(self, reason: str) -> InputFileError:
        """The error that says so, with the line that the parser has reached."""
        return InputFileError(f"{self._name}:{self._lines + self._parser.CurrentLineNumber}: {reason}")

    def _declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is None:
            return
        if encoding.upper() not in ENCODINGS:
            known = ", ".join(ENCODINGS)
            raise self.refusal(f"the encoding {_shown(encoding)} is not known. Ask the bursar for one of {known}.")
        if self._utf16 != (encoding.upper() == "UTF-16"):
            raise self.refusal(f"the file is not in {encoding}, although it says so. {_AGAIN}")
        self._encoding = encoding

    def _doctype(self, *_: object) -> None:
        raise self.refusal("a document type (<!DOCTYPE) is not accepted. Ask the bursar for a file without it.")

    def _first(self, name: str, attributes: dict[str, str]) -> None:
        """The first element that starts in a block."""
        self._unstarted = 0
        self._parser.StartElementHandler = self._start
        self._start(name, attributes)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if attributes and len(attributes) > MAX_ATTRIBUTES:
            raise self.refusal(f"an element has more than {MAX_ATTRIBUTES} attributes. {_FORMAT}")
        if (place := self._path[-1].get(name)) is None:
            place = self._unknown(name)
        self._path.append(place)
        if place.counts:
            if not place:
                self._nil = attributes.get(_NIL) in _TRUE
                self._parser.CharacterDataHandler = self._collect
            elif place.name == _RECORD:
                self._line = self._lines + self._parser.CurrentLineNumber

    def _end(self, _name: str) -> None:
        place = self._path.pop()
        if not place.counts:
            return
        if place.name == _RECORD:
            self._keep_record()
            return
        value = None
        if not place:
            self._parser.CharacterDataHandler = None
            if not self._nil:
                value = "".join(self._text).strip() or None
            self._text.clear()
        if place.name in self._given:
            self._problems[place.name] = "is given more than once"
        self._given[place.name] = value

    def _keep_record(self) -> None:
        self._number += 1
        given, problem = self._given, None
        if self._problems:
            given.update(dict.fromkeys(self._problems))
            problem = "; ".join(f"{name} {what}" for name, what in self._problems.items())
            self._problems.clear()
        self._records.append(Record._make((self._number, self._line, *map(given.get, _FIELDS), problem)))
        given.clear()

    def _text_in_list(self, text: str) -> None:
        here = self._path[-1]
        if here.lists is not None and not text.isspace():
            self._note_strange(f"text in {here.name}")

    def _note_strange(self, what: str) -> None:
        if not self._number and len(self._strange) < _STRANGE_SHOWN:
            self._strange.setdefault(what, self._lines + self._parser.CurrentLineNumber)

    def _note_in_list(self, here: _Place, name: str) -> _Place | None:
        """Notes an element that is new in a place around the records; its place, None if it is not needed."""
        if (place := (here.lists or {}).get(name)) is not None:
            here[name] = place
            self._seen.add(place.name)
            return place
        namespace, _, local = name.rpartition(" ")
        if namespace != NAMESPACE or local not in _NOT_NEEDED:
            other = "" if namespace == NAMESPACE else " of another namespace"
            self._note_strange(f"{_shown(local, _STRANGE_LENGTH)}{other} in {here.name}")
        return None

    def _refuse_unless_empty(self) -> None:
        """Refuses a file in which there is something else than records, or no list at all."""
        if not self._strange and _LIST in self._seen and (_FINES in self._seen or _USERS not in self._seen):
            return
        found = ", ".join(self._strange) or f"no {_FINES if _LIST in self._seen else _LIST}"
        line = min(self._strange.values(), default=self._lines + self._parser.CurrentLineNumber)
        raise InputFileError(f"{self._name}:{line}: no payment is recognised. {_EXPECTED}. Found: {found}. {_FORMAT}")

    def _unknown(self, name: str) -> _Place:
        """The place of an element that is not needed, or not known yet; one that can't be ignored is refused."""
        here, depth = self._path[-1], len(self._path)
        if here.lists is not None and (place := self._note_in_list(here, name)) is not None:
            return place
        if depth == 1:
            namespace, _, local = name.rpartition(" ")
            if local != _ROOT:
                raise self.refusal(f"the outermost element is {_shown(local)} and not {_ROOT}. {_FORMAT}")
            raise self.refusal(f"the namespace is {_shown(namespace)} and not {NAMESPACE}. {_FORMAT}")
        if depth > MAX_DEPTH:
            raise self.refusal(f"elements stand in each other more than {MAX_DEPTH} deep. {_FORMAT}")
        if name.endswith(_RECORD):  # ignored, a payment would be lost and nobody would know
            raise self.refusal(f"a {_RECORD} stands where none belongs, or in another namespace. {_FORMAT}")
        if (local := name.rpartition(" ")[2]).lower() == _RECORD.lower():
            raise self.refusal(f"a payment is not recognised. {_EXPECTED}. Found: {_shown(local)}. {_FORMAT}")
        if here.counts and not here:
            self._problems[here.name] = "has elements in it"
        elif len(here) < _REMEMBERED:
            here[name] = self._ignored[depth]
        return self._ignored[depth]

    def _reason(self, error: expat.ExpatError, block: bytes) -> str:
        reason = expat.ErrorString(error.code)
        if not self._fed + len(block):
            return f"the file is empty. {_AGAIN}"
        if reason in _END_ERRORS:
            return _CUT_OFF
        if reason == expat.errors.XML_ERROR_INVALID_TOKEN:
            start = max(self._parser.ErrorByteIndex - self._fed, 0)
            return self._invalid(block[start : start + 4])
        return f"not well-formed XML: {reason}. {_AGAIN}"

    def _invalid(self, start: bytes) -> str:
        """What is wrong with bytes that the parser did not take for a character that may stand there."""
        try:
            codecs.getincrementaldecoder("utf-8" if self._utf16 else self._encoding)().decode(start)
        except UnicodeDecodeError:
            return f"byte {start[0]:#04x} does not fit the encoding {self._encoding}. Ask the bursar for UTF-8."
        if start and start[0] < ord(" ") and start[:1] not in b"\t\n\r":
            return f"control character {start[0]:#04x}, which XML forbids. {_AGAIN}"
        return f"not well-formed XML: a character where it must not stand, such as & or < in a text. {_AGAIN}"


def _shown(text: str, length: int = _SHOWN) -> str:
    """A piece of the file that can do no harm in a log: short, and without control characters."""
    return repr(text if len(text) <= length else f"{text[: length - 1]}…")
