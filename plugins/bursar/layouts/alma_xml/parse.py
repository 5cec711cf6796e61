"""Reads the records of a payment file one by one, however large, broken or hostile the file is.

A payment file has the structure of the export; only the ids, the currency and the sum are needed. The parser is expat,
because its memory can be bounded: it builds no tree, accepts no document type and thus no entities, and limits every
text that it buffers. It also knows the line of each element.

The module is long because the limits of the parser and the reading of records share one state.
"""

from collections.abc import Iterable, Iterator
from typing import Any
from xml.parsers import expat

from bursar.errors import InputFileError
from bursar.layouts.alma_xml.encoding import CUT_OFF, SEND_AGAIN, get_declared_encoding, quote, syntax_error_reason
from bursar.layouts.alma_xml.namespace import NAMESPACE
from bursar.layouts.alma_xml.records import Record, ResumePoint
from bursar.layouts.alma_xml.start_of_file import Text, drop_padding, open_text
from bursar.layouts.alma_xml.structure import (
    FIELDS,
    FINES,
    IGNORABLE,
    LIST,
    RECORD,
    ROOT,
    USERS,
    Element,
    build_structure,
)

MAX_FIELD_LENGTH = 64 * 1024
"""Bytes up to the next start of an element: of text, of a comment, or of one tag with all its attributes. The limit is
checked once a block, so a file may be rejected up to two blocks earlier. Also the limit on the characters of all
different names together.
"""
BLOCK_SIZE = 8 * 1024
MAX_DEPTH = 32
MAX_ATTRIBUTES = 64

_MAX_KNOWN_CHILDREN = 64  # unknown elements that are added to a place; further ones are looked up each time
_NIL = "http://www.w3.org/2001/XMLSchema-instance nil"
_TRUE = {"true", "1"}
_MAX_UNEXPECTED, _MAX_UNEXPECTED_QUOTED = 2, 24
_FORMAT = "Ask the bursar for a file with the structure of the export."
_EXPECTED = f"Expected: {RECORD} in {LIST}/{USERS}/{FINES}"
_START_OF_FILE = ResumePoint()


def parse_records(pieces: Iterable[bytes], name: str, start: ResumePoint = _START_OF_FILE) -> Iterator[Record]:
    """Yields the records of a file in the order of the file, in memory that does not grow with the file.

    Unknown elements within a record are ignored; a needed element counts at its own place only. A record that is
    ambiguous has a `problem`, and None for each ambiguous value. Anything else in the lists around the records, which
    might be a payment of another form, is yielded as a record without values that has a `problem`. A file whose list is
    empty yields nothing. A file without a true record whose list is not empty, or that has no list, is rejected.

    Args:
        pieces: the bytes of the file from `start` on, in pieces of any size.
        name: the name of the file in messages.
        start: the place up to which another reader has read the file.

    Raises:
        InputFileError: with `name:line: reason`, at the first fault. The records that were yielded before are void.
    """
    blocks = (piece[at : at + BLOCK_SIZE] for piece in pieces for at in range(0, len(piece), BLOCK_SIZE))
    if start.opening:
        text = Text("UTF-8", get_declared_encoding(start.opening), start.lines, blocks, None)
    else:
        text = open_text(blocks, name)
    reader = _Reader(name, start, text)
    for block in drop_padding(text.blocks):
        yield from reader.feed(block)
    if text.ends_within_character():
        raise reader.error(CUT_OFF)
    yield from reader.feed(b"", final=True)


