"""Money and counts as people read them."""

from collections.abc import Mapping
from decimal import Decimal


def money(amount: Decimal | str, currency: str) -> str:
    """An amount with its currency: `1,234.50 USD`; the third decimal only where there is one."""
    return f"{digits(amount)} {currency}"


def digits(amount: Decimal | str) -> str:
    """An amount in a column of its currency: `1,234.50`."""
    value = Decimal(amount)
    return f"{value:,.{2 if value == round(value, 2) else 3}f}"


def monies(amounts: Mapping[str, Decimal | str]) -> str:
    """Amounts by currency in one line: `12.00 CAD, 1,234.50 USD`, or `nothing`."""
    return ", ".join(money(amounts[currency], currency) for currency in sorted(amounts)) or "nothing"


def net(totals: Mapping[str, Mapping[str, str]]) -> dict[str, Decimal]:
    """Charges and credits together, by currency, of totals as `Batch` has them."""
    return {currency: Decimal(sums["charges"]) + Decimal(sums["credits"]) for currency, sums in totals.items()}


def many(count: int, noun: str) -> str:
    """How many of something: `1 fine`, `1,234 fines`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
