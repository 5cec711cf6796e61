"""The part of CQL that FOLIO's modules understand and that a client of fees and fines needs.

`and` and `or` bind alike, from left to right. `==` compares exactly, `=` by words, `<>` and the other signs as text.
"""

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

Record = Mapping[str, Any]
Predicate = Callable[[Record], bool]

_SIGNS = {
    "==": operator.eq,
    "<>": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_TOKEN = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|(==|<>|>=|<=|[=<>()])|([^\s"=<>()]+))')


class CqlError(ValueError):
    """A query that is not CQL."""


@dataclass(frozen=True)
class Condition:
    """A comparison of a field with one of several values."""

    name: str
    relation: str
    values: tuple[str, ...]

    def matches(self, record: Record) -> bool:
        """Returns whether a record fulfils the condition."""
        found = read_field(record, self.name)
        return any(_compare(found, self.relation, value) for value in self.values)


@dataclass(frozen=True)
class Query:
    """A query: its predicate, the conditions that hold for each of its records, and the field that sorts them."""

    matches: Predicate
    required: tuple[Condition, ...]
    sorted_by: str | None = None
    is_descending: bool = False


@dataclass
class _Tokens:
    """The tokens of a query: kind (`text`, `sign`, `word`) and value."""

    all_: list[tuple[str, str]] = field(default_factory=list)
    place: int = 0

    def peek(self) -> tuple[str, str]:
        return self.all_[self.place] if self.place < len(self.all_) else ("end", "")

    def take(self) -> tuple[str, str]:
        token = self.peek()
        self.place += 1
        return token

    def take_word(self, *words: str) -> str | None:
        kind, value = self.peek()
        if kind == "word" and value.lower() in words:
            self.place += 1
            return value.lower()
        return None


@lru_cache(maxsize=64)
def parse(text: str) -> Query:
    """Returns a query; raises a CqlError if the text is none."""
    tokens = _Tokens(list(_split(text)))
    matches, required = _parse_clauses(tokens)
    name, is_descending = None, False
    if tokens.take_word("sortby"):
        kind, value = tokens.take()
        if kind != "word":
            raise CqlError(f"expected index or term, got {value or 'EOF'}")
        name, _, modifier = value.partition("/")
        is_descending = modifier == "sort.descending"
    if tokens.peek()[0] != "end":
        raise CqlError(f"expected EOF, got {tokens.peek()[1]}")
    return Query(matches, tuple(required), name, is_descending)


def read_field(record: Record, name: str) -> str:
    """Returns the text of a field, with dots for those within others; empty without it."""
    value: Any = record
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return "" if value is None else str(value)


def _split(text: str) -> Iterator[tuple[str, str]]:
    place = 0
    text = text.rstrip()
    while place < len(text):
        token = _TOKEN.match(text, place)
        if not token:
            raise CqlError("a quotation mark is not closed")
        place = token.end()
        quoted, sign, word = token.groups()
        if quoted is not None:
            yield "text", re.sub(r"\\(.)", r"\1", quoted)
        elif sign:
            yield "sign", sign
        else:
            yield "word", word


def _parse_clauses(tokens: _Tokens) -> tuple[Predicate, list[Condition]]:
    left, required = _parse_clause(tokens)
    while word := tokens.take_word("and", "or"):
        right, more = _parse_clause(tokens)
        left = _join(word, left, right)
        required = required + more if word == "and" else []
    return left, required


def _join(word: str, left: Predicate, right: Predicate) -> Predicate:
    if word == "and":
        return lambda record: left(record) and right(record)
    return lambda record: left(record) or right(record)


def _parse_clause(tokens: _Tokens) -> tuple[Predicate, list[Condition]]:
    kind, name = tokens.take()
    if (kind, name) == ("sign", "("):
        found = _parse_clauses(tokens)
        _expect(tokens, ")")
        return found
    sign, relation = tokens.take()
    if kind != "word" or sign != "sign" or relation in "()":
        raise CqlError(f"expected index or term, got {name or 'EOF'}")
    if name == "cql.allRecords":
        tokens.take()
        return lambda _: True, []
    condition = Condition(name, relation, tuple(_parse_values(tokens)))
    return condition.matches, [condition]


def _parse_values(tokens: _Tokens) -> Iterator[str]:
    kind, value = tokens.take()
    if (kind, value) == ("sign", "("):
        yield from _parse_values(tokens)
        while tokens.take_word("or"):
            yield from _parse_values(tokens)
        _expect(tokens, ")")
    elif kind in ("text", "word"):
        yield value
    else:
        raise CqlError(f"expected index or term, got {value or 'EOF'}")


def _expect(tokens: _Tokens, sign: str) -> None:
    if tokens.take() != ("sign", sign):
        raise CqlError(f"expected {sign}")


def _compare(found: str, relation: str, value: str) -> bool:
    if relation == "=":
        return found == value or set(value.lower().split()) <= set(re.split(r"\W+", found.lower()))
    return bool(_SIGNS[relation](found, value))
