"""The outbox of a library's system: what the system is informed of about its fines, each entry of the journal once.

An event is looked for in the system before it is written, also before the first time. That it is being written is
committed before the call. So a worker that is killed leaves an event of which nobody knows what became of it, and the
next run looks for it first. An error or a timeout never means that the event was not written.
"""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import Connection, Engine, Row

from bursar.db.queries import query
from bursar.errors import BursarError, TransientError
from bursar.ledger.entry_type import EntryType
from bursar.sources.readings import add_system
from bursar.sources.source_lock import confirm_lock, lock_source
from bursar.sources.statements import SOURCE_ID_TYPE
from bursar.sources.system import Answer, AnswerStatus, Event, EventKind, FailedRequestError, LibrarySystem
from bursar.sources.system_model import SystemSource

log = logging.getLogger(__name__)

REPEAT_AFTER_SECONDS = 300
"""How long after the end of an attempt an event that was not found is written again: its request may still arrive."""
MAX_ERRORS = 3
"""So many events in a row about which a system can't answer end a run: most likely it is the system as a whole."""
PAGE = 200
STATES = {"off": "off", "show": "shown", "on": "pending"}
"""The state of a new event by the mode of its kind."""


@dataclass(frozen=True)
class WriteCounts:
    """What became of the events that were due in a run. `held` ones wait for another event, or for more time."""

    done: int = 0
    refused: int = 0
    unknown: int = 0
    held: int = 0

    def add(self, name: str) -> "WriteCounts":
        """Returns the counts with one more of a name."""
        return replace(self, **{name: getattr(self, name) + 1})


@dataclass(frozen=True)
class Outbox:
    """The outbox of a source in the ledger."""

    engine: Engine
    source: SystemSource
    repeat_after_seconds: int = REPEAT_AFTER_SECONDS

    def write(self, system: LibrarySystem) -> WriteCounts:
        """Informs the system of all events that are due, oldest first, and returns what became of them.

        Events of kinds that are not `on` are collected, and not written.

        Raises:
            TransientError: the system can't be reached, or another worker writes. Nothing is lost.
            BursarError: the system refuses the login, its answer can't be read, or it lacks a name with which events
                are written.
        """
        with lock_source(self.engine, self.source.code) as lock, self.engine.connect() as ledger:
            self._collect(ledger)
            run = _Run(self.source, system, lock, ledger)
            # Those in doubt come last: some about which the system can't answer must not stop all others each time.
            in_doubt = list(self._list_due(ledger, "unknown"))
            for row in chain(self._list_due(ledger, "pending"), in_doubt):
                run.write(row)
            run.record_errors()
        log.info("Informed %s: %s.", self.source.name, describe_counts(run.counts))
        return run.counts

    def _collect(self, ledger: Connection) -> None:
        """Makes events of the journal's new entries. The first time, the journal so far is passed over."""
        states = {kind.value: STATES[self.source.write_back.mode_of(kind)] for kind in EventKind}
        parameters = {"source": self.source.code, "states": json.dumps(states)}
        with ledger.begin():
            add_system(ledger, self.source)
            ledger.execute(query("sources/collect_events"), parameters)
            ledger.execute(query("sources/move_collection"), parameters)

    def _list_due(self, ledger: Connection, state: str) -> Iterator[Row[Any]]:
        after = 0
        while True:
            parameters = {
                "source": self.source.code,
                "state": state,
                "kinds": self.source.write_back.kinds_in_mode("on"),
                "id_type": f"{SOURCE_ID_TYPE}:{self.source.code}",
                "repeat_after_seconds": self.repeat_after_seconds,
                "after": after,
                "limit": PAGE,
            }
            with ledger.begin():
                rows = ledger.execute(query("sources/list_due_events"), parameters).all()
            yield from rows
            if len(rows) < PAGE:
                return
            after = rows[-1].id


