"""Tries a layout: shows the file that an old batch, or invented fines, would have in it, and what would not fit."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from sqlalchemy import Connection, CursorResult

from bursar.db.queries import query
from bursar.layouts.files import get_file_name
from bursar.layouts.flat.characters import spell_in_ascii
from bursar.layouts.flat.file_fit import UnfitColumn, count_fines, find_unfit_column, list_column_tests, write_branches
from bursar.layouts.flat.queries import (
    Lines,
    select_fines,
    select_foreign_characters,
    select_kinds,
    select_texts,
    select_users,
)
from bursar.layouts.flat.render import Content, render_text
from bursar.layouts.flat.sql import BatchValues, Bindings, list_decimal_tests
from bursar.layouts.flat.unfit_reason import UnfitReason
from bursar.layouts.layout import Layout
from bursar.layouts.model import Each, Kind
from bursar.ledger.totals import CurrencyTotals

_RULER = "".join(f"----+---{number:2}" for number in range(1, 100))


@dataclass(frozen=True)
class Unfit:
    """The reason for which a fine does not fit, and the first column; None if too many decimals are the reason."""

    reason: UnfitReason
    column: UnfitColumn | None


@dataclass(frozen=True)
class Trial:
    """The file of some fines in a layout: its name and its lines; and the fines that do not fit, with their reasons.

    The keys of `unfit` are transaction ids. `currencies` has the currencies of all fines that were tried. `problem`
    says what does not fit a header or trailer, which would make the export fail; it is empty if all fits.
    """

    file_name: str
    lines: Sequence[str]
    unfit: Mapping[str, Unfit]
    currencies: Sequence[str]
    problem: str = ""

    @property
    def ruler(self) -> str:
        """A line that numbers the characters, as long as the longest line."""
        length = max(map(len, self.lines), default=0)
        return (_RULER * (length // len(_RULER) + 1))[:length]


def try_layout(
    connection: Connection, layout: Layout, values: BatchValues, *, time_zone: str, batch_id: int | None, limit: int
) -> list[Trial]:
    """Renders the first fines of a batch, or invented ones, in each file of a layout. Changes nothing.

    At most `limit` fines are tried; totals are of these. `values` are those of the batch in the files.
    """

    def get_source(kinds: Sequence[Kind] | None, bindings: Bindings) -> str:
        if batch_id is None:
            return select_kinds(f"({query('layouts/flat/invented_lines').text})", kinds, bindings)
        numbers = f"batch_id = {bindings.add(batch_id, 'bigint')} AND number <= {bindings.add(limit, 'integer')}"
        return select_kinds(f"(SELECT * FROM batch_lines WHERE {numbers})", kinds, bindings)

    return [
        _try_file(connection, file, values, time_zone, partial(get_source, kinds))
        for kinds, file in layout.list_files()
    ]


def _try_file(
    connection: Connection, layout: Layout, values: BatchValues, time_zone: str, get_source: Callable[[Bindings], str]
) -> Trial:

    content = Content(layout, values, time_zone, {}, CurrencyTotals(), 0, 0, get_source)
    if layout.characters == "ascii" and (statement := select_foreign_characters(lines := content.get_lines())):
        content = replace(content, spelling=spell_in_ascii(_run(connection, lines, statement).scalars()))
    unfit: dict[int, tuple[str, Unfit]] = {}
    for each in ("fine", "user"):
        if layout.list_records(each):
            content = replace(content, source=_without(get_source, unfit))
            unfit |= _find_unfit(connection, content.get_lines(), each)
    content = count_fines(connection, replace(content, source=_without(get_source, unfit)), {})
    with closing(render_text(connection, content)) as blocks:
        lines_ = b"".join(blocks).decode().splitlines() if content.fines else []
    all_lines = replace(content, source=get_source).get_lines()
    currencies = _run(connection, all_lines, f"SELECT DISTINCT currency FROM {all_lines.source} AS line ORDER BY 1")
    problem = find_unfit_column(connection, content, {}) if content.fines else None
    name, found = get_file_name(values, layout), list(currencies.scalars())
    return Trial(name, lines_, dict(unfit.values()), found, str(problem or ""))


def _run(connection: Connection, lines: Lines, statement: str) -> CursorResult[Any]:
    return connection.execute(lines.bindings.bind(statement))


def _without(source: Callable[[Bindings], str], unfit: Mapping[int, object]) -> Callable[[Bindings], str]:
    """Returns the source of the lines without those of some fines."""

    def get_rest(bindings: Bindings) -> str:
        fines = bindings.add(f"{{{','.join(map(str, unfit))}}}", "bigint[]")
        return f"(SELECT * FROM {source(bindings)} AS line WHERE fine_id <> ALL ({fines}))"

    return get_rest


def _find_unfit(connection: Connection, lines: Lines, each: Each) -> dict[int, tuple[str, Unfit]]:
    """Returns the transaction ids of the fines that do not fit, each with its reason, by the ids of the fines.

    The tests are those of `select_unfit`.
    """
    is_user = each == "user"
    values = select_users(lines) if is_user else select_fines(lines, lines.layout.list_used("fine") | {"amount"})
    texts, tests = select_texts(lines, each, values), list_column_tests(lines, each)
    decimals = " ".join(f"WHEN {test} THEN ARRAY['']" for test in list_decimal_tests(lines.layout, each))
    branches = f"{decimals} {write_branches(tests)}".strip()
    if not branches:
        return {}
    keys = ('"key.user"', "user_id") if is_user else ("fine_id", "fine_id")
    statement = (
        f"SELECT line.fine_id, line.transaction_id, unfit.found FROM {lines.source} AS line "
        f"JOIN (SELECT {keys[0]} AS key, CASE {branches} END AS found FROM {texts} AS rows) AS unfit "
        f"ON unfit.key = line.{keys[1]} AND unfit.found IS NOT NULL ORDER BY line.number"
    )
    found = {}
    for row in _run(connection, lines, statement):
        place, *text = row.found
        column = tests[int(place)].describe(text[0]) if place else None
        reason = column.reason if column else UnfitReason.TOO_MANY_DECIMALS
        found[row.fine_id] = (row.transaction_id, Unfit(reason, column))
    return found
