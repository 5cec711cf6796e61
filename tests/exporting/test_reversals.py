"""The bursar hears of what was settled at the library: once, under the transaction that it knows."""

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

from bursar.exporting.checking import NAMESPACE
from bursar.exporting.closing import close_fines, release
from bursar.exporting.document import build_document
from bursar.exporting.selection import preview, select_fines
from bursar.ledger import desk
from tests.library import NOW, Library, a_profile, the_settings
from tests.office import Office, Outcome, Payment

D = Decimal
NS = {"xb": NAMESPACE}


@pytest.fixture
def office(library: Library) -> Office:
    return Office(library)


def at_the_desk(office: Office, operation: Callable[..., Any], fine: int, amount: str | None = None) -> None:
    with office.library.ledger.begin() as connection:
        operation(connection, fine, None if amount is None else D(amount), allow_activity_on_transferred_finesfees=True)


def takes_back(office: Office, fine: int, amount: str | None = None, comment: str | None = None) -> int:
    with office.library.ledger.begin() as connection:
        return desk.take_back(connection, fine, None if amount is None else D(amount), comment)


def lines(office: Office, batch: int) -> list[tuple[Any, ...]]:
    """Of each line: fine, transaction id, type, amount, the transaction that it reverses, comment."""
    with office.library.ledger.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT fine_id, transaction_id, fine_fee_type, amount, reversed_transaction_id, comment FROM lines"
                " WHERE batch_id = :batch ORDER BY number"
            ),
            {"batch": batch},
        )
        return [tuple(row) for row in rows]


def left_behind(office: Office, **profile: Any) -> dict[int, str | None]:
    _, verdicts = preview(office.library.ledger, a_profile(**profile), as_of=datetime.now(UTC), limit=100)
    return {verdict.fine_id: verdict.reason for verdict in verdicts}


@pytest.mark.parametrize("operation", [desk.pay, desk.waive])
def test_what_is_settled_at_the_library_is_reversed_at_the_bursar_once(
    office: Office, operation: Callable[..., Any]
) -> None:
    fine, transaction = office.exported("10.00")
    at_the_desk(office, operation, fine, "4.00")
    batch = office.export()
    assert lines(office, batch) == [
        (fine, "2", "CREDIT", D(-4), transaction, "Reverses transaction 1: settled at the library")
    ]
    assert office.library.one("SELECT totals FROM batches WHERE id = :id", id=batch) == {
        "USD": {"charges": "0", "credits": "-4.000", "reversals": "-4.000"}
    }
    assert office.library.position(fine) == ("CLOSED", D(0), D(6))
    assert lines(office, office.export()) == []
    at_the_desk(office, operation, fine)
    assert [line[:5] for line in lines(office, office.export())] == [(fine, "3", "CREDIT", D(-6), transaction)]
    assert office.library.position(fine) == ("CLOSED", D(0), D(0))
    assert office.library.one("SELECT to_reverse FROM fines WHERE id = :fine", fine=fine) == 0


def test_the_reference_texts_example_ten_dollars_and_minus_ten(office: Office) -> None:
    """$10 for a lost item, exported, balance 0; the item returns, -$10; exported, balance 0 again."""
    lost, transaction = office.exported("10.00", item=office.library.item(), owner="LAW")
    assert office.library.position(lost) == ("CLOSED", D(0), D(10))
    returned = takes_back(office, lost, comment="found and returned")
    assert office.library.position(returned) == ("ACTIVE", D(-10), D(0))
    batch = office.export()
    assert lines(office, batch) == [
        (returned, "2", "CREDIT", D(-10), transaction, "found and returned; Reverses transaction 1")
    ]
    assert office.library.position(returned) == ("CLOSED", D(0), D(0))
    assert office.library.position(lost) == ("CLOSED", D(0), D(0))


