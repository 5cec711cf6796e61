"""The rules of docs/reference/loading.md as a simple second implementation: one row after the other, in memory."""

from collections import Counter
from collections.abc import Iterable, Mapping
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
class _Change:
    """A row that is compared with what was said before. Amounts have no sign."""

    row: Row
    fine: LoadedFine
    is_new: bool
    said: Said
    new: Said
    paid_by: str  # the entry type for a lower balance
    fall: Decimal
    rise: Decimal
    unexplained: Decimal  # of the fall: what no credit explains


class LoadOracle(Oracle):
    """The expected state of all fines of one source and its users."""

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
            self._at(id_).exported = abs(amount)
        super().close()

    def load(self, rows: list[Row], ids: Mapping[str, int], *, complete: bool) -> Outcome:
        """Loads rows; `ids` has the ledger's ids of the new fines."""
        self.outcome = Outcome()
        named = {row["fine_id"] for row in rows}
        rows = [*(row for id_, row in self.deferred.items() if id_ not in named), *rows]
        self.deferred = {}
        accepted = self._reject(rows)
        new = [row for row in accepted if row["fine_id"] not in self.by_source]
        for row in new:
            self._charge(row, ids[row["fine_id"]])
        changes = [self._compare(row, accepted, is_new=row in new) for row in accepted]
        for change in [*(c for c in changes if not c.fine.is_credit), *(c for c in changes if c.fine.is_credit)]:
            self._warn_of_fixed_values(change)
            self._apply(change)
        if complete:
            present = {row["fine_id"] for row in rows}
            for id_, fine in self.by_source.items():
                if id_ not in present and (fine.balance or fine.outstanding):
                    self._warn(fine, "missing_fine", id_)
        return self.outcome

    def _reject(self, rows: list[Row]) -> list[Row]:
        """Returns the good rows."""
        good = []
        copies = Counter(row["fine_id"] for row in rows)
        for row in rows:
            if row["amount"] == "wrong":
                self._reject_row(row, "malformed")
            elif row["primary_id"] not in self.users:
                self._reject_row(row, "unknown_user")
            elif copies[row["fine_id"]] > 1:
                same = [other for other in rows if other["fine_id"] == row["fine_id"]]
                if any(other != row for other in same) or row is not same[0]:
                    self._reject_row(row, "repeated")
                else:
                    good.append(row)
            else:
                good.append(row)
        by_id = {row["fine_id"]: row for row in good}
        accepted = []
        left: dict[str, Decimal] = {}
        for row in good:
            charge_id, is_new = row["reverses"], row["fine_id"] not in self.by_source
            known = self.by_source.get(charge_id)
            if not charge_id:
                accepted.append(row)
            elif is_new and charge_id not in by_id and not known:
                self._reject_row(row, "unknown_charge")
            elif self._user_of_charge(charge_id, by_id, rows) not in (None, self.users[row["primary_id"]]):
                self._reject_row(row, "contradictory")
            elif is_new and -Decimal(row["amount"]) > left.setdefault(charge_id, self._reversible(known, by_id.get(charge_id))):
                self._reject_row(row, "too_much_reversed")
            else:
                if is_new:
                    left[charge_id] += Decimal(row["amount"])
                accepted.append(row)
        return accepted

    def _user_of_charge(self, charge_id: str, good: Mapping[str, Row], rows: Iterable[Row]) -> int | None:
        named = good.get(charge_id) or next((row for row in rows if row["fine_id"] == charge_id), None)
        if named:
            return self.users.get(named["primary_id"])
        return self.by_source[charge_id].user if charge_id in self.by_source else None

    def _reversible(self, charge: LoadedFine | None, row: Row | None) -> Decimal:
        if charge is None:
            assert row is not None
            return Decimal(row["amount"])
        grows = max(Decimal(row["amount"]) - charge.original, NOTHING) if row and self._place(charge) == "library" else 0
        return self.reversible_amount(charge) + grows

    def _charge(self, row: Row, id_: int) -> None:
        amount = Decimal(row["amount"])
        charge = self.by_source.get(row["reverses"])
        fine = LoadedFine(id_, self.users[row["primary_id"]], amount, amount, source_id=row["fine_id"])
        fine.reverses = charge.id if charge else -1 if row["reverses"] else None
        self.fines[id_] = self.by_source[row["fine_id"]] = fine
        for credit in self.by_source.values():  # which came before its charge in the file
            if credit.reverses == -1:
                credit.reverses = next((f.id for f in self.by_source.values() if f.source_id == row["reverses"]), -1)
        self._entry(fine, "CHARGED", amount)

    def _compare(self, row: Row, rows: list[Row], *, is_new: bool) -> _Change:
        fine = self.by_source[row["fine_id"]]
        amount, balance = abs(Decimal(row["amount"])), abs(Decimal(row["balance"]))
        said = Said(amount, amount, "open") if is_new else fine.said or Said(amount, abs(fine.balance), fine.status_said)
        status = row["status"] or ("open" if said.status == "cancelled" and balance else said.status)
        if not amount or status == "cancelled":
            amount, balance, status = amount or said.amount, NOTHING, "cancelled"
        new = Said(amount, balance, status)
        fall = said.balance + amount - said.amount - balance
        otherwise = [
            max(state.amount - state.balance - self._applied(fine, newer), NOTHING)
            for state, newer in ((said, []), (new, rows))
        ]
        return _Change(
            row,
            fine,
            is_new,
            said,
            new,
            paid_by="CANCELLED" if status == "cancelled" else (row["settled_as"] or "paid").upper(),
            fall=max(fall, NOTHING),
            rise=max(-fall, NOTHING),
            unexplained=max(otherwise[1] - otherwise[0], NOTHING),
        )

    def _applied(self, charge: LoadedFine, rows: list[Row]) -> Decimal:
        """Returns how much of its credits the library system has applied, with these rows."""
        applied = NOTHING
        named = {row["fine_id"]: row for row in rows}
        for credit in self.by_source.values():
            row = named.get(credit.source_id)
            if credit.reverses != charge.id or (row["status"] if row else "") == "cancelled":
                continue
            if row and (row["status"] or credit.status_said) != "cancelled":
                applied += abs(Decimal(row["amount"])) - abs(Decimal(row["balance"]))
            elif not row and credit.said and credit.said.status != "cancelled":
                applied += credit.said.amount - credit.said.balance
        return applied

    def _apply(self, change: _Change) -> None:
        fine = change.fine
        place = self._place(fine)
        charge = self.fines.get(fine.reverses or 0)
        if place == "batch" or place == "library" and not change.is_new and charge and self.is_claimed(charge):
            self._defer(change)
            return
        if not change.is_new:
            user = self.users[change.row["primary_id"]]
            if fine.user != user:
                fine.user = user
                self._entry(fine, "MOVED")
        if place == "bursar":
            self._apply_at_bursar(change)
        elif charge and self._place(charge) != "library":
            self._apply_credit_of_exported_charge(change)
        else:
            self._apply_at_library(change)
        if place != "bursar":
            self._dispute(change)
        fine.said, fine.status_said = change.new, change.new.status
        if change.is_new and charge and self.is_claimed(charge):    # the batch may be released
            fine.said, self.deferred[fine.source_id] = None, change.row

    def _apply_at_library(self, change: _Change) -> None:
        fine, said, new = change.fine, change.said, change.new
        before = abs(fine.balance)
        if new.status != "cancelled":
            if change.rise > self._reopen(fine, change.rise):
                self._warn(fine, "not_reopened", change.row["balance"])
            self._adjust(fine, max(new.amount - abs(fine.original), -abs(fine.balance)))
            if abs(fine.original) > new.amount:
                self._warn(fine, "settled_beyond_amount", change.row["amount"])
        if not change.fall and new.status != "cancelled":
            return
        settled = max(abs(fine.balance) - new.balance, NOTHING)
        if new.status == "cancelled" and fine.is_credit:
            reversed_ = NOTHING
        elif fine.is_credit:
            reversed_ = settled if fine.reverses else NOTHING
        else:
            reversed_ = min(settled, change.fall - change.unexplained)
        self._settle_by_load(fine, reversed_, "REVERSED")
        self._settle_by_load(fine, settled - reversed_, change.paid_by)
        if before < said.balance and not change.is_new and not fine.is_credit and new.status != "cancelled":
            self._warn(fine, "also_settled_here", change.row["balance"])

    def _apply_credit_of_exported_charge(self, change: _Change) -> None:
        """A new credit is open for what the bursar received and nothing took back since; the rest has its balance."""
        fine = change.fine
        if not change.is_new:
            if change.new.status == "cancelled" != change.said.status:
                self._warn(fine, "cancelled_late", change.row["status"])
            return
        amount = abs(fine.original)
        in_full = min(amount, self._received(fine))
        self._settle_by_load(fine, amount - in_full - min(amount - in_full, change.new.balance), "REVERSED")

    def _received(self, credit: LoadedFine) -> Decimal:
        charge = self._at(credit.reverses or 0)
        others = sum(
            (
                abs(other.original) - abs(other.waived) - abs(self._at(other.id).reversed_here)
                for other in self.list_credits(charge)
                if other.id < credit.id
            ),
            NOTHING,
        )
        received = charge.balance if self.is_claimed(charge) else charge.exported
        return max(received - charge.settled_there - others, NOTHING)

    def _apply_at_bursar(self, change: _Change) -> None:
        fine, said, new = change.fine, change.said, change.new
        is_cancelled = new.status == "cancelled"
        if new.amount != said.amount and not is_cancelled:
            self._warn(fine, "other_amount", change.row["amount"])
        elif new.balance > said.balance:
            self._warn(fine, "came_back", change.row["balance"])
        if new.status in ("disputed", "suspended") and new.status != said.status:
            self._warn(fine, "disputed_late", change.row["status"])
        if fine.is_credit:
            if is_cancelled and said.status != "cancelled":
                self._warn(fine, "cancelled_late", change.row["status"])
            return
        on_their_way = sum((abs(c.balance) + abs(c.outstanding) for c in self.list_credits(fine)), NOTHING)
        held = max(fine.outstanding - on_their_way, NOTHING)
        if is_cancelled:
            if said.status != "cancelled":
                self._settle_there(fine, held, "CANCELLED")
                if fine.paid_there > 0:
                    self._warn(fine, "cancelled_late", change.row["status"])
        elif not self.closes_exported_fines:
            limit = max(held - new.balance, NOTHING) if fine.paid_there > 0 else held
            settled = min(change.unexplained, limit)
            self._settle_there(fine, settled, change.paid_by)
            if settled < change.unexplained:
                self._warn(fine, "settled_twice", change.row["balance"])

    def _defer(self, change: _Change) -> None:
        row, said, new = change.row, change.said, change.new
        is_moved = change.fine.user != self.users[row["primary_id"]]
        if change.fine.said is None or said != new or is_moved:
            self.deferred[row["fine_id"]] = row
            self.outcome.messages["deferred", "in_unfinished_batch", row["fine_id"]] += 1

    def _dispute(self, change: _Change) -> None:
        fine, status = change.fine, change.new.status
        is_changed = change.is_new or change.said != change.new or "MOVED" in self._types(fine)
        if fine.balance and status in ("disputed", "suspended") and fine.status != "DISPUTED" and is_changed:
            self._entry(fine, "DISPUTED")
            fine.is_disputed_by_load = True
        elif fine.status == "DISPUTED" and fine.is_disputed_by_load and status in ("open", "accruing"):
            if change.said.status in ("disputed", "suspended"):
                self._entry(fine, "DISPUTE_SETTLED")

    def _adjust(self, fine: LoadedFine, by: Decimal) -> None:
        if by:
            fine.original += by * fine.sign
            fine.balance += by * fine.sign
            self._entry(fine, "ADJUSTED", by * fine.sign)

    def _reopen(self, fine: LoadedFine, rise: Decimal) -> Decimal:
        settled = abs(fine.original) - abs(fine.balance)
        reopened = min(rise, fine.settled_by_loads, settled)
        if reopened:
            fine.balance += reopened * fine.sign
            fine.settled_by_loads -= reopened
            paid = min(reopened, fine.paid_by_loads)
            fine.paid_by_loads -= paid
            fine.paid_at_the_desk -= paid * fine.sign
            reversed_ = min(reopened - paid, abs(fine.reversed_here))
            fine.reversed_here -= reversed_ * fine.sign
            fine.waived -= (reopened - paid - reversed_) * fine.sign
            self._entry(fine, "REOPENED", reopened * fine.sign)
        return reopened

    def _settle_by_load(self, fine: LoadedFine, amount: Decimal, kind: str) -> None:
        if not amount:
            return
        moved = amount * fine.sign
        fine.balance -= moved
        fine.settled_by_loads += amount
        if kind == "REVERSED":
            fine.reversed_here += moved
        elif kind == "PAID":
            fine.paid_at_the_desk += moved
            fine.paid_by_loads += amount
        else:
            fine.waived += moved
        self._entry(fine, kind, -moved)

    def _settle_there(self, fine: LoadedFine, amount: Decimal, kind: str) -> None:
        if not amount:
            return
        fine.outstanding -= amount
        fine.pending_reversal += amount
        fine.settled_at_the_library += amount
        if kind == "PAID":
            fine.paid_at_the_desk += amount
        else:
            fine.waived += amount
        self._entry(fine, kind, outstanding=-amount)

    def _entry(
        self, fine: LoadedFine, kind: str, balance: Decimal = NOTHING, outstanding: Decimal = NOTHING
    ) -> None:
        self.outcome.entries[fine.source_id, kind, balance, outstanding] += 1
        if kind == "DISPUTED":
            fine.status = "DISPUTED"
        elif fine.balance:
            fine.status = "DISPUTED" if fine.status == "DISPUTED" and kind != "DISPUTE_SETTLED" else "ACTIVE"
        elif fine.status != "TRANSFERRED" or (outstanding and not fine.outstanding):
            fine.status = "CLOSED"

    def _types(self, fine: LoadedFine) -> set[str]:
        return {kind for source_id, kind, *_ in self.outcome.entries if source_id == fine.source_id}

    def _warn_of_fixed_values(self, change: _Change) -> None:
        pass

    def _warn(self, fine: LoadedFine, code: str, value: str) -> None:
        if code not in STATE_WARNINGS or (fine.source_id, code, value) not in self.warned:
            self.outcome.messages["warning", code, fine.source_id] += 1
        self.warned.add((fine.source_id, code, value))

    def _reject_row(self, row: Row, code: str) -> None:
        self.outcome.messages["rejected", code, row["fine_id"]] += 1

    def _place(self, fine: Fine) -> str:
        if self.is_claimed(fine):
            return "batch"
        return "bursar" if self._at(fine.id).exported else "library"

    def _at(self, id_: int) -> LoadedFine:
        fine = self.fines[id_]
        assert isinstance(fine, LoadedFine)
        return fine
