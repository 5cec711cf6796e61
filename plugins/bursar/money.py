"""Amounts of money: what the ledger can store, and how people read them."""

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from functools import cache

from bursar.errors import WrongAmountError

MAX_AMOUNT = Decimal("99999999999.999")
"""The largest amount of numeric(14, 3): eleven digits before the point."""
MAX_DECIMALS = 3
"""The decimals of numeric(14, 3)."""
DEFAULT_DECIMALS = 2
"""The decimals of a currency that Babel does not know."""
_DECIMALS_OF_ISO_4217 = {"IQD": 3} | dict.fromkeys(
    ("AFN", "ALL", "IRR", "KPW", "LAK", "LBP", "MGA", "MMK", "RSD", "SOS", "SYP", "YER"), 2
)
"""Currencies for which Babel has fewer decimals: those in customary use, where ISO 4217 has those that are legal."""


@cache
def get_currency_decimals() -> Mapping[str, int]:
    """Returns the decimals of each currency by ISO 4217, from Babel: 0 of JPY, 2 of EUR, 3 of KWD; 3 at most."""
    from babel.numbers import get_currency_precision, list_currencies  # noqa: PLC0415  30 ms; most tasks show no money

    return {
        code: min(_DECIMALS_OF_ISO_4217.get(code, get_currency_precision(code)), MAX_DECIMALS)
        for code in sorted(list_currencies())
    }


def count_decimals(currency: str) -> int:
    """Returns the decimals of a currency; 2 for an unknown one."""
    return get_currency_decimals().get(currency, DEFAULT_DECIMALS)


def smallest_unit(currency: str) -> Decimal:
    """Returns the smallest amount of a currency: 0.01 of EUR, 1 of JPY."""
    return Decimal(1).scaleb(-count_decimals(currency))


def round_amount(amount: Decimal, currency: str) -> Decimal:
    """Rounds half up to the decimals of a currency, as loads do."""
    return amount.quantize(smallest_unit(currency), ROUND_HALF_UP)


def validate_amount(amount: Decimal, currency: str) -> Decimal:
    """Returns an amount that has no more decimals than its currency and that the ledger can store.

    Raises:
        TypeError: it is not a Decimal.
        WrongAmountError: it is not a number, is too large, or has more decimals than its currency.
    """
    if not isinstance(amount, Decimal):
        raise TypeError(f"money is Decimal, never {type(amount).__name__}")
    if not amount.is_finite() or abs(amount) > MAX_AMOUNT:
        raise WrongAmountError(f"{amount} is not a sum of money of at most {MAX_AMOUNT:,f}.")
    if amount != amount.quantize(smallest_unit(currency)):
        decimals = pluralize(count_decimals(currency), "decimal") if count_decimals(currency) else "no decimals"
        raise WrongAmountError(f"{amount:f} is not a sum of money in {currency}, which has {decimals}. Round it.")
    return amount


def validate_positive_amount(amount: Decimal, currency: str) -> Decimal:
    """Returns an amount above 0 that has no more decimals than its currency and that the ledger can store.

    Raises:
        TypeError: it is not a Decimal.
        WrongAmountError: it is 0 or less, or as for `validate_amount`.
    """
    if validate_amount(amount, currency) <= 0:
        raise WrongAmountError(f"An amount is given as a sum above 0, not as {amount}.")
    return amount


def format_money(amount: Decimal | str, currency: str) -> str:
    """Returns an amount with its currency: `1,234.50 USD`, `1,234 JPY`."""
    return f"{format_amount(amount, currency)} {currency}"


def format_amount(amount: Decimal | str, currency: str) -> str:
    """Returns an amount without its currency, `1,234.50`; decimals that the currency does not have are shown too."""
    value = Decimal(amount)
    needed = len(f"{value:f}".partition(".")[2].rstrip("0"))
    return f"{value:,.{max(needed, count_decimals(currency))}f}"


def plain_amount(amount: Decimal | str, currency: str) -> str:
    """Returns an amount as text for programs, with its currency's decimals: `1234.50`."""
    return format_amount(amount, currency).replace(",", "")


def format_totals(amounts: Mapping[str, Decimal | str]) -> str:
    """Returns amounts by currency in one line: `12.00 CAD, 1,234.50 USD`, or `nothing`."""
    return ", ".join(format_money(amounts[currency], currency) for currency in sorted(amounts)) or "nothing"


def pluralize(count: int, noun: str) -> str:
    """Returns a count with its noun: `1 fine`, `1,234 fines`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
