"""The rules of the selection, each at its limits.

The module is long because it has all rules, so that their order can be seen.
"""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from threading import Barrier
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from bursar.errors import BursarError, LedgerError
from bursar.exports.selection import created_before, preview, select_fines
from bursar.ledger import desk
from bursar.ledger.batches import Batch, BatchState
from bursar.ledger.totals import CurrencyTotals, Skipped
from bursar.profiles import Profile
from tests.support.fixtures import LONG_AGO, NOW, Library, make_profile, make_settings

NEW_YORK = ZoneInfo("America/New_York")


def export(library: Library, profile: Profile, run_id: str = "run 1", as_of: datetime = NOW) -> Batch:
    return select_fines(library.ledger, profile, make_settings(), run_id=run_id, as_of=as_of)


def get_skip_reasons(library: Library, profile: Profile, as_of: datetime = NOW) -> dict[int, str | None]:
    """Returns the skip reason of each fine with a balance; None if it would be exported."""
    _, found = preview(library.ledger, profile, as_of=as_of, limit=1_000)
    return {decision.fine_id: decision.reason for decision in found}


def get_skip_reason(library: Library, profile: Profile, fine: int, as_of: datetime = NOW) -> str | None:
    return get_skip_reasons(library, profile, as_of)[fine]


@pytest.mark.parametrize(
    ("fine", "profile", "reason"),
    [
        ({}, {}, None),
        ({"kind": "LOSTITEMREPLACEMENTFEE"}, {"fine_fee_types": ["OVERDUEFINE"]}, "other_type"),
        ({"kind": "OVERDUEFINE"}, {"fine_fee_types": ["OVERDUEFINE"]}, None),
        ({"kind": "ANYTHING"}, {"fine_fee_types": []}, None),
        ({"owner": None}, {"institutional_fine_fee": True}, None),
        ({"owner": None}, {"institutional_fine_fee": False}, "other_owner"),
        ({"owner": None}, {"institutional_fine_fee": True, "libraries": []}, None),
        ({"owner": "MAIN"}, {"institutional_fine_fee": True, "libraries": []}, "other_owner"),
        ({"owner": "MAIN"}, {"libraries": ["LAW"]}, "other_owner"),
        ({"owner": "MAIN"}, {"libraries": ["MAIN"]}, None),
        ({"owner": "MAIN"}, {"institutional_fine_fee": False, "libraries": ["MAIN"]}, None),
        ({"currency": "CAD"}, {"currencies": []}, None),
        ({"currency": "CAD"}, {"currencies": ["USD"]}, "other_currency"),
        ({"currency": "CAD"}, {"currencies": ["CAD", "USD"]}, None),
        ({"currency": "CAD", "amount": "-3"}, {"currencies": ["USD"], "minimum_amount_for_user": 5}, "other_currency"),
        ({"currency": "CAD", "kind": "OTHER"}, {"currencies": ["USD"], "fine_fee_types": ["LOSTITEM"]}, "other_type"),
    ],
)
def test_a_fine_is_selected_by_type_owner_and_currency(
    library: Library, fine: dict[str, Any], profile: dict[str, Any], reason: str | None
) -> None:
    assert get_skip_reason(library, make_profile(**profile), library.fine(**fine)) == reason


@pytest.mark.parametrize(
    ("groups", "reason"),
    [([], None), (["STAFF"], None), (["STAFF", "STUDENT"], None), (["STUDENT"], "other_user_group")],
)
def test_a_fine_is_selected_by_user_group(library: Library, groups: list[str], reason: str | None) -> None:
    fine = library.fine(library.user(group="STAFF"))
    assert get_skip_reason(library, make_profile(user_groups=groups), fine) == reason


def test_expired_users_are_exported_like_any_other(library: Library) -> None:
    assert get_skip_reason(library, make_profile(), library.fine(library.user(expiry=date(2020, 1, 1)))) is None


def test_the_owner_of_a_fine_does_not_change_with_its_item(library: Library) -> None:
    item = library.item(library="LAW")
    fine = library.fine(owner="LAW", item=item)
    with library.ledger.begin() as connection:
        connection.execute(text("UPDATE items SET library = 'MAIN' WHERE id = :id"), {"id": item})
    assert get_skip_reason(library, make_profile(libraries=["LAW"]), fine) is None
    assert get_skip_reason(library, make_profile(libraries=["MAIN"]), fine) == "other_owner"