def test_the_example_where_the_bursar_does_not_report(office: Office) -> None:
    lost = office.library.fine(amount="10.00")
    office.export(import_active=False)
    returned = takes_back(office, lost)
    batch = office.export(import_active=False)
    assert lines(office, batch) == [(returned, "2", "CREDIT", D(-10), "1", "Reverses transaction 1")]
    for fine in (lost, returned):
        assert office.library.position(fine) == ("CLOSED", D(0), D(0))


def test_a_reversal_goes_whatever_the_profile_asks_of_fines_and_a_plain_credit_does_not(office: Office) -> None:
    user = office.library.user()
    paid_here, lost = (office.library.fine(user, "10.00") for _ in range(2))
    office.export()
    at_the_desk(office, desk.pay, paid_here)
    returned = takes_back(office, lost)
    plain = office.library.fine(user, "-3.00")
    small = office.library.fine(user, "5.00")
    picky = {
        "minimum_amount_for_user": 6,
        "time_before_export_days": 3650,
        "fine_fee_types": ["LOSTITEM"],
        "libraries": [],
        "user_groups": ["STAFF"],
    }
    assert left_behind(office, **picky) == {paid_here: None, returned: None, plain: "too_young", small: "too_young"}
    with_a_minimum = left_behind(office, minimum_amount_for_user=6)
    assert with_a_minimum == {
        paid_here: None,
        returned: None,
        plain: "credit_with_minimum",
        small: "below_minimum",
    }


def test_the_minimum_counts_neither_a_reversal_nor_what_takes_back(office: Office) -> None:
    user = office.library.user()
    lost = office.library.fine(user, "10.00")
    office.export()
    takes_back(office, lost)
    new = office.library.fine(user, "10.00")
    assert left_behind(office, minimum_amount_for_user=10)[new] is None


def test_only_the_bursar_that_holds_the_charge_hears_of_it(office: Office) -> None:
    paid_here, lost = office.library.fine(amount="10.00"), office.library.fine(amount="10.00")
    office.export()
    at_the_desk(office, desk.pay, paid_here)
    returned = takes_back(office, lost)
    assert left_behind(office, code="CREDITS") == {returned: "other_bursar"}
    assert lines(office, office.export(profile="CREDITS")) == []
    assert [line[0] for line in lines(office, office.export())] == [paid_here, returned]


def test_a_credit_for_what_was_paid_at_the_bursar_is_a_plain_credit_that_names_it(office: Office) -> None:
    lost, transaction = office.exported("10.00")
    office.pay(Payment(transaction, "10"))
    returned = takes_back(office, lost)
    assert left_behind(office, minimum_amount_for_user=1) == {returned: "credit_with_minimum"}
    (line,) = lines(office, office.export())
    assert line[:5] == (returned, "2", "CREDIT", D(-10), transaction)
    assert office.library.position(returned) == ("CLOSED", D(0), D(-10))


def test_a_credit_for_what_was_partly_paid_is_set_off_as_far_as_they_are_even(office: Office) -> None:
    lost, transaction = office.exported("10.00")
    office.pay(Payment(transaction, "4"))
    returned = takes_back(office, lost)
    (line,) = lines(office, office.export())
    assert line[3] == -10
    assert office.library.position(lost) == ("CLOSED", D(0), D(0))
    assert office.library.position(returned) == ("CLOSED", D(0), D(-4))
    assert office.pay(Payment("2", "-10")) == [Outcome("PAID", D(-4), D(0))]
    assert office.library.position(returned) == ("TRANSFERRED", D(0), D(0))


def test_several_credits_share_what_is_outstanding(office: Office) -> None:
    lost, transaction = office.exported("10.00")
    office.pay(Payment(transaction, "5"))
    first, second, third = (takes_back(office, lost, amount) for amount in ("3.00", "3.00", "4.00"))
    office.export()
    assert office.library.position(lost) == ("CLOSED", D(0), D(0))
    assert [office.library.position(credit)[2] for credit in (first, second, third)] == [0, -1, -4]


