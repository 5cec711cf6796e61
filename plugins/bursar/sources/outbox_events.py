"""The events of outboxes as people see them, and what people decide about those that wait for them."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Connection, Engine, Row

from bursar.db.queries import query
from bursar.described_enum import DescribedEnum
from bursar.errors import LedgerError, LedgerNotFoundError
from bursar.ledger.entry_type import EntryType
from bursar.money import format_money, validate_amount
from bursar.sources.outbox import make_key
from bursar.sources.source_lock import lock_source
from bursar.sources.system import EventKind


class EventState(DescribedEnum):
    """The state of an event in an outbox."""

    OFF = "off", "not written, since its kind was off"
    SHOWN = "shown", "only listed"
    PENDING = "pending", "to be written"
    UNKNOWN = "unknown", "not known whether it arrived"
    DONE = "done", "done"
    REFUSED = "refused", "refused"


WAITING = (EventState.REFUSED, EventState.UNKNOWN)
"""The states of events that wait for a person. The next run looks for an unknown one by itself."""


@dataclass(frozen=True)
class OutboxEvent:
    """An event of an outbox. `source_id` is the fine's id in the system, `answer` what the system said last.

    `balance_change` is what the event changed of the fine's balance there. `decided_by` is the person who decided it.
    """

    id: int
    source: str
    fine_id: int
    source_id: str
    currency: str
    kind: EventKind
    entry_type: EntryType
    entry_id: int
    posted_at: datetime
    amount: Decimal
    state: EventState
    attempts: int
    attempted_at: datetime | None
    answered_at: datetime | None
    answer: str
    balance_change: Decimal
    decision: Literal["retry", "done"] | None
    decided_by: str | None
    decided_at: datetime | None
    key: UUID

    @classmethod
    def of_row(cls, row: Row[Any]) -> "OutboxEvent":
        """Makes an event of a row of `list_events`."""
        values = dict(row._mapping)  # noqa: SLF001 - a documented part of the API
        values["key"] = make_key(row)
        del values["key_namespace"]
        values |= {"kind": EventKind(row.kind), "entry_type": EntryType(row.entry_type), "state": EventState(row.state)}
        return cls(**values)


def list_events(
    connection: Connection,
    *,
    source: str | None = None,
    states: Sequence[EventState] | None = None,
    fine_id: int | None = None,
    below: int | None = None,
    limit: int | None = None,
) -> list[OutboxEvent]:
    """Returns events, the newest first: of a source, in some states, of a fine, before the event `below`."""
    return _list(connection, source=source, states=states, fine_id=fine_id, below=below, limit=limit)


def get_event(connection: Connection, id_: int) -> OutboxEvent:
    """Returns an event.

    Raises:
        LedgerNotFoundError: there is no such event.
    """
    return get_events(connection, [id_])[0]


def get_events(connection: Connection, ids: Sequence[int]) -> list[OutboxEvent]:
    """Returns some events, the newest first.

    Raises:
        LedgerNotFoundError: there is no event of one of the ids.
    """
    events = _list(connection, ids=list(ids))
    if missing := sorted(set(ids) - {event.id for event in events}):
        raise LedgerNotFoundError(f"There is no event {missing[0]} (`bin/bursar sources outbox list` lists them).")
    return events


def retry_event(engine: Engine, *ids: int, by: str) -> None:
    """Has the next run try one or more events again: those that were refused, are not known, or were only listed.

    The run looks for each in the system first. One that is not known stays so until the system has answered about it.

    Raises:
        LedgerError: there is no such event, or it is done or to be written anyway. Then none is tried again.
        TransientError: a worker writes the events of a source of theirs.
    """
    with engine.connect() as connection:
        events = get_events(connection, ids)
    _decide(engine, events, "retry", by, None)


def mark_event_done(engine: Engine, id_: int, *, by: str, balance: Decimal | None = None) -> None:
    """Records that a person has dealt with an event, which is not written any more.

    `balance` is what the person has seen that the fine owes in the system now, with the sign of its amount. Then the
    next reading sees no change. Without it, what has changed there counts as done by the library.

    Raises:
        LedgerError: there is no such event, it is done, or the balance is not between zero and the fine's amount.
        TransientError: a worker writes the events of its source.
    """
    with engine.connect() as connection:
        event = get_event(connection, id_)
        amount = connection.execute(query("sources/get_said_amount"), {"fine_id": event.fine_id}).scalar_one()
    if balance is not None:
        validate_amount(balance, event.currency)
        if balance * amount < 0 or abs(balance) > abs(amount):
            shown = format_money(amount, event.currency)
            raise LedgerError(f"The balance of fine {event.fine_id} is between 0 and its amount, {shown}.")
    _decide(engine, [event], "done", by, balance)


def _decide(
    engine: Engine, events: Sequence[OutboxEvent], decision: Literal["retry", "done"], by: str, balance: Decimal | None
) -> None:
    ids = {event.id for event in events}
    with ExitStack() as locks:
        for source in sorted({event.source for event in events}):
            locks.enter_context(lock_source(engine, source))
        with engine.begin() as connection:
            parameters = {"ids": list(ids), "decision": decision, "person": by, "balance": balance}
            decided = connection.execute(query("sources/decide_event"), parameters).scalars()
            if undecided := sorted(ids - set(decided)):
                event = get_event(connection, undecided[0])
                choice = "it can only be tried" if event.state is EventState.SHOWN else "nothing is left to decide"
                raise LedgerError(f"Event {event.id} is {event.state.description}: {choice}.")


def _list(connection: Connection, **filters: Any) -> list[OutboxEvent]:  # noqa: ANN401
    parameters = dict.fromkeys(("source", "states", "fine_id", "ids", "below", "limit")) | filters
    if parameters["states"] is not None:
        parameters["states"] = [state.value for state in parameters["states"]]
    return [OutboxEvent.of_row(row) for row in connection.execute(query("sources/list_events"), parameters)]
