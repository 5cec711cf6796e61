"""Amounts of money: what the ledger can store, and how people read them."""

from collections.abc import Mapping
from decimal import Decimal
from functools import cache

from bursar.errors import LedgerError

MAX_AMOUNT = Decimal("99999999999.999")
"""The largest amount of numeric(14, 3): eleven digits before the point."""


def validate_amount(amount: Decimal) -> Decimal:
    """Returns an amount that the ledger can store exactly.

    Raises:
        TypeError: it is not a Decimal.
        LedgerError: it is not a number, is too large, or has more than three decimals.
    """
    if not isinstance(amount, Decimal):
        raise TypeError(f"money is Decimal, never {type(amount).__name__}")
    if not amount.is_finite() or abs(amount) > MAX_AMOUNT or amount != round(amount, 3):
        raise LedgerError(f"{amount} is not a sum of money with at most three decimals.")
    return amount


def validate_positive_amount(amount: Decimal) -> Decimal:
    """Returns an amount above 0 that the ledger can store exactly.

    Raises:
        TypeError: it is not a Decimal.
        LedgerError: it is 0 or less, or as for `validate_amount`.
    """
    if validate_amount(amount) <= 0:
        raise LedgerError(f"An amount is given as a sum above 0, not as {amount}.")
    return amount


def format_money(amount: Decimal | str, currency: str) -> str:
    """Returns an amount with its currency: `1,234.50 USD`, `1,234 JPY`."""
    return f"{format_amount(amount, currency)} {currency}"


def format_amount(amount: Decimal | str, currency: str) -> str:
    """Returns an amount without its currency, `1,234.50`; decimals that the currency does not have are shown too."""
    value = Decimal(amount)
    needed = len(f"{value:f}".partition(".")[2].rstrip("0"))
    return f"{value:,.{max(needed, _decimals(currency))}f}"


@cache
def _decimals(currency: str) -> int:
    """Returns the number of decimals of a currency by CLDR; 2 for an unknown currency."""
    from babel.numbers import get_currency_precision  # noqa: PLC0415  it takes 30 ms, and most tasks show no money

    return get_currency_precision(currency)


@cache
def decimals_by_currency() -> dict[str, int]:
    """Returns the number of decimals of each currency that does not have two."""
    from babel.core import get_global  # noqa: PLC0415  it takes 30 ms, and most tasks show no money

    fractions = get_global("currency_fractions")
    return {code: digits for code, (digits, *_) in fractions.items() if digits != fractions["DEFAULT"][0]}


def format_totals(amounts: Mapping[str, Decimal | str]) -> str:
    """Returns amounts by currency in one line: `12.00 CAD, 1,234.50 USD`, or `nothing`."""
    return ", ".join(format_money(amounts[currency], currency) for currency in sorted(amounts)) or "nothing"


def pluralize(count: int, noun: str) -> str:
    """Returns a count with its noun: `1 fine`, `1,234 fines`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
