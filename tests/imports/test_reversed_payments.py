"""A payment that the bursar takes back, as for a returned cheque, makes its fine outstanding again."""

from decimal import Decimal

import pytest

from bursar.layouts.alma_xml.namespace import NAMESPACE
from bursar.ledger import desk
from bursar.users.deletion import delete_user
from tests.support.fake_bursar import FakeBursar, Outcome, Payment
from tests.support.payment_inbox import PaymentInbox

D = Decimal


def pay_each(office: FakeBursar, transaction: str, *sums: str, amounts: str = "incremental") -> list[str]:
    """Applies a file for each sum; returns their outcomes."""
    return [office.pay(Payment(transaction, sum_), amounts=amounts)[0].outcome for sum_ in sums]


def get_reason(office: FakeBursar) -> str:
    reason: str = office.library.one("SELECT reason FROM import_records ORDER BY file_id DESC, number DESC LIMIT 1")
    return reason


@pytest.mark.usefixtures("partition_count")
@pytest.mark.parametrize(
    ("charged", "paid", "reversed_", "outcome", "outstanding"),
    [
        ("10.00", "10.00", "-10.00", Outcome("PAYMENT_REVERSED", D(-10), D(0)), "10"),
        ("10.00", "10.00", "-4.00", Outcome("PAYMENT_REVERSED", D(-4), D(0)), "4"),
        ("10.00", "4.00", "-4.00", Outcome("PAYMENT_REVERSED", D(-4), D(0)), "10"),
        ("10.00", "4.00", "-4.01", Outcome("INVALID", None, None), "6"),
        ("10.00", "15.00", "-10.00", Outcome("PAYMENT_REVERSED", D(-10), D(0)), "10"),
        ("10.00", "15.00", "-15.00", Outcome("INVALID", None, None), "0"),
        ("10.00", "30.00", "-30.00", Outcome("INVALID", None, None), "0"),
        ("-10.00", "-10.00", "10.00", Outcome("PAYMENT_REVERSED", D(10), D(0)), "-10"),
        ("-10.00", "-4.00", "5.00", Outcome("INVALID", None, None), "-6"),
    ],
)
def test_a_sum_with_the_opposite_sign_reverses_at_most_what_was_paid(
    office: FakeBursar, charged: str, paid: str, reversed_: str, outcome: Outcome, outstanding: str
) -> None:
    fine, transaction = office.export_fine(charged)
    office.pay(Payment(transaction, paid))
    assert office.pay(Payment(transaction, reversed_)) == [outcome]
    assert office.library.position(fine) == ("TRANSFERRED", D(0), D(outstanding))
    assert office.library.one("SELECT sum(outstanding_change) FROM journal_entries WHERE fine_id = :f", f=fine) == D(
        outstanding
    )


def test_a_reversed_payment_is_not_reversed_again_and_can_be_paid_again(office: FakeBursar) -> None:
    fine, transaction = office.export_fine("10.00")
    assert pay_each(office, transaction, "10", "-10", "-10", "10", "-4", "-6", "-1") == [
        *("PAID", "PAYMENT_REVERSED", "INVALID", "PAID", "PAYMENT_REVERSED", "PAYMENT_REVERSED", "INVALID"),
    ]
    assert office.library.position(fine) == ("TRANSFERRED", D(0), D(10))


@pytest.mark.usefixtures("partition_count")
def test_payment_and_reversal_may_be_in_one_file(office: FakeBursar) -> None:
    fine, transaction = office.export_fine("10.00")
    payments = [Payment(transaction, sum_) for sum_ in ("10", "-10", "-1", "10", "-3", "4")]
    assert [outcome.outcome for outcome in office.pay(*payments)] == [
        *("PAID", "PAYMENT_REVERSED", "INVALID", "PAID", "PAYMENT_REVERSED", "OVERPAID"),
    ]
    assert office.library.position(fine) == ("TRANSFERRED", D(0), D(0))


def test_only_a_payment_at_the_bursar_can_be_reversed_there(office: FakeBursar) -> None:
    fine, transaction = office.export_fine("10.00")
    with office.library.ledger.begin() as connection:
        desk.pay(connection, fine, D(6), allow_activity_on_transferred_finesfees=True)
    assert pay_each(office, transaction, "-6") == ["INVALID"]
    assert "nothing of it was paid at the bursar" in get_reason(office)
    assert pay_each(office, transaction, "4", "-5") == ["PAID", "INVALID"]
    assert "only 4.00 of it counts as paid at the bursar" in get_reason(office)
    assert pay_each(office, transaction, "-4") == ["PAYMENT_REVERSED"]
    assert office.library.position(fine) == ("TRANSFERRED", D(0), D(4))


def test_a_fine_of_a_deleted_user_goes_to_a_person(office: FakeBursar) -> None:
    user = office.library.user()
    _, transaction = office.export_fine("10.00", user=user)
    assert pay_each(office, transaction, "10") == ["PAID"]
    assert delete_user(office.library.ledger, user)
    assert pay_each(office, transaction, "-10") == ["INVALID"]
    assert "the user has been deleted" in get_reason(office)


def test_a_fine_with_a_reversed_payment_is_considered_active(office: FakeBursar) -> None:
    fine, transaction = office.export_fine("10.00")
    pay_each(office, transaction, "10", "-10")
    assert office.library.one("SELECT id FROM active_fines") == fine


def test_totals_reverse_nothing_because_an_older_file_may_only_have_come_late(office: FakeBursar) -> None:
    fine, transaction = office.export_fine("10.00")
    assert pay_each(office, transaction, "10", "4", amounts="cumulative") == ["PAID", "INVALID"]
    assert "ask the bursar" in get_reason(office)
    assert pay_each(office, transaction, "-10", amounts="cumulative") == ["INVALID"]
    assert office.library.position(fine) == ("TRANSFERRED", D(0), D(0))


def test_totals_count_on_from_payments_less_reversals(office: FakeBursar) -> None:
    fine, transaction = office.export_fine("10.00")
    assert pay_each(office, transaction, "6", "-6", "4") == ["PARTLY_PAID", "PAYMENT_REVERSED", "PARTLY_PAID"]
    assert pay_each(office, transaction, "4", "9", amounts="cumulative") == ["NO_PAYMENT", "PARTLY_PAID"]
    assert office.library.position(fine) == ("TRANSFERRED", D(0), D(1))


def test_a_returned_cheque_in_a_file_of_the_bursar(inbox: PaymentInbox, office: FakeBursar) -> None:
    """The record has a negative sum in the form that another system writes, without a currency."""
    fine, transaction = office.export_fine("10.00")
    form = (
        f'<xml-fragment xmlns="{NAMESPACE}"><userExportedFineFees><userExportedList><userExportedFineFeesList>'
        "<finefeeList><userFineFee><compositeSum><sum>{}</sum></compositeSum>"
        "<bursarTransactionId>{}</bursarTransactionId></userFineFee></finefeeList>"
        "</userExportedFineFeesList></userExportedList></userExportedFineFees></xml-fragment>"
    )
    inbox.put("paid.xml", form.format("10.00", transaction).encode())
    inbox.put("returned.xml", form.format("-10.00", transaction).encode())
    inbox.import_file("paid.xml")
    assert office.library.position(fine) == ("TRANSFERRED", D(0), D(0))
    inbox.import_file("returned.xml")
    assert office.library.position(fine) == ("TRANSFERRED", D(0), D(10))
    assert office.library.one("SELECT outcome FROM import_records ORDER BY file_id DESC LIMIT 1") == "PAYMENT_REVERSED"
