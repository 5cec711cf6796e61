"""Events of the outbox: of what a library's system is informed, and of what it is not."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Engine

from bursar.ledger import desk
from bursar.sources.outbox import WriteCounts
from tests.support.memory_system import ALL_ON
from tests.support.memory_town import Town

DESK: dict[str, Any] = {"by": "anna"}


def test_a_fine_that_was_handed_over_is_closed_in_the_system_and_the_next_reading_changes_nothing(town: Town) -> None:
    town.charge("10.00", "4.00")
    town.bursar.export()
    assert town.sync() == WriteCounts(done=2)
    assert [fine.balance for fine in town.system.fines.values()] == [0, 0]
    assert (town.fine("1"), town.fine("2")) == (("0.00", "10.00", "0.00"), ("0.00", "4.00", "0.00"))
    assert town.sync() == WriteCounts()
    assert town.system.count("1") == 1


def test_what_was_paid_at_the_desk_before_the_closing_is_settled_there_and_reversed_at_the_bursar(town: Town) -> None:
    town.charge("10.00")
    town.bursar.export()
    town.system.change("1", balance=Decimal(7))
    town.sync()
    assert town.system.written[0][2] == Decimal(-7)
    assert town.fine("1") == ("0.00", "7.00", "3.00")


def test_each_entry_becomes_the_event_of_its_kind(town: Town) -> None:
    town.charge("10.00", "20.00", "30.00", "40.00", "50.00")
    with town.library.ledger.begin() as connection:
        desk.waive(connection, town.id_of("2"), Decimal(5), **DESK)
        desk.pay(connection, town.id_of("3"), Decimal(6), **DESK)
        desk.refund(connection, town.id_of("3"), Decimal(6), **DESK)
        desk.dispute(connection, town.id_of("5"), "not mine", **DESK)
        desk.reverse_charge(connection, town.id_of("4"), Decimal(8), **DESK)
    town.bursar.export()
    town.pay_at_bursar("10.00")
    town.pay_at_bursar("-4.00")
    town.pay_at_bursar("21.00", "2")  # overpaid by 6: the credit is a matter of the bursar
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


def test_what_was_taken_off_for_a_credit_of_bursar_is_no_payment_at_the_library(town: Town) -> None:
    """The credit is open beside its charge: a payment of 10 at the library leaves 20 of 50 less a credit of 20."""
    town.charge("50.00")
    with town.library.ledger.begin() as connection:
        desk.reverse_charge(connection, town.id_of("1"), Decimal(20), **DESK)
    town.sync()
    town.system.change("1", balance=Decimal(20))
    town.read()
    assert town.fine("1") == ("40.00", "0.00", "0.00")
    town.system.change("1", balance=Decimal(30))
    town.read()
    assert town.fine("1") == ("50.00", "0.00", "0.00")


def test_what_came_from_the_system_does_not_go_back_to_it(town: Town) -> None:
    town.charge("10.00", "20.00")
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
    town.charge("10.00", "20.00", "30.00")
    town.change(write_back=ALL_ON | {"handed_over": "off"})
    town.bursar.export()
    town.write()
    town.change(write_back=ALL_ON | {"paid_at_bursar": "show"})
    town.pay_at_bursar("10.00")
    town.write()
    town.change(write_back=ALL_ON)
    town.pay_at_bursar("20.00", "2")
    assert town.write() == WriteCounts(done=1)
    assert [(*event[:2], event[3]) for event in town.events()] == [
        *((number, "handed_over", "off") for number in "123"),
        ("1", "paid_at_bursar", "shown"),
        ("2", "paid_at_bursar", "done"),
    ]


def test_a_new_source_passes_over_the_journal_so_far(town: Town, owned_ledger: Engine) -> None:
    town.charge("10.00", "20.00")
    with town.library.ledger.begin() as connection:
        desk.waive(connection, town.id_of("1"), **DESK)
    with owned_ledger.begin() as connection:
        connection.exec_driver_sql("DELETE FROM outbox_events; DELETE FROM system_sources")
    town.write()
    assert town.events() == []


def test_entries_of_the_last_days_are_looked_at_again(town: Town, owned_ledger: Engine) -> None:
    town.charge("10.00")
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


def test_the_key_of_an_event_is_the_same_at_each_attempt_in_a_ledger(town: Town, owned_ledger: Engine) -> None:
    town.charge("10.00")
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
    town.charge("10.00")
    town.bursar.export()
    events = []
    find = town.system.find
    town.system.find = lambda event: (events.append(event), find(event))[1]  # type: ignore[method-assign, func-returns-value]
    town.write()
    assert (datetime.now(UTC) - events[0].occurred_at).total_seconds() < 60
    assert (events[0].user_id, events[0].currency, events[0].is_credit) == ("7", "USD", False)


def test_an_answer_does_not_make_up_a_balance_that_the_source_has_not_given(town: Town, owned_ledger: Engine) -> None:
    town.charge("10.00")
    with owned_ledger.begin() as connection:
        connection.exec_driver_sql("UPDATE fines SET source_balance = NULL")
    town.bursar.export()
    town.write()
    assert town.rows("SELECT source_balance FROM fines") == [(None,)]
    town.read()
    assert town.fine("1") == ("0.00", "10.00", "0.00")