@dataclass
class _Run:
    """A run of an outbox, which holds the lock of its source by the connection `lock`.

    Its statements share the connection `ledger`, and each commits: no transaction is open while the system is called.
    `errors` are events in a row of which the system has answered what can't be read; `failures` counts those in a row
    that could not be written for such a reason.
    """

    source: SystemSource
    system: LibrarySystem
    lock: Connection
    ledger: Connection
    counts: WriteCounts = WriteCounts()
    held_fines: set[int] = field(default_factory=set)
    held_users: set[str] = field(default_factory=set)
    errors: list[tuple[Row[Any], BursarError]] = field(default_factory=list)
    failures: int = 0
    has_names: bool = False

    def write(self, row: Row[Any]) -> None:
        """Looks for an event in the system, and writes it if it is not there; raises as `Outbox.write`."""
        if row.fine_id in self.held_fines or row.user_id in self.held_users:
            self.counts = self.counts.add("held")
            return
        try:
            found = self.system.find(make_event(row))
        except BursarError as error:
            self.errors.append((row, error))
            self._hold(row, error)
            is_last = len(self.errors) == MAX_ERRORS
            if is_last and isinstance(error, FailedRequestError):  # else it may be the login, and no event is in doubt
                self.record_errors()
            if is_last or not _may_be_of_one_user(error):
                raise
            return
        self.record_errors()
        outcome = self._write_one(row, found)
        self.counts = self.counts.add(outcome)
        if outcome != "done":
            self.held_fines.add(row.fine_id)

    def record_errors(self) -> None:
        """Records events of which the system answers what can't be read. What they have changed there stays known."""
        for row, error in self.errors:
            self._record(row, row.attempts, Answer(AnswerStatus.UNKNOWN, str(error), row.balance_change))
            self.counts = self.counts.add(AnswerStatus.UNKNOWN.value)
        self.errors.clear()

    def _write_one(self, row: Row[Any], answer: Answer | None) -> str:
        """Records the answer about an event that was found, or writes one that was not.

        Returns what became of it, as a name in WriteCounts.
        """
        attempts = row.attempts
        if answer is None:
            if row.is_recent:
                return "held"
            if not self.has_names:
                self.system.check_names()
                self.has_names = True
            confirm_lock(self.lock)
            self._begin(row)
            attempts += 1
            try:
                answer = self.system.write(make_event(row), partial(confirm_lock, self.lock))
            except BursarError as error:  # others must not wait for this event
                self._record(row, attempts, Answer(AnswerStatus.UNKNOWN, str(error)))
                self._hold(row, error)
                self.failures += 1
                if self.failures == MAX_ERRORS:
                    raise
                return AnswerStatus.UNKNOWN.value
            self.failures = 0
        self._record(row, attempts, answer)
        return answer.status.value

    def _hold(self, row: Row[Any], error: BursarError) -> None:
        """Holds back the later events of a fine, and those of a user about whom the system can't answer."""
        self.held_fines.add(row.fine_id)
        if isinstance(error, FailedRequestError) and row.user_id:
            self.held_users.add(row.user_id)

    def _begin(self, row: Row[Any]) -> None:
        with self.ledger.begin():
            facts = {"id": row.id, "attempts": row.attempts}
            if self.ledger.execute(query("sources/begin_attempt"), facts).rowcount != 1:
                raise _make_conflict(row, self.source)

    def _record(self, row: Row[Any], attempts: int, answer: Answer) -> None:
        parameters = {
            "id": row.id,
            "attempts": attempts,
            "state": answer.status.value,
            "answer": answer.reason,
            "balance_change": answer.balance_change,
        }
        with self.ledger.begin():
            if not self.ledger.execute(query("sources/record_answer"), parameters).scalar_one():
                raise _make_conflict(row, self.source)
        if answer.status is not AnswerStatus.DONE:
            log.warning("Event %s of %s: %s. %s", row.id, self.source.code, answer.status.description, answer.reason)


def _may_be_of_one_user(error: BursarError) -> bool:
    """Returns whether an error may be about one user or fine alone, and not about the system as a whole."""
    return isinstance(error, FailedRequestError) or not isinstance(error, TransientError)


def _make_conflict(row: Row[Any], source: SystemSource) -> TransientError:
    return TransientError(f"Event {row.id} of {source.code} was changed by another worker or a person.")


def make_key(row: Row[Any]) -> UUID:
    """Returns the key of an event: it follows from the ledger, the source and the journal entry."""
    namespace: UUID = row.key_namespace
    return uuid5(namespace, f"{row.entry_id} {row.kind} {row.source_id}")


def make_event(row: Row[Any]) -> Event:
    """Makes the event of a row of `list_due_events`."""
    return Event(
        key=make_key(row),
        kind=EventKind(row.kind),
        entry_type=EntryType(row.entry_type),
        fine_id=row.source_id,
        user_id=row.user_id,
        amount=row.amount,
        currency=row.currency,
        occurred_at=row.posted_at,
        is_credit=row.is_credit,
        is_repeated=row.attempts > 0,
    )


def describe_counts(counts: WriteCounts) -> str:
    """Says what became of the events of a run."""
    words = {"done": "done", "refused": "refused", "unknown": "not known", "held": "waiting"}
    named = [f"{count:,} {words[name]}" for name, count in vars(counts).items() if count]
    return ", ".join(named) or "nothing was due"
