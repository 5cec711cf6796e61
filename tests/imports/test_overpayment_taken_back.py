"""An overpayment whose payment the bursar has taken back cannot be released."""

import pytest

from bursar.errors import LedgerError
from bursar.imports.overpayments import HeldDecision, list_held_overpayments, reject_overpayment, release_overpayment
from tests.support.fake_bursar import FakeBursar, Payment


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


def test_the_reason_names_the_open_credit_and_the_waiting_rest(office: FakeBursar) -> None:
    _, transaction = office.export_fine("10.00")
    office.pay(Payment(transaction, "15.00"))
    credit = office.library.one("SELECT id FROM fines WHERE amount < 0")
    assert office.pay(Payment(transaction, "-15.00"))[0].outcome == "INVALID"
    reason = office.library.one("SELECT reason FROM import_records ORDER BY file_id DESC LIMIT 1")
    assert f"An overpayment became the open credit {credit}" in reason
    _, transaction = office.export_fine("10.00")
    office.pay(Payment(transaction, "30.00"))
    office.pay(Payment(transaction, "-30.00"))
    reason = office.library.one("SELECT reason FROM import_records ORDER BY file_id DESC LIMIT 1")
    assert "An overpayment waits for a person" in reason
