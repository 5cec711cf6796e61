"""Loading fines again that the ledger knows."""

from decimal import Decimal

import pytest
from sqlalchemy import text

from bursar.ledger import desk
from bursar.sources.csv.load import LoadResult
from tests.support.library_system import LibrarySystem

D = Decimal


@pytest.mark.parametrize(
    ("balance", "result", "left", "status"),
    [
        ("", LoadResult(0, 0, 0, 0, 1, 0), "5.00", "ACTIVE"),
        ("5.00", LoadResult(0, 0, 0, 0, 1, 0), "5.00", "ACTIVE"),
        ("2.00", LoadResult(0, 0, 0, 1, 0, 0), "2.00", "ACTIVE"),
        ("0", LoadResult(0, 0, 0, 1, 0, 0), "0", "CLOSED"),
    ],
)
def test_a_known_fine_is_never_billed_again_and_is_paid_down(
    system: LibrarySystem, balance: str, result: LoadResult, left: str, status: str
) -> None:
    system.load(fines=[{}])
    assert system.load(fines=[{"balance": balance, "comment": "other"}]) == result
    fine = system.fine("F1")
    assert (fine.balance, fine.status, fine.comment) == (D(left), status, None)
    paid = [(D(left) - 5, "reported by the library system")] if D(left) != 5 else []
    assert system.rows("SELECT balance_change, comment FROM journal_entries WHERE entry_type = 'PAID'") == paid
    assert system.rows("SELECT count(*) FROM fines") == [1]


def test_a_known_credit_is_paid_out(system: LibrarySystem) -> None:
    credit = {"fine_fee_type": "CREDIT", "amount": "-5"}
    system.load(fines=[credit])
    assert system.load(fines=[credit | {"balance": "-1.5"}]).fines_paid_down == 1
    assert system.fine("F1").balance == D("-1.5")


def test_a_disputed_fine_is_paid_down_and_stays_disputed(system: LibrarySystem) -> None:
    system.load(fines=[{}])
    with system.ledger.begin() as connection:
        desk.dispute(connection, system.fine("F1").id, "not mine")
    system.load(fines=[{"balance": "1.00"}])
    assert (system.fine("F1").balance, system.fine("F1").status) == (D(1), "DISPUTED")


@pytest.mark.parametrize(("kind", "outstanding"), [("EXPORTED", 5), ("EXPORTED_AND_PAID", 0), ("PAID", 0)])
def test_a_closed_fine_stays_as_it_is_whatever_the_file_says(
    system: LibrarySystem, kind: str, outstanding: int
) -> None:
    system.load(fines=[{}])
    entry = (
        "INSERT INTO journal_entries (fine_id, entry_type, balance_change, outstanding_change) VALUES (1, "
        ":entry_type, -5, :left)"
    )
    with system.ledger.begin() as connection:
        connection.execute(text(entry), {"entry_type": kind, "left": outstanding})
    before = system.everything()
    for balance in ("", "5.00", "1.00", "0"):
        assert system.load(fines=[{"balance": balance}]) == LoadResult(0, 0, 0, 0, 0, 1)
    assert system.everything() == before


def test_a_fine_on_its_way_to_the_bursar_cannot_be_paid_down(system: LibrarySystem) -> None:
    system.load(fines=[{}])
    with system.ledger.begin() as connection:
        connection.execute(text("INSERT INTO batch_claims VALUES (1, 4)"))
    [refusal] = system.refusals(fines=[{"balance": "1.00"}, {"fine_id": "F2"}])
    assert refusal == (
        "fines.csv:2: balance 1.00 differs from the 5.00 in the ledger, and the fine is on its way to the bursar in "
        "batch 4; load again when that export has ended"
    )
    for balance in ("", "5.00"):
        assert system.load(fines=[{"balance": balance}]).fines_unchanged == 1


def test_a_fine_that_was_paid_at_the_desk_meanwhile_does_not_grow_again(system: LibrarySystem) -> None:
    system.load(fines=[{}])
    with system.ledger.begin() as connection:
        desk.pay(connection, system.fine("F1").id, D("3.00"))
    assert system.refusals(fines=[{"balance": "2.01"}]) == [
        "fines.csv:2: balance 2.01 is more than the 2.00 that is open in the ledger"
    ]
    assert system.load(fines=[{}]).fines_unchanged == 1


def test_a_known_fine_keeps_what_it_was_created_with(system: LibrarySystem) -> None:
    changes = [
        ({"primary_id": "u2"}, "user"),
        ({"fine_fee_type": "LOSTITEM"}, "fine_fee_type"),
        ({"amount": "6.00"}, "amount"),
        ({"currency": "USD"}, "currency"),
        ({"owner_library": "LAW"}, "owner_library"),
        ({"amount": "4", "currency": "CHF"}, "amount, currency"),
    ]
    system.load(fines=[{"fine_id": f"F{line}"} for line in range(2, 8)])
    assert system.refusals(fines=[{"fine_id": f"F{n}"} | change for n, (change, _) in enumerate(changes, 2)]) == [
        f'fines.csv:{n}: fine_id "F{n}" is in the ledger with another {columns}; that is fixed when a fine is created'
        for n, (_, columns) in enumerate(changes, 2)
    ]
