"""Random histories of a ledger: every cent is accounted for, and no user is charged twice, in any order of events.

The module is long because all events of a history are rules of one state machine.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import count
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Engine, text

from bursar.errors import LedgerError
from bursar.exports.close import close_fines
from bursar.exports.recover import release_batch
from bursar.imports.overpayments import reject_overpayment, release_overpayment
from bursar.ledger import desk
from bursar.users.deletion import delete_user
from bursar.users.purging import PurgeParams, purge_users
from bursar.users.waiving import WaiveParams, waive_fines
from tests.support.fake_bursar import FakeBursar, Payment
from tests.support.fixtures import Library, clear_ledger, make_settings
from tests.support.oracle import Fine, Oracle

CENT = Decimal("0.01")
CENTS = st.integers(1, 500).map(lambda cents: Decimal(cents) / 100)
RUNS = count(1)
PORTIONS = st.sampled_from([Decimal("0.01"), Decimal("0.5"), Decimal(1), Decimal(1)])
PAST_PURGE_DATE = date(2020, 1, 1)


class LedgerHistory(RuleBasedStateMachine):
    """A random history: fines, desk operations, exports, jobs, and a bursar that repeats, reorders and loses files."""

    ledger: Engine
    owned_ledger: Engine

    def __init__(self) -> None:
        super().__init__()
        clear_ledger(self.owned_ledger)
        self.library = Library(self.ledger)
        self.office = FakeBursar(self.library)
        self.user = self.library.user(purge=PAST_PURGE_DATE)
        self.oracle = Oracle()
        self.reported: list[tuple[int, Payment]] = []
        self.held: dict[tuple[int, int], tuple[int, Decimal]] = {}
        self.taken_back: set[tuple[int, int]] = set()

    @initialize(amounts=st.lists(CENTS, min_size=1, max_size=3), credits=st.lists(CENTS, max_size=2))
    def export_some_fines(self, amounts: list[Decimal], credits: list[Decimal]) -> None:  # noqa: A002
        for amount in amounts:
            self.add_fine(amount, credit=False)
        for amount in credits:
            self.add_fine(amount, credit=True)
        self.select()
        self.close()

    @rule(amount=CENTS, credit=st.booleans())
    def add_fine(self, amount: Decimal, credit: bool) -> None:
        signed = -amount if credit else amount
        self.oracle.add_fine(self.library.fine(self.user, str(signed)), self.user, signed)

    @rule(
        data=st.data(),
        portion=PORTIONS,
        operation=st.sampled_from(["pay", "pay", "waive", "refund", "dispute", "settle", "reverse"]),
        allowed=st.booleans(),
    )
    def work_at_desk(self, data: st.DataObject, portion: Decimal, operation: str, allowed: bool) -> None:
        """Tries an operation at the desk, in any state of the fine; one that the rules forbid changes nothing."""
        of_the_user = [fine for fine in self.oracle.fines.values() if fine.user == self.user]
        if not of_the_user:
            return
        fine = data.draw(st.sampled_from(of_the_user))
        if operation in ("pay", "waive"):
            self._settle(fine, portion, desk.pay if operation == "pay" else desk.waive, allowed=allowed)
        elif operation == "refund":
            self._refund(fine, portion, allowed=allowed)
        elif operation == "reverse":
            self._reverse(fine, portion)
        else:
            self._dispute(fine, settle=operation == "settle")

    def _settle(self, fine: Fine, portion: Decimal, operation: Callable[..., Any], *, allowed: bool) -> None:
        kind: Literal["pay", "waive"] = "pay" if operation is desk.pay else "waive"
        amount = _take_portion(abs(self.oracle.open_amount(fine, allowed=allowed)), portion)
        possible = amount <= self.oracle.movable_amount(fine, kind, allowed=allowed)
        self._try_at_desk(possible, operation, fine.id, amount, allow_activity_on_transferred_finesfees=allowed)
        if possible:
            event(f"{operation.__name__} {'outstanding' if fine.outstanding else 'balance'}")
            self.oracle.settle(fine, amount, kind)

    def _refund(self, fine: Fine, portion: Decimal, *, allowed: bool) -> None:
        paid = self.oracle.refundable_amount(fine, allowed=allowed)
        amount = _take_portion(paid, portion)
        self._try_at_desk(bool(paid), desk.refund, fine.id, amount, allow_activity_on_transferred_finesfees=allowed)
        if paid:
            event("refund")
            fine.paid_at_the_desk -= amount
            fine.waived += amount

    def _reverse(self, fine: Fine, portion: Decimal) -> None:
        left = self.oracle.reversible_amount(fine)
        amount = _take_portion(left, portion)
        credit = self._try_at_desk(left > 0, desk.reverse_charge, fine.id, amount)
        if credit:
            event(f"reverse {'what the bursar holds' if fine.outstanding else 'something else'}")
            self.oracle.add_fine(credit, self.user, -amount, reverses=fine.id)

    def _dispute(self, fine: Fine, *, settle: bool) -> None:
        disputed = fine.status == "DISPUTED"
        possible = disputed == settle and (settle or bool(fine.balance and not self.oracle.is_claimed(fine)))
        self._try_at_desk(possible, desk.resolve_dispute if settle else desk.dispute, fine.id, "says the student")
        if possible:
            fine.status = "ACTIVE" if settle else "DISPUTED"

    def _try_at_desk(self, possible: bool, operation: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        with self.library.ledger.begin() as connection:
            if possible:
                return operation(connection, *arguments, **options)
            with pytest.raises(LedgerError):
                operation(connection, *arguments, **options)
        return None

    @precondition(lambda self: self.oracle.batch is None)
    @rule()
    def select(self) -> None:
        """Selects fines; the desk and the bursar continue until the batch is closed."""
        self.oracle.select(self.office.export(close=False))

    @precondition(lambda self: self.oracle.batch is not None)
    @rule()
    def close(self) -> None:
        assert self.oracle.batch is not None
        fines = list(self.oracle.batch.fines)
        close_fines(self.library.ledger, self.oracle.batch.id)
        self.oracle.close()
        for fine in fines:
            self.oracle.fines[fine].transaction = self.library.one(
                "SELECT transaction_id FROM exported_fines WHERE fine_id = :fine", fine=fine
            )

    @precondition(lambda self: self.oracle.batch is not None)
    @rule()
    def release(self) -> None:
        assert self.oracle.batch is not None
        release_batch(self.library.ledger, self.oracle.batch.id, confirmed_not_received=True)
        self.oracle.batch = None

    @rule(threshold=st.integers(0, 12), allowed=st.booleans())
    def waive_in_bulk(self, threshold: int, allowed: bool) -> None:
        form = {"dry_run": False, "threshold": threshold, "reason": "Amnesty"}
        expected = self._list_waivable(threshold, allowed=allowed)
        waive_fines(
            self.ledger,
            WaiveParams.of_form(form),
            _make_settings(allowed),
            run_id=_next_run_id(),
            as_of=datetime.now(UTC),
        )
        event(f"waived in bulk: {min(len(expected), 2)}")
        self._record_waivers(expected, allowed=allowed)

    def _list_waivable(self, threshold: int, *, allowed: bool) -> list[Fine]:
        active = self.oracle.list_active(self.user)
        if self.oracle.get_debt(self.user) > threshold or sum(fine.balance + fine.outstanding < 0 for fine in active):
            return []
        held = {*self.oracle.batch.fines, *self.oracle.batch.reversals} if self.oracle.batch else set()
        return [
            fine
            for fine in active
            if self.oracle.open_amount(fine, allowed=allowed)
            and fine.status != "DISPUTED"
            and fine.id not in held
            and not self.oracle.is_reversed_too_far(fine)
        ]

    def _record_waivers(self, fines: list[Fine], *, allowed: bool) -> None:
        for fine in fines:
            self.oracle.settle(fine, abs(self.oracle.open_amount(fine, allowed=allowed)), "waive")

    @rule(threshold=st.integers(0, 12), allowed=st.booleans())
    def purge(self, threshold: int, allowed: bool) -> None:
        active = self.oracle.list_active(self.user)
        outstanding = any(fine.outstanding for fine in active)
        kept = (
            (
                self.oracle.batch is not None
                and bool({*self.oracle.batch.fines, *self.oracle.batch.reversals} & {f.id for f in active})
            )
            or (outstanding and not allowed)
            or any(
                fine.outstanding < 0 or fine.pending_reversal or fine.held or fine.status == "DISPUTED"
                for fine in active
            )
            or self.oracle.get_debt(self.user) > threshold
            or self.oracle.get_debt(self.user) < 0
            or any(self.oracle.is_reversed_too_far(fine) for fine in active)
        )
        form = {"dry_run": False, "waive_threshold": threshold}
        job = purge_users(
            self.ledger,
            PurgeParams.of_form(form),
            _make_settings(allowed),
            run_id=_next_run_id(),
            as_of=datetime.now(UTC),
        )
        if not kept:
            self._record_waivers([f for f in active if self.oracle.open_amount(f, allowed=allowed)], allowed=allowed)
        assert job.users == int(not kept and not outstanding)
        if job.users:
            event("purged")
            self._add_next_user()

    @rule()
    def delete(self) -> None:
        if self.oracle.list_active(self.user):
            with pytest.raises(LedgerError):
                delete_user(self.ledger, self.user)
        else:
            event("deleted")
            assert delete_user(self.ledger, self.user)
            self._add_next_user()

    def _add_next_user(self) -> None:
        self.oracle.deleted_users.add(self.user)
        self.user = self.library.user(purge=PAST_PURGE_DATE)

    @rule(
        data=st.data(),
        kinds=st.lists(
            st.sampled_from(
                [
                    "full",
                    "full",
                    "partial",
                    "over",
                    "far over",
                    "returned",
                    "as sent",
                    "wrong sign",
                    "nothing",
                    "unknown",
                    "replayed",
                    "reversal",
                ]
            ),
            min_size=1,
            max_size=6,
        ),
        amount=CENTS,
        applied=st.sampled_from([0, 1, 1, 1, 2]),
    )
    def import_payments(self, data: st.DataObject, kinds: list[str], amount: Decimal, applied: int) -> None:
        """Imports a payment file, which may be lost, applied twice, or repeat records of others."""
        exported = [fine for fine in self.oracle.fines.values() if fine.transaction]
        if not exported:
            return
        records = []
        for kind in kinds:
            if kind == "replayed" and self.reported:
                records.append(data.draw(st.sampled_from(self.reported)))
            else:
                records.append(self._make_record(data.draw(st.sampled_from(exported)), kind, amount))
        file = self.office.add_file(*(payment for _, payment in records))
        for _ in range(applied):
            self.office.apply(file)
        if applied:
            self.reported += records
            expected = [
                self._expect_outcome(fine, payment, (file, number))
                for number, (fine, payment) in enumerate(records, start=1)
            ]
            assert [outcome.outcome for outcome in self.office.list_outcomes(file)] == expected
            for outcome in expected:
                event(outcome)

    def _make_record(self, fine: Fine, kind: str, amount: Decimal) -> tuple[int, Payment]:
        sign = 1 if fine.original > 0 else -1
        if kind == "reversal" and (reversal := self._find_reversal(fine)):
            return fine.id, Payment(reversal, str(-amount))
        sums = {
            "partial": sign * min(amount, abs(fine.outstanding) / 2).quantize(CENT),
            "over": fine.outstanding + sign * amount,
            "far over": fine.outstanding + fine.original + sign * amount,
            "returned": fine.credits_made - fine.paid_at_the_bursar,
            "as sent": fine.outstanding + sign * fine.settled_at_the_library,
            "wrong sign": -sign * amount,
            "nothing": Decimal(),
        }
        sum_ = sums.get(kind, fine.outstanding or fine.original)
        return fine.id, Payment("unknown" if kind == "unknown" else fine.transaction, str(sum_))

    @precondition(lambda self: self.held)
    @rule(data=st.data(), is_released=st.booleans())
    def decide_about_an_overpayment(self, data: st.DataObject, is_released: bool) -> None:
        """Releases or rejects a held overpayment, twice; the fine may have got any other payment meanwhile."""
        record = data.draw(st.sampled_from(sorted(self.held)))
        fine_id, rest = self.held.pop(record)
        fine = self.oracle.fines[fine_id]
        if is_released and record in self.taken_back:
            with pytest.raises(LedgerError, match="takes the payment back"):
                release_overpayment(self.library.ledger, *record, by="anna")
            is_released = False
        decide = release_overpayment if is_released else reject_overpayment
        decided = [decide(self.library.ledger, *record, by="anna") for _ in range(2)]
        assert decided[0] == decided[1]
        event(str(decided[0].decision))
        fine.held -= rest
        if decided[0].credit_id:
            self.oracle.give_credit(fine, rest)
            self.oracle.add_fine(decided[0].credit_id, fine.user, -rest, reverses=fine_id, is_overpayment=True)

    def _find_reversal(self, fine: Fine) -> str | None:
        """Returns the transaction id of a reversal of the fine that was exported to the bursar."""
        found: str | None = self.library.one(
            "SELECT min(transaction_id) FROM batch_lines JOIN batches ON batches.id = batch_id"
            " WHERE fine_id = :fine AND reversal AND closed_at IS NOT NULL",
            fine=fine.id,
        )
        return found

    def _expect_outcome(self, fine_id: int, payment: Payment, record: tuple[int, int]) -> str:
        if payment.transaction_id == "unknown":
            return "UNMATCHED"
        fine = self.oracle.fines[fine_id]
        if payment.transaction_id != fine.transaction:
            return "NO_PAYMENT"
        outcome, rest = self.oracle.apply_record(fine, Decimal(payment.sum or 0))
        if outcome in ("PAYMENT_REVERSED", "INVALID") and Decimal(payment.sum or 0) * fine.original < 0:
            self.taken_back |= {held for held, (held_fine, _) in self.held.items() if held_fine == fine_id}
        if outcome == "OVERPAID_HELD":
            self.held[record] = (fine_id, rest)
        elif rest:
            credit = self.library.one(
                "SELECT id FROM fines WHERE reverses = :fine AND id <> ALL (:known) ORDER BY id LIMIT 1",
                fine=fine_id,
                known=list(self.oracle.fines),  # a file may overpay a fine twice
            )
            self.oracle.add_fine(int(credit), fine.user, -rest, reverses=fine_id, is_overpayment=True)
        return outcome

    @invariant()
    def every_cent_is_accounted_for(self) -> None:
        with self.library.ledger.connect() as connection:
            rows = connection.execute(
                text(
                    "SELECT fines.id, status, balance, outstanding, pending_reversal,"
                    " sum(balance_change), sum(outstanding_change), sum(reversal_change)"
                    " FROM fines JOIN journal_entries ON fine_id = fines.id GROUP BY fines.id ORDER BY fines.id"
                )
            ).all()
        assert [row[0] for row in rows] == sorted(self.oracle.fines)
        for id_, status, *sums in rows:
            fine = self.oracle.fines[id_]
            assert sums[:3] == sums[3:]
            assert (status, *sums[:3]) == (fine.status, fine.balance, fine.outstanding, fine.pending_reversal)
            assert fine.original == fine.accounted_amount

    @invariant()
    def no_user_is_charged_twice(self) -> None:
        """Compares the amounts sent to the bursar, less reversals and payments, with the outstanding amounts."""
        with self.library.ledger.connect() as connection:
            (held, outstanding, twice) = connection.execute(
                text(
                    "WITH sent AS (SELECT batch_lines.* FROM batch_lines JOIN batches ON batches.id = batch_id"
                    " WHERE closed_at IS NOT NULL)"
                    " SELECT (SELECT coalesce(sum(amount), 0) FROM sent)"
                    " - (SELECT coalesce(sum(applied), 0) FROM import_records),"
                    " (SELECT coalesce(sum(outstanding + pending_reversal), 0) FROM fines),"
                    " (SELECT count(*) - count(DISTINCT fine_id) FROM sent WHERE NOT reversal)"
                )
            ).one()
        assert (held, twice) == (outstanding, 0)


def _take_portion(whole: Decimal, portion: Decimal) -> Decimal:
    return max(CENT, (whole * portion).quantize(CENT))


def _make_settings(allowed: bool) -> Any:
    return make_settings(allow_activity_on_transferred_finesfees=allowed)


def _next_run_id() -> str:
    return f"job {next(RUNS)}"


@pytest.mark.usefixtures("partition_count")
def test_any_history_accounts_for_every_cent(ledger: Engine, owned_ledger: Engine) -> None:
    class HistoryOfLedger(LedgerHistory):
        pass

    HistoryOfLedger.ledger, HistoryOfLedger.owned_ledger = ledger, owned_ledger
    run_state_machine_as_test(
        HistoryOfLedger,
        settings=settings(
            max_examples=13,  # on each of the two paths
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
