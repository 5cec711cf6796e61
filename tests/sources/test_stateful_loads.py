"""Random histories of a library system whose files are loaded again and again, between desk, exports and imports.

The module is long because all events of a history are rules of one state machine.
"""

import csv
from collections import Counter
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Engine

from bursar.errors import LedgerError
from bursar.exports.close import close_fines
from bursar.exports.recover import release_batch
from bursar.ledger import desk
from bursar.sources.load_types import LoadResult
from tests.support.fake_bursar import FakeBursar, Payment
from tests.support.fixtures import Library, clear_ledger
from tests.support.library_books import CENT, NOTHING, USERS, Entry, LibraryBooks, take
from tests.support.library_system import LibrarySystem
from tests.support.load_invariants import check_bills, check_exports
from tests.support.load_oracle import LoadOracle

MANY = 100
"""Examples from which on a test is slow, and searches others each time."""
COLUMNS = tuple(Entry("", "", NOTHING, NOTHING).row())
AMOUNTS = st.integers(1, 9).map(Decimal)
PORTIONS = st.sampled_from([Decimal("0.3"), Decimal(1), Decimal(1)])
STATUSES = st.sampled_from(["open", "open", "accruing", "disputed", "suspended"])
KINDS = [
    "charge",
    "pay",
    "pay",
    "waive",
    "refund",
    "grow",
    "shrink",
    "shrink_beyond",
    "cancel",
    "return",
    "return",
    "lend",
    "apply",
]
LIMITED = ("waive", "shrink_beyond")
"""What a load can refuse, or leave to a person."""
Event = tuple[str, int, Decimal, Decimal, str]


def events(*kinds: str) -> st.SearchStrategy[list[Event]]:
    """Returns what happens in a library system between two files: the kind, to which fine or user, how much of it."""
    event_ = st.tuples(st.sampled_from(kinds), st.integers(0, 11), PORTIONS, AMOUNTS, STATUSES)
    return st.lists(event_, min_size=2, max_size=7)


