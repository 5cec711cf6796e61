"""The fixtures of a FOLIO on loopback; other modules of `tests.support` can start one without pytest."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from bursar.ledger.entry_type import EntryType
from bursar.sources.folio.model import FolioSource
from bursar.sources.folio.session import FolioSession
from bursar.sources.folio.system import FolioSystem
from bursar.sources.http_client import HttpClient
from bursar.sources.system import Event, EventKind
from bursar.sources.system_account import SystemAccount
from tests.support.folio_library import PAYMENT_METHOD, REFUND_REASON, TRANSFER_ACCOUNT, WAIVE_REASON
from tests.support.folio_server import PASSWORD, TENANT, USER, FolioServer, run_folio

FOLIO_SOURCE: dict[str, Any] = {
    "code": "FOLIO",
    "name": "FOLIO",
    "kind": "folio",
    "connection": "folio",
    "tenant": TENANT,
    "primary_id": "username",
    "identifiers": {"BARCODE": "barcode", "02": "externalSystemId"},
    "owners": {"Main Circulation": "MAIN", "Law Circulation": "LAW"},
    "fine_fee_types": {
        "Lost item fee": "LOSTITEMREPLACEMENTFEE",
        "Lost item processing fee": "LOSTITEMPROCESSFEE",
        "Overdue fine": "OVERDUEFINE",
        "Card": "CARDRENEWAL",
    },
    "service_point": "bursar",
    "transfer_account": TRANSFER_ACCOUNT,
    "payment_method": PAYMENT_METHOD,
    "waive_reason": WAIVE_REASON,
    "refund_reason": REFUND_REASON,
    "schedule": "daily at 02:00",
    "currency": "USD",
    "time_zone": "America/New_York",
    "write_back": {"handed_over": "on", "paid_at_bursar": "on", "reversed": "on", "owed_again": "on"},
}
ENTRIES = {
    EventKind.HANDED_OVER: EntryType.EXPORTED,
    EventKind.PAID_AT_BURSAR: EntryType.PAID_AT_BURSAR,
    EventKind.REVERSED: EntryType.WAIVED,
    EventKind.OWED_AGAIN: EntryType.REOPENED,
}
"""An entry of the journal that makes an event of each kind."""


def make_folio_source(**changes: Any) -> FolioSource:
    """Returns a source of the kind `folio`."""
    return FolioSource(**FOLIO_SOURCE | changes)


def make_client(url: str, *, password: str = PASSWORD, timeout_seconds: float = 5) -> HttpClient:
    """Returns a client that repeats without pauses."""
    account = SystemAccount(
        connection_id="folio", url=url, login=USER, password=password, timeout_seconds=timeout_seconds
    )
    return HttpClient(account, pauses_seconds=(0, 0))


def make_event(kind: EventKind, account: Mapping[str, Any], amount: str, **changes: Any) -> Event:
    """Returns an event about an account."""
    values: dict[str, Any] = {
        "key": uuid4(),
        "kind": kind,
        "entry_type": ENTRIES[kind],
        "fine_id": account["id"],
        "user_id": account["userId"],
        "amount": Decimal(amount),
        "currency": "USD",
        "occurred_at": datetime.now(UTC),
    }
    return Event(**values | changes)


@pytest.fixture
def folio() -> Iterator[FolioServer]:
    """Runs a FOLIO with one patron, two owners of fees and no fines."""
    with run_folio() as server:
        yield server


@pytest.fixture
def folio_client(folio: FolioServer) -> Iterator[HttpClient]:
    """Returns a client of the FOLIO."""
    with make_client(folio.url) as client:
        yield client


@pytest.fixture
def folio_session(folio_client: HttpClient) -> FolioSession:
    """Returns a session with the FOLIO, which has not logged in yet."""
    return FolioSession(folio_client, TENANT)


@pytest.fixture
def folio_system(folio_session: FolioSession) -> FolioSystem:
    """Returns the FOLIO as a library's system, in which all kinds of events are written."""
    return FolioSystem(make_folio_source(), folio_session)
