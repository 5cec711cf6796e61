"""Payouts never exceed payments: the errors of the desk that prevent it."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from bursar.errors import LedgerError
from bursar.ledger import desk
from tests.support.fake_bursar import FakeBursar, Payment

D = Decimal


def work_at_desk(
    office: FakeBursar, operation: Callable[..., Any], fine: int, amount: str | None = None, **options: Any
) -> Any:
    with office.library.ledger.begin() as connection:
        return operation(connection, fine, None if amount is None else D(amount), **options)


def get_error(
    office: FakeBursar, operation: Callable[..., Any], fine: int, amount: str | None = None, **options: Any
) -> str:
    """Tries an operation that changes nothing; returns the error."""
    entries = office.library.one("SELECT count(*) FROM journal_entries")
    with office.library.ledger.begin() as connection, pytest.raises(LedgerError) as error:
        operation(connection, fine, None if amount is None else D(amount), **options)
    assert office.library.one("SELECT count(*) FROM journal_entries") == entries
    return str(error.value)


ALLOWED: dict[str, Any] = {"allow_activity_on_transferred_finesfees": True}


def test_a_waived_charge_is_not_reversed(office: FakeBursar) -> None:
    fine = office.library.fine(amount="9.00")
    work_at_desk(office, desk.waive, fine)
    assert get_error(office, desk.reverse_charge, fine) == (
        "Nothing of fine 1 is left to reverse. Of the 9.00 USD charged, 9.00 USD has been waived or refunded. "
        "The whole charge has been given up, so no credit is needed."
    )
    assert get_error(office, desk.reverse_charge, fine, "0.01").startswith("Nothing of fine 1 is left to reverse.")


def test_a_refunded_charge_is_not_reversed(office: FakeBursar) -> None:
    fine = office.library.fine(amount="3.00")
    work_at_desk(office, desk.pay, fine)
    work_at_desk(office, desk.refund, fine)
    assert get_error(office, desk.reverse_charge, fine).startswith("Nothing of fine 1 is left to reverse.")


def test_the_rest_of_a_charge_is_reversed_once(office: FakeBursar) -> None:
    fine = office.library.fine(amount="10.00")
    work_at_desk(office, desk.waive, fine, "2.00")
    work_at_desk(office, desk.pay, fine, "5.00")
    work_at_desk(office, desk.refund, fine, "1.00")
    assert get_error(office, desk.reverse_charge, fine, "7.01") == (
        "Only 7.00 USD of fine 1 is left to reverse; 7.01 USD is more. Of the 10.00 USD charged, 3.00 USD has been "
        "waived or refunded. Give a credit of at most 7.00 USD."
    )
    credit = work_at_desk(office, desk.reverse_charge, fine)
    assert office.library.position(credit) == ("ACTIVE", D(-7), D(0))
    assert "3.00 USD has been waived or refunded and 7.00 USD has been reversed by credits" in get_error(
        office, desk.reverse_charge, fine
    )


def test_an_outstanding_amount_that_was_waived_is_not_reversed(office: FakeBursar) -> None:
    fine, _ = office.export_fine("10.00")
    work_at_desk(office, desk.waive, fine, "4.00", **ALLOWED)
    assert get_error(office, desk.reverse_charge, fine, "6.01").startswith(
        "Only 6.00 USD of fine 1 is left to reverse;"
    )
    work_at_desk(office, desk.reverse_charge, fine)


def test_a_credit_for_an_unpaid_charge_is_not_paid_out(office: FakeBursar) -> None:
    fine = office.library.fine(amount="9.00")
    credit = work_at_desk(office, desk.reverse_charge, fine)
    assert get_error(office, desk.pay, credit) == (
        "Nothing of fine 2 is left to pay out. It reverses fine 1, for which 0.00 USD has been paid and 0.00 USD given "
        "back. 9.00 USD of that fine is still open: leave both to the next export, or let the student pay the fine "
        "first."
    )
    work_at_desk(office, desk.pay, fine, "4.00")
    assert get_error(office, desk.pay, credit).startswith(
        "Only 4.00 USD of fine 2 is left to pay out; 9.00 USD is more."
    )
    assert work_at_desk(office, desk.pay, credit, "4.00") == D(-5)
    work_at_desk(office, desk.pay, fine)
    assert work_at_desk(office, desk.pay, credit) == 0


def test_a_payout_is_limited_to_the_payments_at_the_bursar(office: FakeBursar) -> None:
    fine, transaction = office.export_fine("10.00")
    credit = work_at_desk(office, desk.reverse_charge, fine)
    assert "10.00 USD of that fine is outstanding at the bursar: leave the credit" in get_error(
        office, desk.pay, credit
    )
    office.pay(Payment(transaction, "6"))
    assert get_error(office, desk.pay, credit, "6.01").startswith("Only 6.00 USD of fine 2 is left to pay out;")
    assert work_at_desk(office, desk.pay, credit, "6.00") == D(-4)
    office.export()
    assert office.library.position(fine) == ("CLOSED", D(0), D(0))
    assert office.library.position(credit) == ("CLOSED", D(0), D(0))


def test_a_charge_exported_without_import_counts_as_paid(office: FakeBursar) -> None:
    fine = office.library.fine(amount="10.00")
    office.export(import_active=False)
    assert work_at_desk(office, desk.pay, work_at_desk(office, desk.reverse_charge, fine)) == 0


def test_two_credits_pay_out_no_more_than_was_paid(office: FakeBursar) -> None:
    fine = office.library.fine(amount="10.00")
    first, second = (work_at_desk(office, desk.reverse_charge, fine, "5.00") for _ in range(2))
    work_at_desk(office, desk.pay, fine, "6.00")
    work_at_desk(office, desk.pay, first)
    assert get_error(office, desk.pay, second).startswith("Only 1.00 USD of fine 3 is left to pay out;")


def test_a_credit_that_the_bursar_paid_out_counts_as_paid_out(office: FakeBursar) -> None:
    fine = office.library.fine(amount="10.00")
    work_at_desk(office, desk.pay, fine)
    sent = work_at_desk(office, desk.reverse_charge, fine, "7.00")
    office.export()
    office.pay(Payment(office.get_transaction(sent), "-7"))
    assert work_at_desk(office, desk.pay, work_at_desk(office, desk.reverse_charge, fine)) == 0
    assert get_error(office, desk.refund, fine).startswith("Nothing of fine 1 is left to refund.")


def test_a_reversed_part_is_not_waived(office: FakeBursar) -> None:
    fine = office.library.fine(amount="9.00")
    credit = work_at_desk(office, desk.reverse_charge, fine, "5.00")
    assert get_error(office, desk.waive, fine) == (
        "Only 4.00 USD of fine 1 is left to waive; 9.00 USD is more. Of the 9.00 USD charged, 5.00 USD has been "
        "reversed by credits. 5.00 USD of these credits is still open. Leave the charge and its credits to the next "
        "export, or waive the credits first."
    )
    work_at_desk(office, desk.waive, fine, "4.00")
    assert get_error(office, desk.waive, fine).startswith("Nothing of fine 1 is left to waive.")
    work_at_desk(office, desk.waive, credit)
    assert work_at_desk(office, desk.waive, fine) == 0


def test_a_reversed_outstanding_amount_is_not_waived(office: FakeBursar) -> None:
    fine, _ = office.export_fine("10.00")
    work_at_desk(office, desk.reverse_charge, fine)
    assert get_error(office, desk.waive, fine, **ALLOWED).startswith("Nothing of fine 1 is left to waive.")
    assert office.library.one("SELECT pending_reversal FROM fines WHERE id = :fine", fine=fine) == 0


def test_a_waived_credit_reverses_nothing(office: FakeBursar) -> None:
    fine = office.library.fine(amount="9.00")
    work_at_desk(office, desk.waive, work_at_desk(office, desk.reverse_charge, fine))
    assert office.library.position(work_at_desk(office, desk.reverse_charge, fine)) == ("ACTIVE", D(-9), D(0))


def test_a_reversed_part_is_not_refunded(office: FakeBursar) -> None:
    fine = office.library.fine(amount="9.00")
    work_at_desk(office, desk.pay, fine)
    work_at_desk(office, desk.reverse_charge, fine, "5.00")
    assert get_error(office, desk.refund, fine) == (
        "Only 4.00 USD of fine 1 is left to refund; 9.00 USD is more. Of the 9.00 USD charged, 5.00 USD has been "
        "reversed by credits. 5.00 USD of its credits is still open: pay that out instead."
    )
    assert work_at_desk(office, desk.refund, fine, "4.00") == 4


def test_an_amount_that_a_credit_paid_out_is_not_refunded(office: FakeBursar) -> None:
    fine = office.library.fine(amount="10.00")
    work_at_desk(office, desk.pay, fine, "4.00")
    work_at_desk(office, desk.pay, work_at_desk(office, desk.reverse_charge, fine, "4.00"))
    assert get_error(office, desk.refund, fine) == (
        "Nothing of fine 1 is left to refund. Of the 10.00 USD charged, 4.00 USD has been reversed by credits. Of the "
        "4.00 USD paid for it, 4.00 USD has been given back by credits."
    )


def test_a_credit_for_an_overpayment_is_paid_out_in_full(office: FakeBursar) -> None:
    fine, transaction = office.export_fine("10.00")
    office.pay(Payment(transaction, "15"))
    overpaid = office.library.one("SELECT id FROM fines WHERE reverses = :fine", fine=fine)
    reversing = work_at_desk(office, desk.reverse_charge, fine)
    assert work_at_desk(office, desk.pay, reversing) == 0
    assert work_at_desk(office, desk.pay, overpaid) == 0


def test_simultaneous_payouts_of_two_credits_are_limited_to_the_payments(office: FakeBursar) -> None:
    fine = office.library.fine(amount="10.00")
    work_at_desk(office, desk.pay, fine, "5.00")
    first, second = (work_at_desk(office, desk.reverse_charge, fine, "5.00") for _ in range(2))
    with office.library.ledger.begin() as one, office.library.ledger.begin() as other:
        desk.pay(one, first)
        other.exec_driver_sql("SET LOCAL lock_timeout = '200ms'")
        with pytest.raises(Exception, match="lock timeout"):
            desk.pay(other, second)
    assert get_error(office, desk.pay, second).startswith("Nothing of fine 3 is left to pay out.")
