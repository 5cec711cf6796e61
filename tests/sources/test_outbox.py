"""The outbox: what a library's system is informed of, once, whatever fails; and what a person decides."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from sqlalchemy import Engine

from bursar.errors import BursarError, LedgerError, LedgerNotFoundError, TransientError
from bursar.ledger import desk
from bursar.sources.outbox import WriteCounts
from bursar.sources.outbox_events import EventState, get_event, list_events, mark_event_done, retry_event
from bursar.sources.source_lock import lock_source
from bursar.sources.system import Answer, AnswerStatus, Confirm, Event, confirm_alone
from tests.support.fake_bursar import Payment
from tests.support.fault_injection import KilledError, KillSwitch
from tests.support.memory_system import ALL_ON, Town

DESK: dict[str, Any] = {"by": "anna"}


def charge(town: Town, *amounts: str) -> None:
    """Adds fines 1, 2 and so on, and reads them."""
    for number, amount in enumerate(amounts, 1):
        town.system.charge(str(number), amount)
    town.read()


def id_of(town: Town, source_id: str = "1") -> int:
    """Returns the internal id of a fine."""
    [(id_,)] = town.rows("SELECT id FROM fines WHERE source_id = :id", id=source_id)
    return int(id_)


def pay_at_bursar(town: Town, amount: str, fine: str = "1") -> None:
    """Reports a payment."""
    town.bursar.pay(Payment(town.bursar.get_transaction(id_of(town, fine)), amount))


def test_a_fine_that_was_handed_over_is_closed_in_the_system_and_the_next_reading_changes_nothing(town: Town) -> None:
    charge(town, "10.00", "4.00")
    town.bursar.export()
    assert town.sync() == WriteCounts(done=2)
    assert [fine.balance for fine in town.system.fines.values()] == [0, 0]
    assert (town.fine("1"), town.fine("2")) == (("0.00", "10.00", "0.00"), ("0.00", "4.00", "0.00"))
    assert town.sync() == WriteCounts()
    assert town.system.count("1") == 1


def test_what_was_paid_at_the_desk_before_the_closing_is_settled_there_and_reversed_at_the_bursar(town: Town) -> None:
    charge(town, "10.00")
    town.bursar.export()
    town.system.change("1", balance=Decimal(7))
    town.sync()
    assert town.system.written[0][2] == Decimal(-7)
    assert town.fine("1") == ("0.00", "7.00", "3.00")


def test_each_entry_becomes_the_event_of_its_kind(town: Town) -> None:
    charge(town, "10.00", "20.00", "30.00", "40.00", "50.00")
    with town.library.ledger.begin() as connection:
        desk.waive(connection, id_of(town, "2"), Decimal(5), **DESK)
        desk.pay(connection, id_of(town, "3"), Decimal(6), **DESK)
        desk.refund(connection, id_of(town, "3"), Decimal(6), **DESK)
        desk.dispute(connection, id_of(town, "5"), "not mine", **DESK)
        desk.reverse_charge(connection, id_of(town, "4"), Decimal(8), **DESK)
    town.bursar.export()
    pay_at_bursar(town, "10.00")
    pay_at_bursar(town, "-4.00")
    pay_at_bursar(town, "21.00", "2")  # overpaid by 6: the credit is a matter of the bursar
    town.write()
    assert town.events() == [
        ("2", "reversed", "5.00", "done"),
        ("3", "reversed", "6.00", "done"),
        ("4", "reversed", "8.00", "done"),
        ("1", "handed_over", "10.00", "done"),
        ("2", "handed_over", "15.00", "done"),
        ("3", "handed_over", "24.00", "done"),
        ("4", "handed_over", "40.00", "done"),
        ("1", "paid_at_bursar", "10.00", "done"),
        ("1", "owed_again", "4.00", "done"),
        ("2", "paid_at_bursar", "15.00", "done"),
    ]


def test_what_came_from_the_system_does_not_go_back_to_it(town: Town) -> None:
    charge(town, "10.00", "20.00")
    town.system.change("1", balance=Decimal(0))
    town.system.change("2", amount=Decimal(25), balance=Decimal(15))
    town.read()
    town.bursar.export()
    town.system.change("2", balance=Decimal(5))
    town.read()
    assert town.fine("2") == ("0.00", "5.00", "10.00")
    town.write()
    assert town.events() == [("2", "handed_over", "15.00", "done")]


def test_fines_of_other_sources_are_not_its_concern(town: Town) -> None:
    town.library.fine(town.library.user())
    town.bursar.export()
    town.write()
    assert town.events() == []


def test_going_live_tells_nothing_of_what_happened_before(town: Town) -> None:
    charge(town, "10.00", "20.00", "30.00")
    town.change(write_back=ALL_ON | {"handed_over": "off"})
    town.bursar.export()
    town.write()
    town.change(write_back=ALL_ON | {"paid_at_bursar": "show"})
    pay_at_bursar(town, "10.00")
    town.write()
    town.change(write_back=ALL_ON)
    pay_at_bursar(town, "20.00", "2")
    assert town.write() == WriteCounts(done=1)
    assert [(*event[:2], event[3]) for event in town.events()] == [
        *((number, "handed_over", "off") for number in "123"),
        ("1", "paid_at_bursar", "shown"),
        ("2", "paid_at_bursar", "done"),
    ]


def test_a_new_source_passes_over_the_journal_so_far(town: Town, owned_ledger: Engine) -> None:
    charge(town, "10.00", "20.00")
    with town.library.ledger.begin() as connection:
        desk.waive(connection, id_of(town), **DESK)
    with owned_ledger.begin() as connection:
        connection.exec_driver_sql("DELETE FROM outbox_events; DELETE FROM system_sources")
    town.write()
    assert town.events() == []


def test_entries_of_the_last_days_are_looked_at_again(town: Town, owned_ledger: Engine) -> None:
    charge(town, "10.00")
    town.bursar.export()
    town.write()
    with owned_ledger.begin() as connection:
        connection.exec_driver_sql("DELETE FROM outbox_events")  # as if the entry had not been visible
    for _ in range(3):
        assert town.write() == WriteCounts(done=1)
        with owned_ledger.begin() as connection:
            connection.exec_driver_sql(
                "DELETE FROM outbox_events; UPDATE system_sources SET seen_at = seen_at - interval '25 hours'"
            )
    assert town.write() == WriteCounts()


def test_an_answer_that_was_lost_is_found_by_the_next_run(town: Town) -> None:
    charge(town, "10.00")
    town.bursar.export()
    town.system.faults = ["lose"]
    assert town.sync() == WriteCounts(unknown=1)
    assert town.fine("1") == ("0.00", "10.00", "0.00")
    assert town.sync() == WriteCounts(done=1)
    assert (town.fine("1"), town.system.count("1")) == (("0.00", "10.00", "0.00"), 1)


def test_an_event_that_never_arrived_is_written_again_when_a_late_request_is_impossible(town: Town) -> None:
    town.repeat_after_seconds = 300
    charge(town, "10.00")
    town.bursar.export()
    town.system.faults = ["drop"]
    assert town.write() == WriteCounts(unknown=1)
    assert town.write() == WriteCounts(held=1)
    town.repeat_after_seconds = 0
    assert town.write() == WriteCounts(done=1)


def test_while_an_event_is_unclear_the_rows_of_its_fine_wait(town: Town) -> None:
    charge(town, "10.00", "5.00")
    town.bursar.export()
    town.system.faults = ["lose"]
    town.write()
    town.system.change("2", balance=Decimal(0))
    [result] = town.read()
    assert [(message.code, message.source_id) for message in result.messages] == [("unclear_event", "1")]
    assert town.fine("1") == ("0.00", "10.00", "0.00")
    town.write()
    town.read()
    assert town.rows("SELECT count(*) FROM deferred_fines") == [(0,)]
    assert town.fine("1") == ("0.00", "10.00", "0.00")


@pytest.mark.parametrize(("fault", "state"), [("refuse", "refused"), ("drop", "unknown")])
def test_an_event_holds_back_the_later_ones_of_its_fine_only(town: Town, fault: Any, state: str) -> None:
    town.repeat_after_seconds = 300
    charge(town, "10.00", "20.00")
    town.bursar.export()
    pay_at_bursar(town, "10.00")
    pay_at_bursar(town, "20.00", "2")
    town.system.faults = [fault]
    town.write()
    town.write()
    assert town.events() == [
        ("1", "handed_over", "10.00", state),
        ("2", "handed_over", "20.00", "done"),
        ("1", "paid_at_bursar", "10.00", "pending"),
        ("2", "paid_at_bursar", "20.00", "done"),
    ]


def test_a_system_that_is_down_ends_the_run_and_nothing_is_lost(town: Town) -> None:
    charge(town, "10.00")
    town.bursar.export()
    town.system.is_down = True
    with pytest.raises(TransientError):
        town.write()
    assert town.events() == [("1", "handed_over", "10.00", "pending")]
    town.system.is_down = False
    assert town.write() == WriteCounts(done=1)


def test_an_error_while_an_event_is_written_is_no_answer_and_stops_no_other_event(town: Town) -> None:
    charge(town, "10.00", "20.00")
    town.bursar.export()
    write = town.system.write

    def fail_for_the_first(event: Event, confirm: Confirm = confirm_alone) -> Answer:
        if event.fine_id == "1":
            raise TransientError("the connection has ended")
        return write(event, confirm)

    town.system.write = fail_for_the_first  # type: ignore[method-assign]
    assert town.write() == WriteCounts(done=1, unknown=1)
    assert [(event[0], event[3]) for event in town.events()] == [("1", "unknown"), ("2", "done")]


def test_an_event_of_which_the_system_answers_nonsense_stops_no_other_event(town: Town) -> None:
    charge(town, "10.00", "20.00", "30.00")
    town.bursar.export()
    find = town.system.find

    def fail_for_the_first(event: Any) -> Any:
        if event.fine_id == "1":
            raise BursarError("the answer can't be read")
        return find(event)

    town.system.find = fail_for_the_first  # type: ignore[method-assign]
    assert town.write() == WriteCounts(done=2, unknown=1)
    assert town.system.count("1") == 0
    town.system.find = find  # type: ignore[method-assign]
    assert town.write() == WriteCounts(done=1)


def test_a_system_that_answers_nothing_that_can_be_read_ends_the_run(town: Town) -> None:
    """As one that refuses the login: it is not asked for each event."""
    charge(town, *["10.00"] * 5)
    town.bursar.export()
    asked = []

    def fail(event: Any) -> Any:
        asked.append(event.fine_id)
        raise BursarError("the login is refused")

    town.system.find = fail  # type: ignore[method-assign]
    with pytest.raises(BursarError, match="login"):
        town.write()
    assert asked == ["1", "2", "3"]


def test_only_one_worker_writes_at_a_time(town: Town) -> None:
    charge(town, "10.00")
    town.bursar.export()
    with lock_source(town.library.ledger, "TOWN"), pytest.raises(TransientError):
        town.write()
    assert town.system.written == []


def test_a_worker_that_lost_its_lock_writes_nothing_more(town: Town) -> None:
    charge(town, "10.00", "20.00")
    town.bursar.export()
    find = town.system.find

    def find_and_lose_the_lock(event: Any) -> Any:
        town.lose_lock()
        return find(event)

    town.system.find = find_and_lose_the_lock  # type: ignore[method-assign]
    with pytest.raises(Exception, match="terminat|connection|closed"):
        town.write()
    assert town.system.written == []


def test_a_worker_that_loses_its_lock_just_before_it_sends_sends_nothing(town: Town) -> None:
    """A client may take the error for a lost answer; then the next event ends the run."""
    charge(town, "10.00", "20.00")
    town.bursar.export()
    write = town.system.write

    def write_late(event: Event, confirm: Confirm = confirm_alone) -> Answer:
        town.lose_lock()
        try:
            return write(event, confirm)
        except TransientError as error:
            return Answer(AnswerStatus.UNKNOWN, str(error))

    town.system.write = write_late  # type: ignore[method-assign]
    with pytest.raises(TransientError):
        town.write()
    assert (town.system.written, [event[3] for event in town.events()]) == ([], ["unknown", "pending"])


def test_a_worker_whose_event_another_one_has_begun_does_not_write_it(town: Town) -> None:
    charge(town, "10.00")
    town.bursar.export()
    find = town.system.find

    def find_late(event: Any) -> Any:
        with town.library.ledger.begin() as connection:
            connection.exec_driver_sql("UPDATE outbox_events SET state = 'unknown', attempts = attempts + 1")
        return find(event)

    town.system.find = find_late  # type: ignore[method-assign]
    with pytest.raises(Exception, match="changed by another worker"):
        town.write()
    assert town.system.written == []


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_worker_killed_at_any_act_writes_each_event_once(town: Town, after: bool) -> None:
    """Kills a worker before or after each call to the system and each commit, in turn, until it survives."""
    for kill_at in count():
        fine = str(kill_at)
        town.system.charge(fine, "10.00")
        town.read()
        town.bursar.export()
        switch = town.system.switch = KillSwitch(kill_at=kill_at, after=after)
        try:
            with switch.watch_commits(town.library.ledger):
                town.write()
        except KilledError:
            pass
        is_over = len(switch.acts) <= kill_at
        town.system.switch = KillSwitch()
        town.read()
        town.write()
        town.read()
        assert (town.system.count(fine), town.fine(fine)) == (1, ("0.00", "10.00", "0.00"))
        if is_over:
            break
    assert {"find", "write", "commit"} <= set(switch.acts)
    assert {event[3] for event in town.events()} == {"done"}


def test_the_key_of_an_event_is_the_same_at_each_attempt_in_a_ledger(town: Town, owned_ledger: Engine) -> None:
    charge(town, "10.00")
    town.bursar.export()
    keys = []
    find = town.system.find

    def note(event: Any) -> Any:
        keys.append(event.key)
        return find(event)

    town.system.find = note  # type: ignore[method-assign]
    town.system.faults = ["drop"]
    town.write()
    town.write()
    with owned_ledger.begin() as connection:
        connection.exec_driver_sql("UPDATE outbox_events SET state = 'pending'")
        connection.exec_driver_sql("UPDATE system_sources SET key_namespace = gen_random_uuid()")
    town.write()
    assert keys[0] == keys[1] != keys[2]


def test_a_moment_of_an_event_is_that_of_its_entry(town: Town) -> None:
    charge(town, "10.00")
    town.bursar.export()
    events = []
    find = town.system.find
    town.system.find = lambda event: (events.append(event), find(event))[1]  # type: ignore[method-assign, func-returns-value]
    town.write()
    assert (datetime.now(UTC) - events[0].occurred_at).total_seconds() < 60
    assert (events[0].user_id, events[0].currency, events[0].is_credit) == ("7", "USD", False)


def refuse(town: Town) -> int:
    """Has the handing over of a fine of 10.00 refused; returns the event."""
    charge(town, "10.00")
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
    charge(town, "10.00")
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


def test_an_answer_does_not_make_up_a_balance_that_the_source_has_not_given(town: Town, owned_ledger: Engine) -> None:
    charge(town, "10.00")
    with owned_ledger.begin() as connection:
        connection.exec_driver_sql("UPDATE fines SET source_balance = NULL")
    town.bursar.export()
    town.write()
    assert town.rows("SELECT source_balance FROM fines") == [(None,)]
    town.read()
    assert town.fine("1") == ("0.00", "10.00", "0.00")


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
    charge(town, "10.00")
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
    charge(town, "10.00")
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