@pytest.mark.parametrize(("seconds", "reason"), [(-1, None), (0, None), (1, "too_young")])
def test_a_fine_is_due_exactly_after_the_days_before_export(library: Library, seconds: int, reason: str | None) -> None:
    fine = library.fine(created=NOW - timedelta(days=7) + timedelta(seconds=seconds))
    assert get_skip_reason(library, make_profile(time_before_export_days=7, time_zone="UTC"), fine) == reason


@pytest.mark.parametrize(
    ("as_of", "created"),
    [
        # The night of 8 March 2026 has 23 hours in New York, that of 1 November 25.
        (datetime(2026, 3, 9, 2, 30, tzinfo=NEW_YORK), datetime(2026, 3, 7, 2, 30, tzinfo=NEW_YORK)),
        (datetime(2026, 3, 10, 0, 0, tzinfo=NEW_YORK), datetime(2026, 3, 8, 0, 0, tzinfo=NEW_YORK)),
        (datetime(2026, 11, 2, 23, 59, tzinfo=NEW_YORK), datetime(2026, 10, 31, 23, 59, tzinfo=NEW_YORK)),
        # 02:30 does not exist on 8 March: the clock shows 03:30.
        (datetime(2026, 3, 10, 2, 30, tzinfo=NEW_YORK), datetime(2026, 3, 8, 3, 30, tzinfo=NEW_YORK)),
    ],
)
def test_days_are_days_of_the_profiles_time_zone(library: Library, as_of: datetime, created: datetime) -> None:
    profile = make_profile(time_before_export_days=2)
    assert created_before(as_of, 2, "America/New_York") == created
    due, young = library.fine(created=created), library.fine(created=created.astimezone(UTC) + timedelta(seconds=1))
    assert get_skip_reasons(library, profile, as_of.astimezone(UTC)) == {due: None, young: "too_young"}


@pytest.mark.parametrize(
    ("amounts", "minimum", "expected"),
    [
        (["9.99"], 10, ["below_minimum"]),
        (["10.00"], 10, [None]),
        (["10.01"], 10, [None]),
        (["5.00", "5.00"], 10, [None, None]),
        (["5.00", "4.99"], 10, ["below_minimum", "below_minimum"]),
        (["12.00", "-3.00"], 10, [None, "credit_with_minimum"]),
        (["9.00", "-3.00"], 10, ["below_minimum", "credit_with_minimum"]),
        (["0.01", "-3.00"], 0, [None, None]),
        (["0.01", "-3.00"], None, [None, None]),
    ],
)
def test_the_minimum_is_compared_with_the_charges_of_a_user(
    library: Library, amounts: list[str], minimum: int | None, expected: list[str | None]
) -> None:
    user = library.user()
    fines = [library.fine(user, amount) for amount in amounts]
    found = get_skip_reasons(library, make_profile(minimum_amount_for_user=minimum))
    assert [found[fine] for fine in fines] == expected


def test_the_minimum_counts_only_fines_that_passed_the_other_rules(library: Library) -> None:
    user = library.user()
    counted = library.fine(user, "6")
    young, foreign = library.fine(user, "6", created=NOW), library.fine(user, "6", kind="OTHER")
    profile = make_profile(minimum_amount_for_user=10, time_before_export_days=1, fine_fee_types=["OVERDUEFINE"])
    assert get_skip_reasons(library, profile) == {counted: "below_minimum", young: "too_young", foreign: "other_type"}


def test_a_profile_of_one_currency_leaves_the_others_open(library: Library) -> None:
    user = library.user()
    dollars, canadian = library.fine(user, "11"), library.fine(user, "9", currency="CAD")
    batch = export(library, make_profile(currencies=["USD"]))
    assert library.one("SELECT array_agg(fine_id) FROM batch_lines") == [dollars]
    assert batch.skipped == {"other_currency": Skipped(1, 1, {"CAD": Decimal("9.000")})}
    assert library.position(canadian)[0] == "ACTIVE"


def test_the_minimum_is_applied_per_currency(library: Library) -> None:
    user = library.user()
    dollars, canadian = library.fine(user, "11"), library.fine(user, "9", currency="CAD")
    assert get_skip_reasons(library, make_profile(minimum_amount_for_user=10)) == {
        dollars: None,
        canadian: "below_minimum",
    }


