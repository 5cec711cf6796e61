"""Reversals: an export cancels exported charges that were settled at the library, once, by their transactions.

The module is long because each way of settling an exported charge has its own case.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from lxml import etree
from sqlalchemy import text

from bursar.exports.build import build_file
from bursar.exports.close import close_fines
from bursar.exports.recover import release_batch
from bursar.exports.selection import preview, select_fines
from bursar.layouts.alma_xml.namespace import NAMESPACE
from bursar.ledger import desk
from tests.support.fake_bursar import FakeBursar, Outcome, Payment
from tests.support.fixtures import NOW, make_profile, make_settings

D = Decimal
NS = {"xb": NAMESPACE}


def settle_at_desk(office: FakeBursar, operation: Callable[..., Any], fine: int, amount: str | None = None) -> None:
    with office.library.ledger.begin() as connection:
        operation(connection, fine, None if amount is None else D(amount), allow_activity_on_transferred_finesfees=True)


def reverse(office: FakeBursar, fine: int, amount: str | None = None, comment: str | None = None) -> int:
    with office.library.ledger.begin() as connection:
        return desk.reverse_charge(connection, fine, None if amount is None else D(amount), comment)


def list_lines(office: FakeBursar, batch: int) -> list[tuple[Any, ...]]:
    """Returns the list_lines of a batch: fine, transaction id, type, amount, reversed transaction id and comment."""
    with office.library.ledger.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT fine_id, transaction_id, fine_fee_type, amount, reversed_transaction_id, comment FROM "
                "batch_lines"
                " WHERE batch_id = :batch ORDER BY number"
            ),
            {"batch": batch},
        )
        return [tuple(row) for row in rows]


def get_skip_reasons(office: FakeBursar, **profile: Any) -> dict[int, str | None]:
    _, decisions = preview(office.library.ledger, make_profile(**profile), as_of=datetime.now(UTC), limit=100)
    return {decision.fine_id: decision.reason for decision in decisions}


@pytest.mark.parametrize("operation", [desk.pay, desk.waive])
def test_an_amount_that_is_settled_at_the_library_is_reversed_once(
    office: FakeBursar, operation: Callable[..., Any]
) -> None:
    fine, transaction = office.export_fine("10.00")
    settle_at_desk(office, operation, fine, "4.00")
    batch = office.export()
    assert list_lines(office, batch) == [
        (fine, "2", "CREDIT", D(-4), transaction, "Reverses transaction 1: settled at the library")
    ]
    assert office.library.one("SELECT totals FROM batches WHERE id = :id", id=batch) == {
        "USD": {"charges": "0", "credits": "-4.000", "reversals": "-4.000"}
    }
    assert office.library.position(fine) == ("CLOSED", D(0), D(6))
    assert list_lines(office, office.export()) == []
    settle_at_desk(office, operation, fine)
    assert [line[:5] for line in list_lines(office, office.export())] == [(fine, "3", "CREDIT", D(-6), transaction)]
    assert office.library.position(fine) == ("CLOSED", D(0), D(0))
    assert office.library.one("SELECT pending_reversal FROM fines WHERE id = :fine", fine=fine) == 0


def test_a_returned_item_cancels_its_fine_as_in_the_reference_text(office: FakeBursar) -> None:
    """A lost item costs $10, which is exported; when it returns, a credit of -$10 is exported, and nothing is owed."""
    lost, transaction = office.export_fine("10.00", item=office.library.item(), owner="LAW")
    assert office.library.position(lost) == ("CLOSED", D(0), D(10))
    returned = reverse(office, lost, comment="found and returned")
    assert office.library.position(returned) == ("ACTIVE", D(-10), D(0))
    batch = office.export()
    assert list_lines(office, batch) == [
        (returned, "2", "CREDIT", D(-10), transaction, "found and returned; Reverses transaction 1")
    ]
    assert office.library.position(returned) == ("CLOSED", D(0), D(0))
    assert office.library.position(lost) == ("CLOSED", D(0), D(0))


def test_a_returned_item_cancels_its_fine_at_a_bursar_without_payment_files(office: FakeBursar) -> None:
    lost = office.library.fine(amount="10.00")
    office.export(import_active=False)
    returned = reverse(office, lost)
    batch = office.export(import_active=False)
    assert list_lines(office, batch) == [(returned, "2", "CREDIT", D(-10), "1", "Reverses transaction 1")]
    for fine in (lost, returned):
        assert office.library.position(fine) == ("CLOSED", D(0), D(0))


def test_the_rules_of_a_profile_apply_to_plain_credits_and_not_to_reversals(office: FakeBursar) -> None:
    user = office.library.user()
    paid_here, lost = (office.library.fine(user, "10.00") for _ in range(2))
    office.export()
    settle_at_desk(office, desk.pay, paid_here)
    returned = reverse(office, lost)
    plain = office.library.fine(user, "-3.00")
    small = office.library.fine(user, "5.00")
    strict = {
        "minimum_amount_for_user": 6,
        "time_before_export_days": 3650,
        "fine_fee_types": ["LOSTITEM"],
        "libraries": [],
        "user_groups": ["STAFF"],
    }
    assert get_skip_reasons(office, **strict) == {
        paid_here: None,
        returned: None,
        plain: "too_young",
        small: "too_young",
    }
    with_a_minimum = get_skip_reasons(office, minimum_amount_for_user=6)
    assert with_a_minimum == {
        paid_here: None,
        returned: None,
        plain: "credit_with_minimum",
        small: "below_minimum",
    }


def test_reversals_in_a_currency_that_the_bursar_cannot_read_wait(office: FakeBursar) -> None:
    paid_here, lost = (office.library.fine(amount="10.00", currency="CAD") for _ in range(2))
    office.export()
    settle_at_desk(office, desk.pay, paid_here)
    returned = reverse(office, lost)
    assert get_skip_reasons(office, currencies=["USD"]) == {paid_here: "other_currency", returned: "other_currency"}
    assert get_skip_reasons(office, currencies=["CAD"]) == {paid_here: None, returned: None}


def test_the_minimum_ignores_reversals_and_reversed_charges(office: FakeBursar) -> None:
    user = office.library.user()
    lost = office.library.fine(user, "10.00")
    office.export()
    reverse(office, lost)
    new = office.library.fine(user, "10.00")
    assert get_skip_reasons(office, minimum_amount_for_user=10)[new] is None


def test_only_the_bursar_with_the_charge_gets_its_reversal(office: FakeBursar) -> None:
    paid_here, lost = office.library.fine(amount="10.00"), office.library.fine(amount="10.00")
    office.export()
    settle_at_desk(office, desk.pay, paid_here)
    returned = reverse(office, lost)
    assert get_skip_reasons(office, code="CREDITS") == {returned: "other_bursar"}
    assert list_lines(office, office.export(profile="CREDITS")) == []
    assert [line[0] for line in list_lines(office, office.export())] == [paid_here, returned]


def test_a_credit_for_a_charge_paid_at_the_bursar_is_a_plain_credit(office: FakeBursar) -> None:
    lost, transaction = office.export_fine("10.00")
    office.pay(Payment(transaction, "10"))
    returned = reverse(office, lost)
    assert get_skip_reasons(office, minimum_amount_for_user=1) == {returned: "credit_with_minimum"}
    (line,) = list_lines(office, office.export())
    assert line[:5] == (returned, "2", "CREDIT", D(-10), transaction)
    assert office.library.position(returned) == ("CLOSED", D(0), D(-10))


def test_a_credit_is_offset_against_the_unpaid_part_of_its_charge(office: FakeBursar) -> None:
    lost, transaction = office.export_fine("10.00")
    office.pay(Payment(transaction, "4"))
    returned = reverse(office, lost)
    (line,) = list_lines(office, office.export())
    assert line[3] == -10
    assert office.library.position(lost) == ("CLOSED", D(0), D(0))
    assert office.library.position(returned) == ("CLOSED", D(0), D(-4))
    assert office.pay(Payment("2", "-10")) == [Outcome("PAID", D(-4), D(0))]
    assert office.library.position(returned) == ("TRANSFERRED", D(0), D(0))


def test_several_credits_are_offset_against_one_outstanding_amount(office: FakeBursar) -> None:
    lost, transaction = office.export_fine("10.00")
    office.pay(Payment(transaction, "5"))
    first, second, third = (reverse(office, lost, amount) for amount in ("3.00", "3.00", "4.00"))
    office.export()
    assert office.library.position(lost) == ("CLOSED", D(0), D(0))
    assert [office.library.position(credit)[2] for credit in (first, second, third)] == [0, -1, -4]


@pytest.mark.usefixtures("partition_count")
@pytest.mark.parametrize("charge_first", [True, False])
def test_a_charge_and_its_credit_are_offset_in_one_batch_or_two(office: FakeBursar, *, charge_first: bool) -> None:
    charge = office.library.fine(amount="10.00")
    credit = reverse(office, charge, "4.00")
    if not charge_first:
        with office.library.ledger.begin() as connection:
            desk.dispute(connection, charge, "not mine")
        office.export()
        assert office.library.position(credit) == ("CLOSED", D(0), D(-4))
        with office.library.ledger.begin() as connection:
            desk.resolve_dispute(connection, charge, "mine")
    batch = office.export()
    assert office.library.position(charge) == ("CLOSED", D(0), D(6))
    assert office.library.position(credit) == ("CLOSED", D(0), D(0))
    if charge_first:
        assert [line[4] for line in list_lines(office, batch)] == [None, "1"]


def test_a_credit_is_not_exported_before_the_batch_of_its_charge_is_closed(office: FakeBursar) -> None:
    lost = office.library.fine(amount="10.00")
    batch = office.export(close=False)
    returned = reverse(office, lost)
    assert get_skip_reasons(office)[returned] == "in_unfinished_batch"
    assert list_lines(office, office.export(profile="CREDITS")) == []
    close_fines(office.library.ledger, batch)
    assert [line[4] for line in list_lines(office, office.export())] == ["1"]


def test_a_claimed_reversal_blocks_neither_the_desk_nor_payments(office: FakeBursar) -> None:
    fine, transaction = office.export_fine("10.00")
    settle_at_desk(office, desk.pay, fine, "4.00")
    batch = office.export(close=False)
    assert get_skip_reasons(office)[fine] == "in_unfinished_batch"
    assert list_lines(office, office.export()) == []
    settle_at_desk(office, desk.pay, fine, "1.00")
    assert office.pay(Payment(transaction, "2")) == [Outcome("PARTLY_PAID", D(2), D(0))]
    close_fines(office.library.ledger, batch)
    assert office.library.one("SELECT pending_reversal FROM fines WHERE id = :fine", fine=fine) == 1
    assert office.library.position(fine) == ("TRANSFERRED", D(0), D(3))
    assert [line[3] for line in list_lines(office, office.export())] == [-1]


def test_a_released_reversal_is_exported_again_under_a_new_id(office: FakeBursar) -> None:
    fine, _ = office.export_fine("10.00")
    settle_at_desk(office, desk.waive, fine)
    batch = select_fines(office.library.ledger, make_profile(), make_settings(), run_id="lost", as_of=NOW)
    release_batch(office.library.ledger, batch.id)
    assert [line[1:4] for line in list_lines(office, office.export())] == [("3", "CREDIT", D(-10))]


def test_simultaneous_runs_select_a_reversal_once(office: FakeBursar) -> None:
    fines = [office.export_fine("10.00")[0] for _ in range(5)]
    for fine in fines:
        settle_at_desk(office, desk.pay, fine)
    start = Barrier(4)

    def run(number: int) -> None:
        start.wait()
        select_fines(office.library.ledger, make_profile(), make_settings(), run_id=f"run {number}", as_of=NOW)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, range(4)))
    assert office.library.one("SELECT count(*) FROM batch_lines WHERE reversal") == 5


@pytest.mark.usefixtures("partition_count")
def test_closing_a_batch_waits_for_a_payment_at_the_desk(office: FakeBursar) -> None:
    lost, _ = office.export_fine("10.00")
    reverse(office, lost)
    batch = office.export(close=False)
    with ThreadPoolExecutor(1) as pool:
        with office.library.ledger.begin() as connection:
            desk.pay(connection, lost, D(7), allow_activity_on_transferred_finesfees=True)
            closing = pool.submit(close_fines, office.library.ledger, batch)
            with pytest.raises(TimeoutError):
                closing.result(timeout=0.5)
        closing.result()
    assert office.library.position(lost) == ("CLOSED", D(0), D(0))
    assert office.library.one("SELECT outstanding FROM fines WHERE reverses = :lost", lost=lost) == -7


def test_a_reversal_of_a_user_without_identifier_is_skipped(office: FakeBursar) -> None:
    fine, _ = office.export_fine("10.00")
    settle_at_desk(office, desk.pay, fine)
    assert get_skip_reasons(office, user_identifier_type="barcode") == {fine: "no_identifier"}


@pytest.mark.parametrize("own_additions", [True, False])
def test_the_file_names_the_original_transaction(office: FakeBursar, tmp_path: Path, *, own_additions: bool) -> None:
    fine, transaction = office.export_fine("10.00", item=office.library.item(), vat=D("1.60"))
    settle_at_desk(office, desk.pay, fine)
    profile = make_profile(include_internal_id=own_additions)
    batch = select_fines(office.library.ledger, profile, make_settings(), run_id="reversal", as_of=NOW)
    file = build_file(office.library.ledger, batch.id, tmp_path)
    (element,) = etree.fromstring(file.path.read_bytes()).iterfind(".//xb:userFineFee", NS)

    def find_text(name: str) -> str | None:
        return element.findtext(f".//xb:{name}", None, NS)

    assert (find_text("fineFeeType"), find_text("sum"), find_text("bursarTransactionId")) == ("CREDIT", "-10", "2")
    assert find_text("fineFeeComment") == "Reverses transaction 1: settled at the library"
    assert find_text("itemTitle") == "Ecology of the saguaro /"
    assert find_text("vat") == ""
    assert find_text("internalId") == (str(fine) if own_additions else None)
    assert find_text("reversedTransactionId") == (transaction if own_additions else None)


@pytest.mark.parametrize("sum_", ["-10", "10", "0"])
def test_a_payment_record_for_a_reversal_has_no_effect(office: FakeBursar, sum_: str) -> None:
    fine, _ = office.export_fine("10.00")
    settle_at_desk(office, desk.pay, fine)
    office.export()
    assert office.pay(Payment("2", sum_)) == [Outcome("NO_PAYMENT", None, None)]
    assert office.library.one("SELECT reason FROM import_records") == (
        "this is the reversal of transaction 1, and pays nothing"
    )
    assert office.library.one("SELECT count(*) FROM fines") == 1


def test_a_payment_by_internal_id_finds_a_reversed_charge(office: FakeBursar) -> None:
    fine, _ = office.export_fine("10.00")
    settle_at_desk(office, desk.pay, fine, "4.00")
    office.export()
    assert office.pay(Payment(None, "6", internal_id=str(fine))) == [Outcome("PAID", D(6), D(0))]


@pytest.mark.parametrize("is_reversed", [False, True])
def test_a_double_payment_is_reported_and_makes_no_credit(office: FakeBursar, *, is_reversed: bool) -> None:
    fine, transaction = office.export_fine("10.00")
    settle_at_desk(office, desk.pay, fine)
    if is_reversed:
        office.export()
    assert office.pay(Payment(transaction, "10")) == [Outcome("ALREADY_SETTLED", None, None)]
    assert "the student has paid twice" in office.library.one("SELECT reason FROM import_records")
    assert office.library.one("SELECT outcomes->'ALREADY_SETTLED'->'paid_twice' FROM import_files") == {"USD": "10.000"}
    assert office.library.one("SELECT count(*) FROM fines") == 1


@pytest.mark.parametrize("is_reversed", [False, True])
@pytest.mark.parametrize(
    ("sum_", "outcome"),
    [
        ("6", Outcome("PAID", D(6), D(0))),
        ("8", Outcome("PAID", D(6), D(0))),
        ("10", Outcome("PAID", D(6), D(0))),
        ("15", Outcome("OVERPAID", D(6), D(5))),
    ],
)
def test_a_part_that_is_paid_twice_makes_no_credit(
    office: FakeBursar, sum_: str, outcome: Outcome, *, is_reversed: bool
) -> None:
    fine, transaction = office.export_fine("10.00")
    settle_at_desk(office, desk.pay, fine, "4.00")
    if is_reversed:
        office.export()
    assert office.pay(Payment(transaction, sum_)) == [outcome]
    twice = min(D(sum_) - 6, D(4))
    assert office.library.one("SELECT already_settled FROM import_records") == twice
    if twice:
        reason = office.library.one("SELECT reason FROM import_records")
        assert reason.startswith(f"{twice:.2f} of it had been settled at the library before")


def test_a_cumulative_amount_includes_amounts_settled_at_the_library(office: FakeBursar) -> None:
    fine, transaction = office.export_fine("10.00")
    settle_at_desk(office, desk.pay, fine, "4.00")
    assert office.pay(Payment(transaction, "10"), amounts="cumulative") == [Outcome("PAID", D(6), D(0))]
    assert office.pay(Payment(transaction, "10"), amounts="cumulative") == [Outcome("ALREADY_SETTLED", None, None)]
