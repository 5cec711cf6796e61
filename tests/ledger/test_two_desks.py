"""Two desks that reverse the same charge at the same time take it back once."""

import threading
from decimal import Decimal

from bursar.errors import LedgerError
from bursar.ledger import desk
from tests.support.fixtures import Library
from tests.support.library_system import wait_until_blocked

D = Decimal


def test_two_desks_take_back_a_charge_once(library: Library) -> None:
    fine = library.fine(amount="10.00")
    refusals: list[str] = []

    def reverse_too() -> None:
        with library.ledger.begin() as connection:
            try:
                desk.reverse_charge(connection, fine, D("6.00"))
            except LedgerError as error:
                refusals.append(str(error))

    other_desk = threading.Thread(target=reverse_too)
    with library.ledger.begin() as connection:
        desk.reverse_charge(connection, fine, D("6.00"))
        other_desk.start()
        wait_until_blocked(connection)
    other_desk.join(10)
    [refusal] = refusals
    assert refusal.startswith("Only 4.00 USD of fine 1 is left to reverse; 6.00 USD is more.")
    assert library.one("SELECT sum(amount) FROM fines WHERE reverses = :fine", fine=fine) == D("-6.00")


def test_a_desk_that_waives_and_one_that_reverses_give_up_a_charge_once(library: Library) -> None:
    fine = library.fine(amount="10.00")
    refusals: list[str] = []

    def reverse() -> None:
        with library.ledger.begin() as connection:
            try:
                desk.reverse_charge(connection, fine)
            except LedgerError as error:
                refusals.append(str(error))

    other_desk = threading.Thread(target=reverse)
    with library.ledger.begin() as connection:
        desk.waive(connection, fine)
        other_desk.start()
        wait_until_blocked(connection)
    other_desk.join(10)
    assert [refusal.partition(".")[0] for refusal in refusals] == ["Nothing of fine 1 is left to reverse"]
