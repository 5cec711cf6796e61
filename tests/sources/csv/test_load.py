"""Loading CSV files into a real ledger: what comes in, what is refused with its line, and loading again."""

import csv
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import astuple
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from bursar.errors import InputFileError
from bursar.ledger import desk
from bursar.sources.csv.load import InvalidRowsError, LoadResult, load

D = Decimal
NOTHING = LoadResult(0, 0, 0, 0, 0, 0)
USER = {
    "primary_id": "u1",
    "last_name": "Ng",
    "first_name": "Ada",
    "user_group": "UG",
    "expiry_date": "",
    "purge_date": "",
}
FINE = {
    "fine_id": "F1",
    "primary_id": "u1",
    "fine_fee_type": "OVERDUEFINE",
    "amount": "5.00",
    "created_at": "2024-05-01T10:00:00",
}


class LibrarySystem:
    """A library system that writes files into a folder, and a ledger that they are loaded into."""

    def __init__(self, ledger: Engine, folder: Path) -> None:
        self.ledger, self.folder = ledger, folder

    def write(self, name: str, rows: Iterable[Mapping[str, str]]) -> Path:
        """Writes rows below a header of all their columns, in the order in which they appear."""
        rows = list(rows)
        path = self.folder / f"{name}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(dict.fromkeys(column for row in rows for column in row)), restval="")
            writer.writeheader()
            writer.writerows(rows)
        return path

    def load(self, currency: str = "EUR", time_zone: str = "Europe/Vienna", **files: Any) -> LoadResult:
        """Loads rows, each over the sample of its kind, or a file that is there already."""
        samples = {"users": USER, "fines": FINE}
        paths = {
            name: rows if isinstance(rows, Path) else self.write(name, (samples.get(name, {}) | row for row in rows))
            for name, rows in files.items()
        }
        return load(self.ledger, **paths, currency=currency, time_zone=time_zone)

    def refusals(self, **files: Any) -> list[str]:
        """What a load complains of, without the folder; and that it has changed nothing."""
        before = self.everything()
        with pytest.raises(InvalidRowsError) as error:
            self.load(**files)
        assert self.everything() == before
        assert error.value.count == len(error.value.lines)
        return [line.removeprefix(f"{self.folder}/") for line in error.value.lines]

    def rows(self, sql: str) -> list[Any]:
        with self.ledger.connect() as connection:
            return [row[0] if len(row) == 1 else tuple(row) for row in connection.execute(text(sql))]

    def fine(self, source_id: str) -> Any:
        with self.ledger.connect() as connection:
            return connection.execute(text("SELECT * FROM fines WHERE source_id = :id"), {"id": source_id}).one()

    def everything(self) -> dict[str, list[Any]]:
        tables = ("user_groups", "libraries", "users", "identifiers", "items", "fines", "journal_entries")
        return {table: self.rows(f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables}


@pytest.fixture
def library(ledger: Engine, tmp_path: Path) -> LibrarySystem:
    """A library system whose groups and libraries, and the users u1 and u2, are in the ledger."""
    library = LibrarySystem(ledger, tmp_path)
    result = library.load(
        groups=[{"code": "UG", "name": "Undergraduate"}, {"code": "GR", "name": "Graduate"}],
        libraries=[{"code": "MAIN", "id": "111", "name": "Main"}, {"code": "LAW", "id": "112", "name": "Law"}],
        users=[{}, {"primary_id": "u2", "last_name": "Wu"}],
    )
    assert result == LoadResult(2, 0, 0, 0, 0, 0)
    return library


def test_users_come_in_with_their_identifiers(library: LibrarySystem) -> None:
    users = [
        {"primary_id": "u9", "last_name": "Óbuda", "expiry_date": "2026-09-30", "identifier:02": "0071"},
        {"primary_id": "u8", "first_name": "", "user_group": "GR", "purge_date": "2027-01-31", "identifier:02": ""},
    ]
    assert library.load(users=users) == LoadResult(2, 0, 0, 0, 0, 0)
    assert library.rows(
        "SELECT last_name, first_name, user_group, CAST(expiry_date AS text), CAST(purge_date AS text), "
        "array_agg(type || '=' || value ORDER BY type) FROM users JOIN identifiers ON user_id = id "
        "WHERE id > 2 GROUP BY id ORDER BY id"
    ) == [
        ("Óbuda", "Ada", "UG", "2026-09-30", None, ["02=0071", "userName=u9"]),
        ("Ng", "", "GR", None, "2027-01-31", ["userName=u8"]),
    ]


def test_a_known_user_is_brought_up_to_date(library: LibrarySystem) -> None:
    library.load(users=[{"identifier:02": "007", "identifier:03": "x", "purge_date": "2027-01-31"}])
    changed = {"last_name": "Nguyen", "user_group": "GR", "expiry_date": "2028-01-31", "identifier:02": "008"}
    assert library.load(users=[changed, {"primary_id": "u3"}]) == LoadResult(1, 1, 0, 0, 0, 0)
    assert library.rows(
        "SELECT last_name, user_group, CAST(expiry_date AS text), purge_date, value "
        "FROM users JOIN identifiers ON user_id = id WHERE id = 1 ORDER BY type"
    ) == [("Nguyen", "GR", "2028-01-31", None, value) for value in ("008", "x", "u1")]


def test_a_blank_identifier_is_taken_away_and_one_without_a_column_stays(library: LibrarySystem) -> None:
    library.load(users=[{"identifier:02": "007", "identifier:03": "x"}])
    library.load(users=[{"identifier:02": ""}])
    assert library.rows("SELECT value FROM identifiers WHERE user_id = 1 ORDER BY type") == ["x", "u1"]


def test_two_users_can_exchange_identifiers(library: LibrarySystem) -> None:
    library.load(users=[{"identifier:02": "1"}, {"primary_id": "u2", "identifier:02": "2"}])
    library.load(users=[{"identifier:02": "2"}, {"primary_id": "u2", "identifier:02": "1"}])
    assert library.rows("SELECT value FROM identifiers WHERE type = '02' ORDER BY user_id") == ["2", "1"]


def test_groups_and_libraries_are_renamed(library: LibrarySystem) -> None:
    library.load(groups=[{"code": "UG", "name": "Bachelor"}], libraries=[{"code": "LAW", "id": "113", "name": "Jus"}])
    assert library.rows("SELECT name FROM user_groups ORDER BY code") == ["Graduate", "Bachelor"]
    assert library.rows("SELECT id, name FROM libraries ORDER BY code") == [("113", "Jus"), ("111", "Main")]


def test_a_fine_comes_in_with_all_that_is_known_of_it(library: LibrarySystem) -> None:
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
        "vat": "2.083",
        "comment": "3 days",
    }
    assert library.load(fines=[given]) == LoadResult(0, 0, 1, 0, 0, 0)
    fine = library.fine("F1")
    created = datetime(2024, 5, 1, 8, 0, tzinfo=UTC)
    assert (fine.user_id, fine.owner_library, fine.fine_fee_type, fine.comment) == (1, "MAIN", "OVERDUEFINE", "3 days")
    assert (fine.currency, fine.amount, fine.vat, fine.balance) == ("CHF", D("12.5"), D("2.083"), D("12.5"))
    assert (fine.status, fine.created_at, fine.last_transaction_at) == ("ACTIVE", created, created)
    assert fine.item_due_date == datetime(2026, 4, 19, 22, 0, tzinfo=UTC)
    assert library.rows("SELECT barcode, title, call_number, library, location, internal_location FROM items") == [
        ("39001", title, "PQ 1", "LAW", "STACKS", "2nd floor")
    ]
    assert library.rows("SELECT entry_type, balance_change, posted_at FROM journal_entries") == [
        ("CHARGED", D("12.5"), created)
    ]


