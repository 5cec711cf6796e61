"""Sums of money by currency, and their form in the ledger."""

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from bursar.ledger.totals import (
    CurrencyTotals,
    OutcomeTotals,
    Skipped,
    net_by_currency,
    read_amounts,
    read_outcomes,
    read_skipped,
    read_totals,
    sum_by_currency,
    summarize_candidates,
    to_json,
)

D = Decimal


@pytest.mark.parametrize(
    ("read", "values", "stored"),
    [
        (read_amounts, {"USD": D("99999999999.999"), "JPY": D("0.000")}, {"USD": "99999999999.999", "JPY": "0.000"}),
        (read_totals, {"USD": CurrencyTotals(D("12.500"))}, {"USD": {"charges": "12.500", "credits": "0"}}),
        (
            read_totals,
            {"USD": CurrencyTotals(D("1.0"), D("-3.0"), D("-2.0"))},
            {"USD": {"charges": "1.0", "credits": "-3.0", "reversals": "-2.0"}},
        ),
        (
            read_skipped,
            {"disputed": Skipped(2, 1, {"USD": D("0.10")})},
            {"disputed": {"fines": 2, "users": 1, "net": {"USD": "0.10"}}},
        ),
        (
            read_outcomes,
            {"INVALID": OutcomeTotals(3, {"": D(0)}), "PAID": OutcomeTotals(1, {}, {"USD": D(1)}, {}, {"USD": D(2)})},
            {
                "INVALID": {"records": 3, "sums": {"": "0"}},
                "PAID": {"records": 1, "sums": {}, "applied": {"USD": "1"}, "paid_twice": {"USD": "2"}},
            },
        ),
    ],
)
def test_what_is_stored_is_read_to_the_last_digit(
    read: Callable[[Mapping[str, Any]], dict[str, Any]], values: dict[str, Any], stored: dict[str, Any]
) -> None:
    assert to_json(values) == stored
    assert read(json.loads(json.dumps(stored))) == values
    assert str(read(stored)) == str(values), "1.50 is equal to 1.5, but not the same text"


def test_an_amount_is_never_stored_with_an_exponent() -> None:
    assert to_json({"USD": D("1E+3")}) == {"USD": "1000"}


def row(reason: str | None, currency: str, fines: int, charges: str, credits_: str = "0") -> Any:
    sums = {"charges": D(charges), "credits": D(credits_), "reversals": D(0)}
    return SimpleNamespace(reason=reason, currency=currency, fines=fines, **sums)


def test_candidates_are_added_up_by_reason_and_currency() -> None:
    rows = [
        row(None, "CAD", 1, "5"),
        row(None, "USD", 2, "10", "-3"),
        row("disputed", "CAD", 1, "4"),
        row("disputed", "USD", 3, "7", "-1"),
    ]
    summary = summarize_candidates(rows, {None: 2, "disputed": 3, "no_date": 1})
    assert (summary.users, summary.fines) == (2, 3)
    assert summary.totals == {"CAD": CurrencyTotals(D(5)), "USD": CurrencyTotals(D(10), D(-3))}
    assert summary.skipped == {"disputed": Skipped(4, 3, {"CAD": D(4), "USD": D(6)}), "no_date": Skipped(0, 1)}
    assert net_by_currency(summary.totals) == {"CAD": 5, "USD": 7}


def test_fines_can_be_selected_although_their_users_are_kept() -> None:
    summary = summarize_candidates([row(None, "USD", 1, "9")], {"outstanding_waived": 1})
    assert (summary.users, summary.fines, summary.totals) == (0, 1, {"USD": CurrencyTotals(D(9))})
    assert summary.skipped == {"outstanding_waived": Skipped(0, 1)}


def test_nothing_selected_is_nothing() -> None:
    summary = summarize_candidates([], {})
    assert (summary.users, summary.fines, summary.totals, summary.skipped) == (0, 0, {}, {})


def test_amounts_are_added_up_by_currency() -> None:
    assert sum_by_currency([{"USD": D(1)}, {}, {"USD": D("0.10"), "CAD": D(2)}]) == {"USD": D("1.10"), "CAD": D(2)}
