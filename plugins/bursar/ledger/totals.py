"""Sums of money by currency, as they are recorded for batches, files of payments, jobs and reports.

The ledger stores them as jsonb with each amount as text, since JSON has no decimals. Only this module reads and writes
that form.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from sqlalchemy import Row

Amounts = Mapping[str, Decimal]
"""An amount by the code of its currency."""


@dataclass(frozen=True)
class CurrencyTotals:
    """Sums in one currency. `credits` are 0 or less; `reversals` are a part of them: charges that the bursar holds."""

    charges: Decimal = Decimal(0)
    credits: Decimal = Decimal(0)
    reversals: Decimal = Decimal(0)

    @property
    def net(self) -> Decimal:
        """Charges and credits together."""
        return self.charges + self.credits

    def to_json(self) -> dict[str, str]:
        """Returns the stored form; `reversals` only if there are any."""
        amounts = {"charges": self.charges, "credits": self.credits}
        return _amounts_to_json(amounts | ({"reversals": self.reversals} if self.reversals else {}))


Totals = Mapping[str, CurrencyTotals]
"""Totals by the code of their currency."""


@dataclass(frozen=True)
class Skipped:
    """The numbers of fines that were skipped for one reason, and of their users, and the net amounts."""

    fines: int
    users: int
    net: Amounts = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Returns the stored form."""
        return {"fines": self.fines, "users": self.users, "net": _amounts_to_json(self.net)}


@dataclass(frozen=True)
class OutcomeTotals:
    """The payment records with one outcome, by the currency in the file.

    `sums` are the amounts in the records. `applied` reduced the outstanding amounts, `credited` became credits, `held`
    waits for a person, and `paid_twice` had been settled before.
    """

    records: int
    sums: Amounts = field(default_factory=dict)
    applied: Amounts = field(default_factory=dict)
    credited: Amounts = field(default_factory=dict)
    paid_twice: Amounts = field(default_factory=dict)
    held: Amounts = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Returns the stored form, without empty amounts."""
        optional = {
            "applied": self.applied,
            "credited": self.credited,
            "paid_twice": self.paid_twice,
            "held": self.held,
        }
        amounts = {"sums": self.sums} | {name: amounts for name, amounts in optional.items() if amounts}
        return {"records": self.records} | {name: _amounts_to_json(value) for name, value in amounts.items()}


@dataclass(frozen=True)
class SelectionSummary:
    """The fines that were selected, their users and totals, and by reason the fines that were skipped."""

    users: int
    fines: int
    totals: Totals
    skipped: Mapping[str, Skipped]


def summarize_candidates(rows: Iterable[Row[Any]], users: Mapping[str | None, int]) -> SelectionSummary:
    """Adds up candidates by reason and currency; the reason None means that they are selected.

    `rows` have `reason`, `currency`, `fines`, `charges`, `credits` and `reversals`. `users` counts the users of each
    reason: a user with fines in two currencies, or without any, counts once. Fines of a reason may have no users: a
    purge waives fines of users whom it keeps.
    """
    fines: dict[str | None, int] = dict.fromkeys(users, 0)
    totals: dict[str, CurrencyTotals] = {}
    net: dict[str, dict[str, Decimal]] = {}
    for row in rows:
        fines[row.reason] = fines.get(row.reason, 0) + row.fines
        sums = CurrencyTotals(row.charges, row.credits, row.reversals)
        if row.reason is None:
            totals[row.currency] = sums
        else:
            net.setdefault(row.reason, {})[row.currency] = sums.net
    skipped = {
        reason: Skipped(count, users.get(reason, 0), net.get(reason, {}))
        for reason, count in fines.items()
        if reason is not None
    }
    return SelectionSummary(users.get(None, 0), fines.get(None, 0), totals, skipped)


def net_by_currency(totals: Totals) -> dict[str, Decimal]:
    """Returns charges and credits together, by currency."""
    return {currency: sums.net for currency, sums in totals.items()}


def sum_by_currency(amounts: Iterable[Amounts]) -> dict[str, Decimal]:
    """Adds up amounts, currency by currency."""
    sums: dict[str, Decimal] = {}
    for by_currency in amounts:
        for currency, amount in by_currency.items():
            sums[currency] = sums.get(currency, Decimal(0)) + amount
    return sums


def to_json(by_key: Mapping[str, CurrencyTotals | Skipped | OutcomeTotals | Decimal]) -> dict[str, Any]:
    """Returns the stored form of amounts, or of totals by currency, reason or outcome."""
    return {
        key: _amount_to_json(value) if isinstance(value, Decimal) else value.to_json() for key, value in by_key.items()
    }


def read_amounts(stored: Mapping[str, str]) -> dict[str, Decimal]:
    """Reads amounts by currency from their stored form."""
    return {currency: Decimal(amount) for currency, amount in stored.items()}


def read_totals(stored: Mapping[str, Mapping[str, str]]) -> dict[str, CurrencyTotals]:
    """Reads totals by currency from their stored form."""
    return {currency: CurrencyTotals(**read_amounts(sums)) for currency, sums in stored.items()}


def read_skipped(stored: Mapping[str, Mapping[str, Any]]) -> dict[str, Skipped]:
    """Reads the skipped fines, by reason, from their stored form."""
    return {reason: Skipped(one["fines"], one["users"], read_amounts(one["net"])) for reason, one in stored.items()}


def read_outcomes(stored: Mapping[str, Mapping[str, Any]]) -> dict[str, OutcomeTotals]:
    """Reads totals by outcome from their stored form."""
    return {
        outcome: OutcomeTotals(
            one["records"], **{name: read_amounts(amounts) for name, amounts in one.items() if name != "records"}
        )
        for outcome, one in stored.items()
    }


def _amounts_to_json(amounts: Amounts) -> dict[str, str]:
    return {name: _amount_to_json(amount) for name, amount in amounts.items()}


def _amount_to_json(amount: Decimal) -> str:
    return f"{amount:f}"