def test_what_is_blank_is_the_default_and_the_institution(library: LibrarySystem) -> None:
    library.load(currency="USD", fines=[{"currency": "", "owner_library": "", "comment": ""}])
    fine = library.fine("F1")
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


def test_moments_are_of_the_time_zone_unless_they_say_otherwise(library: LibrarySystem) -> None:
    library.load(fines=[{"fine_id": written, "created_at": written} for written, _ in MOMENTS])
    for written, utc in MOMENTS:
        assert library.fine(written).created_at == datetime.fromisoformat(utc).replace(tzinfo=UTC), written


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
    library: LibrarySystem, amount: str, balance: str, status: str, entries: list[tuple[str, Decimal]]
) -> None:
    type_ = "CREDIT" if amount.startswith("-") else "OVERDUEFINE"
    result = library.load(fines=[{"amount": amount, "balance": balance, "fine_fee_type": type_}])
    assert result == LoadResult(0, 0, 1, 0, 0, 0)
    fine = library.fine("F1")
    assert (fine.status, fine.balance) == (status, sum(change for _, change in entries))
    assert library.rows("SELECT entry_type, balance_change FROM journal_entries ORDER BY id") == entries


def test_a_credit_finds_its_charge_wherever_it_stands(library: LibrarySystem) -> None:
    credit = {"fine_fee_type": "CREDIT", "amount": "-1"}
    library.load(fines=[credit | {"fine_id": "C1", "reverses": "F1"}, {}])
    library.load(fines=[credit | {"fine_id": "C2", "reverses": "F1"}])
    charge = library.fine("F1").id
    assert (library.fine("C1").reverses, library.fine("C2").reverses) == (charge, charge)