def work(books: LibraryBooks, event_: Event) -> None:
    """Does in the library system what an event says."""
    kind, number, portion, amount, status = event_
    entry = list(books.entries.values())[number % len(books.entries)]
    if kind == "charge":
        books.charge(USERS[number % 3], amount, status)
    elif kind in ("pay", "waive"):
        books.settle(entry, portion, {"pay": "paid", "waive": "waived"}[kind])
    elif kind == "refund":
        books.refund(entry, portion)
    elif kind == "grow":
        books.grow(entry, amount)
    elif kind in ("shrink", "shrink_beyond"):
        books.shrink(entry, portion, beyond=kind == "shrink_beyond")
    elif kind == "cancel":
        books.cancel(entry)
    elif kind in ("return", "lend"):
        books.return_item(entry, portion, applied=kind == "return")
    elif kind == "apply":
        books.apply(entry)
    elif kind == "merge":
        books.merge(USERS[number % 3], USERS[(number + 1 + number // 6) % 3])
    else:
        books.mark(entry, status)


class HistoryOfLoads(RuleBasedStateMachine):
    """A library system that writes files, a ledger that loads them, a desk, and a bursar."""

    ledger: Engine
    owned_ledger: Engine

    def __init__(self) -> None:
        super().__init__()
        clear_ledger(self.owned_ledger)
        self.folder = TemporaryDirectory()
        self.library = Library(self.ledger)
        self.office = FakeBursar(self.library)
        self.system = LibrarySystem(self.ledger, Path(self.folder.name))
        self.books = LibraryBooks()
        self.oracle = LoadOracle(closes_exported_fines=False)
        self.is_checked = True

    def teardown(self) -> None:
        self.folder.cleanup()

    @initialize(closes=st.booleans(), amounts=st.lists(AMOUNTS, min_size=2, max_size=6))
    def begin(self, closes: bool, amounts: list[Decimal]) -> None:
        self.oracle.closes_exported_fines = closes
        self.system.load(
            users=[
                {"primary_id": user, "user_group": "STUDENT", "identifier:02": f"{number:08}"}
                for number, user in enumerate(USERS, 1)
            ]
        )
        self.oracle.users = dict(
            self.system.rows("SELECT value, user_id FROM identifiers WHERE type = 'userName' ORDER BY user_id")
        )
        for amount in amounts:
            self.books.charge("u1", amount)

    @precondition(lambda self: self.oracle.closes_exported_fines)
    @rule()
    def close_in_the_library_system(self) -> None:
        for entry in self.books.entries.values():
            fine = self.oracle.by_source.get(entry.id)
            if fine and fine.exported and not entry.is_credit:
                entry.balance = NOTHING

    @rule(
        events=events(*KINDS, "mark", "merge"),
        complete=st.booleans(),
        with_status=st.sampled_from([True, True, False]),
        wrong=st.sampled_from([99, 99, 99, 99, 0, 1, 2]),
        again=st.booleans(),
    )
    def load(self, events: list[Event], complete: bool, with_status: bool, wrong: int, again: bool) -> None:
        """Lets things happen in the library system, and loads its file; one row may be wrong."""
        for event_ in events:
            work(self.books, event_)
        rows = self.books.rows(complete=complete, with_status=with_status)
        if wrong < len(rows):
            rows[wrong] = rows[wrong] | {"amount": "wrong"}
        result = self._load(rows, complete=complete)
        if complete and not wrong < len(rows) and self.oracle.batch is None:
            closes = self.oracle.closes_exported_fines
            check_bills(self.system, self.books.entries, closes_exported_fines=closes)
        if again and not result.rejected:
            repeated = self._load(rows, complete=complete)
            assert (repeated.entries, repeated.counts.fines_added, repeated.counts.fines_changed) == ((), 0, 0), (
                repeated
            )
        for entry in result.entries:
            event(f"entry {entry.entry_type}{' there' if entry.outstanding_change else ''}")

    def _load(self, rows: list[dict[str, str]], *, complete: bool) -> LoadResult:
        rules = {"currency": "USD", "complete": complete, "closes_exported_fines": self.oracle.closes_exported_fines}
        result = self.system.load(fines=self._write(rows), rules=rules)
        ids = dict(self.system.rows("SELECT source_id, id FROM fines WHERE source_id IS NOT NULL"))
        expected = self.oracle.load(rows, ids, complete=complete)
        entries = Counter(
            self.system.rows(
                "SELECT coalesce(source_id, ''), entry_type, balance_change, outstanding_change"
                f" FROM journal_entries JOIN fines ON fines.id = fine_id WHERE load_id = {result.load_id}"
            )
        )
        assert entries == expected.entries, (entries - expected.entries, expected.entries - entries)
        messages = Counter((str(m.kind), m.code, m.source_id or "") for m in result.messages)
        assert messages == expected.messages, (messages - expected.messages, expected.messages - messages)
        self.is_checked = False
        for kind, code, _ in messages:
            event(f"{kind} {code}")
        return result

    def _write(self, rows: list[dict[str, str]]) -> Path:
        path = Path(self.folder.name) / "fines.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
        return path

    @rule(
        data=st.data(),
        operations=st.lists(
            st.tuples(st.sampled_from(["pay", "waive", "reverse", "dispute", "resolve"]), PORTIONS),
            min_size=1,
            max_size=3,
        ),
    )
    def work_at_desk(self, data: Any, operations: list[tuple[str, Decimal]]) -> None:
        """Tries operations at the desk; one that the rules forbid changes nothing."""
        for operation, portion in operations if self.oracle.fines else []:
            fine = data.draw(st.sampled_from(list(self.oracle.fines.values())))
            try:
                self._work_at_desk(fine, operation, portion)
            except LedgerError:
                continue
            event(f"desk: {operation}")

    def _work_at_desk(self, fine: Any, operation: str, portion: Decimal) -> None:
        amount = take(abs(fine.outstanding if fine.outstanding > 0 else fine.balance), portion) or CENT
        with self.ledger.begin() as connection:
            if operation in ("pay", "waive"):
                settle = desk.pay if operation == "pay" else desk.waive
                settle(connection, fine.id, amount, allow_activity_on_transferred_finesfees=True)
                self.oracle.settle(fine, amount, "pay" if operation == "pay" else "waive")
            elif operation == "reverse":
                credit = desk.reverse_charge(connection, fine.id, amount)
                self.oracle.add_fine(credit, fine.user, -amount, reverses=fine.id)
            elif operation == "dispute":
                desk.dispute(connection, fine.id, "says the student")
                fine.status, fine.is_disputed_by_load = "DISPUTED", False
            else:
                desk.resolve_dispute(connection, fine.id, "says the student")
                fine.status = "ACTIVE"
        self.is_checked = False

    @precondition(lambda self: self.oracle.batch is None)
    @rule()
    def select(self) -> None:
        self.oracle.select(self.office.export(close=False))

    @precondition(lambda self: self.oracle.batch is not None)
    @rule()
    def close(self) -> None:
        assert self.oracle.batch is not None
        fines = list(self.oracle.batch.fines)
        close_fines(self.ledger, self.oracle.batch.id)
        self.oracle.close()
        self.is_checked = False
        for fine in fines:
            self.oracle.fines[fine].transaction = self.library.one(
                "SELECT transaction_id FROM exported_fines WHERE fine_id = :fine", fine=fine
            )

    @rule()
    def export(self) -> None:
        if self.oracle.batch is None:
            self.select()
        if self.oracle.batch is not None:
            self.close()

    @precondition(lambda self: self.oracle.batch is not None)
    @rule()
    def release(self) -> None:
        assert self.oracle.batch is not None
        release_batch(self.ledger, self.oracle.batch.id, confirmed_not_received=True)
        self.oracle.batch = None

    @rule(
        data=st.data(),
        payments=st.lists(
            st.tuples(st.sampled_from(["full", "full", "partial", "over", "taken back"]), AMOUNTS),
            min_size=1,
            max_size=3,
        ),
    )
    def import_payments(self, data: Any, payments: list[tuple[str, Decimal]]) -> None:
        exported = [fine for fine in self.oracle.fines.values() if fine.transaction and fine.original > 0]
        for kind, amount in payments if exported else []:
            fine = data.draw(st.sampled_from(exported))
            sum_ = {
                "partial": min(amount, fine.outstanding / 2).quantize(CENT),
                "over": fine.outstanding + min(amount, fine.original),
                "taken back": fine.credits_made - fine.paid_at_the_bursar,
            }.get(kind, fine.outstanding or fine.original)
            self._pay(fine, sum_)

    def _pay(self, fine: Any, sum_: Decimal) -> None:
        (outcome,) = self.office.pay(Payment(fine.transaction, str(sum_)))
        expected, rest = self.oracle.apply_record(fine, sum_)
        assert outcome.outcome == expected
        event(expected)
        if rest and expected == "OVERPAID":
            credit = self.library.one("SELECT max(id) FROM fines WHERE reverses = :fine", fine=fine.id)
            self.oracle.add_fine(credit, fine.user, -rest, reverses=fine.id, is_overpayment=True)
        self.is_checked = False

    @precondition(lambda self: not self.is_checked)
    @invariant()
    def every_cent_is_accounted_for(self) -> None:
        self._compare_with_the_rules()
        check_exports(self.system)
        self.is_checked = True

    def _compare_with_the_rules(self) -> None:
        rows = self.system.rows(
            "SELECT fines.id, status, amount, user_id, balance, outstanding, pending_reversal,"
            " sum(balance_change), sum(outstanding_change), sum(reversal_change)"
            " FROM fines JOIN journal_entries ON fine_id = fines.id GROUP BY fines.id ORDER BY fines.id"
        )
        assert [row[0] for row in rows] == sorted(self.oracle.fines)
        for id_, status, amount, user, *sums in rows:
            fine = self.oracle.fines[id_]
            assert sums[:3] == sums[3:], fine
            assert (amount, user, status, *sums[:3]) == (
                fine.original, fine.user, fine.status, fine.balance, fine.outstanding, fine.pending_reversal,
            ), (fine, status, *map(str, sums))  # fmt: skip
            assert fine.original == fine.accounted_amount, fine


@pytest.mark.parametrize(
    "examples", [15, pytest.param(20 * MANY, marks=pytest.mark.slow)], ids=["some histories", "many histories"]
)
def test_any_history_of_loads_follows_the_rules(ledger: Engine, owned_ledger: Engine, examples: int) -> None:
    class History(HistoryOfLoads):
        pass

    History.ledger, History.owned_ledger = ledger, owned_ledger
    run_state_machine_as_test(
        History,
        settings=settings(
            max_examples=examples,
            derandomize=examples < MANY,  # random ones are searched by the slow tests
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
            report_multiple_bugs=False,
        ),
    )


@pytest.mark.parametrize(
    "examples", [8, pytest.param(3 * MANY, marks=pytest.mark.slow)], ids=["some days", "many days"]
)
def test_the_last_day_counts_whatever_was_loaded_in_between(
    ledger: Engine, owned_ledger: Engine, tmp_path: Path, examples: int
) -> None:
    """Without an export, complete files of all days leave the balances that those of the first and the last day do."""

    @settings(
        max_examples=examples,
        derandomize=examples < MANY,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    @given(days=st.lists(events(*(kind for kind in KINDS if kind not in LIMITED), "mark"), min_size=2, max_size=4))
    def load_days(days: list[Any]) -> None:
        books = LibraryBooks()
        books.charge("u1", Decimal(5))
        files = [books.rows(complete=True)]
        for day in days:
            for event_ in day:
                work(books, event_)
            files.append(books.rows(complete=True))
        assert load_all(files) == load_all([files[0], files[-1]])

    def load_all(files: list[list[dict[str, str]]]) -> list[Any]:
        clear_ledger(owned_ledger)
        Library(ledger)
        system = LibrarySystem(ledger, tmp_path)
        system.load(users=[{"primary_id": user, "user_group": "STUDENT"} for user in USERS])
        for rows in files:
            messages = system.load(fines=rows, rules={"currency": "USD", "complete": True}).messages
            assume(not messages)  # else a person has to act
        return system.rows(
            "SELECT source_id, status, balance, CASE WHEN source_status <> 'cancelled' THEN amount END"
            " FROM fines ORDER BY source_id"
        )

    load_days()
