"""What is read from FOLIO: the rows of the files, in flat memory."""

import csv
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bursar.sources.folio.session import FolioSession
from bursar.sources.folio.system import FolioSystem
from tests.support.folio import make_folio_source
from tests.support.folio_library import ADA
from tests.support.folio_server import FolioServer


def read(system: FolioSystem, folder: Path, since: datetime | None = None) -> dict[str, list[dict[str, str]]]:
    reading = system.read(since, folder)
    assert reading.complete == (since is None)
    assert abs(reading.read_at - datetime.now(UTC)) < timedelta(seconds=30)
    files = {name: path.read_text(encoding="utf-8").splitlines() for name, path in reading.files.items()}
    return {name: list(csv.DictReader(lines)) for name, lines in files.items()}


def test_the_rows_of_a_fine_and_of_its_user(folio: FolioServer, folio_system: FolioSystem, tmp_path: Path) -> None:
    account = folio.library.charge(12.5, itemId="1")
    folio.library.add_user()
    files = read(folio_system, tmp_path)
    assert files["fines"] == [
        {
            "fine_id": account["id"],
            "user_id": ADA["id"],
            "fine_fee_type": "Lost item fee",
            "amount": "12.5",
            "balance": "12.5",
            "created_at": account["metadata"]["createdDate"],
            "status": "open",
            "settled_as": "paid",
            "owner_library": "Main Circulation",
            "item_barcode": "39001000123",
            "item_title": 'Torts, cases and "materials"',
            "item_call_number": "KF1250",
            "item_location": "Stacks",
            "item_due_date": "2026-02-01T23:59:59.000+00:00",
        }
    ]
    assert files["users"] == [
        {
            "user_id": ADA["id"],
            "primary_id": "ada",
            "last_name": "Okonkwo",
            "first_name": "Ada",
            "user_group": "students",
            "expiry_date": "2027-08-31",
            "purge_date": "",
            "identifier:BARCODE": "23529000",
            "identifier:02": "00000007",
        }
    ]
    assert files["groups"] == [{"code": "students", "name": "Students"}]


def test_a_user_without_fields_stays_without_them_and_days_are_those_of_the_library(
    folio: FolioServer, folio_system: FolioSystem, tmp_path: Path
) -> None:
    user = folio.library.add_user(
        username=None, patronGroup=None, personal=None, expirationDate="2027-09-01T03:59:59.000+00:00"
    )
    folio.library.charge(1, userId=user["id"], barcode=None)
    [row] = read(folio_system, tmp_path)["users"]
    assert row["primary_id"] == f"FOLIO:{user['id']}"
    assert (row["last_name"], row["user_group"], row["identifier:02"]) == ("", "", "")
    assert row["expiry_date"] == "2027-08-31"


def test_identifiers_can_come_from_custom_fields(
    folio: FolioServer, folio_session: FolioSession, tmp_path: Path
) -> None:
    user = folio.library.add_user(customFields={"studentNumber_2": "S9"}, barcode="B9")
    folio.library.charge(1, userId=user["id"])
    source = make_folio_source(primary_id="barcode", identifiers={"SN": "customFields.studentNumber_2"})
    [row] = read(FolioSystem(source, folio_session), tmp_path)["users"]
    assert (row["primary_id"], row["identifier:SN"]) == ("B9", "S9")


@pytest.mark.parametrize("amount", [1, 0.1, 1e2, 19.99, 1234567.89])
def test_amounts_are_as_folio_has_them(
    folio: FolioServer, folio_system: FolioSystem, tmp_path: Path, amount: float
) -> None:
    folio.library.charge(amount)
    [row] = read(folio_system, tmp_path)["fines"]
    assert float(row["amount"]) == amount
    assert "e" not in row["amount"].lower()


@pytest.mark.parametrize(
    ("said", "status", "settled_as"),
    [
        ("Outstanding", "open", "paid"),
        ("Paid fully", "open", "paid"),
        ("Transferred partially", "open", "paid"),
        ("Waived fully", "open", "waived"),
        ("Refunded fully", "open", "paid"),
        ("Cancelled item returned", "cancelled", "cancelled"),
        ("Cancelled as error", "cancelled", "cancelled"),
        ("Suspended claim returned", "suspended", "paid"),
    ],
)
def test_payment_statuses(
    folio: FolioServer, folio_system: FolioSystem, tmp_path: Path, said: str, status: str, settled_as: str
) -> None:
    folio.library.change(folio.library.charge(1), paymentStatus={"name": said})
    [row] = read(folio_system, tmp_path)["fines"]
    assert (row["status"], row["settled_as"]) == (status, settled_as)


def test_what_changed_since_a_moment_has_closed_fines_and_a_complete_reading_has_not(
    folio: FolioServer, folio_system: FolioSystem, tmp_path: Path
) -> None:
    old, closed, refunded = (folio.library.charge(5, days=2) for _ in range(3))
    folio.library.act(closed, "pay", 5)
    folio.library.act(refunded, "pay", 5)
    folio.library.act(refunded, "refund", 5)
    changed = read(folio_system, tmp_path, datetime.now(UTC) - timedelta(hours=1))["fines"]
    assert {row["fine_id"]: row["balance"] for row in changed} == {closed["id"]: "0.0", refunded["id"]: "5.0"}
    complete = read(folio_system, tmp_path)["fines"]
    assert {row["fine_id"] for row in complete} == {old["id"], refunded["id"]}


def test_nothing_gives_files_with_headings_alone(folio_system: FolioSystem, tmp_path: Path) -> None:
    assert read(folio_system, tmp_path) == {
        "fines": [],
        "groups": [{"code": "students", "name": "Students"}],
        "users": [],
    }


def test_an_account_without_a_user_or_an_owner_is_left_to_the_load(
    folio: FolioServer, folio_system: FolioSystem, tmp_path: Path
) -> None:
    account: dict[str, Any] = folio.library.charge(1)
    for name in ("userId", "feeFineOwner", "paymentStatus"):
        del account[name]
    [row] = read(folio_system, tmp_path)["fines"]
    assert (row["user_id"], row["owner_library"], row["status"]) == ("", "", "open")


def test_memory_does_not_grow_with_the_fines(
    folio: FolioServer, folio_system: FolioSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FolioSession.get_page, "__kwdefaults__", {"limit": 100})
    peaks = []
    for count in (300, 1200):
        folio.library.fill(accounts=count, users=50)
        tracemalloc.start()
        folio_system.read(None, tmp_path)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]
