"""Decisions of persons about events of the outbox that were refused, are unclear, or were only listed."""

from dataclasses import replace
from decimal import Decimal

import pytest

from bursar.errors import LedgerError, LedgerNotFoundError, TransientError
from bursar.sources.outbox import WriteCounts
from bursar.sources.outbox_events import EventState, get_event, list_events, mark_event_done, retry_event
from bursar.sources.source_lock import lock_source
from bursar.sources.system import AnswerStatus
from tests.support.memory_system import ALL_ON
from tests.support.memory_town import Town


def refuse(town: Town) -> int:
    """Has the handing over of a fine of 10.00 refused; returns the event."""
    town.charge("10.00")
    town.bursar.export()
    town.system.faults = ["refuse"]
    town.write()
    with town.library.ledger.connect() as connection:
        [event] = list_events(connection, states=[EventState.REFUSED])
    assert (event.answer, event.attempts) == ("the fine is closed", 1)
    return event.id


def test_a_person_has_a_refused_event_tried_again(town: Town) -> None:
    event = refuse(town)
    assert town.write() == WriteCounts()
    retry_event(town.library.ledger, event, by="anna")
    assert town.write() == WriteCounts(done=1)
    with town.library.ledger.connect() as connection:
        found = get_event(connection, event)
    assert (found.state, found.decided_by, found.decision) == (EventState.DONE, "anna", "retry")


def test_a_retry_does_not_make_an_unknown_event_one_that_certainly_has_not_arrived(town: Town) -> None:
    town.repeat_after_seconds = 300
    town.charge("10.00")
    town.bursar.export()
    town.system.faults = ["drop"]
    assert town.write() == WriteCounts(unknown=1)
    with town.library.ledger.connect() as connection:
        [event] = list_events(connection, states=[EventState.UNKNOWN])
    retry_event(town.library.ledger, event.id, by="anna")
    assert town.write() == WriteCounts(held=1)  # the request may be under way
    town.system.written.append((event.key, "1", Decimal(-10)))  # it arrives
    town.system.change("1", balance=Decimal(0))
    town.read()
    assert town.sync() == WriteCounts(done=1)
    assert (town.fine("1"), town.system.count("1")) == (("0.00", "10.00", "0.00"), 1)


def test_what_a_person_did_in_the_system_by_hand_is_no_payment_at_the_library(town: Town) -> None:
    event = refuse(town)
    town.system.change("1", balance=Decimal(0))
    mark_event_done(town.library.ledger, event, by="anna", balance=Decimal(0))
    town.sync()
    assert town.fine("1") == ("0.00", "10.00", "0.00")


def test_without_a_balance_the_library_has_done_it(town: Town) -> None:
    event = refuse(town)
    town.system.change("1", balance=Decimal(0))
    mark_event_done(town.library.ledger, event, by="anna")
    town.sync()
    assert town.fine("1") == ("0.00", "0.00", "10.00")


def test_an_event_that_was_only_listed_can_be_written_later(town: Town) -> None:
    town.change(write_back=ALL_ON | {"handed_over": "show"})
    town.charge("10.00")
    town.bursar.export()
    assert town.write() == WriteCounts()
    town.change(write_back=ALL_ON)
    assert town.write() == WriteCounts()
    with town.library.ledger.connect() as connection:
        [event] = list_events(connection, source="TOWN")
    with pytest.raises(LedgerError, match="is only listed: it can only be tried"):
        mark_event_done(town.library.ledger, event.id, by="anna")
    retry_event(town.library.ledger, event.id, by="anna")
    assert town.write() == WriteCounts(done=1)


def test_what_is_done_is_not_decided_again_and_a_balance_is_one_of_the_fine(town: Town) -> None:
    event = refuse(town)
    for balance in (Decimal("10.01"), Decimal(-1)):
        with pytest.raises(LedgerError, match=r"between 0 and its amount, [0-9]+\.[0-9]{2} USD"):
            mark_event_done(town.library.ledger, event, by="anna", balance=balance)
    with lock_source(town.library.ledger, "TOWN"), pytest.raises(TransientError):
        retry_event(town.library.ledger, event, by="anna")
    mark_event_done(town.library.ledger, event, by="anna")
    with pytest.raises(LedgerError, match=f"Event {event} is done: nothing is left to decide"):
        retry_event(town.library.ledger, event, by="anna")
    with pytest.raises(LedgerNotFoundError):
        retry_event(town.library.ledger, event + 1, by="anna")


def test_a_refusal_that_changed_something_there_is_no_payment_at_the_library(town: Town) -> None:
    town.charge("10.00")
    town.bursar.export()
    write = town.system.write
    town.system.write = lambda *given: replace(write(*given), status=AnswerStatus.REFUSED)  # type: ignore[method-assign]
    town.sync()
    assert town.events() == [("1", "handed_over", "10.00", "refused")]
    assert town.fine("1") == ("0.00", "10.00", "0.00")
    retry_event(town.library.ledger, list_ids(town)[0], by="anna")
    town.sync()
    assert town.rows("SELECT source_balance FROM fines") == [(Decimal(0),)]


def list_ids(town: Town) -> list[int]:
    """Returns the ids of the events."""
    with town.library.ledger.connect() as connection:
        return [event.id for event in list_events(connection)]
