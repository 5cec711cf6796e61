"""What FOLIO learns of an event, and what an answer means: done, refused or not known."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from bursar.errors import BursarError, TransientError
from bursar.ledger.entry_type import EntryType
from bursar.sources.folio.session import FolioSession
from bursar.sources.folio.system import FolioSystem
from bursar.sources.system import Answer, AnswerStatus, Event, EventKind
from tests.support.folio import make_event, make_folio_source
from tests.support.folio_library import PAYMENT_METHOD, REFUND_REASON, SERVICE_POINT, TRANSFER_ACCOUNT, WAIVE_REASON
from tests.support.folio_records import Json
from tests.support.folio_server import FolioServer
from tests.support.folio_traps import Fault

HANDED_OVER, PAID, REVERSED, OWED_AGAIN = EventKind
DONE, REFUSED, UNKNOWN = AnswerStatus


@pytest.fixture
def when_paid(folio_session: FolioSession) -> FolioSystem:
    """Returns a FOLIO in which payments close fines."""
    return FolioSystem(make_folio_source(closes_fines_when="paid"), folio_session)


def state(folio: FolioServer, account: Json) -> tuple[str, str, float]:
    now = folio.library.get(account)
    return now["status"]["name"], now["paymentStatus"]["name"], now["remaining"]


def write(system: FolioSystem, event: Event) -> Answer:
    """Writes an event that FOLIO does not have, and looks that it has it then, with the same answer."""
    assert system.find(event) is None
    answer = system.write(event)
    if answer.balance_change:
        assert system.find(event) == answer
    return answer


def test_a_fine_that_was_handed_over_is_transferred_with_the_key(folio: FolioServer, folio_system: FolioSystem) -> None:
    account = folio.library.charge(50)
    event = make_event(HANDED_OVER, account, "50.000")
    assert write(folio_system, event) == Answer(DONE, "Transferred in FOLIO: 50.00 USD.", Decimal("-50.00"))
    assert state(folio, account) == ("Closed", "Transferred fully", 0)
    [_, action] = folio.library.list_actions(account)
    assert action["transactionInformation"] == event.text
    assert action["comments"] == f"STAFF : {event.text}"
    assert (action["paymentMethod"], action["createdAt"]) == (TRANSFER_ACCOUNT, SERVICE_POINT)
    assert (action["source"], action["notify"]) == ("Bursar", False)


def test_at_most_what_is_owed_just_now_is_transferred(folio: FolioServer, folio_system: FolioSystem) -> None:
    account = folio.library.charge(50)
    folio.library.act(account, "pay", 19.99)
    answer = write(folio_system, make_event(HANDED_OVER, account, "50"))
    assert (answer.status, answer.balance_change) == (DONE, Decimal("-30.01"))


def test_a_part_of_a_fine_can_be_transferred(folio: FolioServer, folio_system: FolioSystem) -> None:
    account = folio.library.charge(50)
    assert write(folio_system, make_event(HANDED_OVER, account, "20")).balance_change == Decimal(-20)
    assert state(folio, account) == ("Open", "Transferred partially", 30)
    assert write(folio_system, make_event(HANDED_OVER, account, "30")).balance_change == Decimal(-30)


@pytest.mark.parametrize("kind", [PAID, OWED_AGAIN])
def test_what_happens_at_the_bursar_later_changes_nothing_after_a_transfer(
    folio: FolioServer, folio_system: FolioSystem, kind: EventKind
) -> None:
    account = folio.library.charge(50)
    write(folio_system, make_event(HANDED_OVER, account, "50"))
    requests = len(folio.requests)
    answer = write(folio_system, make_event(kind, account, "50"))
    assert (answer.status, answer.balance_change, len(folio.requests)) == (DONE, Decimal(0), requests)


def test_where_payments_close_fines_handing_over_writes_nothing_and_a_payment_is_one(
    folio: FolioServer, when_paid: FolioSystem
) -> None:
    account = folio.library.charge(50)
    assert write(when_paid, make_event(HANDED_OVER, account, "50")).balance_change == 0
    assert state(folio, account) == ("Open", "Outstanding", 50)
    assert write(when_paid, make_event(PAID, account, "20")).balance_change == Decimal(-20)
    assert folio.library.list_actions(account)[-1]["paymentMethod"] == PAYMENT_METHOD
    assert state(folio, account) == ("Open", "Paid partially", 30)


def test_where_payments_close_fines_one_that_counts_as_paid_is_transferred(
    folio: FolioServer, when_paid: FolioSystem
) -> None:
    account = folio.library.charge(50)
    event = make_event(HANDED_OVER, account, "50", entry_type=EntryType.EXPORTED_AND_PAID)
    assert write(when_paid, event).balance_change == Decimal(-50)
    assert state(folio, account) == ("Closed", "Transferred fully", 0)


def test_a_payment_that_was_taken_back_is_refunded(folio: FolioServer, when_paid: FolioSystem) -> None:
    account = folio.library.charge(50)
    write(when_paid, make_event(PAID, account, "50"))
    answer = write(when_paid, make_event(OWED_AGAIN, account, "20"))
    assert answer == Answer(DONE, "Refunded in FOLIO: 20.00 USD.", Decimal("20.00"))
    assert state(folio, account) == ("Open", "Refunded partially", 20)
    assert folio.library.list_actions(account)[-1]["paymentMethod"] == REFUND_REASON


def test_no_more_is_refunded_than_was_settled_though_folio_would(folio: FolioServer, when_paid: FolioSystem) -> None:
    account = folio.library.charge(50)
    write(when_paid, make_event(PAID, account, "50"))
    write(when_paid, make_event(OWED_AGAIN, account, "40"))
    assert write(when_paid, make_event(OWED_AGAIN, account, "40")).balance_change == Decimal(10)
    assert write(when_paid, make_event(OWED_AGAIN, account, "40")).status == REFUSED
    assert folio.library.get(account)["remaining"] == 50


@pytest.mark.parametrize(
    ("entry_type", "amount", "says", "method"),
    [
        (EntryType.PAID, "50", "Paid fully", PAYMENT_METHOD),
        (EntryType.WAIVED, "50", "Waived fully", WAIVE_REASON),
        (EntryType.CHARGED, "50", "Waived fully", WAIVE_REASON),
        (EntryType.CANCELLED, "50", "Cancelled as error", None),
        (EntryType.CHARGED, "20", "Waived partially", WAIVE_REASON),
    ],
)
def test_what_nobody_owes_any_more_is_closed_as_it_came_about(
    folio: FolioServer, folio_system: FolioSystem, entry_type: EntryType, amount: str, says: str, method: str | None
) -> None:
    account = folio.library.charge(50)
    answer = write(folio_system, make_event(REVERSED, account, amount, entry_type=entry_type))
    assert (answer.status, answer.balance_change) == (DONE, -Decimal(amount))
    assert state(folio, account)[1] == says
    assert folio.library.list_actions(account)[-1].get("paymentMethod") == method


def test_a_fine_of_which_a_part_was_settled_is_not_cancelled_as_a_whole(
    folio: FolioServer, folio_system: FolioSystem
) -> None:
    account = folio.library.charge(50)
    folio.library.act(account, "pay", 20)
    answer = write(folio_system, make_event(REVERSED, account, "30", entry_type=EntryType.CANCELLED))
    assert answer.balance_change == Decimal(-30)
    assert state(folio, account)[1] == "Waived fully"


def test_what_is_closed_already_needs_no_reversal(folio: FolioServer, folio_system: FolioSystem) -> None:
    account = folio.library.charge(50)
    write(folio_system, make_event(HANDED_OVER, account, "50"))
    answer = write(folio_system, make_event(REVERSED, account, "50"))
    assert (answer.status, answer.balance_change) == (DONE, Decimal(0))
    assert folio.library.total(account, "Waived") == 0


@pytest.mark.parametrize("change", ["paid", "deleted", "decimals", "credit"])
def test_refusals_say_what_to_do(folio: FolioServer, folio_system: FolioSystem, change: str) -> None:
    account = folio.library.charge(50)
    event = make_event(HANDED_OVER, account, "50")
    if change == "paid":
        folio.library.act(account, "pay", 50)
    elif change == "deleted":
        folio.library.accounts.remove(account["id"])
    elif change == "decimals":
        event = replace(event, amount=Decimal("0.005"), currency="KWD")
    else:
        event = replace(event, is_credit=True)
    answer = write(folio_system, event)
    words = {"paid": "(Paid fully)", "deleted": "any more", "decimals": "0.005 KWD has more", "credit": "no credits"}
    assert (answer.status, words[change] in answer.reason) == (REFUSED, True)
    assert folio.library.total(account, "Transferred") == 0


def pay_meanwhile(folio: FolioServer, account: Json, amount: float) -> Callable[[str, str], None]:
    """Lets the desk take money after the account was read, and before the call."""

    def act(method: str, _: str) -> None:
        if method == "POST" and amount:
            folio.traps.choose_fault = lambda *_: None
            folio.library.act(account, "pay", amount)

    return act


def test_a_fine_that_closes_before_the_call_is_refused(folio: FolioServer, folio_system: FolioSystem) -> None:
    account = folio.library.charge(50)
    event = make_event(HANDED_OVER, account, "50")
    assert folio_system.find(event) is None
    folio.traps.choose_fault = pay_meanwhile(folio, account, 50)
    answer = folio_system.write(event)
    assert (answer.status, answer.balance_change) == (REFUSED, Decimal(0))
    assert "Paid fully" in answer.reason


def test_a_fine_that_shrinks_before_the_call_is_written_by_the_next_run(
    folio: FolioServer, folio_system: FolioSystem
) -> None:
    account = folio.library.charge(50)
    event = make_event(HANDED_OVER, account, "50")
    folio_system.find(event)
    folio.traps.choose_fault = pay_meanwhile(folio, account, 20)
    assert folio_system.write(event).status == UNKNOWN
    assert write(folio_system, event).balance_change == Decimal(-30)


@pytest.mark.parametrize("fault", list(Fault))
@pytest.mark.parametrize("kind", [HANDED_OVER, PAID, REVERSED])
def test_every_fault_leads_to_one_closing_or_to_a_person(
    folio: FolioServer, folio_session: FolioSession, fault: Fault, kind: EventKind
) -> None:
    source = make_folio_source(closes_fines_when="paid" if kind is PAID else "handed_over")
    system = FolioSystem(source, folio_session)
    folio.traps.slow_seconds = 0.01
    account = folio.library.charge(50)
    event = make_event(kind, account, "50")
    assert system.find(event) is None
    folio.traps.plan(fault)
    answer = system.write(event)
    is_half = fault.name.endswith("BETWEEN")
    is_done = not is_half and not fault.name.endswith("BEFORE")
    assert answer.status == (DONE if is_done else UNKNOWN)
    # The next run:
    found = system.find(event)
    if is_half:
        assert found
        assert found.status == UNKNOWN
        assert "and not the balance" in found.reason
        assert found.balance_change == 0
        return
    final = found or system.write(event)
    assert (final.status, final.balance_change) == (DONE, Decimal(-50))
    [_, _] = folio.library.list_actions(account)
    assert folio.library.get(account)["remaining"] == 0


@pytest.mark.parametrize("fault", list(Fault))
def test_a_refund_is_never_made_twice(folio: FolioServer, when_paid: FolioSystem, fault: Fault) -> None:
    """FOLIO would refund again and again: an earlier refund does not lower what it takes for refundable."""
    folio.traps.slow_seconds = 0.01
    account = folio.library.charge(50)
    write(when_paid, make_event(PAID, account, "50"))
    event = make_event(OWED_AGAIN, account, "50")
    folio.traps.plan(fault)
    when_paid.write(event)
    found = when_paid.find(event) or when_paid.write(event)
    assert folio.library.total(account, "Refunded") == 50
    assert found.status == (UNKNOWN if fault.name.endswith("BETWEEN") else DONE)


def test_a_refund_of_which_only_the_credit_was_saved_is_for_a_person(
    folio: FolioServer, when_paid: FolioSystem
) -> None:
    account = folio.library.charge(50)
    write(when_paid, make_event(PAID, account, "50"))
    event = make_event(OWED_AGAIN, account, "50")
    before = folio.library.get(account)
    write(when_paid, event)
    folio.library.actions.remove(folio.library.list_actions(account)[-1]["id"])
    folio.library.save_account(before)
    found = when_paid.find(event)
    assert found
    assert (found.status, "first part" in found.reason) == (UNKNOWN, True)


@pytest.mark.parametrize("amount", [20, 50])
def test_a_payment_at_the_desk_at_the_same_moment_is_for_a_person(
    folio: FolioServer, folio_system: FolioSystem, amount: float
) -> None:
    """Both succeed, and FOLIO counts only one of them."""
    account = folio.library.charge(50)

    def pay_at_the_desk() -> None:
        folio.traps.between = lambda: None
        folio.library.act(account, "pay", amount)

    event = make_event(HANDED_OVER, account, "50")
    folio.traps.between = pay_at_the_desk
    answer = folio_system.write(event)
    assert (answer.status, "at the same moment" in answer.reason) == (UNKNOWN, True)
    # What the transfer took off is no payment at the desk, which the next reading would reverse at the bursar.
    assert answer.balance_change == Decimal(-50)
    assert folio_system.find(event) == answer


def test_what_happens_later_does_not_make_a_done_event_unknown(folio: FolioServer, folio_system: FolioSystem) -> None:
    account = folio.library.charge(50)
    event = make_event(HANDED_OVER, account, "50")
    answer = write(folio_system, event)
    folio.library.return_item(account)
    assert folio_system.find(event) == answer


def test_a_balance_that_actions_do_not_explain_before_the_event_is_no_obstacle(
    folio: FolioServer, folio_system: FolioSystem
) -> None:
    """Libraries that moved to FOLIO have accounts whose earlier payments are not among the actions."""
    account = folio.library.charge(50, days=30)
    folio.library.change(account, remaining=30.0)
    assert write(folio_system, make_event(HANDED_OVER, account, "50")).balance_change == Decimal(-30)


def test_an_event_that_was_written_twice_by_another_is_for_a_person(
    folio: FolioServer, folio_system: FolioSystem
) -> None:
    account = folio.library.charge(50)
    event = make_event(HANDED_OVER, account, "20")
    write(folio_system, event)
    folio.library.act(account, "transfer", 20, event.text)
    found = folio_system.find(event)
    assert found
    assert (found.status, "more than once" in found.reason) == (UNKNOWN, True)


def test_a_token_that_expires_before_the_call_is_renewed(folio: FolioServer, folio_system: FolioSystem) -> None:
    account = folio.library.charge(50)
    event = make_event(HANDED_OVER, account, "50")
    folio_system.find(event)

    def expire_once(_: str, path: str) -> None:
        if path.endswith("/transfer"):
            folio.traps.choose_fault = lambda *_: None
            folio.expire_tokens()

    folio.traps.choose_fault = expire_once
    assert folio_system.write(event).status == DONE
    assert folio.library.total(account, "Transferred") == 50


def test_a_missing_permission_stops_the_writing_and_is_named(folio: FolioServer, folio_system: FolioSystem) -> None:
    folio.traps.denied = {"feesfines.accounts.transfer.post"}
    account = folio.library.charge(50)
    with pytest.raises(BursarError, match="lacks the permission feesfines.accounts.transfer.post") as error:
        folio_system.write(make_event(HANDED_OVER, account, "50"))
    assert not isinstance(error.value, TransientError)


def test_a_service_point_that_is_missing_stops_the_writing_before_it_begins(
    folio: FolioServer, folio_session: FolioSession
) -> None:
    account = folio.library.charge(50)
    system = FolioSystem(make_folio_source(service_point="other"), folio_session)
    with pytest.raises(BursarError, match="0 service points of the code other"):
        system.write(make_event(HANDED_OVER, account, "50"))
    assert folio.library.get(account)["remaining"] == 50


def test_a_server_that_is_down_before_anything_was_written_is_a_transient_error(
    folio: FolioServer, folio_system: FolioSystem
) -> None:
    account = folio.library.charge(50)
    event = make_event(HANDED_OVER, account, "50")
    folio_system.find(event)
    folio.traps.choose_fault = lambda *_: Fault.ERROR_BEFORE
    for ask in (folio_system.write, folio_system.find):
        with pytest.raises(TransientError):
            ask(event)


def test_reasons_name_nobody(folio: FolioServer, folio_system: FolioSystem) -> None:
    account = folio.library.charge(50, userId=folio.library.add_user(personal={"lastName": "Lovelace"})["id"])
    folio.library.act(account, "pay", 50)
    reason = folio_system.write(make_event(HANDED_OVER, account, "50")).reason
    assert account["userId"] not in reason
    assert account["id"] not in reason


def test_nothing_is_sent_once_another_worker_may_write(folio: FolioServer, folio_system: FolioSystem) -> None:
    account = folio.library.charge(50)

    def confirm() -> None:
        raise TransientError("the lock was lost")

    assert folio_system.write(make_event(HANDED_OVER, account, "50"), confirm).status is UNKNOWN
    assert not [path for method, path in folio.requests if method == "POST" and path.startswith("/accounts/")]
