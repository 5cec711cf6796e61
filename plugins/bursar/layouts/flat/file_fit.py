"""Finds what does not fit the lines of the file itself, its headers and trailers: no single fine is the reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from bursar.layouts.flat.columns import list_fit_tests
from bursar.layouts.flat.queries import name_texts, select_file, select_texts
from bursar.layouts.flat.render import Content
from bursar.layouts.flat.unfit_reason import UnfitReason
from bursar.layouts.model import Column
from bursar.ledger.totals import CurrencyTotals

_PROBLEMS = {
    UnfitReason.NO_CODE: "has no code",
    UnfitReason.VALUE_MISSING: "is required and empty",
    UnfitReason.TOO_LONG: "is {text!r}, longer than the column ({width})",
    UnfitReason.NOT_IN_ENCODING: "is {text!r}, with a character that is not in the encoding",
    UnfitReason.DELIMITER_IN_VALUE: "is {text!r}, with the delimiter in it",
}


@dataclass(frozen=True)
class UnfitColumn:
    """A column of a header or trailer that does not fit; `record` is its number in the layout, from 1."""

    record: int
    column: Column
    reason: UnfitReason
    text: str

    def __str__(self) -> str:
        """Returns what is wrong, with the place of the column in the layout."""
        place = f"name: {self.column.name}" if self.column.name else f"at: {self.column.at}" if self.column.at else ""
        problem = _PROBLEMS[self.reason].format(text=self.text, width=self.column.width)
        return f"{', '.join(filter(None, [f'record {self.record}', place]))}: {self.column.value!s} {problem}"


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
    lines, tests = content.get_lines(), []
    for number, record in content.layout.list_records("file"):
        for column, text in zip(record.columns, name_texts(number, len(record.columns)), strict=True):
            for test, reason in list_fit_tests(content.layout, column, text, lines.bindings):
                tests.append((test, text, number + 1, column, reason))
    if not tests:
        return None
    values = select_file(lines, content.totals, fines=content.fines, users=content.users)
    branches = " ".join(f"WHEN {test} THEN ARRAY['{place}', {text}]" for place, (test, text, *_) in enumerate(tests))
    statement = f"SELECT CASE {branches} END FROM {select_texts(lines, 'file', values)} AS rows"
    found: Sequence[str] | None = connection.execute(lines.bindings.bind(statement), parameters).scalar_one()
    if found is None:
        return None
    *_, record_number, column, reason = tests[int(found[0])]
    return UnfitColumn(record_number, column, reason, found[1])
