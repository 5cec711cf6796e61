"""Amounts with more decimals than their currency has are rounded half up when they are loaded, and counted."""

from decimal import Decimal

import pytest
from sqlalchemy import text

from tests.support.library_system import FINE, LibrarySystem

D = Decimal


@pytest.mark.parametrize(
    ("currency", "written", "loaded"),
    [
        ("EUR", "3.335", "3.34"),
        ("EUR", "3.3349999999999999999999999999", "3.33"),
        ("EUR", "0.333333", "0.33"),
        ("JPY", "49.5", "50"),
        ("JPY", "49.49", "49"),
        ("KWD", "1.0005", "1.001"),
        ("RSD", "12.505", "12.51"),  # CLDR has no decimals, ISO 4217 two
        ("CLF", "1.23456", "1.235"),  # four decimals, of which the ledger has three
    ],
)
def test_an_amount_is_rounded_half_up_to_the_decimals_of_its_currency(
    system: LibrarySystem, currency: str, written: str, loaded: str
) -> None:
    credit = {"fine_id": "C1", "fine_fee_type": "CREDIT", "amount": f"-{written}"}
    counts = system.counts(rules={"currency": currency}, fines=[{"amount": written, "vat": written}, credit])
    assert counts == {"fines_added": 2, "fines_rounded": 2}
    charge = system.fine("F1")
    assert (charge.amount, charge.balance, charge.vat) == (D(loaded), D(loaded), D(loaded))
    assert system.fine("C1").balance == -D(loaded)


def test_amount_balance_and_vat_of_a_fine_count_as_one_rounded_fine(system: LibrarySystem) -> None:
    fines = [
        {"fine_id": "A", "amount": "0.333333", "balance": "0.333333", "vat": "0.0666"},
        {"fine_id": "B", "amount": "5.00", "balance": "2.505"},
        {"fine_id": "C", "amount": "5.00", "vat": "0.835"},
        {"fine_id": "D", "amount": "5.000000", "balance": "4.100", "vat": "1"},
    ]
    assert system.counts(fines=fines) == {"fines_added": 4, "fines_rounded": 3}
    assert [system.fine(fine).balance for fine in "ABCD"] == [D("0.33"), D("2.51"), D("5.00"), D("4.10")]


def test_only_what_is_new_counts_as_rounded(system: LibrarySystem) -> None:
    fine = {"amount": "9.999", "balance": "9.999"}
    assert system.counts(fines=[fine]) == {"fines_added": 1, "fines_rounded": 1}
    assert system.counts(fines=[fine]) == {"fines_unchanged": 1}
    assert system.counts(fines=[fine | {"balance": "3.333"}]) == {"fines_changed": 1, "fines_rounded": 1}
    assert system.counts(fines=[fine | {"balance": "3.333"}]) == {"fines_unchanged": 1}


def test_an_amount_that_is_rounded_to_nothing_is_an_error_of_its_row(system: LibrarySystem) -> None:
    fines = [
        {"amount": "0.0049"},
        {"fine_id": "F2", "amount": "0.4", "currency": "JPY"},
        {"fine_id": "F3", "amount": "0"},
    ]
    assert system.refusals(fines=fines) == [
        "fines.csv:2: amount 0.0049 is rounded to 0, since EUR has 2 decimals; leave the line out",
        "fines.csv:3: amount 0.4 is rounded to 0, since JPY has 0 decimals; leave the line out",
        "fines.csv:4: amount is 0; nothing: there is nothing to bill",
    ]
    assert system.counts(fines=[{"balance": "0.004"}]) == {"fines_added": 1, "fines_rounded": 1}
    assert system.fine("F1").status == "CLOSED"


def test_the_currency_of_a_new_fine_is_known(system: LibrarySystem) -> None:
    fines = [{"currency": "EUX"}, {"fine_id": "F2", "currency": "XCG"}]
    assert system.refusals(fines=fines) == [
        "fines.csv:2: currency EUX is unknown; write its code of ISO 4217, such as EUR"
    ]


@pytest.mark.parametrize("currency", ["EUR", "EUX"])
def test_a_fine_that_was_loaded_with_finer_amounts_keeps_them(system: LibrarySystem, currency: str) -> None:
    with system.ledger.begin() as connection:
        connection.execute(
            text(
                "WITH fine AS (INSERT INTO fines (source_id, user_id, fine_fee_type, currency, amount, created_at)"
                " VALUES ('F1', 1, 'OVERDUEFINE', :currency, 3.335, :created_at) RETURNING id)"
                " INSERT INTO journal_entries (fine_id, entry_type, balance_change)"
                " SELECT id, 'CHARGED', 3.335 FROM fine"
            ),
            {"currency": currency, "created_at": f"{FINE['created_at']}+02"},
        )
    fine = {"amount": "3.335", "currency": currency}
    for balance in ("", "3.335"):
        assert system.counts(fines=[fine | {"balance": balance}]) == {"fines_unchanged": 1}
    assert system.counts(fines=[fine | {"balance": "0"}]) == {"fines_changed": 1}
    assert (system.fine("F1").amount, system.fine("F1").balance) == (D("3.335"), 0)
