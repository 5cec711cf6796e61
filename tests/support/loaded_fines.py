"""The expected fines of an oracle of loads, and what one load posts to them; load_oracle.py has the rules."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from tests.support.oracle import NOTHING, Fine, Oracle

Row = Mapping[str, str]
STATE_WARNINGS = {"missing_fine", "fixed_value", "settled_beyond_amount"}
"""Warnings about a state that lasts: given once for each value. The others are about what has just happened."""


@dataclass
class Said:
    """What the library system said about a fine last; amounts have no sign."""

    amount: Decimal
    balance: Decimal
    status: str


@dataclass
class LoadedFine(Fine):
    """The expected state of a fine, with what loads did to it."""

    source_id: str = ""
    said: Said | None = None
    exported: Decimal = NOTHING
    reversed_here: Decimal = NOTHING
    settled_by_loads: Decimal = NOTHING  # and not reopened
    paid_by_loads: Decimal = NOTHING
    reversed_by_loads: Decimal = NOTHING  # also if it was reopened
    settled_there_by_loads: Decimal = NOTHING
    is_disputed_by_load: bool = False
    status_said: str = "open"

    @property
    def accounted_amount(self) -> Decimal:
        return super().accounted_amount + self.reversed_here

    @property
    def is_credit(self) -> bool:
        return self.original < 0

    @property
    def sign(self) -> int:
        return -1 if self.is_credit else 1

    @property
    def paid_there(self) -> Decimal:
        """What the bursar was paid for it, without overpayments."""
        return self.paid_at_the_bursar - self.credits_made

    @property
    def settled_there(self) -> Decimal:
        """What the desk or a load has settled of the outstanding amount."""
        return self.settled_at_the_library - abs(self.offset_amount)


@dataclass
class Outcome:
    """What a load does: the entries that it posts, and the messages that it gives, both by fine of the source."""

    entries: Counter[tuple[str, str, Decimal, Decimal]] = field(default_factory=Counter)
    messages: Counter[tuple[str, str, str]] = field(default_factory=Counter)


@dataclass
class Change:
    """A row that is compared with what was said before. Amounts have no sign."""

    row: Row
    fine: LoadedFine
    is_new: bool
    said: Said
    new: Said
    paid_by: str  # the entry type for a lower balance
    fall: Decimal
    rise: Decimal
    open_credits: Decimal  # for this charge, at the library, after the load
    all_credits: Decimal  # the amounts of those that are not cancelled
    unexplained: Decimal  # what no credit explains; it may be more or less than the fall
    outstanding: Decimal  # without the credits on their way, before the load
    not_passed_on: Decimal  # of credits that were settled at the library, and not taken off the charge
    room: Decimal  # of a credit: how much more of it the bursar can take back


class LoadedFines(Oracle):
    """The expected state of all fines of one source and its users, and the outcome of the load that changes them."""

    def __init__(self, *, closes_exported_fines: bool) -> None:
        super().__init__()
        self.closes_exported_fines = closes_exported_fines
        self.by_source: dict[str, LoadedFine] = {}
        self.deferred: dict[str, Row] = {}
        self.users: dict[str, int] = {}
        self.warned: set[tuple[str, str, str]] = set()
        self.outcome = Outcome()

    def add_fine(
        self, fine: int, user: int, amount: Decimal, reverses: int | None = None, *, is_overpayment: bool = False
    ) -> None:
        self.fines[fine] = LoadedFine(fine, user, amount, amount, reverses=reverses, is_overpayment=is_overpayment)

    def select(self, batch: int) -> None:
        super().select(batch)
        if self.batch:
            accruing = {f.id for f in self.by_source.values() if f.said and f.said.status == "accruing"}
            self.batch.fines = {id_: sum_ for id_, sum_ in self.batch.fines.items() if id_ not in accruing}
            self.batch = self.batch if self.batch.fines or self.batch.reversals else None

    def close(self) -> None:
        assert self.batch is not None
        for id_, amount in self.batch.fines.items():
            self.at(id_).exported = abs(amount)
        super().close()

    def adjust(self, fine: LoadedFine, by: Decimal) -> None:
        if by:
            fine.original += by * fine.sign
            fine.balance += by * fine.sign
            self.entry(fine, "ADJUSTED", by * fine.sign)

    def reopen(self, fine: LoadedFine, rise: Decimal, limit: Decimal) -> Decimal:
        reopened = max(min(rise, fine.settled_by_loads, limit), NOTHING)
        if reopened:
            fine.balance += reopened * fine.sign
            fine.settled_by_loads -= reopened
            paid = min(reopened, fine.paid_by_loads)
            fine.paid_by_loads -= paid
            fine.paid_at_the_desk -= paid * fine.sign
            reversed_ = min(reopened - paid, abs(fine.reversed_here))
            fine.reversed_here -= reversed_ * fine.sign
            fine.waived -= (reopened - paid - reversed_) * fine.sign
            self.entry(fine, "REOPENED", reopened * fine.sign)
        return reopened

    def settle_by_load(self, fine: LoadedFine, amount: Decimal, kind: str) -> None:
        if not amount:
            return
        moved = amount * fine.sign
        fine.balance -= moved
        fine.settled_by_loads += amount
        if kind == "REVERSED":
            fine.reversed_here += moved
            fine.reversed_by_loads += amount
        elif kind == "PAID":
            fine.paid_at_the_desk += moved
            fine.paid_by_loads += amount
        else:
            fine.waived += moved
        self.entry(fine, kind, -moved)

    def settle_there(self, fine: LoadedFine, amount: Decimal, kind: str) -> None:
        if not amount:
            return
        fine.outstanding -= amount
        fine.pending_reversal += amount
        fine.settled_at_the_library += amount
        fine.settled_there_by_loads += amount
        if kind == "PAID":
            fine.paid_at_the_desk += amount
        else:
            fine.waived += amount
        self.entry(fine, kind, outstanding=-amount)

    def entry(self, fine: LoadedFine, kind: str, balance: Decimal = NOTHING, outstanding: Decimal = NOTHING) -> None:
        self.outcome.entries[fine.source_id, kind, balance, outstanding] += 1
        if kind == "DISPUTED":
            fine.status = "DISPUTED"
        elif fine.balance:
            fine.status = "DISPUTED" if fine.status == "DISPUTED" and kind != "DISPUTE_SETTLED" else "ACTIVE"
        elif fine.status != "TRANSFERRED" or (outstanding and not fine.outstanding):
            fine.status = "CLOSED"

    def types(self, fine: LoadedFine) -> set[str]:
        return {kind for source_id, kind, *_ in self.outcome.entries if source_id == fine.source_id}

    def warn(self, fine: LoadedFine, code: str, value: str) -> None:
        if code not in STATE_WARNINGS or (fine.source_id, code, value) not in self.warned:
            self.outcome.messages["warning", code, fine.source_id] += 1
        self.warned.add((fine.source_id, code, value))

    def place(self, fine: Fine) -> str:
        if self.is_claimed(fine):
            return "batch"
        return "bursar" if self.at(fine.id).exported else "library"

    def at(self, id_: int) -> LoadedFine:
        fine = self.fines[id_]
        assert isinstance(fine, LoadedFine)
        return fine