def test_an_item_takes_over_what_later_files_say_and_the_owner_of_its_fine_stays(library: LibrarySystem) -> None:
    item = {"item_barcode": "39001", "owner_library": "LAW"}
    library.load(fines=[item | {"item_title": "Torts", "item_library": "LAW", "item_location": "A"}])
    library.load(fines=[item | {"item_title": "", "item_library": "MAIN"}])
    assert library.rows("SELECT title, library, location FROM items") == [("Torts", "MAIN", "A")]
    assert library.fine("F1").owner_library == "LAW"


def test_the_last_line_about_an_item_counts(library: LibrarySystem) -> None:
    library.load(
        fines=[{"item_barcode": "1", "item_title": "A"}, {"fine_id": "F2", "item_barcode": "1", "item_title": "B"}]
    )
    assert library.rows("SELECT title FROM items") == ["B"]
    assert library.fine("F1").item_id == library.fine("F2").item_id


def test_users_and_their_fines_come_in_together_and_empty_files_are_no_error(library: LibrarySystem) -> None:
    assert library.load(users=[{"primary_id": "new"}], fines=[{"primary_id": "new"}]) == LoadResult(1, 0, 1, 0, 0, 0)
    (library.folder / "users.csv").write_text(",".join(USER))
    (library.folder / "fines.csv").write_text(",".join(FINE))
    assert library.load(users=library.folder / "users.csv", fines=library.folder / "fines.csv") == NOTHING
    assert library.load() == NOTHING


def test_the_example_in_the_documentation_can_be_loaded(library: LibrarySystem) -> None:
    documentation = (Path(__file__).parents[3] / "docs" / "reference" / "csv.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```csv\n(.*?)```", documentation, re.DOTALL)
    path = library.folder / "example.csv"
    path.write_text(example, encoding="utf-8")
    users = [{"primary_id": "u1001"}, {"primary_id": "u1002"}]
    assert library.load(users=users, fines=path) == LoadResult(2, 0, 3, 0, 0, 0)
    assert library.fine("4712").reverses == library.fine("4711").id


def test_an_institution_without_libraries_has_fines_too(ledger: Engine, tmp_path: Path) -> None:
    library = LibrarySystem(ledger, tmp_path)
    result = library.load(groups=[{"code": "UG", "name": "Under"}], users=[{}], fines=[{"item_barcode": "1"}])
    assert result == LoadResult(1, 0, 1, 0, 0, 0)


# Loading again.


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
    library: LibrarySystem, balance: str, result: LoadResult, left: str, status: str
) -> None:
    library.load(fines=[{}])
    assert library.load(fines=[{"balance": balance, "comment": "other"}]) == result
    fine = library.fine("F1")
    assert (fine.balance, fine.status, fine.comment) == (D(left), status, None)
    paid = [(D(left) - 5, "reported by the library system")] if D(left) != 5 else []
    assert library.rows("SELECT balance_change, comment FROM journal_entries WHERE entry_type = 'PAID'") == paid
    assert library.rows("SELECT count(*) FROM fines") == [1]


def test_a_known_credit_is_paid_out(library: LibrarySystem) -> None:
    credit = {"fine_fee_type": "CREDIT", "amount": "-5"}
    library.load(fines=[credit])
    assert library.load(fines=[credit | {"balance": "-1.5"}]).fines_paid_down == 1
    assert library.fine("F1").balance == D("-1.5")


def test_a_disputed_fine_is_paid_down_and_stays_disputed(library: LibrarySystem) -> None:
    library.load(fines=[{}])
    with library.ledger.begin() as connection:
        desk.dispute(connection, library.fine("F1").id, "not mine")
    library.load(fines=[{"balance": "1.00"}])
    assert (library.fine("F1").balance, library.fine("F1").status) == (D(1), "DISPUTED")


