"""Money and counts as people read them."""

from collections.abc import Mapping
from decimal import Decimal
from functools import cache


def format_money(amount: Decimal | str, currency: str) -> str:
    """An amount with its currency: `1,234.50 USD`, `1,234 JPY`."""
    return f"{format_amount(amount, currency)} {currency}"


def format_amount(amount: Decimal | str, currency: str) -> str:
    """An amount in a column of its currency: `1,234.50`. Decimals that the currency does not have are shown too."""
    value = Decimal(amount)
    needed = len(f"{value:f}".partition(".")[2].rstrip("0"))
    return f"{value:,.{max(needed, _decimals(currency))}f}"


@cache
def _decimals(currency: str) -> int:
    """The decimals of a currency by CLDR, which also says 2 of those that it does not know."""
    from babel.numbers import get_currency_precision  # noqa: PLC0415  it takes 30 ms, and most tasks show no money

    return get_currency_precision(currency)


def format_totals(amounts: Mapping[str, Decimal | str]) -> str:
    """Amounts by currency in one line: `12.00 CAD, 1,234.50 USD`, or `nothing`."""
    return ", ".join(format_money(amounts[currency], currency) for currency in sorted(amounts)) or "nothing"


def pluralize(count: int, noun: str) -> str:
    """How many of something: `1 fine`, `1,234 fines`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
