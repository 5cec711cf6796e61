"""Payouts never exceed payments in random sequences of operations, without and with a bursar.

The module is long because the two state machines share one model of a fine.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Engine, text

from bursar.errors import LedgerError
from bursar.exports.close import close_fines
from bursar.exports.recover import release_batch
from bursar.ledger import desk
from tests.support.fake_bursar import FakeBursar, Payment
from tests.support.fixtures import Library, clear_ledger

D = Decimal
NOTHING = Decimal()
CENT = D("0.01")
CENTS = st.integers(1, 500).map(lambda cents: D(cents) / 100)
PORTIONS = st.sampled_from([None, D(0), D("0.5"), D(1), D(1), D(2)])


@dataclass
class Entry:
    """The expected state of a charge or credit; every amount is positive."""

    amount: Decimal
    balance: Decimal
    is_credit: bool = False
    charge: "Entry | None" = None  # the charge that a credit reverses
    overpaid: "Entry | None" = None  # the charge for which a credit returns an overpayment
    credits: list["Entry"] = field(default_factory=list)  # the credits that reverse a charge
    paid: Decimal = NOTHING  # at the desk: received for a charge, or paid out for a credit
    refunded: Decimal = NOTHING
    waived: Decimal = NOTHING  # without refunds
    paid_at_bursar: Decimal = NOTHING  # received or paid out at the bursar
    outstanding: Decimal = NOTHING
    offset_amount: Decimal = NOTHING
    settled_at_the_library: Decimal = NOTHING  # the settled part of the outstanding amount
    disputed: bool = False
    transaction: str = ""

    @property
    def reversible_amount(self) -> Decimal:
        reversed_ = sum((credit.amount - credit.waived for credit in self.credits), NOTHING)
        return self.amount - self.waived - self.refunded - reversed_

    @property
    def returnable_amount(self) -> Decimal:
        returned = sum((credit.paid + credit.paid_at_bursar + credit.outstanding for credit in self.credits), NOTHING)
        return self.paid - self.refunded + self.paid_at_bursar - returned


class Desk(RuleBasedStateMachine):
    """Operations of the desk in any order, with any amounts; those that the rules forbid change nothing."""

    ledger: Engine
    owned_ledger: Engine

    def __init__(self) -> None:
        super().__init__()
        clear_ledger(self.owned_ledger)
        self.library = Library(self.ledger)
        self.user = self.library.user()
        self.entries: dict[int, Entry] = {}
        self.claimed: set[int] = set()

    @rule(amount=CENTS)
    def add_fine(self, amount: Decimal) -> None:
        self.entries[self.library.fine(self.user, str(amount))] = Entry(amount, amount)

    @rule(amount=CENTS)
    def add_credit(self, amount: Decimal) -> None:
        self.entries[self.library.fine(self.user, str(-amount))] = Entry(amount, amount, is_credit=True)

    @rule(data=st.data(), portion=PORTIONS, whole=st.booleans())
    def reverse(self, data: st.DataObject, portion: Decimal | None, whole: bool) -> None:
        if not (chosen := self._choose_entry(data)):
            return
        id_, charge = chosen
        limit = NOTHING if charge.is_credit else charge.reversible_amount
        asked, amount = _choose_amount(portion, full=limit, limit=limit)
        possible = 0 < amount <= limit
        if whole or asked is None:
            credit = self._try(possible, desk.reverse_charge, id_, asked)
        else:
            facts = {"user_id": self.user, "amount": amount, "currency": "USD", "reverses": id_}
            credit = self._try(possible, desk.credit, **facts)
        if credit:
            event("reversed")
            self.entries[credit] = Entry(amount, amount, is_credit=True, charge=charge)
            charge.credits.append(self.entries[credit])

    @rule(data=st.data(), portion=PORTIONS, allowed=st.booleans())
    def pay(self, data: st.DataObject, portion: Decimal | None, allowed: bool) -> None:
        if not (chosen := self._choose_entry(data)):
            return
        id_, entry = chosen
        full = self._get_open_amount(id_, entry, allowed=allowed)
        limit = full if entry.charge is None else min(full, entry.charge.returnable_amount)
        if paid := self._move(desk.pay, id_, portion, full, limit, allowed=allowed):
            event(f"paid {'out' if entry.is_credit else 'in'}")
            entry.paid += paid
            self._reduce(entry, paid)

    @rule(data=st.data(), portion=PORTIONS, allowed=st.booleans())
    def waive(self, data: st.DataObject, portion: Decimal | None, allowed: bool) -> None:
        if not (chosen := self._choose_entry(data)):
            return
        id_, entry = chosen
        full = self._get_open_amount(id_, entry, allowed=allowed)
        limit = full if entry.is_credit else min(full, entry.reversible_amount)
        if waived := self._move(desk.waive, id_, portion, full, limit, allowed=allowed):
            event("waived")
            entry.waived += waived
            self._reduce(entry, waived)

    @rule(data=st.data(), portion=PORTIONS, allowed=st.booleans())
    def refund(self, data: st.DataObject, portion: Decimal | None, allowed: bool) -> None:
        if not (chosen := self._choose_entry(data)):
            return
        id_, entry = chosen
        blocked = entry.is_credit or id_ in self.claimed or (entry.outstanding > 0 and not allowed)
        full = NOTHING if blocked else entry.paid - entry.refunded
        limit = NOTHING if blocked else min(full, entry.reversible_amount, entry.returnable_amount)
        if refunded := self._move(desk.refund, id_, portion, full, limit, allowed=allowed):
            event("refunded")
            entry.refunded += refunded

    @rule(data=st.data())
    def dispute(self, data: st.DataObject) -> None:
        if chosen := self._choose_entry(data):
            id_, entry = chosen
            possible = entry.balance > 0 and id_ not in self.claimed and not entry.disputed
            self._try(possible, desk.dispute, id_, "says the student")
            entry.disputed |= possible

    @rule(data=st.data())
    def settle_dispute(self, data: st.DataObject) -> None:
        if chosen := self._choose_entry(data):
            id_, entry = chosen
            possible = entry.disputed and entry.balance > 0
            self._try(possible, desk.resolve_dispute, id_, "says the library")
            entry.disputed &= not possible

    def _choose_entry(self, data: st.DataObject) -> tuple[int, Entry] | None:
        return data.draw(st.sampled_from(list(self.entries.items()))) if self.entries else None

    def _get_open_amount(self, id_: int, entry: Entry, *, allowed: bool) -> Decimal:
        if id_ in self.claimed:
            return NOTHING
        return entry.outstanding if allowed and not entry.balance and not entry.is_credit else entry.balance

    def _move(
        self,
        operation: Callable[..., Any],
        id_: int,
        portion: Decimal | None,
        full: Decimal,
        limit: Decimal,
        *,
        allowed: bool,
    ) -> Decimal:
        asked, amount = _choose_amount(portion, full=full, limit=limit)
        possible = 0 < amount <= limit
        self._try(possible, operation, id_, asked, allow_activity_on_transferred_finesfees=allowed)
        return amount if possible else NOTHING

    def _try(self, possible: bool, operation: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        with self.library.ledger.begin() as connection:
            if possible:
                return operation(connection, *arguments, **options)
            with pytest.raises(LedgerError):
                operation(connection, *arguments, **options)
        return None

    def _reduce(self, entry: Entry, amount: Decimal) -> None:
        if entry.balance:
            entry.balance -= amount
        else:
            entry.outstanding -= amount
            entry.settled_at_the_library += amount

    @invariant()
    def every_cent_is_accounted_for(self) -> None:
        """Compares the open, paid, waived, reversed and outstanding parts of each amount with the journal."""
        sums = self._sum_journal()
        assert sums.keys() == self.entries.keys()
        for id_, entry in self.entries.items():
            of, sign = sums[id_], -1 if entry.is_credit else 1
            assert {kind: sign * of.get(kind, NOTHING) for kind in KINDS} == {
                "open": entry.balance,
                "outstanding": entry.outstanding,
                "PAID": entry.paid,
                "REFUNDED": -entry.refunded,
                "WAIVED": entry.waived + entry.refunded,
                "PAID_AT_BURSAR": entry.paid_at_bursar,
                "REVERSED": entry.offset_amount,
            }
            assert sum(of.values()) == 2 * sign * entry.amount  # the sum of the parts, and the charge itself
            assert of["CHARGED"] == sign * entry.amount

    @invariant()
    def payouts_never_exceed_payments(self) -> None:
        """Compares payouts and payments in the journal: of each charge, of all charges, and of each plain credit."""
        sums = self._sum_journal()
        paid_in, paid_out = NOTHING, NOTHING
        for id_, entry in self.entries.items():
            if entry.is_credit:
                continue
            of_credits = [sums[other] for other, credit in self.entries.items() if credit.charge is entry]
            of_overpayments = [sums[other] for other, credit in self.entries.items() if credit.overpaid is entry]
            overpaid = -_sum(of_overpayments, "CHARGED")
            received = _sum([sums[id_]], "PAID", "PAID_AT_BURSAR") + overpaid
            returned = -_sum([sums[id_]], "REFUNDED") - _sum([*of_credits, *of_overpayments], "PAID", "PAID_AT_BURSAR")
            assert returned <= received
            reversed_ = _sum(of_credits, "WAIVED") - _sum(of_credits, "CHARGED")
            assert _sum([sums[id_]], "WAIVED") + reversed_ <= entry.amount
            paid_in, paid_out = paid_in + received, paid_out + returned
        assert paid_out <= paid_in
        for id_, entry in self.entries.items():
            if entry.is_credit and not (entry.charge or entry.overpaid):
                assert _sum([sums[id_]], "PAID", "PAID_AT_BURSAR") >= _sum([sums[id_]], "CHARGED")

    def _sum_journal(self) -> dict[int, dict[str, Decimal]]:
        """Returns for each fine the open and the outstanding amount, and its changes by type of entry."""
        with self.library.ledger.connect() as connection:
            rows = connection.execute(
                text("SELECT fine_id, entry_type, balance_change, outstanding_change FROM journal_entries ORDER BY id")
            ).all()
            fines = connection.execute(text("SELECT id, balance, outstanding FROM fines")).all()
        sums: dict[int, dict[str, Decimal]] = {
            id_: {"open": balance, "outstanding": outstanding} for id_, balance, outstanding in fines
        }
        for fine, kind, balance_change, outstanding_change in rows:
            moved = balance_change + outstanding_change
            of = sums[fine]
            of[kind] = of.get(kind, NOTHING) + (moved if kind == "CHARGED" else -moved)
        return sums


KINDS = ("open", "outstanding", "PAID", "REFUNDED", "WAIVED", "PAID_AT_BURSAR", "REVERSED")


def _sum(fines: list[dict[str, Decimal]], *kinds: str) -> Decimal:
    return sum((of.get(kind, NOTHING) for of in fines for kind in kinds), NOTHING)


def _choose_amount(portion: Decimal | None, *, full: Decimal, limit: Decimal) -> tuple[Decimal | None, Decimal]:
    """Returns the amount that the desk is asked for, None for all of it, and the resulting amount."""
    if portion is None:
        return None, full
    amount = max(limit, NOTHING) + CENT if portion > 1 else max((portion * limit).quantize(CENT), CENT)
    return amount, amount


class DeskAndBursar(Desk):
    """The same with a bursar, which gets exports and reports payments between the operations.

    The bursar pays a credit out only from payments for the charge.
    """

    def __init__(self) -> None:
        super().__init__()
        self.office = FakeBursar(self.library)
        self.batch: int | None = None
        self.sent: dict[int, Decimal] = {}

    @precondition(lambda self: self.batch is None)
    @rule()
    def select(self) -> None:
        batch = self.office.export(close=False)
        with self.library.ledger.connect() as connection:
            lines = connection.execute(
                text("SELECT fine_id, amount, reversal FROM batch_lines WHERE batch_id = :batch"), {"batch": batch}
            ).all()
        if lines:
            self.batch = batch
            self.sent = {line.fine_id: abs(line.amount) for line in lines if not line.reversal}
            self.claimed = set(self.sent)

    @precondition(lambda self: self.batch is not None)
    @rule()
    def close(self) -> None:
        assert self.batch is not None
        close_fines(self.library.ledger, self.batch)
        for id_, amount in self.sent.items():
            entry = self.entries[id_]
            assert amount == entry.balance
            entry.balance, entry.outstanding, entry.transaction = NOTHING, amount, self.office.get_transaction(id_)
        for credit in self.entries.values():
            charge = credit.charge or credit.overpaid
            even = min(credit.outstanding, charge.outstanding) if charge else NOTHING
            if charge and even:
                event("offset")
                for entry in (credit, charge):
                    entry.outstanding -= even
                    entry.offset_amount += even
                    entry.settled_at_the_library += even
        self._forget_batch()

    @precondition(lambda self: self.batch is not None)
    @rule()
    def release(self) -> None:
        assert self.batch is not None
        release_batch(self.library.ledger, self.batch, confirmed_not_received=True)
        self._forget_batch()

    def _forget_batch(self) -> None:
        self.batch, self.sent, self.claimed = None, {}, set()

    @rule(data=st.data(), portion=st.sampled_from([D("0.5"), D(1), D(1), D("1.5")]))
    def report_payment(self, data: st.DataObject, portion: Decimal) -> None:
        sent = [entry for entry in self.entries.values() if entry.transaction]
        if not sent:
            return
        entry = data.draw(st.sampled_from(sent))
        limit = (
            min(entry.outstanding, entry.charge.returnable_amount + entry.outstanding)
            if entry.charge
            else entry.outstanding
        )
        amount = (min(portion, D(1) if entry.is_credit else portion) * limit).quantize(CENT)
        if amount <= 0:
            return
        self.office.pay(Payment(entry.transaction, str(-amount if entry.is_credit else amount)))
        credited = max(amount - entry.outstanding - entry.settled_at_the_library, NOTHING)
        applied = min(amount, entry.outstanding)
        entry.outstanding -= applied
        entry.paid_at_bursar += applied
        event(f"bursar {'returned' if entry.is_credit else 'was paid'}")
        if credited:
            event("overpaid")
            overpaid = self.library.one("SELECT max(id) FROM fines")
            self.entries[overpaid] = Entry(credited, credited, is_credit=True, overpaid=entry)


@pytest.mark.parametrize("machine", [Desk, DeskAndBursar])
def test_payouts_never_exceed_payments_in_any_sequence(
    machine: type[Desk], ledger: Engine, owned_ledger: Engine
) -> None:
    engines = {"ledger": ledger, "owned_ledger": owned_ledger}
    run_state_machine_as_test(
        type(machine.__name__, (machine,), engines),
        settings=settings(
            max_examples=25,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