@pytest.mark.parametrize(
    ("identifier", "pattern", "reason"),
    [
        (None, None, "no_identifier"),
        ("  ", None, "no_identifier"),
        ("anything at all", None, None),
        ("00123456", r"\d{8}", None),
        ("0123456", r"\d{8}", "malformed_identifier"),
        ("00123456x", r"\d{8}", "malformed_identifier"),
        ("A1", "A1|B2", None),
        ("xB2", "A1|B2", "malformed_identifier"),
        ("0012\x013456", None, "malformed_identifier"),
    ],
)
def test_a_user_without_a_valid_identifier_is_skipped(
    library: Library, identifier: str | None, pattern: str | None, reason: str | None
) -> None:
    fine, other = library.fine(library.user(identifier)), library.fine(library.user("11111111"))
    profile = make_profile(identifier_pattern=pattern)
    assert get_skip_reason(library, profile, fine) == reason
    batch = export(library, profile)
    assert library.position(fine)[0] == "ACTIVE"
    assert library.one("SELECT count(*) FROM batch_lines WHERE fine_id = :fine", fine=other) == (pattern != "A1|B2")
    assert (reason in batch.skipped) == (reason is not None)


def test_disputed_closed_and_claimed_fines_are_not_selected(library: Library) -> None:
    disputed, paid, claimed = (library.fine() for _ in range(3))
    with library.ledger.begin() as connection:
        desk.dispute(connection, disputed, "was ill")
        desk.pay(connection, paid)
    export(library, make_profile(code="FIRST"))
    assert get_skip_reasons(library, make_profile()) == {disputed: "disputed", claimed: "in_unfinished_batch"}


def test_the_balance_is_exported_not_the_amount(library: Library) -> None:
    fine = library.fine(amount="20.00")
    with library.ledger.begin() as connection:
        desk.pay(connection, fine, Decimal("7.25"))
    batch = export(library, make_profile())
    assert library.one("SELECT amount FROM batch_lines WHERE batch_id = :batch", batch=batch.id) == Decimal("12.75")
    assert batch.totals == {"USD": CurrencyTotals(Decimal("12.750"), Decimal(0))}


def test_a_batch_has_counts_and_totals_by_currency(library: Library) -> None:
    user = library.user()
    for amount, currency in [("10.10", "USD"), ("0.20", "USD"), ("-3.00", "USD"), ("5", "CAD")]:
        library.fine(user, amount, currency=currency)
    library.fine(library.user(None), "8")
    batch = export(library, make_profile())
    assert (batch.users, batch.fines) == (1, 4)
    assert batch.totals == {
        "CAD": CurrencyTotals(Decimal("5.000"), Decimal(0)),
        "USD": CurrencyTotals(Decimal("10.300"), Decimal("-3.000")),
    }
    assert batch.skipped == {"no_identifier": Skipped(1, 1, {"USD": Decimal("8.000")})}


def test_an_empty_selection_is_a_closed_batch(library: Library) -> None:
    batch = export(library, make_profile())
    assert (batch.fines, batch.state) == (0, BatchState.CLOSED)


def test_a_repeated_task_finds_its_batch(library: Library) -> None:
    library.fine()
    first = export(library, make_profile())
    library.fine()
    assert export(library, make_profile()) == first
    assert library.one("SELECT count(*) FROM batch_lines") == 1


def test_simultaneous_exports_select_each_fine_once(library: Library) -> None:
    fines = [library.fine() for _ in range(50)]
    start = Barrier(4)

    def run(profile: str) -> Batch:
        start.wait()
        return export(library, make_profile(code=profile))

    with ThreadPoolExecutor(4) as pool:
        batches = list(pool.map(run, ["A", "B", "C", "D"]))
    assert sum(batch.fines for batch in batches) == len(fines)
    assert library.one("SELECT count(DISTINCT fine_id) FROM batch_lines") == len(fines)


def test_a_run_that_is_started_twice_makes_one_batch(library: Library) -> None:
    library.fine()
    start = Barrier(2)

    def run(_: int) -> Batch:
        start.wait()
        return export(library, make_profile())

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(run, range(2))
    assert first == second
    assert library.one("SELECT count(*) FROM batches") == 1