class _Reader:
    """The state of a reading between two blocks. expat calls `_start` and `_end` for each element: keep them short."""

    def __init__(self, name: str, start: ResumePoint, text: Text) -> None:
        self._name = name
        self._encoding = text.encoding
        self._declared = text.declared
        self._fed = 0
        self._without_start = 0  # bytes of the blocks after the last one in which an element started
        self._path = [build_structure()]
        self._ignored = [Element("ignored") for _ in range(MAX_DEPTH + 1)]  # by depth, which limits the depth of each
        self._text: list[str] = []
        self._collect = self._text.append
        self._nil = False
        self._seen: set[str] = set()  # names of the lists and records that have occurred
        self._unexpected: dict[str, int] = {}  # the first other things in the lists, each with its first line
        self._number = self._true_records = start.records
        self._lines = 0
        self._line = 0
        self._values: dict[str, str | None] = {}
        self._problems: dict[str, str] = {}
        self._records: list[Record] = []
        self._names: dict[Any, str] = {}  # all names that expat has interned; a default namespace has the prefix None
        self._names_counted = 0
        recoded = "UTF-8" if text.encoding == "UTF-16" else text.encoding
        self._parser = expat.ParserCreate(recoded, " ", self._names)
        self._parser.XmlDeclHandler = self._declaration
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.StartNamespaceDeclHandler = lambda _prefix, _uri: None  # so that expat interns the prefix
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text_in_list
        self.feed(start.opening)
        self._lines = text.lines

    def feed(self, block: bytes, *, final: bool = False) -> list[Record]:
        """Parses a block; returns the records that end in it."""
        self._without_start += len(block)
        self._parser.StartElementHandler = self._first
        try:
            self._parser.Parse(block, final)
        except expat.ExpatError as error:
            if not self._fed + len(block):
                raise self.error(f"the file is empty. {SEND_AGAIN}") from error
            at = max(self._parser.ErrorByteIndex - self._fed, 0)
            reason = syntax_error_reason(error, block[at : at + 4], self._encoding, self._declared)
            raise self.error(reason) from error
        self._fed += len(block)
        if final and not self._true_records:
            self._check_list_is_empty()
        if self._without_start > MAX_FIELD_LENGTH - 2 * BLOCK_SIZE:
            raise self.error(f"a text, a tag or a comment is far too long. {_FORMAT}")
        if len(self._names) > self._names_counted:
            self._names_counted = len(self._names)
            if sum(map(len, filter(None, self._names))) > MAX_FIELD_LENGTH:
                raise self.error(f"the names of elements and attributes are too many or too long. {_FORMAT}")
        found, self._records = self._records, []
        return found

    def error(self, reason: str) -> InputFileError:
        """Returns the error for a reason, with the line that the parser has reached."""
        return InputFileError(f"{self._name}:{self._lines + self._parser.CurrentLineNumber}: {reason}")

    def _declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding != self._declared:  # it is longer than the bytes that were looked at
            raise self.error(f"the XML declaration is far too long. {_FORMAT}")

    def _doctype(self, *_: object) -> None:
        raise self.error("a document type (<!DOCTYPE) is not accepted. Ask the bursar for a file without it.")

    def _first(self, name: str, attributes: dict[str, str]) -> None:
        """Handles the first start tag of a block."""
        self._without_start = 0
        self._parser.StartElementHandler = self._start
        self._start(name, attributes)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if attributes and len(attributes) > MAX_ATTRIBUTES:
            raise self.error(f"an element has more than {MAX_ATTRIBUTES} attributes. {_FORMAT}")
        if (element := self._path[-1].get(name)) is None:
            element = self._find_unknown(name)
        self._path.append(element)
        if element.is_needed:
            if not element:
                self._nil = attributes.get(_NIL) in _TRUE
                self._parser.CharacterDataHandler = self._collect
            elif element.name == RECORD:
                self._line = self._lines + self._parser.CurrentLineNumber
                self._parser.CharacterDataHandler = None

    def _end(self, _name: str) -> None:
        element = self._path.pop()
        if not element.is_needed:
            return
        if element.name == RECORD:
            self._add_record()
            return
        value = None
        if not element:
            self._parser.CharacterDataHandler = None
            if not self._nil:
                value = "".join(self._text).strip() or None
            self._text.clear()
        if element.name in self._values:
            self._problems[element.name] = "is given more than once"
        self._values[element.name] = value

    def _add_record(self) -> None:
        self._number += 1
        self._true_records += 1
        self._parser.CharacterDataHandler = self._text_in_list
        values, problem = self._values, None
        if self._problems:
            values.update(dict.fromkeys(self._problems))
            problem = "; ".join(f"{name} {fault}" for name, fault in self._problems.items())
            self._problems.clear()
        self._records.append(Record._make((self._number, self._line, *map(values.get, FIELDS), problem)))
        values.clear()

    def _text_in_list(self, text: str) -> None:
        parent = self._path[-1]
        if parent.expected is not None and not text.isspace():
            self._parser.CharacterDataHandler = None  # one record is enough; the next true record sets it again
            self._add_unexpected(f"text in {parent.name}")

    def _add_unexpected(self, description: str) -> None:
        """Adds a record without values for something else in a list."""
        self._number += 1
        line = self._lines + self._parser.CurrentLineNumber
        if len(self._unexpected) < _MAX_UNEXPECTED:
            self._unexpected.setdefault(description, line)
        problem = f"not recognised as a payment: {description}. {_EXPECTED}"
        self._records.append(Record(self._number, line, None, None, None, None, problem))

    def _check_list_is_empty(self) -> None:
        """Raises an error if a file without true records has anything else in their place, or no list."""
        if not self._unexpected and LIST in self._seen and (FINES in self._seen or USERS not in self._seen):
            return
        found = ", ".join(self._unexpected) or f"no {FINES if LIST in self._seen else LIST}"
        line = min(self._unexpected.values(), default=self._lines + self._parser.CurrentLineNumber)
        raise InputFileError(f"{self._name}:{line}: no payment is recognised. {_EXPECTED}. Found: {found}. {_FORMAT}")

    def _find_unknown(self, name: str) -> Element:
        """Finds the element of a name that its parent does not know yet: an expected or an ignored one.

        Raises:
            InputFileError: the element must not be ignored.
        """
        parent, depth = self._path[-1], len(self._path)
        if (element := (parent.expected or {}).get(name)) is not None:
            parent[name] = element
            self._seen.add(element.name)
            return element
        namespace, _, local = name.rpartition(" ")
        if depth == 1:
            if local != ROOT:
                raise self.error(f"the outermost element is {quote(local)} and not {ROOT}. {_FORMAT}")
            raise self.error(f"the namespace is {quote(namespace)} and not {NAMESPACE}. {_FORMAT}")
        if depth > MAX_DEPTH:
            raise self.error(f"elements are nested more than {MAX_DEPTH} deep. {_FORMAT}")
        if name.endswith(RECORD):  # a payment must not be ignored
            raise self.error(f"a {RECORD} is in a place where none is expected, or in another namespace. {_FORMAT}")
        if local.lower() == RECORD.lower():
            raise self.error(f"a payment is not recognised. {_EXPECTED}. Found: {quote(local)}. {_FORMAT}")
        if parent.expected is not None and (namespace != NAMESPACE or local not in IGNORABLE):
            other = "" if namespace == NAMESPACE else " of another namespace"
            self._add_unexpected(f"{quote(local, _MAX_UNEXPECTED_QUOTED)}{other} in {parent.name}")
        elif parent.is_needed and not parent:
            self._problems[parent.name] = "has elements in it"
        elif len(parent) < _MAX_KNOWN_CHILDREN:
            parent[name] = self._ignored[depth]
        return self._ignored[depth]
