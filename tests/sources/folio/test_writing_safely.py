"""FOLIO takes any name, and says nothing of requests under way: what is checked before and after such a moment."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from bursar.errors import BursarError
from bursar.sources.folio.system import FolioSystem
from bursar.sources.outbox import WriteCounts
from bursar.sources.system import Answer, AnswerStatus, EventKind
from tests.support.folio import make_event
from tests.support.folio_records import Json
from tests.support.folio_server import FolioServer
from tests.support.folio_town import FolioTown
from tests.support.folio_traps import Fault


def add_fine(town: FolioTown) -> Json:
    """Charges 50.00, and exports it."""
    fine = town.folio.library.charge(50.0)
    town.read()
    town.export()
    return fine


@pytest.mark.parametrize(
    ("key", "complaint"),
    [
        ("transfer_account", "FOLIO has no transfer account Gone for Law Circulation, Main Circulation."),
        ("payment_method", "FOLIO has no payment method Gone for Law Circulation, Main Circulation."),
        ("waive_reason", "FOLIO has no waive reason Gone."),
        ("service_point", "FOLIO has no service point Gone."),
    ],
)
def test_with_a_name_that_folio_lacks_nothing_is_written(
    make_town: Callable[..., FolioTown], key: str, complaint: str
) -> None:
    town = make_town(**{key: "Gone"})
    fine = add_fine(town)
    with pytest.raises(BursarError) as error:
        town.write()
    assert complaint in str(error.value)
    assert town.library.one("SELECT state FROM outbox_events") == "pending"
    assert town.owed(fine) == 50


def test_a_transfer_account_that_one_owner_lacks_is_named_with_the_owner(town_of_folio: FolioTown) -> None:
    town = town_of_folio
    fine, accounts = add_fine(town), town.folio.library.tables["transfers"]
    [law] = [one for one in accounts.by_id.values() if one["ownerId"].endswith("b2")]
    accounts.remove(law["id"])
    with pytest.raises(BursarError, match=r"no transfer account Bursar for Law Circulation\."):
        town.write()
    accounts.put(law)
    assert town.write() == WriteCounts(done=1)
    assert town.owed(fine) == 0


def test_what_was_written_is_found_though_the_source_says_now_that_nothing_is(town_of_folio: FolioTown) -> None:
    """Else the transfer would count as a payment at the library, and the bursar would give the fine up."""
    town = town_of_folio
    fine = add_fine(town)
    is_lost = False

    def lose_all_answers(method: str, path: str) -> Fault | None:
        nonlocal is_lost
        is_lost = is_lost or (method == "POST" and path.endswith("/transfer"))
        return (Fault.CUT_AFTER if method == "POST" else Fault.CUT_BEFORE) if is_lost else None

    town.folio.traps.choose_fault = lose_all_answers
    assert town.write() == WriteCounts(unknown=1)
    town.folio.traps.choose_fault = lambda *_: None
    town.source = town.source.model_copy(update={"closes_fines_when": "paid"})
    assert town.write() == WriteCounts(done=1)
    assert town.read() == []
    assert town.position(fine) == ("CLOSED", "0.00", "50.00")


@pytest.mark.parametrize("amount", ["20", "50"])
def test_a_request_that_arrives_after_the_search_is_no_payment_at_the_library(
    folio: FolioServer, folio_system: FolioSystem, amount: str
) -> None:
    account = folio.library.charge(50)
    event = replace(make_event(EventKind.HANDED_OVER, account, amount), is_repeated=True)
    assert folio_system.find(event) is None

    def arrive(*_: str) -> None:
        folio.traps.choose_fault = lambda *_: None
        folio.library.act(account, "transfer", float(amount), event.text)

    folio.traps.choose_fault = arrive
    reason = f"Transferred in FOLIO: {amount}.00 USD."
    assert folio_system.write(event) == Answer(AnswerStatus.DONE, reason, -Decimal(amount))
    assert folio.library.total(account, "Transferred") == Decimal(amount)
