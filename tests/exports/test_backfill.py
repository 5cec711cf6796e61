"""Backfills: each day exports the fines that were due by then and are still open, in any order of the days."""

from datetime import timedelta

import pytest

from bursar.exports.close import close_fines
from bursar.exports.selection import select_fines
from tests.support.fixtures import NOW, Library, make_profile, make_settings, record_delivery

DAYS = [NOW - timedelta(days=days) for days in (3, 2, 1)]


def export_day(library: Library, run_id: str, day: int) -> list[int]:
    """Exports the fines of a day and closes them; returns their ids."""
    found = select_fines(library.ledger, make_profile(), make_settings(), run_id=run_id, as_of=DAYS[day])
    if found.fines:
        record_delivery(library.ledger, found.id)
    close_fines(library.ledger, found.id)
    return list(
        library.one(
            "SELECT coalesce(array_agg(fine_id ORDER BY fine_id), '{}') FROM batch_lines WHERE batch_id = :id",
            id=found.id,
        )
    )


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ((0, 1, 2), {0: [1], 1: [2], 2: [3]}),
        ((2, 1, 0), {2: [1, 2, 3], 1: [], 0: []}),
        ((1, 0, 2), {1: [1, 2], 0: [], 2: [3]}),
    ],
)
def test_each_fine_is_exported_once_by_the_first_day_that_finds_it_due(
    library: Library, order: tuple[int, ...], expected: dict[int, list[int]]
) -> None:
    for day in DAYS:
        library.fine(created=day - timedelta(hours=1))

    assert {day: export_day(library, f"backfill {day}", day) for day in order} == expected


def test_a_cleared_run_exports_no_other_fines(library: Library) -> None:
    library.fine(created=DAYS[0])
    assert export_day(library, "day", 1) == [1]
    library.fine(created=DAYS[0])

    assert export_day(library, "day", 1) == [1]
    assert library.position(2)[0] == "ACTIVE"
    assert library.one("SELECT count(*) FROM journal_entries WHERE entry_type = 'EXPORTED'") == 1


def test_a_past_day_exports_the_current_balance(library: Library) -> None:
    fine = library.fine(amount="10.00", created=DAYS[0])
    library._run(  # noqa: SLF001
        "INSERT INTO journal_entries (fine_id, entry_type, balance_change) VALUES (:fine, 'PAID', -4)", fine=fine
    )
    export_day(library, "day", 0)
    assert library.one("SELECT amount FROM batch_lines") == 6
