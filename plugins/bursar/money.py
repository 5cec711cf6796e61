"""Money as people read it."""

from collections.abc import Mapping
from decimal import Decimal


def money(amount: Decimal | str, currency: str) -> str:
    """An amount with its currency: `1,234.50 USD`; the third decimal only where there is one."""
    value = Decimal(amount)
    places = 2 if value == round(value, 2) else 3
    return f"{value:,.{places}f} {currency}"


def monies(amounts: Mapping[str, Decimal | str]) -> str:
    """Amounts by currency in one line: `12.00 CAD, 1,234.50 USD`, or `nothing`."""
    return ", ".join(money(amounts[currency], currency) for currency in sorted(amounts)) or "nothing"


def net(totals: Mapping[str, Mapping[str, str]]) -> dict[str, Decimal]:
    """Charges and credits together, by currency, of totals as `Batch` has them."""
    return {currency: Decimal(sums["charges"]) + Decimal(sums["credits"]) for currency, sums in totals.items()}
