"""Events are written once, as a credit of one line, and whatever goes wrong is done, refused or not known."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from bursar.errors import BursarError, TransientError
from bursar.ledger.entry_type import EntryType
from bursar.sources.koha.system import KohaSystem
from bursar.sources.system import Answer, AnswerStatus, Event, EventKind
from tests.support.koha_library import ADA, BEN, make_koha_source, open_system
from tests.support.koha_server import KohaServer
from tests.support.koha_traps import Moment

KEY = UUID("0b5e7a9e-6f0a-5d1c-9a8b-1f2e3d4c5b6a")
DONE, REFUSED, UNKNOWN = AnswerStatus.DONE, AnswerStatus.REFUSED, AnswerStatus.UNKNOWN
ATTRIBUTE = {"closes_fines_when": "paid", "handed_over_attribute": {"code": "BURSAR"}}


def make_event(fine: int | str, amount: str = "5.00", **changes: Any) -> Event:
    """Makes an event: a fine of Ada was handed over."""
    fields: dict[str, Any] = {
        "key": KEY,
        "kind": EventKind.HANDED_OVER,
        "entry_type": EntryType.EXPORTED,
        "fine_id": str(fine),
        "user_id": str(ADA),
        "amount": Decimal(amount),
        "currency": "USD",
        "occurred_at": datetime(2026, 3, 2, tzinfo=UTC),
    }
    return Event(**fields | changes)


def deliver(system: KohaSystem, event: Event) -> Answer:
    """Finds an event, and writes it if there is no trace of it, as the outbox does."""
    return system.find(event) or system.write(event)


def list_credits(koha: KohaServer) -> list[tuple[str, str, str]]:
    """Returns type, amount and rest of all credits."""
    rows = koha.state.rows("SELECT * FROM accountlines WHERE credit_type_code IS NOT NULL ORDER BY accountlines_id")
    return [(row["credit_type_code"], f"{row['amount']:.2f}", f"{row['amountoutstanding']:.2f}") for row in rows]


def count_credits(koha: KohaServer) -> int:
    """Returns the number of credits that have the key of the event."""
    return int(koha.state.one("SELECT count(*) FROM accountlines WHERE note = ?", f"bursar:{KEY}"))


def before_posting(koha: KohaServer, act: Callable[[], object]) -> None:
    """Lets the desk do something between the look at the account and the credit."""
    add_credit = koha.api.add_credit

    def add_later(*arguments: Any) -> Any:
        act()
        return add_credit(*arguments)

    routes = koha.api.routes
    for place, (method, path, permissions, handler) in enumerate(routes):
        if handler == add_credit:
            routes[place] = (method, path, permissions, add_later)


def test_a_fine_that_was_handed_over_is_closed_by_a_credit_with_the_key(koha: KohaServer, system: KohaSystem) -> None:
    other, fine = koha.state.charge(ADA, "LOST", "50"), koha.state.charge(ADA, "NEW_CARD", "5")
    event = make_event(fine)
    assert system.find(event) is None
    answer = system.write(event)
    credit = koha.state.rows("SELECT * FROM accountlines WHERE note = ?", f"bursar:{KEY}")[0]
    reason = f"Koha has the credit {credit['accountlines_id']} of 5.00 USD."
    assert answer == Answer(DONE, reason, Decimal("-5.00"))
    assert system.find(event) == answer
    assert (credit["credit_type_code"], credit["amount"], credit["amountoutstanding"]) == ("BURSAR", -5, 0)
    assert credit["description"] == "Handed over to the bursar"
    assert [koha.state.outstanding(line) for line in (fine, other)] == [Decimal(0), Decimal(50)]


def test_an_older_koha_that_answers_with_an_id_alone_is_asked_for_the_credit(
    koha: KohaServer, system: KohaSystem
) -> None:
    koha.traps.answers_with_line = False
    answer = system.write(make_event(koha.state.charge(ADA, "NEW_CARD", "5")))
    assert (answer.status, answer.balance_change) == (DONE, Decimal(-5))


@pytest.mark.parametrize(
    ("owed", "amount", "written", "change"),
    [
        ("3", "5.00", "3", "-3.00"),
        ("5", "3.00", "3", "-3.00"),
        ("1.335", "1.34", "1.335", "-1.34"),
        ("3.334", "3.33", "3.334", "-3.33"),
    ],
)
def test_a_credit_is_never_more_than_the_line_owes(
    koha: KohaServer, system: KohaSystem, owed: str, amount: str, written: str, change: str
) -> None:
    other, fine = koha.state.charge(ADA, "LOST", "50"), koha.state.charge(ADA, "NEW_CARD", owed)
    answer = system.write(make_event(fine, amount))
    assert (answer.status, answer.balance_change) == (DONE, Decimal(change))
    assert system.find(make_event(fine, amount)) == answer
    [credit] = koha.state.rows("SELECT amount, amountoutstanding FROM accountlines WHERE note IS NOT NULL")
    assert tuple(credit) == (-float(written), 0)
    assert [koha.state.outstanding(line) for line in (fine, other)] == [Decimal(owed) - Decimal(written), Decimal(50)]


def test_a_fine_that_owes_nothing_any_more_gets_no_credit(koha: KohaServer, system: KohaSystem) -> None:
    fine = koha.state.charge(ADA, "NEW_CARD", "5")
    koha.state.credit(ADA, "PAYMENT", "5", fine)
    answer = system.write(make_event(fine))
    assert (answer.status, answer.balance_change) == (DONE, Decimal(0))
    assert count_credits(koha) == 0


def test_a_line_of_another_patron_is_never_touched(koha: KohaServer, system: KohaSystem) -> None:
    fine = koha.state.charge(BEN, "NEW_CARD", "5")
    answer = system.write(make_event(fine))
    assert answer.status == REFUSED
    assert answer.reason.startswith(f"The patron has no line {fine} in Koha: it was moved or deleted.")
    assert koha.state.outstanding(fine) == 5


def test_the_id_of_a_credit_is_refused_before_koha_records_another(koha: KohaServer, system: KohaSystem) -> None:
    credit = koha.state.credit(ADA, "REFUND", "5")
    assert system.write(make_event(credit)).status == REFUSED
    assert len(list_credits(koha)) == 1


def test_a_patron_who_was_merged_away_is_refused(koha: KohaServer, system: KohaSystem) -> None:
    fine = koha.state.charge(ADA, "NEW_CARD", "5")
    koha.state.merge(ADA, BEN)
    event = make_event(fine)
    assert system.find(event) is None
    assert system.write(event).status == REFUSED
    assert system.write(make_event(fine, user_id=str(BEN))).status == DONE


@pytest.mark.parametrize("moment", [Moment.AFTER, Moment.DURING, Moment.ERROR_AFTER, Moment.SLOW])
def test_a_credit_whose_answer_was_lost_is_found(koha: KohaServer, moment: Moment) -> None:
    fine = koha.state.charge(ADA, "NEW_CARD", "5")
    koha.traps.slow_seconds = 1
    koha.traps.add_fault("POST", "account/credits", moment)
    with open_system(koha, timeout_seconds=0.5) as system:
        assert deliver(system, make_event(fine)).status == DONE
        assert deliver(system, make_event(fine)).status == DONE
    assert count_credits(koha) == 1


@pytest.mark.parametrize("moment", [Moment.BEFORE, Moment.ERROR_BEFORE, Moment.BUSY])
def test_a_credit_that_did_not_arrive_is_not_known_and_written_later(
    koha: KohaServer, system: KohaSystem, moment: Moment
) -> None:
    fine = koha.state.charge(ADA, "NEW_CARD", "5")
    koha.traps.add_fault("POST", "account/credits", moment)
    answer = deliver(system, make_event(fine))
    assert (answer.status, answer.balance_change) == (UNKNOWN, Decimal(0))
    assert count_credits(koha) == 0
    assert deliver(system, make_event(fine)).status == DONE
    assert count_credits(koha) == 1


def test_a_credit_that_can_not_be_looked_up_again_is_not_known(koha: KohaServer, system: KohaSystem) -> None:
    fine = koha.state.charge(ADA, "NEW_CARD", "5")
    system.find(make_event(fine))
    koha.traps.add_fault("POST", "account/credits", Moment.AFTER)
    for _ in range(3):
        koha.traps.add_fault("GET", "account/credits", Moment.BEFORE)
    answer = system.write(make_event(fine))
    assert answer.status == UNKNOWN
    assert deliver(system, make_event(fine)).status == DONE
    assert count_credits(koha) == 1


def test_a_payment_at_the_desk_at_that_moment_spills_and_is_refused_with_what_to_do(
    koha: KohaServer, system: KohaSystem
) -> None:
    fine, other = koha.state.charge(ADA, "NEW_CARD", "5"), koha.state.charge(ADA, "LOST", "50")
    before_posting(koha, lambda: koha.state.credit(ADA, "PAYMENT", "2", fine))
    answer = system.write(make_event(fine))
    assert (answer.status, answer.balance_change) == (REFUSED, Decimal("-3.00"))
    assert "2.00 USD may have gone to other fines of the patron. In Koha, void the credit" in answer.reason
    assert koha.state.outstanding(other) == 48


def test_a_credit_without_other_fines_that_was_not_used_up_is_refused(koha: KohaServer, system: KohaSystem) -> None:
    fine = koha.state.charge(ADA, "NEW_CARD", "5")
    before_posting(koha, lambda: koha.state.credit(ADA, "PAYMENT", "2", fine))
    answer = system.write(make_event(fine))
    assert (answer.status, answer.balance_change) == (REFUSED, Decimal("-3.00"))
    assert "2.00 USD was not used" in answer.reason
    found = system.find(make_event(fine))
    assert found
    assert (found.status, found.balance_change) == (REFUSED, Decimal("-3.00"))


def test_a_spill_is_noticed_although_the_answer_was_lost(koha: KohaServer, system: KohaSystem) -> None:
    fine = koha.state.charge(ADA, "NEW_CARD", "5")
    koha.state.charge(ADA, "LOST", "50")
    before_posting(koha, lambda: koha.state.credit(ADA, "PAYMENT", "2", fine))
    koha.traps.add_fault("POST", "account/credits", Moment.AFTER)
    answer = system.write(make_event(fine))
    assert (answer.status, answer.balance_change) == (REFUSED, Decimal("-3.00"))


def test_a_fine_that_grows_at_that_moment_is_refused(koha: KohaServer, system: KohaSystem) -> None:
    fine = koha.state.charge(ADA, "OVERDUE", "5", status="UNRETURNED")
    koha.traps.spills = False
    before_posting(koha, lambda: koha.state.grow(fine, "6"))
    answer = system.write(make_event(fine))
    assert (answer.status, answer.balance_change) == (REFUSED, Decimal("-5.00"))
    assert "the fine owes 1.00 USD" in answer.reason


def test_two_writers_leave_two_credits_and_that_is_refused(koha: KohaServer, system: KohaSystem) -> None:
    fine = koha.state.charge(ADA, "NEW_CARD", "5")
    before_posting(koha, lambda: koha.state.credit(ADA, "BURSAR", "5", fine, note=f"bursar:{KEY}"))
    system.write(make_event(fine))
    answer = system.find(make_event(fine))
    assert answer
    assert (answer.status, answer.balance_change) == (REFUSED, Decimal("-5.00"))
    assert "It was recorded more than once" in answer.reason
    [_, second] = koha.state.rows("SELECT accountlines_id FROM accountlines WHERE note IS NOT NULL")
    koha.state.void(second[0])
    assert deliver(system, make_event(fine)).status == DONE, "once a person has voided the second"


def test_a_credit_that_was_voided_by_hand_is_not_written_again(koha: KohaServer, system: KohaSystem) -> None:
    fine = koha.state.charge(ADA, "NEW_CARD", "5")
    system.write(make_event(fine))
    koha.state.void(koha.state.one("SELECT accountlines_id FROM accountlines WHERE note IS NOT NULL"))
    answer = deliver(system, make_event(fine))
    assert (answer.status, answer.balance_change) == (REFUSED, Decimal(0))
    assert "was voided in Koha" in answer.reason
    assert count_credits(koha) == 1


@pytest.mark.parametrize("as_list", [False, True])
def test_what_koha_refuses_is_refused_with_its_own_words(
    koha: KohaServer, system: KohaSystem, *, as_list: bool
) -> None:
    koha.traps.errors_as_list = as_list
    koha.state.rows("UPDATE account_credit_types SET archived = 1 WHERE code = 'BURSAR'")
    answer = system.write(make_event(koha.state.charge(ADA, "NEW_CARD", "5")))
    assert answer.status == REFUSED
    assert answer.reason.startswith("Koha refuses the credit: Invalid credit type")
    assert "Nothing was written" in answer.reason


def test_a_missing_permission_stops_the_run_and_is_no_answer(koha: KohaServer, system: KohaSystem) -> None:
    fine = koha.state.charge(ADA, "NEW_CARD", "5")
    koha.traps.permissions -= {"updatecharges:remaining_permissions"}
    with pytest.raises(BursarError, match="updatecharges:remaining_permissions"):
        system.write(make_event(fine))


def test_a_token_that_has_expired_is_renewed_within_an_event(koha: KohaServer, system: KohaSystem) -> None:
    fine = koha.state.charge(ADA, "NEW_CARD", "5")
    before_posting(koha, lambda: None)
    system.find(make_event(fine))
    koha.logins.tokens.clear()
    assert system.write(make_event(fine)).status == DONE
    assert koha.calls["POST token"] == 2


def test_a_server_that_is_down_before_anything_was_written_is_a_transient_error(koha: KohaServer) -> None:
    event = make_event(koha.state.charge(ADA, "NEW_CARD", "5"))
    with open_system(koha, url="http://127.0.0.1:1") as system, pytest.raises(TransientError):
        system.write(event)


@pytest.mark.parametrize("user_id", [None, str(ADA)])
def test_a_fine_that_is_not_of_koha_is_refused(system: KohaSystem, user_id: str | None) -> None:
    event = make_event("F1" if user_id else "1", user_id=user_id)
    assert system.find(event) is None
    assert system.write(event).status == REFUSED


def test_a_credit_of_the_library_is_for_a_person(koha: KohaServer, system: KohaSystem) -> None:
    event = make_event(koha.state.credit(ADA, "REFUND", "5"), is_credit=True)
    assert system.find(event) is None
    answer = system.write(event)
    assert (answer.status, "use up or void the credit" in answer.reason) == (REFUSED, True)


@pytest.mark.parametrize(
    ("closes", "kind", "entry_type", "status", "credit"),
    [
        ("handed_over", EventKind.HANDED_OVER, EntryType.EXPORTED, DONE, "BURSAR"),
        ("handed_over", EventKind.HANDED_OVER, EntryType.EXPORTED_AND_PAID, DONE, "BURSAR"),
        ("handed_over", EventKind.PAID_AT_BURSAR, EntryType.PAID_AT_BURSAR, DONE, None),
        ("handed_over", EventKind.REVERSED, EntryType.WAIVED, DONE, "WRITEOFF"),
        ("handed_over", EventKind.OWED_AGAIN, EntryType.REOPENED, DONE, None),
        ("paid", EventKind.HANDED_OVER, EntryType.EXPORTED, DONE, None),
        ("paid", EventKind.HANDED_OVER, EntryType.EXPORTED_AND_PAID, DONE, "PAYMENT"),
        ("paid", EventKind.PAID_AT_BURSAR, EntryType.PAID_AT_BURSAR, DONE, "PAYMENT"),
        ("paid", EventKind.REVERSED, EntryType.PAID, DONE, "PAYMENT"),
        ("paid", EventKind.REVERSED, EntryType.CANCELLED, DONE, "WRITEOFF"),
        ("paid", EventKind.OWED_AGAIN, EntryType.REOPENED, REFUSED, None),
    ],
)
def test_each_kind_of_event_is_written_as_the_source_says(
    koha: KohaServer, closes: str, kind: EventKind, entry_type: EntryType, status: AnswerStatus, credit: str | None
) -> None:
    fine = koha.state.charge(ADA, "NEW_CARD", "5")
    event = make_event(fine, kind=kind, entry_type=entry_type)
    with open_system(koha, make_koha_source(closes_fines_when=closes, payment_type="BURSAR")) as system:
        answer = deliver(system, event)
    assert (answer.status, answer.balance_change) == (status, Decimal(-5 if credit else 0))
    assert [type_ for type_, _, _ in list_credits(koha)] == ([credit] if credit else [])
    assert koha.state.one("SELECT payment_type FROM accountlines WHERE note IS NOT NULL") == (credit and "BURSAR")


@pytest.mark.parametrize("moment", [None, Moment.AFTER, Moment.ERROR_AFTER])
def test_a_mark_is_an_attribute_which_a_patron_gets_once(koha: KohaServer, moment: Moment | None) -> None:
    events = [make_event(koha.state.charge(ADA, "NEW_CARD", "5"), key=uuid4()) for _ in range(2)]
    if moment:
        koha.traps.add_fault("POST", "extended_attributes", moment)
    with open_system(koha, make_koha_source(**ATTRIBUTE)) as system:
        assert deliver(system, events[0]).status == (UNKNOWN if moment else DONE)
        assert [deliver(system, event).status for event in events] == [DONE, DONE]
    assert koha.state.one("SELECT count(*) FROM borrower_attributes WHERE code = 'BURSAR' AND attribute = '1'") == 1
    assert list_credits(koha) == []


def test_an_attribute_that_koha_does_not_know_is_refused(koha: KohaServer) -> None:
    koha.state.set_preference("attribute types of the test", "STUDENT_NO")
    with open_system(koha, make_koha_source(**ATTRIBUTE)) as system:
        answer = deliver(system, make_event(koha.state.charge(ADA, "NEW_CARD", "5")))
    assert (answer.status, "Koha refuses the attribute" in answer.reason) == (REFUSED, True)


def test_a_koha_without_lists_of_credits_is_never_written_to(koha: KohaServer, system: KohaSystem) -> None:
    koha.traps.knows_lists = False
    with pytest.raises(BursarError, match="since 23.05"):
        deliver(system, make_event(koha.state.charge(ADA, "NEW_CARD", "5")))
    assert list_credits(koha) == []


def test_an_event_needs_five_requests(koha: KohaServer, system: KohaSystem) -> None:
    fine = koha.state.charge(ADA, "NEW_CARD", "5")
    deliver(system, make_event(fine))
    assert koha.calls == {"POST token": 1, "GET credits": 1, "GET account": 2, "POST credits": 1}


@pytest.mark.parametrize("changes", [{}, ATTRIBUTE])
def test_nothing_is_sent_once_another_worker_may_write(koha: KohaServer, changes: dict[str, Any]) -> None:
    line = koha.state.charge(ADA, "LOST", "5.00")

    def confirm() -> None:
        raise TransientError("the lock was lost")

    with open_system(koha, make_koha_source(**changes)) as system:
        assert system.write(make_event(line), confirm).status is UNKNOWN
    assert not {"POST credits", "POST extended_attributes"} & koha.calls.keys()


@pytest.mark.parametrize(("paid_at", "status"), [("that moment", REFUSED), ("an earlier day", DONE)])
def test_a_lost_answer_beside_a_payment_of_the_same_day_is_for_a_person(
    koha: KohaServer, system: KohaSystem, paid_at: str, status: AnswerStatus
) -> None:
    """The rest of the credit went to another fine, which the API does not show."""
    other, fine = koha.state.charge(ADA, "LOST", "50"), koha.state.charge(ADA, "NEW_CARD", "5")
    if paid_at == "that moment":
        before_posting(koha, lambda: koha.state.credit(ADA, "PAYMENT", "2", fine))
    else:
        koha.state.credit(ADA, "PAYMENT", "1", other, date="2026-01-05 10:00:00")
    koha.traps.add_fault("POST", "/credits", Moment.AFTER)
    deliver(system, make_event(fine))
    answer = deliver(system, make_event(fine))
    assert (answer.status, answer.balance_change) == (status, Decimal(-5))
    assert count_credits(koha) == 1
