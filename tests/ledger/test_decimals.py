"""The desk takes amounts with the decimals of their currency, and settles fines that were loaded with finer ones."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from bursar.errors import LedgerError
from bursar.ledger import desk
from tests.support.fixtures import Library

D = Decimal
FINER = [("3.335", "USD", "has 2 decimals"), ("0.5", "JPY", "has no decimals"), ("1.0005", "KWD", "has 3 decimals")]


def finer_fine(library: Library, amount: str = "3.335", user: int | None = None) -> int:
    """A charge in USD as an earlier version loaded it."""
    with library.ledger.begin() as connection:
        fine: int = connection.execute(
            text(
                "WITH fine AS (INSERT INTO fines (user_id, fine_fee_type, currency, amount, created_at)"
                " VALUES (:user, 'OVERDUEFINE', 'USD', :amount, now()) RETURNING id)"
                " INSERT INTO journal_entries (fine_id, entry_type, balance_change)"
                " SELECT id, 'CHARGED', :amount FROM fine RETURNING fine_id"
            ),
            {"user": user or library.user(), "amount": D(amount)},
        ).scalar_one()
    return fine


@pytest.mark.parametrize(("amount", "currency", "reason"), FINER)
def test_a_finer_amount_is_refused_with_the_reason(library: Library, amount: str, currency: str, reason: str) -> None:
    user = library.user()
    fine = library.fine(user, "10", currency=currency)
    with library.ledger.begin() as connection:
        desk.pay(connection, fine, D(5))
    new: dict[str, Any] = {"user_id": user, "currency": currency}
    operations: list[Callable[..., Any]] = [
        lambda connection: desk.add_fine(connection, fine_fee_type="FEE", amount=D(amount), **new),
        lambda connection: desk.add_fine(connection, fine_fee_type="FEE", amount=D(5), vat=D(amount), **new),
        lambda connection: desk.credit(connection, amount=D(amount), **new),
        lambda connection: desk.credit(connection, amount=D(amount), reverses=fine, **new),
        *(
            lambda connection, operation=operation: operation(connection, fine, D(amount))
            for operation in (desk.pay, desk.waive, desk.refund, desk.reverse_charge)
        ),
    ]
    for operation in operations:
        with library.ledger.begin() as connection, pytest.raises(LedgerError) as error:
            operation(connection)
        assert str(error.value) == f"{amount} is not a sum of money in {currency}, which {reason}. Round it."
    assert library.one("SELECT count(*) FROM journal_entries") == 2


def test_an_unknown_currency_is_refused(library: Library) -> None:
    with pytest.raises(LedgerError, match="EUX is no currency; write its code of ISO 4217"):
        library.fine(currency="EUX")


@pytest.mark.parametrize("operation", [desk.pay, desk.waive])
@pytest.mark.parametrize("amount", ["3.33", "3.34", "3.335", None])
def test_a_finer_fine_is_settled_by_the_amounts_around_it(
    library: Library, operation: Callable[..., Decimal], amount: str | None
) -> None:
    fine = finer_fine(library)
    with library.ledger.begin() as connection:
        assert operation(connection, fine, D(amount) if amount else None) == 0
    assert library.position(fine) == ("CLOSED", D(0), D(0))


def test_the_last_instalment_settles_a_finer_fine(library: Library) -> None:
    fine = finer_fine(library)
    with library.ledger.begin() as connection:
        assert desk.pay(connection, fine, D("1.00")) == D("2.335")
        with pytest.raises(LedgerError, match=r"Only 2\.335 USD of fine 1 is open; 2\.35 USD is more"):
            desk.pay(connection, fine, D("2.35"))
        assert desk.pay(connection, fine, D("2.34")) == 0


@pytest.mark.parametrize("amount", ["3.33", "3.34", None])
def test_a_finer_fine_is_reversed_and_refunded_whole(library: Library, amount: str | None) -> None:
    given = D(amount) if amount else None
    reversed_, refunded = finer_fine(library), finer_fine(library)
    with library.ledger.begin() as connection:
        credit = desk.reverse_charge(connection, reversed_, given)
        desk.pay(connection, refunded)
        assert desk.refund(connection, refunded, given) == D("3.335")
    assert library.position(credit) == ("ACTIVE", D("-3.335"), D(0))
