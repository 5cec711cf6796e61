"""FOLIO takes any name, and says nothing of requests under way: what is checked before and after such a moment."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from bursar.errors import BursarError
from bursar.sources.folio.system import FolioSystem
from bursar.sources.outbox import WriteCounts
from bursar.sources.system import Answer, AnswerStatus, EventKind
from tests.support.folio import make_event
from tests.support.folio_records import Json, format_moment
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


def make_older(folio: FolioServer) -> None:
    """Moves the actions so far back by an hour."""
    for action in folio.library.actions.by_id.values():
        moment = datetime.fromisoformat(action["dateAction"]) - timedelta(hours=1)
        action["dateAction"] = format_moment(moment)


@pytest.mark.parametrize("amount", [20, 50])
def test_a_transfer_that_was_not_counted_is_not_done_because_the_desk_was_paid_later(
    town_of_folio: FolioTown, amount: float
) -> None:
    """Else the payment at the desk would count as the transfer, and the bursar would collect it again."""
    town = town_of_folio
    fine = add_fine(town)
    town.folio.traps.plan(Fault.CUT_BETWEEN)
    town.write()
    make_older(town.folio)
    town.folio.library.act(fine, "pay", amount)
    assert town.write() == WriteCounts(unknown=1)
    assert town.library.one("SELECT balance_change FROM outbox_events") == 0


def test_a_note_of_the_staff_does_not_make_a_transfer_that_was_not_counted_done(
    folio: FolioServer, folio_system: FolioSystem
) -> None:
    account = folio.library.charge(50)
    event = make_event(EventKind.HANDED_OVER, account, "50")
    folio.traps.plan(Fault.CUT_BETWEEN)
    answer = folio_system.write(event)
    note = folio.library.list_actions(account)[-1] | {
        "id": folio.library.make_id(),
        "dateAction": folio.library.clock.now(),
    }
    folio.library.actions.put(
        note
        | {
            "typeAction": "Staff info only",
            "amountAction": 0,
            "balance": 50.0,
            "comments": "STAFF : called",
            "transactionInformation": "",
        }
    )
    assert answer.status is AnswerStatus.UNKNOWN
    assert folio_system.find(event) == answer


def test_an_event_of_which_two_transfers_took_less_than_its_amount_is_for_a_person(
    folio: FolioServer, folio_system: FolioSystem
) -> None:
    account = folio.library.charge(50)
    folio.library.act(account, "pay", 30)
    event = make_event(EventKind.HANDED_OVER, account, "50")
    folio.traps.between = lambda: arrive(folio, account, event.text)
    answer = folio_system.write(event)
    assert (answer.status, "more than once" in answer.reason) == (AnswerStatus.UNKNOWN, True)


def arrive(folio: FolioServer, account: Json, information: str) -> None:
    """Lets the request of an earlier attempt arrive."""
    folio.traps.between = lambda: None
    folio.library.act(account, "transfer", 20, information)
