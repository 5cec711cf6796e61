"""A payment that the bursar takes back with its overpayment: nothing is released, and the reason says what to do."""

from decimal import Decimal

import pytest

from bursar.errors import LedgerError
from bursar.imports.overpayments import HeldDecision, list_held_overpayments, reject_overpayment, release_overpayment
from bursar.ledger import desk
from tests.support.fake_bursar import FakeBursar, Outcome, Payment


@pytest.mark.parametrize(("sum_", "outcome"), [("-10.00", "PAYMENT_REVERSED"), ("-30.00", "INVALID")])
def test_a_held_overpayment_that_was_taken_back_is_not_released(office: FakeBursar, sum_: str, outcome: str) -> None:
    _, transaction = office.export_fine("10.00")
    assert office.pay(Payment(transaction, "30.00"))[0].outcome == "OVERPAID_HELD"
    assert office.pay(Payment(transaction, sum_))[0].outcome == outcome
    ledger = office.library.ledger
    with ledger.connect() as connection:
        (held,) = list_held_overpayments(connection)
    with pytest.raises(LedgerError, match=f"overpayments reject {held.file_id} {held.record}"):
        release_overpayment(ledger, held.file_id, held.record, by="anna")
    rejected = reject_overpayment(ledger, held.file_id, held.record, by="anna")
    assert rejected.decision is HeldDecision.REJECTED
    assert office.library.one("SELECT count(*) FROM fines WHERE amount < 0") == 0


def test_a_payment_after_the_reversal_can_be_released(office: FakeBursar) -> None:
    _, transaction = office.export_fine("10.00")
    office.pay(Payment(transaction, "10.00"))
    office.pay(Payment(transaction, "-10.00"))
    office.pay(Payment(transaction, "30.00"))
    with office.library.ledger.connect() as connection:
        (held,) = list_held_overpayments(connection)
    assert release_overpayment(office.library.ledger, held.file_id, held.record, by="anna").credit_id is not None


def get_reason(office: FakeBursar) -> str:
    return str(office.library.one("SELECT reason FROM import_records ORDER BY file_id DESC LIMIT 1"))


@pytest.mark.parametrize(
    ("charged", "paid", "taken_back", "asked_for", "credit"),
    [("10.00", "12.00", "-12.00", "-10.00", "the open credit 2"), ("-10.00", "-4.00", "5.00", "4.00", None)],
)
def test_the_advice_of_the_reason_takes_the_payment_back(
    office: FakeBursar, charged: str, paid: str, taken_back: str, asked_for: str, credit: str | None
) -> None:
    fine, transaction = office.export_fine(charged)
    office.pay(Payment(transaction, paid))
    before = office.library.position(fine)
    assert office.pay(Payment(transaction, taken_back)) == [Outcome("INVALID", None, None)]
    assert office.library.position(fine) == before
    advice = f". An overpayment became {credit}: if the bursar has taken it back, too, waive that at the desk"
    assert get_reason(office) == (
        f"only {asked_for.removeprefix('-')} of it counts as paid at the bursar, so nothing was reversed. Ask the "
        f"bursar for a record of {asked_for} instead" + (advice if credit else "")
    )
    assert office.pay(Payment(transaction, asked_for))[0].outcome == "PAYMENT_REVERSED"
    if credit:
        with office.library.ledger.begin() as connection:
            desk.waive(connection, 2, by="anna")
    assert office.library.one("SELECT sum(balance + outstanding) FROM fines") == Decimal(charged)


def test_the_reason_names_what_was_settled_at_the_library(office: FakeBursar) -> None:
    fine, transaction = office.export_fine("10.00")
    with office.library.ledger.begin() as connection:
        desk.pay(connection, fine, Decimal(4), allow_activity_on_transferred_finesfees=True)
    assert office.pay(Payment(transaction, "10.00")) == [Outcome("PAID", Decimal(6), Decimal(0))]
    assert office.pay(Payment(transaction, "-10.00")) == [Outcome("INVALID", None, None)]
    assert get_reason(office) == (
        "only 6.00 of it counts as paid at the bursar, so nothing was reversed. Ask the bursar for a record of -6.00 "
        "instead. 4.00 had been settled at the library before: a payment of that never counted, and needs no reversal"
    )
    assert office.pay(Payment(transaction, "-6.00"))[0].outcome == "PAYMENT_REVERSED"
    assert office.library.position(fine)[2] == 6


def test_the_reason_names_the_waiting_rest(office: FakeBursar) -> None:
    _, transaction = office.export_fine("10.00")
    office.pay(Payment(transaction, "30.00"))
    office.pay(Payment(transaction, "-30.00"))
    assert "An overpayment waits: reject it under Bursar > Waiting for a person" in get_reason(office)
