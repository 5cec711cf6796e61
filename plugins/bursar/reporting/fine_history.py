"""The history of a fine, from its charge to its payment, in words."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row

from bursar.db.queries import query
from bursar.ledger.entry_type import EntryType
from bursar.ledger.import_files import PaymentOutcome
from bursar.money import format_money
from bursar.sources.outbox_events import EventState, OutboxEvent
from bursar.sources.outbox_events import list_events as list_outbox_events

NO_EFFECT, RESENT, REPORTED = "NO EFFECT", "RESENT", "EVENT FOR THE LIBRARY'S SYSTEM"


@dataclass(frozen=True)
class Event:
    """An event in the history of a fine: an entry, a payment record without effect, a resent file, or an outbox event.

    `kind` is the type of the entry, NO_EFFECT, RESENT or REPORTED. `moment` is aware.
    """

    moment: datetime
    kind: str
    balance_change: Decimal
    outstanding_change: Decimal
    details: str


def list_events(connection: Connection, fine: Row[Any]) -> list[Event]:
    """Returns the events of a fine, a row of `commands/get_fine.sql`, in the order of time."""
    events = [
        *_journal_events(connection, fine),
        *(
            Event(
                record.applied_at,
                NO_EFFECT,
                Decimal(0),
                Decimal(0),
                f"{record.name}, line {record.line}, sum {record.sum or '-'}: "
                f"{record.reason or PaymentOutcome.describe(record.outcome)}",
            )
            for record in _fetch(connection, "list_ineffective_records", fine)
        ),
        *(
            Event(
                resend.delivered_at,
                RESENT,
                Decimal(0),
                Decimal(0),
                f"batch {resend.batch_id}: {resend.remote_folder}/{resend.file_name}"
                + (f", requested by {resend.requested_by}" if resend.requested_by else ""),
            )
            for resend in _fetch(connection, "list_resends_of_fine", fine)
        ),
        *(
            Event(
                one.answered_at or one.attempted_at or one.posted_at,
                REPORTED,
                Decimal(0),
                Decimal(0),
                _describe_event(one),
            )
            for one in list_outbox_events(connection, fine_id=fine.id)
            if one.state is not EventState.OFF
        ),
    ]
    return sorted(events, key=lambda event: event.moment)  # entries of one moment stay in the order of the journal


def _describe_event(event: OutboxEvent) -> str:
    """Says what the library's system is informed of, and what became of it."""
    parts = [
        f"event {event.id} for {event.source}: {event.kind.description}, {format_money(event.amount, event.currency)}",
        event.state.description + (f" ({event.answer})" if event.answer else ""),
        f"{event.decision} by {event.decided_by}" if event.decision else "",
    ]
    return "; ".join(filter(None, parts))


def describe_pending_reversal(fine: Row[Any]) -> str:
    """Returns which reversal of a row of `commands/get_fine.sql` the bursar has not received, or an empty text."""
    if fine.pending_reversal:
        return (
            f"The bursar does not know yet that {format_money(fine.pending_reversal, fine.currency)} of transaction "
            f"{fine.sent_as} was settled at the library. The next export of {fine.sent_by} reverses it."
        )
    if fine.balance < 0 and fine.charge_outstanding:
        return (
            f"The bursar does not know yet that this credit reverses transaction {fine.charge_sent_as}. The next "
            f"export of {fine.charge_sent_by} reverses it."
        )
    return ""


def _journal_events(connection: Connection, fine: Row[Any]) -> Iterator[Event]:
    for entry in _fetch(connection, "list_journal_entries", fine):
        yield Event(
            entry.posted_at,
            entry.entry_type,
            entry.balance_change,
            entry.outstanding_change,
            _describe_entry(entry, fine),
        )


def _describe_decision(entry: Row[Any], fine: Row[Any]) -> str:
    """Returns what a person decided about an overpayment beyond the limit; an empty text if nobody has."""
    if not entry.held_decision:
        return ""
    credit = f" as credit {entry.released_credit_id}" if entry.released_credit_id else ""
    amount = format_money(entry.held_amount, fine.currency)
    return f"{amount} of it was {entry.held_decision}{credit} by {entry.decided_by}"


def _describe_entry(entry: Row[Any], fine: Row[Any]) -> str:
    if entry.payment_file:
        credit = f" ({format_money(entry.credit_amount, fine.currency)})" if entry.credit_amount else ""
        words = PaymentOutcome.describe(entry.outcome)
        line = f", line {entry.payment_line}: {words}{credit}" if entry.payment_line else ""
        reason = f": {_describe_decision(entry, fine) or entry.reason}" if entry.reason else ""
        return f"{entry.payment_file}{line}{reason}"
    if entry.entry_type == EntryType.REVERSED and entry.batch_id and not entry.transaction_id:
        other = f"fine {fine.reverses}, which it reverses" if fine.reverses else "the credit that reverses it"
        return f"batch {entry.batch_id}: offset against {other}"
    if entry.entry_type == EntryType.REVERSED and entry.batch_id:
        return (
            f"{entry.file_name}, transaction {entry.transaction_id}, batch {entry.batch_id}, reverses "
            f"{format_money(-entry.reversal_change, fine.currency)} of transaction {entry.reversed_transaction_id}"
        )
    if entry.batch_id:
        return (
            f"{entry.file_name}, transaction {entry.transaction_id}, batch {entry.batch_id}, in {entry.remote_folder}"
        )
    facts = (
        entry.comment,
        entry.moved_to and f"to user {entry.moved_to}",
        entry.load_id and f"load {entry.load_id}",
        entry.posted_by and f"by {entry.posted_by}",
    )
    return ", ".join(filter(None, facts))


def _fetch(connection: Connection, statement: str, fine: Row[Any]) -> list[Row[Any]]:
    return list(connection.execute(query(f"commands/{statement}"), {"fine_id": fine.id}))
