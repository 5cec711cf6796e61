"""FOLIO's accounts become the ledger's fines, by the program in include/sources.examples/folio.

It runs as a process of its own against the FOLIO on loopback.
"""

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.fake_bursar import Payment
from tests.support.folio_library import ADA, STUDENTS
from tests.support.folio_records import format_moment
from tests.support.folio_server import PASSWORD, TENANT, USER, FolioServer
from tests.support.mapped_source import EXAMPLES, MappedSource, write_csv

EVE = {"id": "00000000-0000-4000-8000-000000000008", "patronGroup": STUDENTS, "personal": {"lastName": "Ng"}}
PROGRAM = {"id": "00000000-0000-4000-8000-000000000009", "username": "pub-sub", "type": "system"}


@pytest.fixture
def make_source(folio: FolioServer, make_mapped: Callable[..., MappedSource]) -> Callable[..., MappedSource]:
    """Returns a function that makes a source of the files that the program writes of a FOLIO with three users."""
    folio.library.users.fill([EVE, PROGRAM])

    def write(folder: Path) -> None:
        environment = {
            "FOLIO_URL": folio.url,
            "FOLIO_TENANT": TENANT,
            "FOLIO_USER": USER,
            "FOLIO_PASSWORD": PASSWORD,
        }
        command = [sys.executable, "-I", str(EXAMPLES / "folio" / "write_files.py"), str(folder)]
        subprocess.run(command, env=environment, check=True)  # noqa: S603
        write_csv(folder / "libraries.csv", ["code", "id", "name"], [("MAIN", "1", "Main"), ("LAW", "2", "Law")])

    return lambda **options: make_mapped(write, **options)


@pytest.fixture
def source(make_source: Callable[..., MappedSource]) -> MappedSource:
    """Returns a source that does not close exported fines."""
    return make_source()


def test_users_items_and_owners_are_those_of_folio(folio: FolioServer, source: MappedSource) -> None:
    folio.library.charge(50.0)
    folio.library.charge(5, "Card", barcode=None, feeFineOwner="Law Circulation")
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


def test_all_pages_are_read_and_closed_accounts_of_long_ago_are_not(folio: FolioServer, source: MappedSource) -> None:
    for _ in range(2001):
        folio.library.charge(1.0, barcode=None)
    folio.library.cancel(folio.library.charge(2.0, barcode=None))
    old = folio.library.charge(3.0, days=40)
    folio.library.act(old, "pay", 3.0)
    moment = format_moment(datetime.now(UTC) - timedelta(days=31))
    folio.library.accounts.put(folio.library.get(old) | {"metadata": old["metadata"] | {"updatedDate": moment}})
    assert source.sync() == []
    assert source.library.one("SELECT count(*) FROM fines WHERE amount = 1") == 2001
    assert source.library.one("SELECT count(*) FROM fines") == 2002


def test_a_folio_without_accounts_gives_files_with_headings_alone(folio: FolioServer, source: MappedSource) -> None:
    assert source.sync() == []
    assert source.inbox.balances() == {}


def test_an_item_that_is_returned_before_the_export_leaves_nothing_to_export(
    folio: FolioServer, source: MappedSource
) -> None:
    lost = folio.library.charge(50.0)
    source.sync()
    folio.library.return_item(lost)
    assert source.sync() == []
    assert source.entries(lost["id"]) == [("CANCELLED", "-50.00", "0.00")]
    assert source.export() == []


@pytest.mark.parametrize("closes", [True, False])
def test_an_item_that_is_returned_after_the_export_is_reversed_at_the_bursar(
    folio: FolioServer, make_source: Callable[..., MappedSource], *, closes: bool
) -> None:
    """FOLIO transfers the fee after the export, if it closes exported fines."""
    source = make_source(closes=closes)
    lost = folio.library.charge(50.0)
    source.sync()
    assert source.export() == [("50.00", None)]
    if closes:
        folio.library.act(lost, "transfer", 50.0)
        assert source.sync() == []
        assert source.export() == []
    folio.library.return_item(lost)
    assert source.sync() == []
    assert source.export() == [("-50.00", "1")]
    assert source.position(lost["id"]) == ("CLOSED", "0.00", "0.00")
    assert source.sync() == []
    assert source.export() == []


def test_an_item_that_is_returned_after_its_fee_was_paid_at_the_bursar_is_for_a_person(
    folio: FolioServer, source: MappedSource
) -> None:
    lost = folio.library.charge(50.0)
    source.sync()
    source.export()
    source.bursar.pay(Payment("1", "50"))
    folio.library.return_item(lost)
    assert source.sync() == ["cancelled_late"]
    assert source.export() == []


def test_a_refund_opens_a_fine_again(folio: FolioServer, source: MappedSource) -> None:
    fine = folio.library.charge(5.0, "Card", barcode=None)
    source.sync()
    folio.library.act(fine, "pay", 5.0)
    assert source.sync() == []
    folio.library.act(fine, "refund", 5.0)
    assert source.sync() == []
    assert source.entries(fine["id"]) == [("PAID", "-5.00", "0.00"), ("REOPENED", "5.00", "0.00")]
    assert source.export() == [("5.00", None)]
    folio.library.act(fine, "pay", 5.0)
    assert source.sync() == []
    assert source.export() == [("-5.00", "1")]
    folio.library.act(fine, "refund", 5.0)
    assert source.sync() == ["came_back"]


def test_a_partial_payment_reduces_what_is_exported(folio: FolioServer, source: MappedSource) -> None:
    fine = folio.library.charge(50.0)
    source.sync()
    folio.library.act(fine, "pay", 19.99)
    assert source.sync() == []
    assert source.export() == [("30.01", None)]
    folio.library.act(fine, "pay", 12.5)
    assert source.sync() == []
    assert source.position(fine["id"]) == ("CLOSED", "0.00", "17.51")
    assert source.export() == [("-12.50", "1")]


def test_a_growing_fine_is_a_row_for_each_fine_of_the_loan(folio: FolioServer, source: MappedSource) -> None:
    """FOLIO charges an overdue fine once, at the return or the renewal; each has an account of its own."""
    folio.library.charge(0.25, "Overdue fine", loanId="loan")
    assert source.sync() == []
    folio.library.charge(0.75, "Overdue fine", loanId="loan")
    assert source.sync() == []
    assert sorted(source.export()) == [("0.25", None), ("0.75", None)]
    folio.library.charge(1.25, "Overdue fine", loanId="loan")
    assert source.sync() == []
    assert source.export() == [("1.25", None)]


def test_a_claim_is_suspended_and_what_is_waived_or_an_error_is_no_payment(
    folio: FolioServer, source: MappedSource
) -> None:
    claimed, waived, wrong = (folio.library.charge(amount) for amount in (50.0, 5.0, 7.0))
    source.sync()
    folio.library.change(claimed, paymentStatus={"name": "Suspended claim returned"})
    folio.library.act(waived, "waive", 5.0)
    folio.library.cancel(wrong, "Cancelled as error")
    assert source.sync() == []
    assert source.position(claimed["id"]) == ("DISPUTED", "50.00", "0.00")
    assert source.entries(waived["id"]) == [("WAIVED", "-5.00", "0.00")]
    assert source.entries(wrong["id"]) == [("CANCELLED", "-7.00", "0.00")]
    assert source.export() == []
