"""The outbox of a library's system: what the system is informed of about its fines, each entry of the journal once.

An event is looked for in the system before it is written, also before the first time. That it is being written is
committed before the call. So a worker that is killed leaves an event of which nobody knows what became of it, and the
next run looks for it first. An error or a timeout never means that the event was not written.
"""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import Connection, Engine, Row

from bursar.db.queries import query
from bursar.errors import BursarError, TransientError
from bursar.ledger.entry_type import EntryType
from bursar.sources.readings import add_system
from bursar.sources.source_lock import confirm_lock, lock_source
from bursar.sources.statements import SOURCE_ID_TYPE
from bursar.sources.system import Answer, AnswerStatus, Event, EventKind, LibrarySystem
from bursar.sources.system_model import SystemSource

log = logging.getLogger(__name__)

REPEAT_AFTER_SECONDS = 300
"""How long after an attempt an event that was not found is written again: a lost request may still arrive."""
MAX_ERRORS = 3
"""As many events in a row, of which a system answers what can't be read, end a run: most likely it is the system."""
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

    def collect(self) -> None:
        """Makes events of the journal's new entries. The first time, the journal so far is passed over."""
        states = {kind.value: STATES[self.source.write_back.mode_of(kind)] for kind in EventKind}
        parameters = {"source": self.source.code, "states": json.dumps(states)}
        with self.engine.begin() as connection:
            add_system(connection, self.source)
            connection.execute(query("sources/collect_events"), parameters)
            connection.execute(query("sources/move_collection"), parameters)

    def write(self, system: LibrarySystem) -> WriteCounts:
        """Informs the system of all events that are due, oldest first, and returns what became of them.

        Events of kinds that are not `on` are collected, and not written.

        Raises:
            TransientError: the system can't be reached, or another worker writes. Nothing is lost.
            BursarError: the system refuses the login, or its answer can't be read.
        """
        counts = WriteCounts()
        with lock_source(self.engine, self.source.code) as lock:
            self.collect()
            held: set[int] = set()
            errors: list[tuple[Row[Any], BursarError]] = []  # in a row
            for row in self._list_due():
                if row.fine_id in held:
                    counts = counts.add("held")
                    continue
                try:
                    found = system.find(make_event(row))
                except BursarError as error:
                    errors.append((row, error))
                    held.add(row.fine_id)
                    if isinstance(error, TransientError) or len(errors) == MAX_ERRORS:
                        raise
                    continue
                counts = self._record_errors(errors, counts)
                errors.clear()
                outcome = self._write_one(system, row, found, lock)
                counts = counts.add(outcome)
                if outcome != "done":
                    held.add(row.fine_id)
            counts = self._record_errors(errors, counts)
        log.info("Informed %s: %s.", self.source.name, describe_counts(counts))
        return counts

    def _list_due(self) -> Iterator[Row[Any]]:
        after = 0
        while True:
            parameters = {
                "source": self.source.code,
                "kinds": self.source.write_back.kinds_in_mode("on"),
                "id_type": f"{SOURCE_ID_TYPE}:{self.source.code}",
                "repeat_after_seconds": self.repeat_after_seconds,
                "after": after,
                "limit": PAGE,
            }
            with self.engine.connect() as connection:
                rows = connection.execute(query("sources/list_due_events"), parameters).all()
            yield from rows
            if len(rows) < PAGE:
                return
            after = rows[-1].id

    def _record_errors(self, errors: list[tuple[Row[Any], BursarError]], counts: WriteCounts) -> WriteCounts:
        """Records events of which the system answers what can't be read, and returns the counts with them."""
        for row, error in errors:
            self._record(row, row.attempts, Answer(AnswerStatus.UNKNOWN, str(error)))
            counts = counts.add(AnswerStatus.UNKNOWN.value)
        return counts

    def _write_one(self, system: LibrarySystem, row: Row[Any], answer: Answer | None, lock: Connection) -> str:
        """Records the answer about an event that was found, or writes one that was not.

        Returns what became of it, as a name in WriteCounts.
        """
        event = make_event(row)
        attempts = row.attempts
        if answer is None:
            if row.is_recent:
                return "held"
            confirm_lock(lock)
            self._begin(row)
            attempts += 1
            try:
                answer = system.write(event, partial(confirm_lock, lock))
            except BursarError as error:  # which a system does not raise; others must not wait for this event
                answer = Answer(AnswerStatus.UNKNOWN, str(error))
        self._record(row, attempts, answer)
        return answer.status.value

    def _begin(self, row: Row[Any]) -> None:
        with self.engine.begin() as connection:
            begun = connection.execute(query("sources/begin_attempt"), {"id": row.id, "attempts": row.attempts})
            if begun.rowcount != 1:
                raise _make_conflict(row, self.source)

    def _record(self, row: Row[Any], attempts: int, answer: Answer) -> None:
        parameters = {
            "id": row.id,
            "attempts": attempts,
            "state": answer.status.value,
            "answer": answer.reason,
            "balance_change": answer.balance_change,
        }
        with self.engine.begin() as connection:
            if not connection.execute(query("sources/record_answer"), parameters).scalar_one():
                raise _make_conflict(row, self.source)
        if answer.status is not AnswerStatus.DONE:
            log.warning("Event %s of %s: %s. %s", row.id, self.source.code, answer.status.description, answer.reason)


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
    )


def describe_counts(counts: WriteCounts) -> str:
    """Says what became of the events of a run."""
    words = {"done": "done", "refused": "refused", "unknown": "not known", "held": "waiting"}
    named = [f"{count:,} {words[name]}" for name, count in vars(counts).items() if count]
    return ", ".join(named) or "nothing was due"
