"""A library with a Koha: two branches, two patrons and an item, the saved report, and a source that reads it."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bursar.sources.http_client import HttpClient
from bursar.sources.koha.client import KohaClient
from bursar.sources.koha.model import KohaSource
from bursar.sources.koha.system import KohaSystem
from bursar.sources.system_account import SystemAccount
from tests.support.koha_server import KohaServer
from tests.support.koha_state import LIBRARIAN, format_moment
from tests.support.koha_traps import CLIENT_ID, CLIENT_SECRET, LOGIN, PASSWORD
from tests.support.tracked_files import PROJECT

REPORT = 7
REPORT_TEXT = PROJECT / "docs" / "how-to" / "koha-report.sql"
ADA, BEN, CYD = 7, 8, 9
ITEM = 5
BARCODE = "39001000123"


def fill_koha(koha: KohaServer) -> None:
    """Adds branches, a category, patrons, an item, the credit type BURSAR and the saved report to an empty Koha."""
    state = koha.state
    state.add_many("branches", ("branchcode", "branchname"), [("MAIN", "Main Library"), ("LAW", "Law Library")])
    state.add_many("categories", ("categorycode", "description"), [("ST", "Students")])
    state.add_many("account_credit_types", ("code", "description"), [("BURSAR", "Handed over to the bursar")])
    for number, name in ((ADA, "Ada"), (BEN, "Ben"), (CYD, "Cyd")):
        state.add_patron(number, firstname=name, userid=name.lower(), attributes=f"STUDENT_NO=0000000{number}")
    state.add_many("biblio", ("biblionumber", "title"), [(1, 'Torts, cases and "materials"')])
    item = (ITEM, BARCODE, "MAIN", "KF1250", 1)
    state.add_many("items", ("itemnumber", "barcode", "homebranch", "itemcallnumber", "biblionumber"), [item])
    koha.save_report(REPORT, REPORT_TEXT.read_text(encoding="utf-8"))


def fill_fines(koha: KohaServer, fines: int, patrons: int) -> None:
    """Adds many patrons with student numbers, and open lines of two days ago, each with an item, to a filled Koha."""
    state, moment, first = koha.state, format_moment(koha.state.now() - 2 * 86_400), CYD + 1
    numbers = range(first, first + patrons)
    state.add_many(
        "borrowers",
        ("borrowernumber", "cardnumber", "userid", "surname", "firstname", "categorycode", "branchcode"),
        ((n, f"2352{n:08}", f"u{n}", f"Name {n}", "First", "ST", "LAW") for n in numbers),
    )
    attributes = ((n, "STUDENT_NO", f"{n - first:08}") for n in numbers)
    state.add_many("borrower_attributes", ("borrowernumber", "code", "attribute"), attributes)
    items = ((ITEM + 1 + n, f"I{n}", "MAIN", "KF1250", 1) for n in range(fines))
    state.add_many("items", ("itemnumber", "barcode", "homebranch", "itemcallnumber", "biblionumber"), items)
    state.add_many(
        "accountlines",
        ("borrowernumber", "itemnumber", "date", "timestamp", "amount", "amountoutstanding", "debit_type_code",
         "branchcode", "manager_id", "interface"),
        (
            (first + n % patrons, ITEM + 1 + n, moment, moment, 1 + n % 50, 1 + n % 50, ("LOST", "PROCESSING")[n % 2],
             "MAIN", LIBRARIAN, "intranet")
            for n in range(fines)
        ),
    )  # fmt: skip


def make_koha_source(**changes: Any) -> KohaSource:
    """Makes a source whose maps have Koha's own codes; its time zone is that of the server."""
    types = ("LOST", "OVERDUE", "NEW_CARD", "PROCESSING", "MANUAL")
    return KohaSource.model_validate(
        {
            "code": "KOHA",
            "name": "Koha",
            "kind": "koha",
            "connection": "koha",
            "report": REPORT,
            "owners": {"MAIN": "MAIN", "LAW": "LAW"},
            "fine_fee_types": {type_: type_ for type_ in types},
            "identifiers": {"BARCODE": "cardnumber", "02": "attribute STUDENT_NO"},
            "schedule": "daily at 02:00",
            "currency": "USD",
            "time_zone": "UTC",
        }
        | changes
    )


def make_account(koha: KohaServer, **changes: Any) -> SystemAccount:
    """Makes the account of a connection to a Koha, with its client of OAuth2."""
    fields: dict[str, Any] = {
        "connection_id": "koha",
        "url": koha.url,
        "login": LOGIN,
        "password": PASSWORD,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
    }
    return SystemAccount(**fields | changes)


@contextmanager
def open_system(koha: KohaServer, source: KohaSource | None = None, **account: Any) -> Iterator[KohaSystem]:
    """Opens a Koha as Bursar does, but without pauses before a request is repeated."""
    with HttpClient(make_account(koha, **account), pauses_seconds=(0, 0)) as http:
        yield KohaSystem(source or make_koha_source(), KohaClient(http))


def read_rows(path: Path) -> list[dict[str, str]]:
    """Returns the rows of a file of a reading."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