@pytest.mark.parametrize(("kind", "outstanding"), [("EXPORTED", 5), ("EXPORTED_AND_PAID", 0), ("PAID", 0)])
def test_a_closed_fine_stays_as_it_is_whatever_the_file_says(
    library: LibrarySystem, kind: str, outstanding: int
) -> None:
    library.load(fines=[{}])
    entry = (
        "INSERT INTO journal_entries (fine_id, entry_type, balance_change, outstanding_change) VALUES (1, "
        ":entry_type, -5, :left)"
    )
    with library.ledger.begin() as connection:
        connection.execute(text(entry), {"entry_type": kind, "left": outstanding})
    before = library.everything()
    for balance in ("", "5.00", "1.00", "0"):
        assert library.load(fines=[{"balance": balance}]) == LoadResult(0, 0, 0, 0, 0, 1)
    assert library.everything() == before


def test_a_fine_on_its_way_to_the_bursar_cannot_be_paid_down(library: LibrarySystem) -> None:
    library.load(fines=[{}])
    with library.ledger.begin() as connection:
        connection.execute(text("INSERT INTO batch_claims VALUES (1, 4)"))
    [refusal] = library.refusals(fines=[{"balance": "1.00"}, {"fine_id": "F2"}])
    assert refusal == (
        "fines.csv:2: balance 1.00 differs from the 5.00 in the ledger, and the fine is on its way to the bursar in "
        "batch 4; load again when that export has ended"
    )
    for balance in ("", "5.00"):
        assert library.load(fines=[{"balance": balance}]).fines_unchanged == 1


def test_a_fine_that_was_paid_at_the_desk_meanwhile_does_not_grow_again(library: LibrarySystem) -> None:
    library.load(fines=[{}])
    with library.ledger.begin() as connection:
        desk.pay(connection, library.fine("F1").id, D("3.00"))
    assert library.refusals(fines=[{"balance": "2.01"}]) == [
        "fines.csv:2: balance 2.01 is more than the 2.00 that is open in the ledger"
    ]
    assert library.load(fines=[{}]).fines_unchanged == 1


def test_a_known_fine_keeps_what_it_was_created_with(library: LibrarySystem) -> None:
    changes = [
        ({"primary_id": "u2"}, "user"),
        ({"fine_fee_type": "LOSTITEM"}, "fine_fee_type"),
        ({"amount": "6.00"}, "amount"),
        ({"currency": "USD"}, "currency"),
        ({"owner_library": "LAW"}, "owner_library"),
        ({"amount": "4", "currency": "CHF"}, "amount, currency"),
    ]
    library.load(fines=[{"fine_id": f"F{line}"} for line in range(2, 8)])
    assert library.refusals(fines=[{"fine_id": f"F{n}"} | change for n, (change, _) in enumerate(changes, 2)]) == [
        f'fines.csv:{n}: fine_id "F{n}" is in the ledger with another {columns}; that is fixed when a fine is created'
        for n, (_, columns) in enumerate(changes, 2)
    ]


# What is wrong, line by line.


WRONG_FINES: list[tuple[dict[str, str], str]] = [
    ({"fine_id": ""}, "fine_id is missing"),
    ({"primary_id": ""}, "primary_id is missing"),
    ({"primary_id": "nobody"}, 'there is no user with primary_id "nobody"'),
    ({"fine_fee_type": " "}, "fine_fee_type is missing"),
    ({"amount": ""}, "amount is missing"),
    *(
        ({"amount": amount}, f'amount "{amount}" is not a sum such as 12.50')
        for amount in ["1,50", "1e3", "NaN", "Infinity", "5.", ".5", "€5", "1.2345", "1 000", "+5", "123456789012"]
    ),
    ({"amount": "0.00"}, "amount is 0"),
    ({"amount": "-5.00"}, "amount -5.00 is negative, but the fine_fee_type is not CREDIT"),
    ({"fine_fee_type": "CREDIT"}, "amount 5.00 of a CREDIT has to be negative"),
    ({"balance": "all"}, 'balance "all" is not a sum such as 12.50'),
    ({"balance": "5.01"}, "balance 5.01 does not lie between 0 and the amount 5.00"),
    ({"balance": "-0.01"}, "balance -0.01 does not lie between 0 and the amount 5.00"),
    ({"currency": "eur"}, 'currency "eur" is not written in three capital letters, such as EUR'),
    ({"created_at": ""}, "created_at is missing"),
    *(
        ({"created_at": moment}, f'created_at "{moment}" is not a moment such as 2026-09-30T16:45:00')
        for moment in [
            "yesterday",
            "2026-02-30",
            "01/05/2026",
            "2026-05-01T25:00:00",
            "2026-05-01T10:00:00 CET",
            "now",
        ]
    ),
    (
        {"created_at": "2226-05-01"},
        "created_at 2226-05-01 lies in the future; without an offset it is read in time zone Europe/Vienna",
    ),
    (
        {"item_due_date": "soon", "item_barcode": "1"},
        'item_due_date "soon" is not a moment such as 2026-09-30T16:45:00',
    ),
    ({"vat": "7%"}, 'vat "7%" is not a sum such as 12.50'),
    ({"owner_library": "GONE"}, 'owner_library "GONE" is unknown; name it in the file of libraries'),
    (
        {"item_library": "GONE", "item_barcode": "1"},
        'item_library "GONE" is unknown; name it in the file of libraries',
    ),
    ({"item_title": "Torts"}, "item_barcode is missing, but other columns describe an item"),
    ({"reverses": "F0"}, "reverses is for a CREDIT only"),
]


