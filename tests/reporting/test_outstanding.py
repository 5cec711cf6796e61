"""The count of what is outstanding at bursars, by week, profile, currency and time since the export."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, text

from bursar.exports.close import close_fines
from bursar.exports.selection import select_fines
from bursar.reporting.outstanding import AGES, count_outstanding, describe_age
from tests.support.fixtures import NOW, Library, make_profile, make_settings, record_delivery

ZONE = "America/New_York"


def export_all(ledger: Engine, run_id: str, **profile: Any) -> int:
    batch = select_fines(ledger, make_profile(**profile), make_settings(), run_id=run_id, as_of=NOW)
    record_delivery(ledger, batch.id)
    close_fines(ledger, batch.id)
    return batch.id


def read_counts(ledger: Engine) -> list[Any]:
    with ledger.connect() as connection:
        return list(connection.execute(text("SELECT week, counted_at, sums FROM outstanding_by_week ORDER BY week")))


def set_age(owned: Engine, batch: int, days: int) -> None:
    with owned.begin() as connection:
        connection.execute(
            text("UPDATE batches SET closed_at = now() - :days * interval '1 day' WHERE id = :batch"),
            {"days": days, "batch": batch},
        )


def test_the_outstanding_amounts_are_counted_by_profile_currency_and_age(
    library: Library, ledger: Engine, owned_ledger: Engine
) -> None:
    library.fine(amount="10")
    library.fine(amount="5", currency="CAD")
    set_age(owned_ledger, export_all(ledger, "first"), 89)
    library.fine(amount="7.25")
    library.fine(amount="1")
    set_age(owned_ledger, export_all(ledger, "second"), 90)
    library.fine(amount="3")
    export_all(ledger, "third", code="STAFF")
    library.fine(amount="99")  # not exported
    count_outstanding(ledger, ZONE)
    [(week, _, sums)] = read_counts(ledger)
    today = datetime.now(ZoneInfo(ZONE)).date()
    assert week.weekday() == 0
    assert 0 <= (today - week).days <= 6
    assert [(one["profile"], one["currency"], one["days"], one["fines"], Decimal(one["amount"])) for one in sums] == [
        ("STAFF", "USD", 0, 1, 3),
        ("STUDENTS", "CAD", 30, 1, 5),
        ("STUDENTS", "USD", 30, 1, 10),
        ("STUDENTS", "USD", 90, 2, Decimal("8.25")),
    ]


def test_a_bursar_without_an_import_has_nothing_outstanding(library: Library, ledger: Engine) -> None:
    library.fine()
    export_all(ledger, "run", import_active=False)
    count_outstanding(ledger, ZONE)
    assert [row.sums for row in read_counts(ledger)] == [[]]


def test_a_later_count_replaces_that_of_the_same_week_and_an_earlier_one_does_not(
    library: Library, ledger: Engine, owned_ledger: Engine
) -> None:
    count_outstanding(ledger, ZONE)
    library.fine(amount="10")
    export_all(ledger, "run")
    count_outstanding(ledger, ZONE)
    [row] = read_counts(ledger)
    assert Decimal(row.sums[0]["amount"]) == 10
    with owned_ledger.begin() as connection:
        connection.execute(
            text("UPDATE outstanding_by_week SET counted_at = counted_at + interval '1 minute', sums = '[]'")
        )
    count_outstanding(ledger, ZONE)
    assert [row.sums for row in read_counts(ledger)] == [[]]


@pytest.mark.parametrize(
    ("days", "words"),
    [(0, "less than 30 days"), (30, "30 to 89 days"), (180, "180 to 364 days"), (365, "365 days or more")],
)
def test_ages_are_described_without_gaps(days: int, words: str) -> None:
    assert days in AGES
    assert describe_age(days) == words
