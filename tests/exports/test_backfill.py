"""Backfilled days: each takes what was due on it and is still open, in whatever order they come."""

from datetime import timedelta

import pytest

from bursar.exports.close import close_fines
from bursar.exports.selection import select_fines
from tests.support.fixtures import NOW, Library, make_profile, make_settings, record_delivery

DAYS = [NOW - timedelta(days=days) for days in (3, 2, 1)]


def exported(library: Library, run_id: str, day: int) -> list[int]:
    """The fines that the run of a day takes and closes."""
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
    ("order", "taken"),
    [
        ((0, 1, 2), {0: [1], 1: [2], 2: [3]}),
        ((2, 1, 0), {2: [1, 2, 3], 1: [], 0: []}),
        ((1, 0, 2), {1: [1, 2], 0: [], 2: [3]}),
    ],
)
def test_each_fine_goes_once_with_the_first_day_on_which_it_was_due(
    library: Library, order: tuple[int, ...], taken: dict[int, list[int]]
) -> None:
    for day in DAYS:
        library.fine(created=day - timedelta(hours=1))

    assert {day: exported(library, f"backfill {day}", day) for day in order} == taken


def test_a_day_that_was_exported_is_left_alone_when_its_run_is_cleared(library: Library) -> None:
    library.fine(created=DAYS[0])
    assert exported(library, "day", 1) == [1]
    library.fine(created=DAYS[0])

    assert exported(library, "day", 1) == [1]
    assert library.position(2)[0] == "ACTIVE"
    assert library.one("SELECT count(*) FROM journal_entries WHERE entry_type = 'EXPORTED'") == 1


def test_a_day_takes_todays_balance_of_what_was_due_then(library: Library) -> None:
    fine = library.fine(amount="10.00", created=DAYS[0])
    library._run(  # noqa: SLF001
        "INSERT INTO journal_entries (fine_id, entry_type, balance_change) VALUES (:fine, 'PAID', -4)", fine=fine
    )
    exported(library, "day", 0)
    assert library.one("SELECT amount FROM batch_lines") == 6
