"""FOLIO's accounts become the ledger's fines, by the program in include/sources.examples/folio.

It runs as a process of its own against a server that answers like FOLIO, as far as the program asks it.
"""

import json
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest

from tests.support.fake_bursar import Payment
from tests.support.mapped_source import EXAMPLES, MappedSource, write_csv

GROUP = {"id": "00000000-0000-4000-8000-00000000000a", "group": "students", "desc": "Students"}
ADA = {
    "id": "00000000-0000-4000-8000-000000000007",
    "username": "ada",
    "barcode": "23529000",
    "externalSystemId": "00000007",
    "patronGroup": GROUP["id"],
    "expirationDate": "2027-08-31T23:59:59.000+00:00",
    "personal": {"lastName": "Okonkwo", "firstName": "Ada"},
}
EVE = {"id": "00000000-0000-4000-8000-000000000008", "patronGroup": GROUP["id"], "personal": {"lastName": "Ng"}}
PROGRAM = {"id": "00000000-0000-4000-8000-000000000009", "username": "pub-sub", "type": "system"}
PATHS = {"/users": "users", "/groups": "usergroups", "/accounts": "accounts"}


class Folio(ThreadingHTTPServer):
    """A FOLIO with its accounts. Actions change them as mod-feesfines does; `read` answers a query without an order."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.records: dict[str, list[dict[str, Any]]] = {
            "usergroups": [GROUP],
            "users": [ADA, EVE, PROGRAM],
            "accounts": [],
        }
        self.tokens: set[str] = set()
        self.random = random.Random(1)  # noqa: S311

    def charge(self, amount: float, type_: str = "Lost item fee", *, days: int = 0, **fields: Any) -> dict[str, Any]:
        """Charges a fee or fine."""
        moment = datetime.now(UTC) - timedelta(days=days, hours=1)
        account = {
            "id": str(UUID(int=self.random.getrandbits(128), version=4)),
            "amount": amount,
            "remaining": amount,
            "status": {"name": "Open"},
            "paymentStatus": {"name": "Outstanding"},
            "feeFineType": type_,
            "feeFineOwner": "Main Circulation",
            "userId": ADA["id"],
            "title": 'Torts, cases and "materials"',
            "barcode": "39001000123",
            "callNumber": "KF1250",
            "location": "Stacks",
            "dueDate": "2026-02-01T23:59:59.000+00:00",
            "metadata": {"createdDate": f"{moment:%Y-%m-%dT%H:%M:%S.434+00:00}"},
        } | fields
        self.records["accounts"].append(account)
        self.touch(account, days=days)
        return account

    def touch(self, account: dict[str, Any], *, days: int = 0) -> None:
        """Notes that an account has changed."""
        moment = datetime.now(UTC) - timedelta(days=days)
        account["metadata"]["updatedDate"] = f"{moment:%Y-%m-%dT%H:%M:%S.000+00:00}"

    def act(self, account: dict[str, Any], action: str, amount: float) -> None:
        """Pays, waives, transfers or refunds an amount; a refund opens the account again."""
        account["remaining"] = round(account["remaining"] + (amount if action == "Refunded" else -amount), 2)
        is_full = account["remaining"] == (account["amount"] if action == "Refunded" else 0)
        account["status"]["name"] = "Open" if account["remaining"] else "Closed"
        account["paymentStatus"]["name"] = f"{action} {'fully' if is_full else 'partially'}"
        self.touch(account)

    def cancel(self, account: dict[str, Any], how: str = "Cancelled item returned") -> None:
        """Closes an account without a payment."""
        account["remaining"] = 0.0
        account["status"]["name"], account["paymentStatus"]["name"] = "Closed", how
        self.touch(account)

    def return_item(self, account: dict[str, Any]) -> None:
        """Checks a lost item in: what was paid or transferred is refunded, and the open account is cancelled."""
        if account["remaining"] < account["amount"]:
            self.act(account, "Refunded", account["amount"] - account["remaining"])
        self.cancel(account)

    def read(self, name: str, cql: str, limit: int) -> list[dict[str, Any]]:
        """Returns the records of a query."""
        wanted, is_sorted, _ = cql.partition(" sortBy id")
        found = self.records[name][:]
        self.random.shuffle(found)
        if after := re.search(r' and id>"([^"]+)"$', wanted):
            found = [one for one in found if one["id"] > after[1]]
        if since := re.search(r'status.name=="Open" or metadata.updatedDate>="([^"]+)"', wanted):
            found = [
                one for one in found if one["status"]["name"] == "Open" or one["metadata"]["updatedDate"] >= since[1]
            ]
        return sorted(found, key=lambda one: str(one["id"]) if is_sorted else "")[:limit]


class Handler(BaseHTTPRequestHandler):
    """Answers requests."""

    server: Folio

    def log_message(self, *_: Any) -> None:
        """Writes no log."""

    def do_POST(self) -> None:
        """Logs a program in."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != "/authn/login-with-expiry" or body != {"username": "bursar", "password": "secret"}:
            self.send_error(422)
            return
        token = f"token {len(self.server.tokens)}"
        self.server.tokens.add(token)
        self.send_response(201)
        self.send_header("Set-Cookie", "folioRefreshToken=other; Path=/authn; HttpOnly; Secure")
        self.send_header("Set-Cookie", f'folioAccessToken="{token}"; Path=/; HttpOnly; Secure')
        self.end_headers()
        self.wfile.write(b"{}")

    def do_GET(self) -> None:
        """Answers a query."""
        if self.headers["X-Okapi-Tenant"] != "saguaro" or self.headers["X-Okapi-Token"] not in self.server.tokens:
            self.send_error(401)
            return
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        found = self.server.read(PATHS[path], query["query"][0], int(query.get("limit", ["10"])[0]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({PATHS[path]: found, "totalRecords": 999}).encode())


@pytest.fixture
def folio() -> Iterator[Folio]:
    """Runs a FOLIO with two patrons and a program, and no accounts."""
    with Folio() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def make_source(folio: Folio, make_mapped: Callable[..., MappedSource]) -> Callable[..., MappedSource]:
    """Returns a function that makes a source of the files that the program writes."""

    def write(folder: Path) -> None:
        environment = {
            "FOLIO_URL": f"http://127.0.0.1:{folio.server_address[1]}",
            "FOLIO_TENANT": "saguaro",
            "FOLIO_USER": "bursar",
            "FOLIO_PASSWORD": "secret",
        }
        command = [sys.executable, "-I", str(EXAMPLES / "folio" / "write_files.py"), str(folder)]
        subprocess.run(command, env=environment, check=True)  # noqa: S603
        write_csv(folder / "libraries.csv", ["code", "id", "name"], [("MAIN", "1", "Main"), ("LAW", "2", "Law")])

    return lambda **options: make_mapped(write, **options)


@pytest.fixture
def source(make_source: Callable[..., MappedSource]) -> MappedSource:
    """Returns a source that does not close exported fines."""
    return make_source()


def test_users_items_and_owners_are_those_of_folio(folio: Folio, source: MappedSource) -> None:
    folio.charge(50.0)
    folio.charge(5, "Card", barcode=None, feeFineOwner="Law Circulation")
    assert source.sync() == []
    lines = (
        "SELECT string_agg(concat_ws('|', fine_fee_type, amount, owner_library, barcode, title, call_number, location),"
        " E'\\n' ORDER BY amount DESC) FROM fines LEFT JOIN items ON items.id = fines.item_id"
    )
    assert source.library.one(lines) == (
        'Lost item fee|50.000|MAIN|39001000123|Torts, cases and "materials"|KF1250|Stacks\nCard|5.000|LAW'
    )
    users = "SELECT string_agg(type || '=' || value, ' ' ORDER BY user_id, type) FROM identifiers"
    assert source.library.one(users) == (
        f"02=00000007 BARCODE=23529000 sourceId:LAW={ADA['id']} userName=ada "
        f"sourceId:LAW={EVE['id']} userName={EVE['id']}"
    )
    assert source.library.one("SELECT max(expiry_date)::text FROM users") == "2027-08-31"


def test_all_pages_are_read_and_closed_accounts_of_long_ago_are_not(folio: Folio, source: MappedSource) -> None:
    for _ in range(2001):
        folio.charge(1.0, barcode=None)
    folio.cancel(folio.charge(2.0, barcode=None))
    old = folio.charge(3.0, days=40)
    folio.act(old, "Paid", 3.0)
    folio.touch(old, days=31)
    assert source.sync() == []
    assert source.library.one("SELECT count(*) FROM fines WHERE amount = 1") == 2001
    assert source.library.one("SELECT count(*) FROM fines") == 2002


def test_a_folio_without_accounts_gives_files_with_headings_alone(folio: Folio, source: MappedSource) -> None:
    assert source.sync() == []
    assert source.inbox.balances() == {}


def test_an_item_that_is_returned_before_the_export_leaves_nothing_to_export(
    folio: Folio, source: MappedSource
) -> None:
    lost = folio.charge(50.0)
    source.sync()
    folio.return_item(lost)
    assert source.sync() == []
    assert source.entries(lost["id"]) == [("CANCELLED", "-50.00", "0.00")]
    assert source.export() == []


@pytest.mark.parametrize("closes", [True, False])
def test_an_item_that_is_returned_after_the_export_is_reversed_at_the_bursar(
    folio: Folio, make_source: Callable[..., MappedSource], *, closes: bool
) -> None:
    """FOLIO transfers the fee after the export, if it closes exported fines."""
    source = make_source(closes=closes)
    lost = folio.charge(50.0)
    source.sync()
    assert source.export() == [("50.00", None)]
    if closes:
        folio.act(lost, "Transferred", 50.0)
        assert source.sync() == []
        assert source.export() == []
    folio.return_item(lost)
    assert source.sync() == []
    assert source.export() == [("-50.00", "1")]
    assert source.position(lost["id"]) == ("CLOSED", "0.00", "0.00")
    assert source.sync() == []
    assert source.export() == []


def test_an_item_that_is_returned_after_its_fee_was_paid_at_the_bursar_is_for_a_person(
    folio: Folio, source: MappedSource
) -> None:
    lost = folio.charge(50.0)
    source.sync()
    source.export()
    source.bursar.pay(Payment("1", "50"))
    folio.return_item(lost)
    assert source.sync() == ["cancelled_late"]
    assert source.export() == []


def test_a_refund_opens_a_fine_again(folio: Folio, source: MappedSource) -> None:
    fine = folio.charge(5.0, "Card", barcode=None)
    source.sync()
    folio.act(fine, "Paid", 5.0)
    assert source.sync() == []
    folio.act(fine, "Refunded", 5.0)
    assert source.sync() == []
    assert source.entries(fine["id"]) == [("PAID", "-5.00", "0.00"), ("REOPENED", "5.00", "0.00")]
    assert source.export() == [("5.00", None)]
    folio.act(fine, "Paid", 5.0)
    assert source.sync() == []
    assert source.export() == [("-5.00", "1")]
    folio.act(fine, "Refunded", 5.0)
    assert source.sync() == ["came_back"]


def test_a_partial_payment_reduces_what_is_exported(folio: Folio, source: MappedSource) -> None:
    fine = folio.charge(50.0)
    source.sync()
    folio.act(fine, "Paid", 19.99)
    assert source.sync() == []
    assert source.export() == [("30.01", None)]
    folio.act(fine, "Paid", 12.5)
    assert source.sync() == []
    assert source.position(fine["id"]) == ("CLOSED", "0.00", "17.51")
    assert source.export() == [("-12.50", "1")]


def test_a_growing_fine_is_a_row_for_each_fine_of_the_loan(folio: Folio, source: MappedSource) -> None:
    """FOLIO charges an overdue fine once, at the return or the renewal; each has an account of its own."""
    folio.charge(0.25, "Overdue fine", loanId="loan")
    assert source.sync() == []
    folio.charge(0.75, "Overdue fine", loanId="loan")
    assert source.sync() == []
    assert sorted(source.export()) == [("0.25", None), ("0.75", None)]
    folio.charge(1.25, "Overdue fine", loanId="loan")
    assert source.sync() == []
    assert source.export() == [("1.25", None)]


def test_a_claim_is_suspended_and_what_is_waived_or_an_error_is_no_payment(folio: Folio, source: MappedSource) -> None:
    claimed, waived, wrong = (folio.charge(amount) for amount in (50.0, 5.0, 7.0))
    source.sync()
    claimed["paymentStatus"]["name"] = "Suspended claim returned"
    folio.act(waived, "Waived", 5.0)
    folio.cancel(wrong, "Cancelled as error")
    assert source.sync() == []
    assert source.position(claimed["id"]) == ("DISPUTED", "50.00", "0.00")
    assert source.entries(waived["id"]) == [("WAIVED", "-5.00", "0.00")]
    assert source.entries(wrong["id"]) == [("CANCELLED", "-7.00", "0.00")]
    assert source.export() == []
