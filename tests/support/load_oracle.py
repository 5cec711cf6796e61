"""The rules of docs/reference/loading.md as a simple second implementation: one row after the other, in memory."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from tests.support.loaded_fines import Change, LoadedFine, LoadedFines, Outcome, Row, Said
from tests.support.oracle import NOTHING


class LoadOracle(LoadedFines):
    """What a load does to the expected fines."""

    def load(self, rows: Sequence[Row], ids: Mapping[str, int], *, complete: bool) -> Outcome:
        """Loads rows; `ids` has the ledger's ids of the new fines."""
        self.outcome = Outcome()
        self.were_deferred = set(self.deferred)
        self.lowered: list[tuple[Change, LoadedFine]] = []
        named = {row["fine_id"] for row in rows}
        rows = [*(row for id_, row in self.deferred.items() if id_ not in named), *rows]
        accepted = self._reject(rows)
        done = {row["fine_id"] for row in accepted}
        self.deferred = {id_: row for id_, row in self.deferred.items() if id_ not in done}
        new = [row for row in accepted if row["fine_id"] not in self.by_source]
        for row in new:
            self._charge(row, ids[row["fine_id"]])
        changes = [self._compare(row, accepted, is_new=row in new) for row in accepted]
        for change in sorted(changes, key=self._order):
            self._apply(change)
        for change, charge in self.lowered:
            self._warn_of_smaller_credit(change, charge)
        if complete:
            present = {row["fine_id"] for row in rows}
            for id_, fine in self.by_source.items():
                if id_ not in present and (fine.balance or fine.outstanding):
                    self.warn(fine, "missing_fine", id_)
        return self.outcome

    def _order(self, change: Change) -> int:
        """Returns 0 for charges at the library, 1 for credits, and 2 for charges at a bursar, which credits change."""
        if change.fine.is_credit:
            return 1
        return 2 if self.place(change.fine) == "bursar" else 0

    def _reject(self, rows: list[Row]) -> list[Row]:
        """Returns the good rows."""
        good = [row for row in rows if not self._is_rejected(row, self._fault(row, rows))]
        by_id = {row["fine_id"]: row for row in good}
        left: dict[str, Decimal] = {}
        return [row for row in good if not self._is_rejected(row, self._fault_of_credit(row, by_id, rows, left))]

    def _is_rejected(self, row: Row, code: str) -> bool:
        if code:
            self.outcome.messages["rejected", code, row["fine_id"]] += 1
        return bool(code)

    def _fault(self, row: Row, rows: list[Row]) -> str:
        same = [other for other in rows if other["fine_id"] == row["fine_id"]]
        if row["amount"] == "wrong":
            return "malformed"
        return "repeated" if any(other != row for other in same) or row is not same[0] else ""

    def _fault_of_credit(self, row: Row, good: Mapping[str, Row], rows: list[Row], left: dict[str, Decimal]) -> str:
        charge_id, known = row["reverses"], self.by_source.get(row["reverses"])
        if not charge_id:
            return ""
        is_new = row["fine_id"] not in self.by_source
        if is_new and charge_id not in good and not known:
            return "unknown_charge"
        if self._user_of_charge(charge_id, good, rows) != self.users[row["primary_id"]]:
            return "contradictory"
        if is_new:
            amount = -Decimal(row["amount"])
            if amount > left.setdefault(charge_id, self._reversible(known, good.get(charge_id))):
                return "too_much_reversed"
            left[charge_id] -= amount
        return ""

    def _user_of_charge(self, charge_id: str, good: Mapping[str, Row], rows: Iterable[Row]) -> int | None:
        named = good.get(charge_id) or next((row for row in rows if row["fine_id"] == charge_id), None)
        if named:
            return self.users.get(named["primary_id"])
        return self.by_source[charge_id].user if charge_id in self.by_source else None

    def _reversible(self, charge: LoadedFine | None, row: Row | None) -> Decimal:
        if charge is None:
            assert row is not None
            return Decimal(row["amount"])
        grows = max(Decimal(row["amount"]) - charge.original, NOTHING) if row and self.place(charge) == "library" else 0
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
        self.entry(fine, "CHARGED", amount)

    def _compare(self, row: Row, rows: list[Row], *, is_new: bool) -> Change:
        fine = self.by_source[row["fine_id"]]
        amount, balance = abs(Decimal(row["amount"])), abs(Decimal(row["balance"]))
        unsaid = balance if self.place(fine) == "bursar" else abs(fine.balance)  # of a row that was deferred when new
        said = Said(amount, amount, "open") if is_new else fine.said or Said(amount, unsaid, fine.status_said)
        status = row["status"] or ("open" if said.status == "cancelled" and balance else said.status)
        if not amount or status == "cancelled":
            amount, balance, status = amount or said.amount, NOTHING, "cancelled"
        new = Said(amount, balance, status)
        fall = said.balance + amount - said.amount - balance
        otherwise = [
            max(state.amount - state.balance - self._applied(fine, newer), NOTHING)
            for state, newer in ((said, []), (new, rows))
        ]
        return Change(
            row,
            fine,
            is_new,
            said,
            new,
            outstanding=fine.outstanding
            - sum((abs(c.balance) + abs(c.outstanding) for c in self.list_credits(fine)), NOTHING),
            paid_by="CANCELLED" if status == "cancelled" else (row["settled_as"] or "paid").upper(),
            fall=max(fall, NOTHING),
            rise=max(-fall, NOTHING),
            open_credits=self._sum_credits(fine, rows, "balance"),
            all_credits=self._sum_credits(fine, rows, "amount"),
            unexplained=otherwise[1] - otherwise[0],
            not_passed_on=self._not_passed_on(fine),
            room=self._room(fine, rows),
        )

    def _room(self, credit: LoadedFine, rows: list[Row]) -> Decimal:
        """Returns how much more of a credit its bursar can take back, beside all credits and what others grow by."""
        if credit.reverses not in self.fines:
            return NOTHING
        charge, named = self.at(credit.reverses), {row["fine_id"]: row for row in rows}
        room = charge.exported - charge.settled_there
        for other in map(self.at, (each.id for each in self.list_credits(charge))):
            room -= self._claim(other)
            row = named.get(other.source_id) if other.source_id else None
            if row and other is not credit:
                room -= max(abs(Decimal(row["amount"])) - abs(other.original), NOTHING)
        return max(room, NOTHING)

    def _claim(self, credit: LoadedFine) -> Decimal:
        """Returns what of a credit was neither waived nor settled at the library."""
        return abs(credit.original) - abs(credit.waived) - abs(credit.reversed_here)

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

    def _sum_credits(self, charge: LoadedFine, rows: list[Row], column: str) -> Decimal:
        sum_, named = NOTHING, {row["fine_id"]: row for row in rows}
        for fine in self.list_credits(charge):
            credit = self.at(fine.id)
            row = named.get(credit.source_id) if credit.source_id else None
            said = credit.said.status if credit.said else credit.status_said
            value = abs(Decimal(row[column])) if row else abs(credit.original)
            if column == "balance":
                sum_ += min(abs(credit.balance), NOTHING if row and row["status"] == "cancelled" else value)
            elif ((row["status"] if row else "") or said) != "cancelled":
                sum_ += value
        return sum_

    def _apply(self, change: Change) -> None:
        fine = change.fine
        place = self.place(fine)
        charge = self.fines.get(fine.reverses or 0)
        if place == "batch" or (charge and self.is_claimed(charge) and place == "library" and not change.is_new):
            self._defer(change)
            return
        if not change.is_new:
            user = self.users[change.row["primary_id"]]
            if fine.user != user:
                fine.user = user
                self.entry(fine, "MOVED")
                self._move_credits(change)
        if place == "bursar":
            self._apply_at_bursar(change)
        elif charge and self.place(charge) != "library":
            self._apply_credit_of_exported_charge(change)
        else:
            self._apply_at_library(change)
        if place != "bursar":
            self._dispute(change)
        fine.said, fine.status_said = change.new, change.new.status
        if change.is_new and charge and self.is_claimed(charge):  # the batch may be released
            fine.said, self.deferred[fine.source_id] = None, change.row

    def _apply_at_library(self, change: Change) -> None:
        fine, said, new = change.fine, change.said, change.new
        before = abs(fine.balance)
        if new.status != "cancelled":
            self.adjust(fine, max(new.amount - abs(fine.original), -before))
            reopened = self.reopen(fine, change.rise, new.balance - abs(fine.balance))
            if change.rise > reopened and new.balance > abs(fine.balance):
                self.warn(fine, "not_reopened", change.row["balance"])
            if abs(fine.original) > new.amount:
                self.warn(fine, "settled_beyond_amount", change.row["amount"])
        if change.open_credits and not fine.is_credit:
            is_cancelled = new.status == "cancelled" != said.status
            if is_cancelled or (new.status != "cancelled" and change.all_credits > new.amount < said.amount):
                self.warn(fine, "credits_beyond_amount", change.row["amount"])
        if not change.fall and new.status != "cancelled":
            return
        settled = max(abs(fine.balance) - new.balance, NOTHING)
        if new.status == "cancelled" and fine.is_credit:
            reversed_ = NOTHING
        elif fine.is_credit:
            reversed_ = settled if fine.reverses else NOTHING
        else:
            reversed_ = min(settled, change.fall - max(min(change.unexplained, change.fall), NOTHING))
        self.settle_by_load(fine, reversed_, "REVERSED")
        self.settle_by_load(fine, settled - reversed_, change.paid_by)
        if not fine.is_credit:
            self._warn_of_settlement(change, before, settled > reversed_)

    def _warn_of_settlement(self, change: Change, before: Decimal, is_settled: bool) -> None:
        if is_settled and change.paid_by == "WAIVED" and change.open_credits > change.new.balance:
            self.warn(change.fine, "credits_beyond_amount", change.row["balance"])
        if before < change.said.balance and not change.is_new and change.new.status != "cancelled":
            self.warn(change.fine, "also_settled_here", change.row["balance"])

    def _apply_credit_of_exported_charge(self, change: Change) -> None:
        """A new credit is open for what the bursar received and nothing took back since; the rest has its balance."""
        fine = change.fine
        if change.new.status == "cancelled":
            if fine.balance and not change.is_new:
                self.lowered.append((change, self.at(fine.reverses or 0)))
            self.settle_by_load(fine, abs(fine.balance), "CANCELLED")
            return
        if not change.is_new:
            self._adjust_credit_of_exported_charge(change)
            return
        amount = abs(fine.original)
        in_full = min(amount, self._received(fine))
        self.settle_by_load(fine, amount - in_full - min(amount - in_full, change.new.balance), "REVERSED")

    def _adjust_credit_of_exported_charge(self, change: Change) -> None:
        """A credit that is open as a whole follows its amount, as far as its bursar can take back so much."""
        fine, said, new = change.fine, change.said, change.new
        by = new.amount - abs(fine.original)
        if fine.balance == fine.original and by <= change.room:
            self.adjust(fine, by)
            if by < 0:
                self.lowered.append((change, self.at(fine.reverses or 0)))
        if said.status == "cancelled":
            self.warn(fine, "not_reopened", change.row["status"])
        elif new.amount not in (said.amount, abs(fine.original)):
            self.warn(fine, "other_amount", change.row["amount"])

    def _warn_of_smaller_credit(self, change: Change, charge: LoadedFine) -> None:
        said = charge.said
        credits_ = [fine for fine in self.fines.values() if fine.reverses == charge.id]
        asked = charge.outstanding - sum((abs(c.balance) + abs(c.outstanding) for c in credits_), NOTHING)
        is_said_to_be_less = said and (said.status == "cancelled" or said.balance or not self.closes_exported_fines)
        if said and is_said_to_be_less and asked > said.balance:
            self.warn(change.fine, "still_owed", change.row["amount"])

    def _move_credits(self, change: Change) -> None:
        held = False
        for id_ in [fine.id for fine in self.fines.values() if fine.reverses == change.fine.id and fine.balance]:
            credit = self.at(id_)
            if credit.user != change.fine.user and self.is_claimed(credit):
                held = True
            elif credit.user != change.fine.user:
                credit.user = change.fine.user
                self.entry(credit, "MOVED")
        if held:
            self.warn(change.fine, "credit_not_moved", change.row["primary_id"])

    def _received(self, credit: LoadedFine) -> Decimal:
        charge = self.at(credit.reverses or 0)
        others = sum(
            (self._claim(self.at(other.id)) for other in self.list_credits(charge) if other.id < credit.id),
            NOTHING,
        )
        received = charge.balance if self.is_claimed(charge) else charge.exported
        return max(received - charge.settled_there - others, NOTHING)

    def _apply_at_bursar(self, change: Change) -> None:
        fine, said, new = change.fine, change.said, change.new
        if new.amount != said.amount and new.status != "cancelled":
            self.warn(fine, "other_amount", change.row["amount"])
        elif new.balance > said.balance:
            self.warn(fine, "came_back", change.row["balance"])
        if new.status in ("disputed", "suspended") and new.status != said.status:
            self.warn(fine, "disputed_late", change.row["status"])
        is_cancelled = new.status == "cancelled" != said.status
        if fine.is_credit:
            if is_cancelled:
                self.warn(fine, "cancelled_late", change.row["status"])
        else:
            on_their_way = sum((abs(c.balance) + abs(c.outstanding) for c in self.list_credits(fine)), NOTHING)
            self._settle_at_bursar(change, max(fine.outstanding - on_their_way, NOTHING), is_cancelled=is_cancelled)

    def _settle_at_bursar(self, change: Change, held: Decimal, *, is_cancelled: bool) -> None:
        fine, new = change.fine, change.new
        if is_cancelled:
            self.settle_there(fine, held, "CANCELLED")
            if fine.paid_there > 0:
                self.warn(fine, "cancelled_late", change.row["status"])
        elif self.closes_exported_fines and not new.balance:
            is_unclear = fine.source_id in self.were_deferred and change.said.balance and change.outstanding > 0
            if is_unclear and new.status != "cancelled":
                self.warn(fine, "paid_or_closed", change.row["balance"])
        elif new.status != "cancelled":
            limit = max(held - new.balance, NOTHING) if fine.paid_there > 0 else held
            unexplained = max(min(change.unexplained + change.not_passed_on, change.fall), NOTHING)
            settled = min(unexplained, limit)
            self.settle_there(fine, settled, change.paid_by)
            if settled < unexplained:
                self.warn(fine, "settled_twice", change.row["balance"])

    def _not_passed_on(self, charge: LoadedFine) -> Decimal:
        """Returns the credits that loads settled at the library, and did not take off their charge."""
        reversed_ = sum((self.at(credit.id).reversed_by_loads for credit in self.list_credits(charge)), NOTHING)
        return max(reversed_ - charge.reversed_by_loads - charge.settled_there_by_loads, NOTHING)

    def _defer(self, change: Change) -> None:
        row, said, new = change.row, change.said, change.new
        is_moved = change.fine.user != self.users[row["primary_id"]]
        if change.fine.said is None or said != new or is_moved:
            self.deferred[row["fine_id"]] = row
            self.outcome.messages["deferred", "in_unfinished_batch", row["fine_id"]] += 1

    def _dispute(self, change: Change) -> None:
        fine, status = change.fine, change.new.status
        is_changed = change.is_new or change.said != change.new or "MOVED" in self.types(fine)
        if fine.balance and status in ("disputed", "suspended") and fine.status != "DISPUTED" and is_changed:
            self.entry(fine, "DISPUTED")
            fine.is_disputed_by_load = True
        elif (
            fine.status == "DISPUTED"
            and fine.is_disputed_by_load
            and change.said.status in ("disputed", "suspended")
            and status in ("open", "accruing")
        ):
            self.entry(fine, "DISPUTE_SETTLED")
