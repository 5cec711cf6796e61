"""FOLIO as a library's system: reads fines, and writes events, each at most once.

FOLIO knows no key of requests. An event's key is therefore in the texts of its action: it is looked for before each
attempt, and after it. One fine a call, never more than what it owes at that moment.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bursar.errors import BursarError, TransientError
from bursar.sources.folio.check import check_folio, check_names
from bursar.sources.folio.history import Action, evaluate_event, parse_actions, to_money
from bursar.sources.folio.model import FolioSource
from bursar.sources.folio.read import read_fines
from bursar.sources.folio.session import PAGE, FolioSession, quote_cql
from bursar.sources.folio.write import Call, choose_call, explain_closed, make_call
from bursar.sources.http_client import RETRIED, HttpAnswer, HttpClient
from bursar.sources.system import PREFIX, Answer, AnswerStatus, Confirm, Event, Finding, Reading, confirm_alone
from bursar.sources.system_account import SystemAccount

ALREADY_CLOSED = "Fee/fine is already closed"
EXCEEDS = "Requested amount exceeds remaining amount"
REFUSALS = (
    ALREADY_CLOSED,
    EXCEEDS,
    "Refund amount must be greater than zero and less than or equal to Selected amount",
)
"""The texts of FOLIO that are shown; others may name people."""
_FORBIDDEN = 403
CLOSED_BY_BURSAR = Answer(AnswerStatus.DONE, "Nothing to write: Bursar has closed the fine in FOLIO before.")


class FolioSystem:
    """A tenant of FOLIO: implements `bursar.sources.system.LibrarySystem`."""

    def __init__(self, source: FolioSource, session: FolioSession) -> None:
        self._source, self._session = source, session
        self._service_point: str | None = None

    def read(self, since: datetime | None, folder: Path) -> Reading:
        """Reads the fines that changed since a moment, or all that are open, and the users whom they name."""
        return read_fines(self._session, self._source, since, folder)

    def check_names(self) -> None:
        """Checks the names with which events are written; raises a BursarError if FOLIO lacks one."""
        check_names(self._session, self._source)

    def find(self, event: Event) -> Answer | None:
        """Returns what became of an event that may have been written before; None if FOLIO has no action of it."""
        if not event.is_repeated and isinstance(choose_call(event, self._source), Answer):
            return None
        actions = self._read_actions(event)
        if not any(action.is_of(event) for action in actions):
            return None
        account = self._get_account(event)
        if account is None:
            return Answer(AnswerStatus.UNKNOWN, "FOLIO has the action, and not the fine. Ask those who run FOLIO.")
        return evaluate_event(event, actions, to_money(account.get("remaining")))

    def write(self, event: Event, confirm: Confirm = confirm_alone) -> Answer:
        """Writes an event that `find` has not found, and checks what became of it.

        Raises:
            TransientError: FOLIO can't be reached, before anything was written.
            BursarError: the login is refused, or a permission is missing; nothing was written.
        """
        name = choose_call(event, self._source)
        if isinstance(name, Answer):
            return name
        account = self._get_account(event)
        if account is None:
            return Answer(AnswerStatus.REFUSED, "FOLIO does not have the fine any more. Mark the event as done.")
        # A request of an earlier attempt may have arrived after `find`. Then the account does not owe what it took.
        if event.is_repeated and (found := self.find(event)):
            return found
        call = make_call(name, event, self._source, account)
        if isinstance(call, Answer):
            is_refused = call.status is AnswerStatus.REFUSED
            return CLOSED_BY_BURSAR if is_refused and self._has_closed(event, account) else call
        return self._post(event, call, self._find_service_point(), confirm)

    def check(self) -> list[Finding]:
        """Compares version, permissions, settings and maps with what is needed. Changes nothing."""
        return check_folio(self._session, self._source)

    def _post(self, event: Event, call: Call, service_point: str, confirm: Confirm) -> Answer:
        """Sends a call, once, and looks for its action, whatever FOLIO answers."""
        path = f"/accounts/{quote(event.fine_id, safe='')}/{call.name}"
        subject = f"the {call.name} of a fine"
        answer: HttpAnswer | None = None
        try:
            answer = self._session.post(path, call.make_body(event, service_point), subject=subject, before=confirm)
            doubt = f"FOLIO has answered with the status {answer.status}."
        except TransientError as error:
            doubt = str(error)
        if answer and answer.status == _FORBIDDEN:
            raise self._session.make_error(answer, subject)
        try:
            if found := self.find(event):
                return found
            if answer and not answer.is_success and answer.status not in RETRIED:
                return self._explain_refusal(event, answer)
        except BursarError as error:
            doubt = f"{doubt} {error}"
        return Answer(AnswerStatus.UNKNOWN, f"{doubt} FOLIO has no action of it yet; the next run looks for it again.")

    def _explain_refusal(self, event: Event, answer: HttpAnswer) -> Answer:
        """Returns the answer about a call that FOLIO has refused, and of which it has no action."""
        text = next((text for text in REFUSALS if text in answer.text), None)
        account = self._get_account(event)
        if account is None:
            return Answer(AnswerStatus.REFUSED, "FOLIO does not have the fine any more. Mark the event as done.")
        if text == ALREADY_CLOSED:
            return explain_closed(event, account)
        if text == EXCEEDS:
            reason = "A part of the fine was settled in FOLIO at that moment. Nothing was written; the next run does."
            return Answer(AnswerStatus.UNKNOWN, reason)
        reason = f"FOLIO refuses it with the status {answer.status}" + (f": {text}." if text else ".")
        return Answer(AnswerStatus.REFUSED, f"{reason} Run `sources check`, and retry the event.")

    def _read_actions(self, event: Event) -> list[Action]:
        query = f"accountId=={quote_cql(event.fine_id)}"
        subject = "the actions of a fine"
        records = self._session.get_page("/feefineactions", "feefineactions", query, subject=subject)
        if len(records) == PAGE:
            raise BursarError(f"FOLIO gives {PAGE:,} actions of a fine, the most that are read.")
        return parse_actions(records)

    def _has_closed(self, event: Event, account: Mapping[str, Any]) -> bool:
        """Returns whether another event has closed the fine, such as a credit that was given in Bursar."""
        if to_money(account.get("remaining")) > 0:
            return False
        last = next((action for action in reversed(self._read_actions(event)) if action.change), None)
        return last is not None and any(PREFIX in text for text in last.texts)

    def _get_account(self, event: Event) -> dict[str, Any] | None:
        account = self._session.get_json(f"/accounts/{quote(event.fine_id, safe='')}", subject="a fine")
        if account is not None and not isinstance(account, dict):
            raise BursarError(f"{self._session.name} has answered to a fine with something else.")
        return account

    def _find_service_point(self) -> str:
        """Returns the id of the service point; raises a BursarError if there is none of its code."""
        if self._service_point is None:
            code = self._source.service_point or ""
            query = f"code=={quote_cql(code)}"
            found = self._session.get_page("/service-points", "servicepoints", query, subject="the service points")
            ids = [str(record["id"]) for record in found]
            if len(ids) != 1:
                raise BursarError(
                    f"FOLIO has {len(ids)} service points of the code {code}. Create one, and write its code as "
                    "`service_point`."
                )
            [self._service_point] = ids
        return self._service_point


@contextmanager
def open_folio(source: FolioSource, account: SystemAccount) -> Iterator[FolioSystem]:
    """Opens a FOLIO by its source and its account. Raises a BursarError if the address of the account is unsafe."""
    with HttpClient(account) as client:
        yield FolioSystem(source, FolioSession(client, source.tenant))
