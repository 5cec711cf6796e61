"""Loading fines again that the ledger knows."""

from decimal import Decimal

import pytest

from bursar.ledger import desk
from tests.support.library_system import LibrarySystem

D = Decimal


@pytest.mark.parametrize(
    ("balance", "count", "left", "status"),
    [
        ("", "fines_unchanged", "5.00", "ACTIVE"),
        ("5.00", "fines_unchanged", "5.00", "ACTIVE"),
        ("2.00", "fines_changed", "2.00", "ACTIVE"),
        ("0", "fines_changed", "0", "CLOSED"),
    ],
)
def test_a_known_fine_is_never_billed_again_and_is_paid_down(
    system: LibrarySystem, balance: str, count: str, left: str, status: str
) -> None:
    system.load(fines=[{}])
    assert system.counts(fines=[{"balance": balance, "comment": "other"}]) == {count: 1}
    fine = system.fine("F1")
    assert (fine.balance, fine.status, fine.comment) == (D(left), status, None)
    paid = [(D(left) - 5, "reported by the library system")] if D(left) != 5 else []
    assert system.rows("SELECT balance_change, comment FROM journal_entries WHERE entry_type = 'PAID'") == paid
    assert system.rows("SELECT count(*) FROM fines") == [1]


def test_a_known_credit_is_paid_out(system: LibrarySystem) -> None:
    credit = {"fine_fee_type": "CREDIT", "amount": "-5"}
    system.load(fines=[credit])
    assert system.counts(fines=[credit | {"balance": "-1.5"}]) == {"fines_changed": 1}
    assert system.fine("F1").balance == D("-1.5")


def test_a_disputed_fine_is_paid_down_and_stays_disputed(system: LibrarySystem) -> None:
    system.load(fines=[{}])
    with system.ledger.begin() as connection:
        desk.dispute(connection, system.fine("F1").id, "not mine")
    system.load(fines=[{"balance": "1.00"}])
    assert (system.fine("F1").balance, system.fine("F1").status) == (D(1), "DISPUTED")


@pytest.mark.parametrize("balance", ["", "5.00", "1.00", "0"])
def test_a_fine_that_was_paid_here_is_not_paid_again(system: LibrarySystem, balance: str) -> None:
    system.load(fines=[{}])
    with system.ledger.begin() as connection:
        desk.pay(connection, system.fine("F1").id)
    entries = system.rows("SELECT * FROM journal_entries")
    assert system.load(fines=[{"balance": balance}]).counts.fines_unchanged == 1
    assert system.rows("SELECT * FROM journal_entries") == entries


def test_a_fine_that_was_paid_at_the_desk_meanwhile_does_not_grow_again(system: LibrarySystem) -> None:
    system.load(fines=[{}])
    with system.ledger.begin() as connection:
        desk.pay(connection, system.fine("F1").id, D("3.00"))
    assert system.messages(fines=[{"balance": "2.01"}]) == [
        (
            "warning: balance 2.01: a part was settled in the ledger before; the lower balance counts; "
            "check that it was the same payment"
        )
    ]
    assert system.fine("F1").balance == D("2.00")
    assert system.counts(fines=[{}]) == {"fines_unchanged": 1}
    assert system.messages(fines=[{"balance": "5.00"}]) == [
        (
            "warning: balance 5.00: more is open than before, but no load had settled it; "
            "if the user owes this, charge it as a fine of its own"
        )
    ]
    assert system.fine("F1").balance == D("2.00")


@pytest.mark.parametrize(
    ("column", "value", "shown"),
    [
        ("fine_fee_type", "LOSTITEM", '"LOSTITEM"'),
        ("owner_library", "LAW", '"LAW"'),
        ("created_at", "2024-05-02", '"2024-05-02"'),
    ],
)
def test_another_value_that_is_fixed_is_a_warning_once(
    system: LibrarySystem, column: str, value: str, shown: str
) -> None:
    fines = [{"fine_id": name, "owner_library": "MAIN"} for name in ("F1", "F2")]
    system.load(fines=fines)
    before = system.fine("F1")
    changed = [fines[0] | {column: value, "balance": "4.00"}, fines[1] | {"balance": "3.00"}]
    assert system.messages(fines=changed) == [
        (
            f"warning: {column} {shown} differs from the ledger, where it is fixed; "
            "to bill something else, cancel this fine in the library system and charge a new one"
        )
    ]
    fine = system.fine("F1")
    assert getattr(fine, column) == getattr(before, column)
    assert [system.fine(name).balance for name in ("F1", "F2")] == [D(4), D(3)], "the rest of the row counts"
    assert system.messages(fines=changed) == []


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        (
            {"currency": "USD"},
            (
                "currency USD is not that of the fine in the ledger, EUR; "
                "give a fine in another currency a fine_id of its own"
            ),
        ),
        (
            {"fine_fee_type": "CREDIT", "amount": "-5.00"},
            (
                "amount -5.00 has another sign than the fine in the ledger; "
                "give a new charge or credit a fine_id of its own"
            ),
        ),
    ],
)
def test_a_known_fine_has_one_currency_and_one_sign(
    system: LibrarySystem, change: dict[str, str], refusal: str
) -> None:
    system.load(fines=[{}])
    assert system.refusals(fines=[change]) == [f"fines.csv:2: {refusal}"]