def test_each_wrong_fine_is_named_with_its_line(library: LibrarySystem) -> None:
    assert library.refusals(
        fines=[{"fine_id": f"F{line}"} | change for line, (change, _) in enumerate(WRONG_FINES, start=2)]
    ) == [f"fines.csv:{line}: {message}" for line, (_, message) in enumerate(WRONG_FINES, start=2)]


@pytest.mark.parametrize("loaded_before", [False, True])
def test_a_credit_that_fits_no_charge_is_named_with_its_line(library: LibrarySystem, loaded_before: bool) -> None:
    credit = {"fine_fee_type": "CREDIT", "amount": "-1"}
    wrong = [
        ({"reverses": "X"}, 'reverses "X", but there is no such fine'),
        ({"reverses": "C0"}, 'reverses "C0", but that is a credit itself'),
        ({"reverses": "F0", "primary_id": "u2"}, 'reverses "F0", but that is of another user or currency'),
        ({"reverses": "F0", "currency": "USD"}, 'reverses "F0", but that is of another user or currency'),
    ]
    others = [{"fine_id": "F0"}, credit | {"fine_id": "C0"}]
    if loaded_before:
        library.load(fines=others)
    credits_ = [credit | {"fine_id": f"C{line}"} | change for line, (change, _) in enumerate(wrong, start=4)]
    first = 2 if loaded_before else 4
    assert library.refusals(fines=credits_ if loaded_before else others + credits_) == [
        f"fines.csv:{line}: {message}" for line, (_, message) in enumerate(wrong, start=first)
    ]


def test_each_wrong_user_is_named_with_the_line(library: LibrarySystem) -> None:
    wrong = [
        ({"primary_id": ""}, "primary_id is missing"),
        ({"last_name": ""}, "last_name is missing"),
        ({"user_group": ""}, "user_group is missing"),
        ({"user_group": "PHD"}, 'user_group "PHD" is unknown; name it in the file of user groups'),
        ({"expiry_date": "2027-02-29"}, 'expiry_date "2027-02-29" is not a day such as 2026-09-30'),
        ({"purge_date": "30.9.2026"}, 'purge_date "30.9.2026" is not a day such as 2026-09-30'),
        ({"primary_id": "u8"}, 'primary_id "u8" stands on line 2 already'),
        ({"identifier:02": "8"}, 'identifier:02 "8" stands on line 2 already'),
        ({"identifier:02": "1"}, 'identifier:02 "1" is that of user "u1" in the ledger'),
    ]
    library.load(users=[{"identifier:02": "1"}])
    users = [{"primary_id": f"new{line}"} | change for line, (change, _) in enumerate(wrong, start=3)]
    assert library.refusals(users=[{"primary_id": "u8", "identifier:02": "8"}, *users]) == [
        f"users.csv:{line}: {message}" for line, (_, message) in enumerate(wrong, start=3)
    ]


def test_wrong_groups_and_libraries_are_named_before_anything_else(library: LibrarySystem) -> None:
    assert library.refusals(
        groups=[
            {"code": "", "name": "A"},
            {"code": "B", "name": ""},
            {"code": "C", "name": "C"},
            {"code": "C", "name": "D"},
        ],
        libraries=[
            {"code": "", "id": "1", "name": "A"},
            {"code": "B", "id": "", "name": "B"},
            {"code": "C", "id": "3", "name": ""},
            {"code": "C", "id": "3", "name": "C"},
            {"code": "D", "id": "112", "name": "D"},
        ],
        users=[{"user_group": "B"}],
    ) == [
        "groups.csv:2: code is missing",
        "groups.csv:3: name is missing",
        'groups.csv:5: code "C" stands on line 4 already',
        "libraries.csv:2: code is missing",
        "libraries.csv:3: id is missing",
        "libraries.csv:4: name is missing",
        'libraries.csv:5: code "C" stands on line 4 already',
        'libraries.csv:5: id "3" stands on line 4 already',
        'libraries.csv:6: id "112" is that of library LAW in the ledger',
    ]


