"""What we believe of some fines: the rules again, in the plainest way, one fine after the other."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

NOTHING = Decimal()


@dataclass
class Fine:
    """What we believe of a fine. Amounts are those of the rules, with the sign of the charge."""

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
    set_off: Decimal = NOTHING
    settled_here: Decimal = NOTHING  # of what was outstanding, without a sign
    reverses: int | None = None
    is_overpayment: bool = False
    transaction: str = ""

    @property
    def accounted_for(self) -> Decimal:
        return (
            self.paid_at_the_desk
            + self.waived
            + self.balance
            + self.paid_at_the_bursar
            + self.outstanding
            - self.credits_made
            + self.set_off
        )


@dataclass
class Batch:
    """What an export that has not ended holds: amounts by fine."""

    id: int
    fines: dict[int, Decimal]
    reversals: dict[int, Decimal]


@dataclass
class Oracle:
    """All fines, and the export that has not ended."""

    fines: dict[int, Fine] = field(default_factory=dict)
    batch: Batch | None = None

    def charge(
        self, fine: int, user: int, amount: Decimal, reverses: int | None = None, *, is_overpayment: bool = False
    ) -> None:
        self.fines[fine] = Fine(fine, user, amount, amount, reverses=reverses, is_overpayment=is_overpayment)

    def credits_of(self, charge: Fine) -> list[Fine]:
        return [fine for fine in self.fines.values() if fine.reverses == charge.id and not fine.is_overpayment]

    def reversible(self, charge: Fine) -> Decimal:
        """How much of a charge has been neither waived nor refunded nor reversed."""
        reversed_ = sum((credit.waived - credit.original for credit in self.credits_of(charge)), NOTHING)
        return charge.original - charge.waived - reversed_

    def returnable(self, charge: Fine) -> Decimal:
        """How much of the money that was paid for a charge has not been given back."""
        paid = charge.paid_at_the_desk + charge.paid_at_the_bursar - charge.credits_made
        return paid + sum(
            (
                credit.paid_at_the_desk + credit.paid_at_the_bursar + credit.outstanding
                for credit in self.credits_of(charge)
            ),
            NOTHING,
        )

    def is_reversed_too_far(self, charge: Fine) -> bool:
        """Credits that are not open any more leave less to waive than is open."""
        left = self.reversible(charge) - sum((credit.balance for credit in self.credits_of(charge)), NOTHING)
        return charge.original > 0 and charge.balance + charge.outstanding > left

    def movable(self, fine: Fine, operation: Literal["pay", "waive"], *, allowed: bool) -> Decimal:
        """How much can be paid or waived now, without a sign."""
        there = abs(self.open_at_the_desk(fine, allowed=allowed))
        if operation == "waive" and fine.original > 0:
            return min(there, self.reversible(fine))
        if operation == "pay" and fine.reverses and not fine.is_overpayment:
            return min(there, self.returnable(self.fines[fine.reverses]))
        return there

    def is_claimed(self, fine: Fine) -> bool:
        return self.batch is not None and fine.id in self.batch.fines

    def is_active(self, fine: Fine) -> bool:
        held = self.batch is not None and fine.id in {*self.batch.fines, *self.batch.reversals}
        return bool(fine.balance or fine.outstanding or fine.pending_reversal or held)

    def active(self, user: int) -> list[Fine]:
        return [fine for fine in self.fines.values() if fine.user == user and self.is_active(fine)]

    def debt(self, user: int) -> Decimal:
        return sum((fine.balance + fine.outstanding for fine in self.active(user)), NOTHING)

    def open_at_the_desk(self, fine: Fine, *, allowed: bool) -> Decimal:
        """What can be paid or waived now."""
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
            fine.settled_here += amount
            fine.status = fine.status if fine.outstanding else "CLOSED"

    def refundable(self, fine: Fine, *, allowed: bool) -> Decimal:
        if self.is_claimed(fine) or (fine.outstanding and not allowed):
            return NOTHING
        if fine.original < 0:
            return NOTHING
        return max(min(fine.paid_at_the_desk, self.reversible(fine), self.returnable(fine)), NOTHING)

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
        self.batch = None
        for credit in self.fines.values():
            charge = self.fines.get(credit.reverses or 0)
            if charge and (even := min(-credit.outstanding, charge.outstanding)) > 0:
                for fine, moved in ((charge, even), (credit, -even)):
                    fine.outstanding -= moved
                    fine.set_off += moved
                    fine.settled_here += even
                    if fine.outstanding == 0:
                        fine.status = "CLOSED"

    def pays(self, fine: Fine, sum_: Decimal) -> tuple[str, Decimal]:
        """The outcome of a record, and the credit that it makes."""
        if sum_ == 0:
            return "NO_PAYMENT", NOTHING
        if sum_ * fine.original < 0:
            return "INVALID", NOTHING
        if fine.outstanding == 0:
            return "ALREADY_SETTLED", NOTHING
        rest = abs(sum_) - abs(fine.outstanding)
        credited = max(rest - fine.settled_here, NOTHING)
        if credited and fine.original < 0:
            return "INVALID", NOTHING
        fine.status = "TRANSFERRED"
        if rest < 0:
            fine.outstanding -= sum_
            fine.paid_at_the_bursar += sum_
            return "PARTLY_PAID", NOTHING
        fine.paid_at_the_bursar += fine.outstanding + credited
        fine.outstanding = NOTHING
        fine.credits_made += credited
        return ("OVERPAID" if credited else "PAID"), credited
