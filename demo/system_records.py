# ruff: noqa: S311  random on purpose: the same seed must give the same library
"""The users and fines of the demo's FOLIO and Koha: invented like those of the CSV files, as each system has them."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from itertools import chain
from random import Random

from demo import catalogue
from demo.cases import DAY, LOST, OPEN, Account, Charge, student
from demo.catalogue import BOOKS, Person
from demo.library_files import Row, limit_accounts, make_accounts, make_rows
from tests.support.folio_library import Library
from tests.support.folio_records import Json
from tests.support.koha_server import KohaServer
from tests.support.koha_state import format_moment
from tests.support.tracked_files import PROJECT

SEED = 2029
REPORT = 7
REPORT_TEXT = PROJECT / "docs" / "how-to" / "koha-report.sql"
LOST_IN_FOLIO, LOST_IN_KOHA = "00000000-0000-4000-8000-0000000000f1", "9001"
"""The ids of two fines for lost books, which are returned after the export."""
ANA, OMAR = Person.named("Díaz", "Ana"), Person.named("Rahman", "Omar")
FOLIO_OWNERS = {"MAIN": "Main Circulation", "LAW": "Law Circulation"}
FOLIO_TYPES = {
    "OVERDUEFINE": "Overdue fine",
    "LOSTITEMREPLACEMENTFEE": "Lost item fee",
    "LOSTITEMPROCESSFEE": "Lost item processing fee",
    "LIBRARYCARDREPLACEMENT": "Card",
}
KOHA_TYPES = {
    "OVERDUEFINE": "OVERDUE",
    "LOSTITEMREPLACEMENTFEE": "LOST",
    "LOSTITEMPROCESSFEE": "PROCESSING",
    "LIBRARYCARDREPLACEMENT": "NEW_CARD",
}


def fill_folio(library: Library, fines: int, now: datetime) -> None:
    """Adds users and open fines, some of them paid in part, to a new FOLIO."""
    groups = {code: _add_group(library, code, name) for code, name in catalogue.USER_GROUPS.items()}
    users: dict[object, str] = {}
    lost = student(LOST._replace(cents=92_00, book=BOOKS[1], id=LOST_IN_FOLIO), person=ANA)
    for kind, row in _make_rows(fines, [lost], tuple(FOLIO_OWNERS), now, first_user=100_001):
        if kind == "users":
            users[row["primary_id"]] = library.add_user(**_make_folio_user(row, groups))["id"]
            continue
        days = (now - datetime.fromisoformat(str(row["created_at"]))).days
        fields = {
            "userId": users[row["primary_id"]],
            "feeFineOwner": FOLIO_OWNERS[str(row["owner_library"] or "MAIN")],
            "title": row.get("item_title"),
            "barcode": row.get("item_barcode"),
            "callNumber": row.get("item_call_number"),
            "location": row.get("item_location"),
            "dueDate": row.get("item_due_date"),
        } | ({"id": row["fine_id"]} if row["fine_id"] == LOST_IN_FOLIO else {})
        amount, balance = Decimal(str(row["amount"])), Decimal(str(row["balance"]))
        account = library.charge(float(amount), FOLIO_TYPES[str(row["fine_fee_type"])], days=days, **fields)
        if balance < amount:
            library.act(account, "pay", float(amount - balance))


def fill_koha(koha: KohaServer, fines: int, now: datetime) -> None:
    """Adds a branch, patrons and open lines, some of them paid in part, to a new Koha."""
    state = koha.state
    state.add_many("branches", ("branchcode", "branchname"), [("MED", catalogue.LIBRARIES["MED"][1])])
    state.add_many("categories", ("categorycode", "description"), catalogue.USER_GROUPS.items())
    state.add_many("account_credit_types", ("code", "description"), [("BURSAR", "Handed over to the bursar")])
    patrons: dict[object, int] = {}
    items: dict[object, int] = {}
    lost = student(LOST._replace(cents=75_00, book=BOOKS[8], id=LOST_IN_KOHA), person=OMAR)
    for kind, row in _make_rows(fines, [lost], ("MED",), now, first_user=200_001):
        if kind == "users":
            number = len(patrons) + 1
            patrons[row["primary_id"]] = state.add_patron(number, **_make_patron(row))
            continue
        facts: dict[str, object] = {
            "date": format_moment(datetime.fromisoformat(str(row["created_at"])).timestamp()),
            "branchcode": "MED",
        }
        facts["timestamp"] = facts["date"]
        if barcode := row.get("item_barcode"):
            if barcode not in items:
                items[barcode] = len(items) + 1
                _add_item(koha, items[barcode], row)
            facts["itemnumber"] = items[barcode]
        if row["fine_id"] == LOST_IN_KOHA:
            facts["accountlines_id"] = int(LOST_IN_KOHA)
        patron, amount, balance = patrons[row["primary_id"]], Decimal(str(row["amount"])), Decimal(str(row["balance"]))
        line = state.charge(patron, KOHA_TYPES[str(row["fine_fee_type"])], str(amount), **facts)
        if balance < amount:
            state.credit(patron, "PAYMENT", str(amount - balance), line, branchcode="MED")


def save_report(koha: KohaServer) -> None:
    """Saves the report that Bursar reads."""
    koha.save_report(REPORT, REPORT_TEXT.read_text(encoding="utf-8"))


def _make_rows(
    fines: int, last: list[Account], libraries: tuple[str, ...], now: datetime, *, first_user: int
) -> Iterator[tuple[str, Row]]:
    """Yields the rows of users and their open charges, which a few libraries own; the last accounts are given."""
    rng = Random(SEED)
    accounts = (_choose_charges(account, libraries, rng) for account in make_accounts(rng))
    others = limit_accounts((account for account in accounts if account.charges), fines - len(last))
    return make_rows(
        chain(others, last), rng, catalogue.people(SEED), now.replace(microsecond=0), first_user=first_user
    )


def _choose_charges(account: Account, libraries: tuple[str, ...], rng: Random) -> Account:
    """Returns an account with those of its charges that all systems have; its user may borrow for another month."""
    charges = [
        charge._replace(
            library=rng.choice(libraries),
            currency="USD",
            moved_to=None,
            reverses=0,
            comment=None,
            age=max(charge.age, DAY),
            state=charge.state if _is_open(charge) else OPEN,
        )
        for charge in account.charges
        if charge.fine_fee_type in FOLIO_TYPES
    ]
    return account._replace(charges=tuple(charges), expires=max(account.expires or 0, 30))


def _is_open(charge: Charge) -> bool:
    return charge.state.percentage > 0 and charge.state.settled_as == "paid" and charge.state.status == "open"


def _add_group(library: Library, code: str, name: str) -> str:
    group: Json = {"id": library.make_id(), "group": code, "desc": name}
    library.tables["groups"].put(group)
    return str(group["id"])


def _make_folio_user(row: Row, groups: dict[str, str]) -> Json:
    return {
        "username": row["primary_id"],
        "barcode": row["identifier:01"],
        "externalSystemId": row["identifier:02"],
        "patronGroup": groups[str(row["user_group"])],
        "active": True,
        "expirationDate": f"{row['expiry_date']}T23:59:59.000+00:00",
        "personal": {"lastName": row["last_name"], "firstName": row["first_name"]},
    }


def _make_patron(row: Row) -> dict[str, str | None]:
    card, number = row["identifier:01"], row["identifier:02"]
    return {
        "cardnumber": str(card) if card else None,
        "userid": str(row["primary_id"]),
        "surname": str(row["last_name"]),
        "firstname": str(row["first_name"]),
        "categorycode": str(row["user_group"]),
        "branchcode": "MED",
        "dateexpiry": str(row["expiry_date"]),
        "attributes": f"STUDENT_NO={number}" if number else None,
    }


def _add_item(koha: KohaServer, number: int, row: Row) -> None:
    state = koha.state
    state.add_many("biblio", ("biblionumber", "title"), [(number, row["item_title"])])
    item = (number, row["item_barcode"], "MED", row.get("item_call_number"), number)
    state.add_many("items", ("itemnumber", "barcode", "homebranch", "itemcallnumber", "biblionumber"), [item])