@pytest.mark.parametrize("charge_first", [True, False])
def test_a_charge_and_its_credit_that_go_to_the_bursar_together_or_apart_are_set_off(
    office: Office, *, charge_first: bool
) -> None:
    charge = office.library.fine(amount="10.00")
    credit = takes_back(office, charge, "4.00")
    if not charge_first:
        with office.library.ledger.begin() as connection:
            desk.dispute(connection, charge, "not mine")
        office.export()
        assert office.library.position(credit) == ("CLOSED", D(0), D(-4))
        with office.library.ledger.begin() as connection:
            desk.settle_dispute(connection, charge, "mine")
    batch = office.export()
    assert office.library.position(charge) == ("CLOSED", D(0), D(6))
    assert office.library.position(credit) == ("CLOSED", D(0), D(0))
    if charge_first:
        assert [line[4] for line in lines(office, batch)] == [None, "1"]


def test_a_credit_waits_for_the_export_that_holds_its_charge(office: Office) -> None:
    lost = office.library.fine(amount="10.00")
    batch = office.export(close=False)
    returned = takes_back(office, lost)
    assert left_behind(office)[returned] == "in_unfinished_batch"
    assert lines(office, office.export(profile="CREDITS")) == []
    close_fines(office.library.ledger, batch)
    assert [line[4] for line in lines(office, office.export())] == ["1"]


def test_a_reversal_on_its_way_is_claimed_once_and_holds_nobody_up(office: Office) -> None:
    fine, transaction = office.exported("10.00")
    at_the_desk(office, desk.pay, fine, "4.00")
    batch = office.export(close=False)
    assert left_behind(office)[fine] == "in_unfinished_batch"
    assert lines(office, office.export()) == []
    at_the_desk(office, desk.pay, fine, "1.00")
    assert office.pay(Payment(transaction, "2")) == [Outcome("PARTLY_PAID", D(2), D(0))]
    close_fines(office.library.ledger, batch)
    assert office.library.one("SELECT to_reverse FROM fines WHERE id = :fine", fine=fine) == 1
    assert office.library.position(fine) == ("TRANSFERRED", D(0), D(3))
    assert [line[3] for line in lines(office, office.export())] == [-1]


def test_a_released_reversal_goes_again_under_an_id_of_its_own(office: Office) -> None:
    fine, _ = office.exported("10.00")
    at_the_desk(office, desk.waive, fine)
    batch = select_fines(office.library.ledger, a_profile(), the_settings(), run="lost", as_of=NOW)
    release(office.library.ledger, batch.id)
    assert [line[1:4] for line in lines(office, office.export())] == [("3", "CREDIT", D(-10))]


def test_two_runs_at_once_send_a_reversal_once(office: Office) -> None:
    fines = [office.exported("10.00")[0] for _ in range(5)]
    for fine in fines:
        at_the_desk(office, desk.pay, fine)
    start = Barrier(4)

    def run(number: int) -> None:
        start.wait()
        select_fines(office.library.ledger, a_profile(), the_settings(), run=f"at once {number}", as_of=NOW)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, range(4)))
    assert office.library.one("SELECT count(*) FROM lines WHERE reversal") == 5


def test_a_desk_that_pays_while_a_batch_is_closed_is_waited_for(office: Office) -> None:
    lost, _ = office.exported("10.00")
    takes_back(office, lost)
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


def test_a_user_without_an_identifier_keeps_the_reversal_waiting(office: Office) -> None:
    fine, _ = office.exported("10.00")
    at_the_desk(office, desk.pay, fine)
    assert left_behind(office, user_identifier_type="barcode") == {fine: "no_identifier"}


