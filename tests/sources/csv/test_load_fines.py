"""Loading new fines from CSV files."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.support.library_system import FINE, USER, LibrarySystem

D = Decimal


def test_a_fine_comes_in_with_all_that_is_known_of_it(system: LibrarySystem) -> None:
    title = "Œuvres & <autres>\n\x01"
    given = {
        "currency": "CHF",
        "amount": "12.500000",
        "owner_library": "MAIN",
        "item_barcode": "39001",
        "item_title": title,
        "item_call_number": "PQ 1",
        "item_library": "LAW",
        "item_location": "STACKS",
        "item_internal_location": "2nd floor",
        "item_due_date": "2026-04-20",
        "vat": "2.08",
        "comment": "3 days",
    }
    assert system.counts(fines=[given]) == {"fines_added": 1}
    fine = system.fine("F1")
    created = datetime(2024, 5, 1, 8, 0, tzinfo=UTC)
    assert (fine.user_id, fine.owner_library, fine.fine_fee_type, fine.comment) == (1, "MAIN", "OVERDUEFINE", "3 days")
    assert (fine.currency, fine.amount, fine.vat, fine.balance) == ("CHF", D("12.5"), D("2.08"), D("12.5"))
    assert (fine.status, fine.created_at, fine.last_transaction_at) == ("ACTIVE", created, created)
    assert fine.item_due_date == datetime(2026, 4, 19, 22, 0, tzinfo=UTC)
    assert system.rows("SELECT barcode, title, call_number, library, location, internal_location FROM items") == [
        ("39001", title, "PQ 1", "LAW", "STACKS", "2nd floor")
    ]
    assert system.rows("SELECT entry_type, balance_change, posted_at FROM journal_entries") == [
        ("CHARGED", D("12.5"), created)
    ]


def test_what_is_blank_is_the_default_and_the_institution(system: LibrarySystem) -> None:
    system.load(rules={"currency": "USD"}, fines=[{"currency": "", "owner_library": "", "comment": ""}])
    fine = system.fine("F1")
    assert (fine.currency, fine.owner_library, fine.item_id, fine.comment, fine.vat) == ("USD", None, None, None, None)


MOMENTS = [
    ("2024-01-15", "2024-01-14T23:00"),
    ("2024-01-15T10:00", "2024-01-15T09:00"),
    ("2024-07-15 10:00:00", "2024-07-15T08:00"),
    ("2024-03-31T02:30:00", "2024-03-31T01:30"),  # skipped by the clock
    ("2024-10-27T02:30:00", "2024-10-27T01:30"),  # twice on the clock: the second time
    ("2024-01-15T10:00:00Z", "2024-01-15T10:00"),
    ("2024-01-15T10:00:00.000+0000", "2024-01-15T10:00"),
    ("2024-01-15 10:00:00.25-05", "2024-01-15T15:00:00.250"),
    ("2024-01-15T10:00:00 -05:30", "2024-01-15T15:30"),
]


def test_moments_are_of_the_time_zone_unless_they_say_otherwise(system: LibrarySystem) -> None:
    system.load(fines=[{"fine_id": written, "created_at": written} for written, _ in MOMENTS])
    for written, utc in MOMENTS:
        assert system.fine(written).created_at == datetime.fromisoformat(utc).replace(tzinfo=UTC), written


@pytest.mark.parametrize(
    ("amount", "balance", "status", "entries"),
    [
        ("5.00", "", "ACTIVE", [("CHARGED", D(5))]),
        ("5.00", "5", "ACTIVE", [("CHARGED", D(5))]),
        ("5.00", "3.75", "ACTIVE", [("CHARGED", D(5)), ("PAID", D("-1.25"))]),
        ("5.00", "0.00", "CLOSED", [("CHARGED", D(5)), ("PAID", D(-5))]),
        ("-5.00", "-2", "ACTIVE", [("CHARGED", D(-5)), ("PAID", D(3))]),
        ("-5.00", "0", "CLOSED", [("CHARGED", D(-5)), ("PAID", D(5))]),
    ],
)
def test_what_is_not_owed_any_more_is_written_as_paid(
    system: LibrarySystem, amount: str, balance: str, status: str, entries: list[tuple[str, Decimal]]
) -> None:
    type_ = "CREDIT" if amount.startswith("-") else "OVERDUEFINE"
    counts = system.counts(fines=[{"amount": amount, "balance": balance, "fine_fee_type": type_}])
    assert counts == {"fines_added": 1}
    fine = system.fine("F1")
    assert (fine.status, fine.balance) == (status, sum(change for _, change in entries))
    assert system.rows("SELECT entry_type, balance_change FROM journal_entries ORDER BY id") == entries


def test_a_credit_finds_its_charge_wherever_it_stands(system: LibrarySystem) -> None:
    credit = {"fine_fee_type": "CREDIT", "amount": "-1"}
    system.load(fines=[credit | {"fine_id": "C1", "reverses": "F1"}, {}])
    system.load(fines=[credit | {"fine_id": "C2", "reverses": "F1"}])
    charge = system.fine("F1").id
    assert (system.fine("C1").reverses, system.fine("C2").reverses) == (charge, charge)


def test_an_item_takes_over_what_later_files_say_and_the_owner_of_its_fine_stays(system: LibrarySystem) -> None:
    item = {"item_barcode": "39001", "owner_library": "LAW"}
    system.load(fines=[item | {"item_title": "Torts", "item_library": "LAW", "item_location": "A"}])
    system.load(fines=[item | {"item_title": "", "item_library": "MAIN"}])
    assert system.rows("SELECT title, library, location FROM items") == [("Torts", "MAIN", "A")]
    assert system.fine("F1").owner_library == "LAW"


def test_the_last_line_about_an_item_counts(system: LibrarySystem) -> None:
    system.load(
        fines=[{"item_barcode": "1", "item_title": "A"}, {"fine_id": "F2", "item_barcode": "1", "item_title": "B"}]
    )
    assert system.rows("SELECT title FROM items") == ["B"]
    assert system.fine("F1").item_id == system.fine("F2").item_id


def test_users_and_their_fines_come_in_together_and_empty_files_are_no_error(system: LibrarySystem) -> None:
    new = {"primary_id": "new"}
    assert system.counts(users=[new], fines=[new]) == {"users_added": 1, "fines_added": 1}
    (system.folder / "users.csv").write_text(",".join(USER))
    (system.folder / "fines.csv").write_text(",".join(FINE))
    assert system.counts(users=system.folder / "users.csv", fines=system.folder / "fines.csv") == {}
    assert system.counts() == {}


def test_the_example_in_the_documentation_can_be_loaded(system: LibrarySystem) -> None:
    documentation = (Path(__file__).parents[3] / "docs" / "reference" / "csv.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```csv\n(.*?)```", documentation, re.DOTALL)
    path = system.folder / "example.csv"
    path.write_text(example, encoding="utf-8")
    users = [{"primary_id": "u1001"}, {"primary_id": "u1002"}]
    assert system.counts(users=users, fines=path) == {"users_added": 2, "fines_added": 3}
    assert system.fine("4712").reverses == system.fine("4711").id


def test_an_institution_without_libraries_has_fines_too(ledger: Engine, tmp_path: Path) -> None:
    system = LibrarySystem(ledger, tmp_path)
    counts = system.counts(groups=[{"code": "UG", "name": "Under"}], users=[{}], fines=[{"item_barcode": "1"}])
    assert counts == {"users_added": 1, "fines_added": 1}
