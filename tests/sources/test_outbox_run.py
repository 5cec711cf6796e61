"""A run of the outbox: what it checks before it writes, whom an error holds back, and how it uses the ledger."""

from decimal import Decimal

import pytest
from sqlalchemy import Engine, event

from bursar.errors import BursarError
from bursar.sources.outbox import WriteCounts
from bursar.sources.system import Answer, AnswerStatus, Event, FailedRequestError
from tests.support.memory_town import Town


def export(town: Town, *users: str) -> None:
    """Exports a fine of 10.00 for each of some users, in this order."""
    town.system.users = sorted({"7", *users})
    for number, user in enumerate(users, 1):
        town.system.charge(str(number), "10.00", user=user)
    town.read()
    town.bursar.export()


def fail_for(town: Town, *users: str) -> list[str]:
    """Has each request about some users fail; returns the fines that are asked for."""
    asked: list[str] = []
    find = town.system.find

    def find_or_fail(event: Event) -> Answer | None:
        asked.append(event.fine_id)
        if event.user_id in users:
            raise FailedRequestError("the account of the user can't be shown")
        return find(event)

    town.system.find = find_or_fail  # type: ignore[method-assign]
    return asked


def test_without_a_name_nothing_is_written_and_all_events_wait(town: Town) -> None:
    export(town, "7", "8")
    town.system.missing_name = "the transfer account is missing"
    with pytest.raises(BursarError, match="transfer account"):
        town.write()
    assert [(one[3], town.system.written) for one in town.events()] == [("pending", [])] * 2
    town.system.missing_name = ""
    assert town.write() == WriteCounts(done=2)
    town.system.missing_name = "what is not needed any more"
    assert town.write() == WriteCounts(), "names are checked only before something is written"


def test_a_user_whose_account_fails_holds_back_no_other(town: Town) -> None:
    export(town, "8", "8", "7", "9")
    asked = fail_for(town, "8")
    assert town.write() == WriteCounts(done=2, unknown=1, held=1)
    assert asked == ["1", "3", "4"], "the user's account is not asked for again"
    assert [one[3] for one in town.events()] == ["unknown", "pending", "done", "done"]


def test_a_server_that_fails_for_everybody_ends_the_run(town: Town) -> None:
    export(town, "7", "8", "9", "10")
    asked = fail_for(town, "7", "8", "9", "10")
    with pytest.raises(FailedRequestError):
        town.write()
    assert asked == ["1", "2", "3"]
    assert [one[3] for one in town.events()] == ["unknown"] * 3 + ["pending"]


def test_users_whose_accounts_fail_each_time_hold_back_the_others_once(town: Town) -> None:
    export(town, "7", "8", "9", "10", "11")
    fail_for(town, "7", "8", "9")
    for others in ("pending", "done"):
        with pytest.raises(FailedRequestError):
            town.write()
        assert [one[3] for one in town.events()] == ["unknown"] * 3 + [others] * 2


def test_a_server_that_fails_to_write_anything_ends_the_run(town: Town) -> None:
    export(town, "7", "8", "9", "10")

    def fail(*_: object) -> Answer:
        raise FailedRequestError("the account can't be shown")

    town.system.write = fail  # type: ignore[method-assign, assignment]
    with pytest.raises(FailedRequestError):
        town.write()
    assert [one[3] for one in town.events()] == ["unknown"] * 3 + ["pending"]


def test_an_error_does_not_undo_what_an_event_is_known_to_have_changed(town: Town) -> None:
    """Else the change would count as a payment at the library once a person has dealt with the event."""
    export(town, "7")
    unclear = Answer(AnswerStatus.UNKNOWN, "two acted at the same moment", Decimal(-10))
    town.system.write = lambda *_: unclear  # type: ignore[method-assign]
    town.write()
    fail_for(town, "7")
    town.write()
    assert town.rows("SELECT source_balance, balance_change FROM fines, outbox_events") == [(0, -10)]


def test_an_event_that_was_attempted_before_is_marked_as_such(town: Town) -> None:
    export(town, "7")
    marks = []
    find = town.system.find
    town.system.find = lambda event: (marks.append(event.is_repeated), find(event))[1]  # type: ignore[method-assign, func-returns-value]
    town.system.faults = ["drop"]
    town.write()
    town.write()
    assert marks == [False, True]


def test_a_run_needs_two_connections_however_many_events_it_writes(town: Town) -> None:
    export(town, *"7777777")
    opened: list[object] = []
    event.listen(town.library.ledger, "checkout", lambda connection, *_: opened.append(connection))
    assert town.write() == WriteCounts(done=7)
    assert len(opened) == 2, "that of the lock, and that of the statements"


def test_a_dry_run_does_not_make_the_source_known(town: Town, owned_ledger: Engine) -> None:
    with owned_ledger.begin() as connection:
        connection.exec_driver_sql("DELETE FROM outbox_events; DELETE FROM system_sources")
    town.system.charge("1", "10.00")
    [result] = town.read(dry_run=True)
    assert result.counts.fines_added == 1
    assert town.rows("SELECT source FROM system_sources") == []
