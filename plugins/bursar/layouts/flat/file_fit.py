"""Finds the columns that texts do not fit, also those of headers and trailers: no single fine is the reason there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from bursar.layouts.flat.columns import list_fit_tests
from bursar.layouts.flat.queries import Lines, name_texts, select_file, select_texts
from bursar.layouts.flat.render import Content
from bursar.layouts.flat.unfit_reason import UnfitReason
from bursar.layouts.model import Column, Each
from bursar.ledger.totals import CurrencyTotals

_PROBLEMS = {
    UnfitReason.NO_CODE: "has no code",
    UnfitReason.VALUE_MISSING: "is required and empty",
    UnfitReason.TOO_LONG: "is {text!r}, {length} characters, longer than the column ({width})",
    UnfitReason.NOT_IN_ENCODING: "is {text!r}, with a character that is not in the encoding",
    UnfitReason.DELIMITER_IN_VALUE: "is {text!r}, with the delimiter in it",
}


@dataclass(frozen=True)
class UnfitColumn:
    """A column and a text that does not fit it; `record` is the number of the record in the layout, from 1."""

    record: int
    column: Column
    reason: UnfitReason
    text: str

    def __str__(self) -> str:
        """Returns what is wrong, with the place of the column in the layout."""
        place = f"name: {self.column.name}" if self.column.name else f"at: {self.column.at}" if self.column.at else ""
        problem = _PROBLEMS[self.reason].format(text=self.text, length=len(self.text), width=self.column.width)
        return f"{', '.join(filter(None, [f'record {self.record}', place]))}: {self.column.value!s} {problem}"


@dataclass(frozen=True)
class ColumnTest:
    """A test that finds a text that does not fit its column; both are expressions."""

    test: str
    text: str
    record: int
    column: Column
    reason: UnfitReason

    def describe(self, text: str | None) -> UnfitColumn:
        """Returns the column with the text that was found."""
        return UnfitColumn(self.record, self.column, self.reason, text or "")


def list_column_tests(lines: Lines, each: Each) -> list[ColumnTest]:
    """Returns the tests of the columns of the records of a kind, in the order of the layout."""
    return [
        ColumnTest(test, text, number + 1, column, reason)
        for number, record in lines.layout.list_records(each)
        for column, text in zip(record.columns, name_texts(number, len(record.columns)), strict=True)
        for test, reason in list_fit_tests(lines.layout, column, text, lines.bindings)
    ]


def write_branches(tests: Sequence[ColumnTest]) -> str:
    """Returns the branches of a CASE whose value is an array: the place of the first true test, and the text."""
    return " ".join(f"WHEN {one.test} THEN ARRAY['{place}', {one.text}]" for place, one in enumerate(tests))


def count_fines(connection: Connection, content: Content, parameters: Mapping[str, Any]) -> Content:
    """Returns a content with the numbers of its fines and users, and their totals; `parameters` are those of its lines.

    The fines are in one currency, or the layout shows no total.
    """
    lines = content.get_lines()
    statement = (
        "SELECT count(*) AS fines, count(DISTINCT user_id) AS users, "
        "coalesce(sum(amount) FILTER (WHERE amount > 0), 0) AS charges, "
        "coalesce(sum(amount) FILTER (WHERE amount < 0), 0) AS credits "
        f"FROM {lines.source} AS line"
    )
    row = connection.execute(lines.bindings.bind(statement), parameters).one()
    return replace(content, totals=CurrencyTotals(row.charges, row.credits), fines=row.fines, users=row.users)


def find_unfit_column(connection: Connection, content: Content, parameters: Mapping[str, Any]) -> UnfitColumn | None:
    """Returns the first column of a header or trailer that does not fit; None if all fit, or if there is no such line.

    `content` has been counted.
    """
    lines = content.get_lines()
    tests = list_column_tests(lines, "file")
    if not tests:
        return None
    values = select_file(lines, content.totals, fines=content.fines, users=content.users)
    statement = f"SELECT CASE {write_branches(tests)} END FROM {select_texts(lines, 'file', values)} AS rows"
    found: Sequence[str] | None = connection.execute(lines.bindings.bind(statement), parameters).scalar_one()
    return None if found is None else tests[int(found[0])].describe(found[1])