@pytest.mark.parametrize("own_additions", [True, False])
def test_the_file_names_the_original_transaction(office: Office, tmp_path: Path, *, own_additions: bool) -> None:
    fine, transaction = office.exported("10.00", item=office.library.item(), vat=D("1.60"))
    at_the_desk(office, desk.pay, fine)
    profile = a_profile(include_internal_id=own_additions)
    batch = select_fines(office.library.ledger, profile, the_settings(), run="reversal", as_of=NOW)
    document = build_document(office.library.ledger, batch.id, tmp_path)
    (element,) = etree.fromstring(document.path.read_bytes()).iterfind(".//xb:userFineFee", NS)

    def shown(name: str) -> str | None:
        return element.findtext(f".//xb:{name}", None, NS)

    assert (shown("fineFeeType"), shown("sum"), shown("bursarTransactionId")) == ("CREDIT", "-10", "2")
    assert shown("fineFeeComment") == "Reverses transaction 1: settled at the library"
    assert shown("itemTitle") == "Ecology of the saguaro /"
    assert shown("vat") == ""
    assert shown("internalId") == (str(fine) if own_additions else None)
    assert shown("reversedTransactionId") == (transaction if own_additions else None)


@pytest.mark.parametrize("sum_", ["-10", "10", "0"])
def test_a_reversal_that_the_bursar_confirms_has_no_effect(office: Office, sum_: str) -> None:
    fine, _ = office.exported("10.00")
    at_the_desk(office, desk.pay, fine)
    office.export()
    assert office.pay(Payment("2", sum_)) == [Outcome("NO_PAYMENT", None, None)]
    assert office.library.one("SELECT reason FROM import_records") == (
        "this is the reversal of transaction 1, and pays nothing"
    )
    assert office.library.one("SELECT count(*) FROM fines") == 1


def test_a_reversal_does_not_hide_the_fine_from_its_internal_id(office: Office) -> None:
    fine, _ = office.exported("10.00")
    at_the_desk(office, desk.pay, fine, "4.00")
    office.export()
    assert office.pay(Payment(None, "6", internal_id=str(fine))) == [Outcome("PAID", D(6), D(0))]


@pytest.mark.parametrize("told", [False, True])
def test_who_pays_twice_is_named_and_gets_no_credit(office: Office, *, told: bool) -> None:
    fine, transaction = office.exported("10.00")
    at_the_desk(office, desk.pay, fine)
    if told:
        office.export()
    assert office.pay(Payment(transaction, "10")) == [Outcome("ALREADY_SETTLED", None, None)]
    assert "the student has paid twice" in office.library.one("SELECT reason FROM import_records")
    assert office.library.one("SELECT outcomes->'ALREADY_SETTLED'->'paid_twice' FROM import_files") == {"USD": "10.000"}
    assert office.library.one("SELECT count(*) FROM fines") == 1


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize(
    ("sum_", "outcome"),
    [
        ("6", Outcome("PAID", D(6), D(0))),
        ("8", Outcome("PAID", D(6), D(0))),
        ("10", Outcome("PAID", D(6), D(0))),
        ("15", Outcome("OVERPAID", D(6), D(5))),
    ],
)
def test_a_part_that_is_paid_twice_is_reversed_and_not_credited(
    office: Office, sum_: str, outcome: Outcome, *, told: bool
) -> None:
    fine, transaction = office.exported("10.00")
    at_the_desk(office, desk.pay, fine, "4.00")
    if told:
        office.export()
    assert office.pay(Payment(transaction, sum_)) == [outcome]
    twice = min(D(sum_) - 6, D(4))
    assert office.library.one("SELECT settled_before FROM import_records") == twice
    if twice:
        reason = office.library.one("SELECT reason FROM import_records")
        assert reason.startswith(f"{twice:.2f} of it had been settled at the library before")


def test_a_repeated_total_counts_what_was_settled_here(office: Office) -> None:
    fine, transaction = office.exported("10.00")
    at_the_desk(office, desk.pay, fine, "4.00")
    assert office.pay(Payment(transaction, "10"), amounts="cumulative") == [Outcome("PAID", D(6), D(0))]
    assert office.pay(Payment(transaction, "10"), amounts="cumulative") == [Outcome("ALREADY_SETTLED", None, None)]
