"""Hundreds of events under random faults: nothing is written twice, nothing is lost, and what is done is counted."""

import random
from decimal import Decimal

import pytest

from bursar.errors import TransientError
from bursar.sources.folio.session import FolioSession
from bursar.sources.folio.system import FolioSystem
from bursar.sources.system import Answer, AnswerStatus, Event, EventKind
from tests.support.folio import make_event, make_folio_source
from tests.support.folio_actions import to_money
from tests.support.folio_records import Json
from tests.support.folio_server import FolioServer
from tests.support.folio_traps import Fault

FAULTS = [fault for fault in Fault if fault is not Fault.SLOW]
WORDS = {EventKind.HANDED_OVER: "Transferred", EventKind.PAID_AT_BURSAR: "Paid", EventKind.OWED_AGAIN: "Refunded"}


class Worker:
    """Writes events as the outbox does: finds, writes, and is killed now and then before it has recorded the answer."""

    def __init__(self, folio: FolioServer, system: FolioSystem, chooser: random.Random) -> None:
        self.folio, self.system, self.random = folio, system, chooser
        folio.traps.choose_fault = self.choose_fault

    def choose_fault(self, method: str, path: str) -> Fault | None:
        # FOLIO takes a token that it has just given.
        if self.random.random() < 0.02 and not self.folio.requests[-2][1].startswith("/authn/"):
            self.folio.expire_tokens(refresh_too=self.random.random() < 0.5)
        if path.startswith("/authn/"):
            return None
        return self.random.choice(FAULTS) if self.random.random() < (0.4 if method == "POST" else 0.05) else None

    def complete(self, event: Event) -> Answer:
        """Returns the last answer about an event, after attempts until it is final."""
        answer = None
        for _ in range(20):
            try:
                answer = self.system.find(event) or self.system.write(event)
            except TransientError:
                continue
            is_killed = self.random.random() < 0.2
            if answer.status is not AnswerStatus.UNKNOWN and not is_killed:
                return answer
        assert answer
        return answer


def list_own(folio: FolioServer, account: Json, event: Event) -> list[Json]:
    word = WORDS[event.kind]
    return [
        one
        for one in folio.library.list_actions(account)
        if event.text in one.get("comments", "") and one["typeAction"].startswith(word)
    ]


@pytest.mark.parametrize("seed", [1, 2])
def test_events_under_random_faults(folio: FolioServer, folio_session: FolioSession, seed: int) -> None:
    chooser = random.Random(seed)  # noqa: S311
    handing_over = FolioSystem(make_folio_source(), folio_session)
    paying = FolioSystem(make_folio_source(closes_fines_when="paid"), folio_session)
    counts = dict.fromkeys(AnswerStatus, 0)
    for _ in range(50):
        account = folio.library.charge(50)
        is_paying = chooser.random() < 0.5
        worker = Worker(folio, paying if is_paying else handing_over, chooser)
        kinds = [EventKind.PAID_AT_BURSAR, EventKind.OWED_AGAIN] if is_paying else [EventKind.HANDED_OVER]
        desk = Decimal(0)
        if chooser.random() < 0.3:
            desk = Decimal(chooser.choice([20, 50]))
            folio.library.act(account, "waive", float(desk))
        balance = 50 - desk
        for kind in kinds:
            event = make_event(kind, account, "50")
            answer = worker.complete(event)
            counts[answer.status] += 1
            own = list_own(folio, account, event)
            assert len(own) <= 1, "an event was written twice"
            if answer.status is not AnswerStatus.UNKNOWN:
                written = sum((to_money(one["amountAction"]) for one in own), start=Decimal(0))
                assert abs(answer.balance_change) == written
                assert (answer.status is AnswerStatus.DONE) == bool(own)
                balance += answer.balance_change
                assert to_money(folio.library.get(account)["remaining"]) == balance
            else:
                assert "and not the balance" in answer.reason or "first part" in answer.reason
                break
    assert counts[AnswerStatus.DONE] > 25
    assert counts[AnswerStatus.UNKNOWN] > 0, "an action was saved without its account"
    assert counts[AnswerStatus.REFUSED] > 0
