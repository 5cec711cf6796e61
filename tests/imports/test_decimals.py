"""Sums of payments have the decimals of their currency; fines that were exported with finer amounts can be paid."""

from decimal import Decimal

import pytest
from sqlalchemy import text

from tests.support.fake_bursar import FakeBursar, Outcome, Payment

D = Decimal
INVALID = Outcome("INVALID", None, None)


def reasons(office: FakeBursar, file: int) -> list[str | None]:
    with office.library.ledger.connect() as connection:
        query = text("SELECT reason FROM import_records WHERE file_id = :file ORDER BY number")
        return list(connection.execute(query, {"file": file}).scalars())


@pytest.mark.parametrize(
    ("currency", "charged", "sum_", "decimals"),
    [
        ("USD", "10.00", "3.335", 2),
        ("USD", "10.00", "10.001", 2),
        ("JPY", "500", "499.5", 0),
        ("JPY", "500", "0.01", 0),
        ("USD", "-10.00", "-3.335", 2),
    ],
)
@pytest.mark.parametrize("amounts", ["incremental", "cumulative"])
def test_a_finer_sum_is_invalid_with_the_reason(
    office: FakeBursar, currency: str, charged: str, sum_: str, decimals: int, amounts: str
) -> None:
    fine, transaction = office.export_fine(charged, currency=currency)
    file = office.add_file(Payment(transaction, sum_, currency), Payment(transaction, sum_, None), amounts=amounts)
    office.apply(file)
    assert office.list_outcomes(file) == [INVALID, INVALID]
    reason = f"the sum {sum_} has more decimals than {currency}, which has {decimals}: ask the bursar for a rounded sum"
    assert reasons(office, file) == [reason, reason]
    assert office.library.position(fine) == ("CLOSED", D(0), D(charged))


@pytest.mark.parametrize(
    ("currency", "charged", "sum_"), [("USD", "3.34", "3.340"), ("JPY", "500", "500.00"), ("KWD", "1.005", "1.0050")]
)
def test_zeros_are_no_decimals(office: FakeBursar, currency: str, charged: str, sum_: str) -> None:
    _, transaction = office.export_fine(charged, currency=currency)
    assert office.pay(Payment(transaction, sum_, currency)) == [Outcome("PAID", D(charged), D(0))]


def test_a_sum_with_more_than_three_decimals_is_invalid_with_the_reason(office: FakeBursar) -> None:
    _, transaction = office.export_fine()
    file = office.add_file(Payment(transaction, "3.3333"))
    office.apply(file)
    assert reasons(office, file) == ["the sum has more decimals than any currency: ask for a rounded sum"]


def exported_as_before(office: FakeBursar, amount: str) -> tuple[int, str]:
    """A fine in USD that an earlier version loaded with a finer amount, and its transaction id."""
    with office.library.ledger.begin() as connection:
        fine: int = connection.execute(
            text(
                "WITH fine AS (INSERT INTO fines (user_id, fine_fee_type, currency, amount, created_at, owner_library)"
                " VALUES (:user, CASE WHEN :amount < 0 THEN 'CREDIT' ELSE 'FEE' END, 'USD', :amount,"
                " now() - interval '9 days', 'MAIN') RETURNING id)"
                " INSERT INTO journal_entries (fine_id, entry_type, balance_change)"
                " SELECT id, 'CHARGED', :amount FROM fine RETURNING fine_id"
            ),
            {"user": office.library.user(), "amount": D(amount)},
        ).scalar_one()
    office.export()
    return fine, office.get_transaction(fine)


@pytest.mark.parametrize("amounts", ["incremental", "cumulative"])
@pytest.mark.parametrize("sum_", ["3.33", "3.34", "3.335"])
@pytest.mark.parametrize("sign", ["", "-"])
def test_a_finer_fine_is_paid_by_the_amounts_around_it(office: FakeBursar, amounts: str, sum_: str, sign: str) -> None:
    fine, transaction = exported_as_before(office, f"{sign}3.335")
    payment = Payment(transaction, sign + sum_)
    assert office.pay(payment, amounts=amounts) == [Outcome("PAID", D(f"{sign}3.335"), D(0))]
    assert office.library.position(fine) == ("TRANSFERRED", D(0), D(0))
    assert office.pay(payment, amounts=amounts) == [Outcome("ALREADY_SETTLED", None, None)]


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("last", ["2.33", "2.34"])
def test_a_finer_fine_is_paid_in_instalments(office: FakeBursar, together: bool, last: str) -> None:
    fine, transaction = exported_as_before(office, "3.335")
    payments = [Payment(transaction, "1.00"), Payment(transaction, "0"), Payment(transaction, last)]
    outcomes = office.pay(*payments) if together else [office.pay(payment)[0] for payment in payments]
    credit = D("0.01") if last == "2.34" else D(0)
    assert outcomes == [
        Outcome("PARTLY_PAID", D("1.005"), D(0)),
        Outcome("NO_PAYMENT", None, None),
        Outcome("OVERPAID" if credit else "PAID", D("2.33"), credit),
    ]
    assert office.library.position(fine) == ("TRANSFERRED", D(0), D(0))


def test_totals_of_a_finer_fine_are_paid_in_instalments(office: FakeBursar) -> None:
    fine, transaction = exported_as_before(office, "3.335")
    sums = ["1.00", "1.00", "3.33", "3.33"]
    outcomes = [office.pay(Payment(transaction, sum_), amounts="cumulative")[0].outcome for sum_ in sums]
    assert outcomes == ["PARTLY_PAID", "NO_PAYMENT", "PAID", "ALREADY_SETTLED"]
    assert office.library.position(fine) == ("TRANSFERRED", D(0), D(0))


def test_an_overpaid_finer_fine_makes_a_credit_of_whole_cents(office: FakeBursar) -> None:
    _, transaction = exported_as_before(office, "3.335")
    assert office.pay(Payment(transaction, "5.00")) == [Outcome("OVERPAID", D("3.335"), D("1.66"))]
    assert office.library.one("SELECT balance FROM fines WHERE amount < 0") == D("-1.66")