def test_a_payment_at_the_desk_precedes_the_selection_or_is_refused(library: Library) -> None:
    fines = [library.fine(amount="10") for _ in range(40)]
    start = Barrier(2)

    def pay() -> int:
        start.wait()
        paid = 0
        for fine in fines:
            try:
                with library.ledger.begin() as connection:
                    desk.pay(connection, fine, Decimal(4))
                paid += 1
            except LedgerError:
                pass
        return paid

    def select() -> Batch:
        start.wait()
        return export(library, make_profile())

    with ThreadPoolExecutor(2) as pool:
        paying, selecting = pool.submit(pay), pool.submit(select)
    assert selecting.result().totals["USD"].charges == 400 - 4 * paying.result()
    assert (
        library.one(
            "SELECT count(*) FROM batch_lines JOIN fines ON fines.id = fine_id WHERE batch_lines.amount <> balance"
        )
        == 0
    )


def test_transaction_ids_continue_over_all_exports(library: Library) -> None:
    library.fine()
    settings = make_settings(transaction_ids={"prefix": "LIB-", "start": "500"})
    select_fines(library.ledger, make_profile(), settings, run_id="1", as_of=NOW)
    library.fine()
    library.fine()
    select_fines(library.ledger, make_profile(), settings, run_id="2", as_of=NOW)
    with library.ledger.connect() as connection:
        ids = (
            connection.execute(text("SELECT transaction_id FROM batch_lines ORDER BY batch_id, number")).scalars().all()
        )
    assert ids == ["LIB-500", "LIB-501", "LIB-502"]


@pytest.mark.parametrize(
    ("starts", "numbers"),
    [
        ([1, 1, 1], [1, 2, 3]),
        ([100001, 100001, 100001], [100001, 100002, 100003]),
        ([1, 100001, 1, 1], [1, 100001, 100002, 100003]),
        ([100001, 5000, 200001, 100001], [100001, 100002, 200001, 200002]),
        ([1, 2, 3], [1, 2, 3]),
    ],
)
def test_export_numbers_begin_at_their_start_and_only_increase(
    library: Library, starts: list[int], numbers: list[int]
) -> None:
    batches = []
    for run, start in enumerate(starts):
        library.fine()
        settings = make_settings(export_number_start=start)
        batches.append(select_fines(library.ledger, make_profile(), settings, run_id=str(run), as_of=NOW))
    assert [batch.id for batch in batches] == numbers
    assert [batch.file_name.split("-")[1] for batch in batches] == [str(number) for number in numbers]


def test_simultaneous_exports_have_different_numbers_whatever_their_starts(library: Library) -> None:
    starts = [100001, 1, 100001, 100002]
    barrier = Barrier(len(starts))

    def run(place: int) -> int:
        barrier.wait()
        settings = make_settings(export_number_start=starts[place])
        profile = make_profile(code=f"P{place}")
        return select_fines(library.ledger, profile, settings, run_id="1", as_of=NOW, dry_run=place == 1).id

    for _ in range(3):
        library.fine()
    with ThreadPoolExecutor(len(starts)) as pool:
        numbers = list(pool.map(run, range(len(starts))))
    assert len(set(numbers)) == len(starts)
    assert sorted(numbers)[1:] == [*range(sorted(numbers)[1], sorted(numbers)[1] + 3)]


def test_an_export_without_enough_transaction_ids_selects_nothing(library: Library) -> None:
    fines = [library.fine() for _ in range(3)]
    settings = make_settings(transaction_ids={"start": "1", "maximum": "2"})
    with pytest.raises(BursarError, match="needs 3 from 1.*maximum"):
        select_fines(library.ledger, make_profile(), settings, run_id="1", as_of=NOW)
    assert set(get_skip_reasons(library, make_profile())) == set(fines)
    assert library.one("SELECT count(*) FROM batches") == 0
    assert library.one("SELECT next FROM transaction_ids") == 1


def test_a_backfilled_run_selects_the_fines_due_on_its_day(library: Library) -> None:
    old, newer = library.fine(created=LONG_AGO), library.fine(created=LONG_AGO + timedelta(days=10))
    batch = export(library, make_profile(time_before_export_days=7), as_of=LONG_AGO + timedelta(days=8))
    assert library.one("SELECT array_agg(fine_id) FROM batch_lines WHERE batch_id = :batch", batch=batch.id) == [old]
    assert library.position(newer)[0] == "ACTIVE"
