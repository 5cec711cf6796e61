"""Reads YAML as text: every value stays as written in the file, and the line of every key is recorded.

YAML alone would read 12:30 as 750, 1.10 as 1.1, 02 as 2 and no as False. The models decide the type of a text.
"""

from collections.abc import Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

import yaml

from bursar.profiles.problems import Problem

Value: TypeAlias = "str | list[Value] | dict[str, Value] | None"
Place: TypeAlias = tuple[str | int, ...]

MAX_INT_DIGITS = 8 * 1024  # characters; a profile with all its fields has 2,000
_CORE_TAG = "tag:yaml.org,2002:"
_PLAIN_WORDS = {
    "found character '\\t' that cannot start any token": "there is a tab here: indent with spaces",
    "mapping values are not allowed here": (
        "a colon is not allowed here: put a value with a colon in quotes, or correct the indentation"
    ),
    "could not find expected ':'": "expected `key: value`, with a space after the colon",
    "expected <block end>, but found '<scalar>'": (
        "text follows a closing quote or bracket: put the whole value in single quotes"
    ),
    "found unknown escape character": "double quotes give the backslash a meaning of its own: use single quotes",
    "but found another document": "a second document starts here: one file holds one document",
}


@dataclass(frozen=True)
class Source:
    """A YAML file as text. `data` is None if the file can't be read at all; `problems` then says why.

    A blank value (nothing, `~`, `null`, or an empty text) is None. `revision` is that of a profile which is managed in
    the pages; `file` is then a description. `columns` is empty unless it was asked for.
    """

    file: str
    data: dict[str, Value] | None
    lines: Mapping[Place, int]
    problems: tuple[Problem, ...] = ()
    revision: int | None = None
    columns: Mapping[Place, int] = field(default_factory=dict)

    def line(self, place: Place) -> int:
        """Returns the line of a key or list item; for an absent one, the line of its section."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)

    def column(self, place: Place) -> int | None:
        """Returns where a key or list item, or the section of an absent one, begins in its line, counted from 1.

        None for a whole file, and in a source without columns.
        """
        while place and place not in self.columns:
            place = place[:-1]
        return self.columns.get(place)


class _UnusableError(Exception):
    """The file is not YAML that a profile may use: line and message."""


def read_yaml(path: Path, *, with_columns: bool = False) -> Source:
    """Reads a YAML file whose root is a mapping. Never raises: every error is in the problems.

    `with_columns` adds to each place where it begins in its line, for files with several keys in a line.
    """
    try:
        source = _parse(str(path), path.read_bytes())
    except OSError as error:
        return Source(str(path), None, {}, (Problem(str(path), 1, "", f"can't be read: {error.strerror}"),))
    source = replace(source, data=deepcopy(source.data))
    if with_columns:
        return source
    return replace(source, columns={}, problems=tuple(replace(one, column=None) for one in source.problems))


@lru_cache(maxsize=500)  # the pages read all profiles each time
def _parse(file: str, content: bytes) -> Source:
    try:
        reader = _Reader(file)
        data = reader.mapping(_get_root(_decode(content)), ())
    except _UnusableError as unusable:
        line, message = unusable.args
        return Source(file, None, {}, (Problem(file, line, "", message),))
    except RecursionError:
        return Source(file, None, {}, (Problem(file, 1, "", "the brackets are nested too deeply"),))
    return Source(file, data, reader.lines, tuple(reader.problems), columns=reader.columns)


def _decode(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _UnusableError(line, f"byte 0x{content[error.start]:02X} is not UTF-8: save the file as UTF-8") from None


def _get_root(text: str) -> yaml.MappingNode:
    try:
        root = _compose(text)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _UnusableError(
            line, f"the character U+{error.character:04X} is not allowed in a file: remove it"
        ) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = error.problem or error.context or ""
        message = f"this is not YAML: {problem}. Put values with signs such as : # [ {{ & * % @ in quotes"
        message = next((words for start, words in _PLAIN_WORDS.items() if problem.startswith(start)), message)
        raise _UnusableError(mark.line + 1 if mark else 1, message) from None
    if isinstance(root, yaml.MappingNode):
        return root
    raise _UnusableError(1, "the file is empty" if root is None else "expected lines of the form `key: value`")


def _compose(text: str) -> yaml.Node | None:
    """Parses a text into nodes, with libyaml first; on an error with Python, which has better messages."""
    if len(text) <= MAX_INT_DIGITS:  # a longer text could nest so deeply that libyaml crashes the process
        with suppress(yaml.YAMLError, AttributeError):  # a PyYAML without libyaml has no such loader
            return yaml.compose(text, Loader=yaml.CSafeLoader)
    return yaml.compose(text, Loader=yaml.SafeLoader)


class _Reader:
    """Converts nodes into text, lists and dicts, and records the line of each key and list item."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.lines: dict[Place, int] = {}
        self.columns: dict[Place, int] = {}
        self.problems: list[Problem] = []
        self._seen: set[int] = set()

    def mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Value]:
        data: dict[str, Value] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                self._add_problem(line, place, "a list or section can't be a key")
                continue
            key_place = (*place, key.value)
            if key_place in self.lines:
                self._add_problem(line, key_place, f"is in line {self.lines[key_place]} already: keep one of the two")
                continue
            self.lines[key_place] = line
            self.columns[key_place] = key.start_mark.column + 1
            data[key.value] = self._read_value(value, key_place, line)
        return data

    def _read_value(self, node: yaml.Node, place: Place, line: int) -> Value:
        # An alias repeats the node of its anchor. A few of them can expand to gigabytes, or to a cycle.
        if id(node) in self._seen:
            self._add_problem(line, place, "aliases (*) are not allowed: write the value again")
            return None
        self._seen.add(id(node))
        if not node.tag.startswith(_CORE_TAG):
            self._add_problem(line, place, f"the tag {node.tag} is not allowed here: remove it")
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, place)
        if isinstance(node, yaml.SequenceNode):
            return [self._read_item(item, (*place, number)) for number, item in enumerate(node.value)]
        blank = node.tag == f"{_CORE_TAG}null" or not node.value.strip()
        return None if blank else str(node.value)

    def _read_item(self, node: yaml.Node, place: Place) -> Value:
        self.lines[place] = node.start_mark.line + 1
        self.columns[place] = node.start_mark.column + 1
        return self._read_value(node, place, self.lines[place])

    def _add_problem(self, line: int, place: Place, message: str) -> None:
        self.problems.append(Problem(self.file, line, dotted(place), message, self.columns.get(place)))


def dotted(place: Place) -> str:
    """Returns a place in dotted form, as in `export.libraries`. An item of a list has the name of its list."""
    return ".".join(part for part in place if isinstance(part, str))
