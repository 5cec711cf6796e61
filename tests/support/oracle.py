"""A simple second implementation of the rules, with which a test compares the ledger: one fine at a time, in memory."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

NOTHING = Decimal()


@dataclass
class Fine:
    """The expected state of a fine. Amounts have the sign of the fine, except where noted."""

    id: int
    user: int
    original: Decimal
    balance: Decimal
    status: str = "ACTIVE"
    outstanding: Decimal = NOTHING
    pending_reversal: Decimal = NOTHING
    paid_at_the_desk: Decimal = NOTHING
    waived: Decimal = NOTHING
    paid_at_the_bursar: Decimal = NOTHING
    credits_made: Decimal = NOTHING
    offset_amount: Decimal = NOTHING
    settled_at_the_library: Decimal = NOTHING  # the settled part of the outstanding amount, without a sign
    held: Decimal = NOTHING  # an overpayment beyond the limit, which no person has decided about
    reverses: int | None = None
    is_overpayment: bool = False
    transaction: str = ""

    @property
    def accounted_amount(self) -> Decimal:
        return (
            self.paid_at_the_desk
            + self.waived
            + self.balance
            + self.paid_at_the_bursar
            + self.outstanding
            - self.credits_made
            + self.offset_amount
        )


@dataclass
class Batch:
    """An unfinished export: its amounts and its reversals by fine."""

    id: int
    fines: dict[int, Decimal]
    reversals: dict[int, Decimal]


@dataclass
class Oracle:
    """The expected state of all fines, and the unfinished export."""

    fines: dict[int, Fine] = field(default_factory=dict)
    batch: Batch | None = None
    deleted_users: set[int] = field(default_factory=set)

    def add_fine(
        self, fine: int, user: int, amount: Decimal, reverses: int | None = None, *, is_overpayment: bool = False
    ) -> None:
        self.fines[fine] = Fine(fine, user, amount, amount, reverses=reverses, is_overpayment=is_overpayment)

    def list_credits(self, charge: Fine) -> list[Fine]:
        return [fine for fine in self.fines.values() if fine.reverses == charge.id and not fine.is_overpayment]

    def reversible_amount(self, charge: Fine) -> Decimal:
        """Returns the part of a charge that has been neither waived nor refunded nor reversed."""
        reversed_ = sum((credit.waived - credit.original for credit in self.list_credits(charge)), NOTHING)
        return charge.original - charge.waived - reversed_

    def returnable_amount(self, charge: Fine) -> Decimal:
        """Returns the part of the payments for a charge that has not been paid back."""
        paid = charge.paid_at_the_desk + charge.paid_at_the_bursar - charge.credits_made
        return paid + sum(
            (
                credit.paid_at_the_desk + credit.paid_at_the_bursar + credit.outstanding
                for credit in self.list_credits(charge)
            ),
            NOTHING,
        )

    def is_reversed_too_far(self, charge: Fine) -> bool:
        """Returns whether its credits leave less of a charge to waive than is open of it."""
        left = self.reversible_amount(charge) - sum((credit.balance for credit in self.list_credits(charge)), NOTHING)
        return charge.original > 0 and charge.balance + charge.outstanding > left

    def movable_amount(self, fine: Fine, operation: Literal["pay", "waive"], *, allowed: bool) -> Decimal:
        """Returns the amount that can be paid or waived now, without a sign."""
        open_amount = abs(self.open_amount(fine, allowed=allowed))
        if operation == "waive" and fine.original > 0:
            return min(open_amount, self.reversible_amount(fine))
        if operation == "pay" and fine.reverses and not fine.is_overpayment:
            return min(open_amount, self.returnable_amount(self.fines[fine.reverses]))
        return open_amount

    def is_claimed(self, fine: Fine) -> bool:
        return self.batch is not None and fine.id in self.batch.fines

    def is_active(self, fine: Fine) -> bool:
        held = self.batch is not None and fine.id in {*self.batch.fines, *self.batch.reversals}
        return bool(fine.balance or fine.outstanding or fine.pending_reversal or held or fine.held)

    def list_active(self, user: int) -> list[Fine]:
        return [fine for fine in self.fines.values() if fine.user == user and self.is_active(fine)]

    def get_debt(self, user: int) -> Decimal:
        return sum((fine.balance + fine.outstanding for fine in self.list_active(user)), NOTHING)

    def open_amount(self, fine: Fine, *, allowed: bool) -> Decimal:
        """Returns the open amount that the desk may settle now: the balance, or the outstanding amount."""
        if self.is_claimed(fine):
            return NOTHING
        if allowed and fine.outstanding > 0:
            return fine.outstanding
        return fine.balance

    def settle(self, fine: Fine, amount: Decimal, kind: Literal["pay", "waive"]) -> None:
        moved = amount.copy_sign(fine.original)
        if kind == "pay":
            fine.paid_at_the_desk += moved
        else:
            fine.waived += moved
        if fine.balance:
            fine.balance -= moved
            fine.status = fine.status if fine.balance else "CLOSED"
        else:
            fine.outstanding -= moved
            fine.pending_reversal += moved
            fine.settled_at_the_library += amount
            fine.status = fine.status if fine.outstanding else "CLOSED"

    def refundable_amount(self, fine: Fine, *, allowed: bool) -> Decimal:
        if self.is_claimed(fine) or (fine.outstanding and not allowed):
            return NOTHING
        if fine.original < 0:
            return NOTHING
        return max(min(fine.paid_at_the_desk, self.reversible_amount(fine), self.returnable_amount(fine)), NOTHING)

    def select(self, batch: int) -> None:
        fines = {fine.id: fine.balance for fine in self.fines.values() if fine.balance and fine.status != "DISPUTED"}
        reversals = {fine.id: fine.pending_reversal for fine in self.fines.values() if fine.pending_reversal}
        self.batch = Batch(batch, fines, reversals) if fines or reversals else None

    def close(self) -> None:
        assert self.batch is not None
        for id_, amount in self.batch.fines.items():
            fine = self.fines[id_]
            fine.outstanding, fine.balance, fine.status = amount, NOTHING, "CLOSED"
        for id_, amount in self.batch.reversals.items():
            self.fines[id_].pending_reversal -= amount
        sent = set(self.batch.fines)
        self.batch = None
        for credit in self.fines.values():
            charge = self.fines.get(credit.reverses or 0)
            if not charge or not sent & {credit.id, charge.id}:  # a batch offsets only what it sent
                continue
            if (even := min(-credit.outstanding, charge.outstanding)) > 0:
                for fine, moved in ((charge, even), (credit, -even)):
                    fine.outstanding -= moved
                    fine.offset_amount += moved
                    fine.settled_at_the_library += even
                    if fine.outstanding == 0:
                        fine.status = "CLOSED"

    def apply_record(self, fine: Fine, sum_: Decimal) -> tuple[str, Decimal]:
        """Applies a payment record; returns its outcome and the rest of an overpayment: a credit, or held."""
        if sum_ == 0:
            return "NO_PAYMENT", NOTHING
        if sum_ * fine.original < 0:
            return self._reverse_payment(fine, sum_), NOTHING
        if fine.outstanding == 0:
            return "ALREADY_SETTLED", NOTHING
        excess = abs(sum_) - abs(fine.outstanding)
        rest = max(excess - fine.settled_at_the_library, NOTHING)
        if rest and fine.original < 0:
            return "INVALID", NOTHING
        fine.status = "TRANSFERRED"
        if excess < 0:
            fine.outstanding -= sum_
            fine.paid_at_the_bursar += sum_
            return "PARTLY_PAID", NOTHING
        fine.paid_at_the_bursar += fine.outstanding
        fine.outstanding = NOTHING
        is_held = rest > fine.original > 0
        if is_held:
            fine.held += rest
        else:
            self.give_credit(fine, rest)
        return ("OVERPAID_HELD" if is_held else "OVERPAID" if rest else "PAID"), rest

    def give_credit(self, fine: Fine, rest: Decimal) -> None:
        """Counts the rest of an overpayment as paid at the bursar, and given back by a credit."""
        fine.paid_at_the_bursar += rest
        fine.credits_made += rest

    def _reverse_payment(self, fine: Fine, sum_: Decimal) -> str:
        if fine.user in self.deleted_users or abs(sum_) > abs(fine.paid_at_the_bursar - fine.credits_made):
            return "INVALID"
        fine.paid_at_the_bursar += sum_
        fine.outstanding -= sum_
        fine.status = "TRANSFERRED"
        return "PAYMENT_REVERSED"
