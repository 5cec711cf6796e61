"""Sums of money as the ledger keeps them: Decimal, at most three decimals, never a float."""

from decimal import Decimal

from bursar.errors import LedgerError

MAX_AMOUNT = Decimal("99999999999.999")
"""numeric(14, 3): eleven digits before the point."""


def validate_amount(amount: Decimal) -> Decimal:
    """The amount itself, which the ledger can keep to the last digit.

    Raises:
        TypeError: it is no Decimal.
        LedgerError: it is no number, too large, or has more than three decimals.
    """
    if not isinstance(amount, Decimal):
        raise TypeError(f"money is Decimal, never {type(amount).__name__}")
    if not amount.is_finite() or abs(amount) > MAX_AMOUNT or amount != round(amount, 3):
        raise LedgerError(f"{amount} is not a sum of money with at most three decimals.")
    return amount


def validate_positive_amount(amount: Decimal) -> Decimal:
    """The amount itself, exact and above 0; else the errors of `validate_amount`, or a LedgerError."""
    if validate_amount(amount) <= 0:
        raise LedgerError(f"An amount is given as a sum above 0, not as {amount}.")
    return amount