def test_all_wrong_lines_of_both_files_are_named_at_once(library: LibrarySystem) -> None:
    fines = [{"amount": "x", "comment": "two\nlines"}, {}, {"primary_id": "nobody", "amount": "", "created_at": "\x01"}]
    assert library.refusals(users=[{"last_name": ""}], fines=fines) == [
        'fines.csv:2: amount "x" is not a sum such as 12.50',
        'fines.csv:4: fine_id "F1" stands on line 2 already',
        "fines.csv:5: amount is missing",
        'fines.csv:5: created_at "\\u0001" is not a moment such as 2026-09-30T16:45:00',
        'fines.csv:5: fine_id "F1" stands on line 2 already',
        'fines.csv:5: there is no user with primary_id "nobody"',
        "users.csv:2: last_name is missing",
    ]


def test_rows_that_cannot_be_read_are_named_too_and_users_hidden_by_them_are_not_missed(library: LibrarySystem) -> None:
    users = library.folder / "u.csv"
    users.write_text(f"{','.join(USER)}\nu7,Ng,Ada,UG\n")
    assert library.refusals(users=users, fines=[{"primary_id": "u7"}, {"amount": "x"}, {"fine_id": "\0"}]) == [
        'fines.csv:3: amount "x" is not a sum such as 12.50',
        'fines.csv:3: fine_id "F1" stands on line 2 already',
        "fines.csv:4: a NUL character, which the ledger can't keep",
        "u.csv:2: 4 values for 6 columns; a value with a comma in it needs quotation marks",
    ]


def test_a_long_list_of_wrong_lines_is_cut(library: LibrarySystem) -> None:
    with pytest.raises(InvalidRowsError) as error:
        library.load(fines=[{"fine_id": f"F{number}", "amount": "x"} for number in range(1052)])
    assert (len(error.value.lines), error.value.count) == (50, 1052)
    assert str(error.value).endswith("\nand 1,002 more")
    assert str(error.value).startswith(f'{library.folder}/fines.csv:2: amount "x"')
    assert library.rows("SELECT count(*) FROM fines") == [0]


def test_a_file_that_is_not_there_changes_nothing(library: LibrarySystem) -> None:
    before = library.everything()
    with pytest.raises(InputFileError, match="can't be read"):
        library.load(users=[{"last_name": "Other"}], fines=library.folder / "none.csv")
    assert library.everything() == before


def test_every_line_of_a_file_comes_in(library: LibrarySystem) -> None:
    for size in (1, 49, 50, 51, 999, 1000, 1001):
        fines = [{"fine_id": f"{size}/{number}", "amount": f"{number}"} for number in range(1, size + 1)]
        assert library.load(fines=fines) == LoadResult(0, 0, size, 0, 0, 0)
        assert library.load(fines=fines) == LoadResult(0, 0, 0, 0, size, 0)
        loaded = f"SELECT count(*), sum(balance) FROM fines WHERE source_id LIKE '{size}/%'"
        assert library.rows(loaded) == [(size, size * (size + 1) // 2)]


def test_a_load_waits_for_the_desk_and_does_not_take_its_payment_again(library: LibrarySystem) -> None:
    library.load(fines=[{}])
    results: list[LoadResult] = []
    loading = threading.Thread(target=lambda: results.append(library.load(fines=[{"balance": "2.00"}])))
    with library.ledger.begin() as connection:
        desk.pay(connection, library.fine("F1").id, D("3.00"))
        loading.start()
        wait_until_blocked(connection)
    loading.join(10)
    assert [astuple(result) for result in results] == [(0, 0, 0, 0, 1, 0)]
    assert library.fine("F1").balance == D("2.00")


def wait_until_blocked(connection: Connection) -> None:
    """Returns when another session waits for a lock."""
    for _ in range(500):
        if connection.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")):
            return
        connection.execute(text("SELECT pg_sleep(0.02)"))
    pytest.fail("the load did not wait")
