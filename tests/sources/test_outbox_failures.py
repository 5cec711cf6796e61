"""The outbox writes each event once, whatever fails: answers, the system, locks and workers."""

from decimal import Decimal
from itertools import count
from typing import Any

import pytest

from bursar.errors import BursarError, TransientError
from bursar.sources.outbox import WriteCounts
from bursar.sources.source_lock import lock_source
from bursar.sources.system import Answer, AnswerStatus, Confirm, Event, confirm_alone
from tests.support.fault_injection import KilledError, KillSwitch
from tests.support.memory_town import Town


def test_an_answer_that_was_lost_is_found_by_the_next_run(town: Town) -> None:
    town.charge("10.00")
    town.bursar.export()
    town.system.faults = ["lose"]
    assert town.sync() == WriteCounts(unknown=1)
    assert town.fine("1") == ("0.00", "10.00", "0.00")
    assert town.sync() == WriteCounts(done=1)
    assert (town.fine("1"), town.system.count("1")) == (("0.00", "10.00", "0.00"), 1)


def test_an_event_that_never_arrived_is_written_again_when_a_late_request_is_impossible(town: Town) -> None:
    town.repeat_after_seconds = 300
    town.charge("10.00")
    town.bursar.export()
    town.system.faults = ["drop"]
    assert town.write() == WriteCounts(unknown=1)
    assert town.write() == WriteCounts(held=1)
    town.repeat_after_seconds = 0
    assert town.write() == WriteCounts(done=1)


def test_an_attempt_that_took_long_is_not_repeated_right_after_its_end(town: Town) -> None:
    """A slow system answers the questions before a request after minutes; then the request itself is lost."""
    town.repeat_after_seconds = 300
    town.charge("10.00")
    town.bursar.export()
    town.system.faults = ["drop"]
    write = town.system.write

    def write_slowly(event: Event, confirm: Confirm = confirm_alone) -> Answer:
        with town.library.ledger.begin() as connection:
            connection.exec_driver_sql("UPDATE outbox_events SET attempted_at = attempted_at - interval '10 minutes'")
        return write(event, confirm)

    town.system.write = write_slowly  # type: ignore[method-assign]
    assert town.write() == WriteCounts(unknown=1)
    assert town.write() == WriteCounts(held=1)


def test_while_an_event_is_unclear_the_rows_of_its_fine_wait(town: Town) -> None:
    town.charge("10.00", "5.00")
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
    town.charge("10.00", "20.00")
    town.bursar.export()
    town.pay_at_bursar("10.00")
    town.pay_at_bursar("20.00", "2")
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
    town.charge("10.00")
    town.bursar.export()
    town.system.is_down = True
    with pytest.raises(TransientError):
        town.write()
    assert town.events() == [("1", "handed_over", "10.00", "pending")]
    town.system.is_down = False
    assert town.write() == WriteCounts(done=1)


def test_an_error_while_an_event_is_written_is_no_answer_and_stops_no_other_event(town: Town) -> None:
    town.charge("10.00", "20.00")
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
    town.charge("10.00", "20.00", "30.00")
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
    town.charge(*["10.00"] * 5)
    town.bursar.export()
    asked = []

    def fail(event: Any) -> Any:
        asked.append(event.fine_id)
        raise BursarError("the login is refused")

    town.system.find = fail  # type: ignore[method-assign]
    with pytest.raises(BursarError, match="login"):
        town.write()
    assert (asked, {event[3] for event in town.events()}) == (["1", "2", "3"], {"pending"})


def test_only_one_worker_writes_at_a_time(town: Town) -> None:
    town.charge("10.00")
    town.bursar.export()
    with lock_source(town.library.ledger, "TOWN"), pytest.raises(TransientError):
        town.write()
    assert town.system.written == []


def test_a_worker_that_lost_its_lock_writes_nothing_more(town: Town) -> None:
    town.charge("10.00", "20.00")
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
    town.charge("10.00", "20.00")
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
    town.charge("10.00")
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


def test_a_worker_killed_at_any_act_writes_each_event_once(town: Town) -> None:
    """Kills a worker before each call to the system and each commit, in turn, until it survives."""
    for kill_at in count():
        fine = str(kill_at)
        town.system.charge(fine, "10.00")
        town.read()
        town.bursar.export()
        switch = town.system.switch = KillSwitch(kill_at)
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
