"""Money has the decimals of its currency; counts agree with their nouns."""

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from bursar.money import format_amount, format_money, format_totals, pluralize

PLUGINS = Path(__file__).parents[1] / "plugins"


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [
        ("1234.500", "USD", "1,234.50 USD"),
        ("0", "USD", "0.00 USD"),
        ("-2.000", "EUR", "-2.00 EUR"),
        ("1234.000", "JPY", "1,234 JPY"),
        ("-1234567", "KRW", "-1,234,567 KRW"),
        ("1.200", "KWD", "1.200 KWD"),
        ("5", "TND", "5.000 TND"),
        ("5", "ZZZ", "5.00 ZZZ"),
        ("5", "", "5.00 "),
    ],
)
def test_money_has_the_decimals_of_its_currency(amount: str, currency: str, expected: str) -> None:
    assert format_money(amount, currency) == expected
    assert format_money(Decimal(amount), currency) == expected
    assert format_amount(amount, currency) == expected.removesuffix(f" {currency}")


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [
        ("1.005", "USD", "1.005 USD"),
        ("0.500", "JPY", "0.5 JPY"),
        ("0.25", "JPY", "0.25 JPY"),
        ("1.2345", "KWD", "1.2345 KWD"),
        ("1E+3", "USD", "1,000.00 USD"),
        ("123456789012345678901234567890.125", "USD", "123,456,789,012,345,678,901,234,567,890.125 USD"),
    ],
)
def test_all_decimals_of_an_amount_are_shown(amount: str, currency: str, expected: str) -> None:
    assert format_money(amount, currency) == expected


def test_amounts_are_sorted_by_currency() -> None:
    assert format_totals({"USD": "1234.5", "JPY": Decimal(500), "KWD": "1"}) == "500 JPY, 1.000 KWD, 1,234.50 USD"
    assert format_totals({}) == "nothing"


def test_one_has_the_singular() -> None:
    assert [pluralize(count, "fine") for count in (0, 1, 2, 1234)] == ["0 fines", "1 fine", "2 fines", "1,234 fines"]


def test_currencies_are_loaded_with_the_first_amount() -> None:
    """Every task imports the module; most tasks format no amount."""
    program = (
        "import sys, bursar.money, bursar.notifications.messages, bursar.reporting.build_report\n"
        "assert 'babel' not in sys.modules\n"
        "bursar.money.format_money('1', 'JPY')\n"
        "assert 'babel' in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, env={"PYTHONPATH": str(PLUGINS)})  # noqa: S603
