"""Which call of FOLIO's API an event becomes, with which amount; or why none does."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from bursar.errors import BursarError
from bursar.ledger.entry_type import EntryType
from bursar.money import format_money, round_amount
from bursar.sources.folio.history import to_money
from bursar.sources.folio.model import FolioSource
from bursar.sources.system import Answer, AnswerStatus, Event, EventKind

USER_NAME = "Bursar"
"""The name under which FOLIO shows the actions; it is only text there."""


_CALLS = {EventKind.HANDED_OVER: "transfer", EventKind.PAID_AT_BURSAR: "pay", EventKind.OWED_AGAIN: "refund"}
_REVERSALS = {EntryType.PAID: "pay", EntryType.CANCELLED: "cancel"}
"""The call by the type of the entry. Any other: waive. So is a charge that a credit takes back (`CHARGED`): the next
reading would take its cancellation for one more reversal, beside the credit."""
_NOTHING = {
    EventKind.HANDED_OVER: "Nothing to write: fines are closed in FOLIO when they are paid.",
    EventKind.PAID_AT_BURSAR: "Nothing to write: FOLIO transferred the fine when it was handed over.",
    EventKind.OWED_AGAIN: "Nothing to write: the fine stays transferred in FOLIO.",
}


@dataclass(frozen=True)
class Call:
    """A call of `POST /accounts/{id}/{name}`. `method` is the transfer account, the payment method or the reason."""

    name: str
    amount: Decimal
    method: str | None

    def make_body(self, event: Event, service_point: str) -> dict[str, object]:
        """Returns the body. The key is in two fields, since FOLIO replaces one of them in a refund."""
        body: dict[str, object] = {
            "notifyPatron": False,
            "servicePointId": service_point,
            "userName": USER_NAME,
            "comments": f"STAFF : {event.text}",
        }
        if self.name == "cancel":
            return body
        return body | {"amount": f"{self.amount:.2f}", "paymentMethod": self.method, "transactionInfo": event.text}


def choose_call(event: Event, source: FolioSource) -> str | Answer:
    """Returns the name of the call that an event needs, or the answer if it needs none."""
    if event.is_credit:
        return _refuse("FOLIO has no credits. Settle it there by hand, and mark the event as done.")
    if event.kind is EventKind.REVERSED:
        return _REVERSALS.get(event.entry_type, "waive")
    closes_when_paid = source.closes_fines_when == "paid"
    is_needed = closes_when_paid != (event.kind is EventKind.HANDED_OVER)
    if is_needed or event.entry_type is EntryType.EXPORTED_AND_PAID:
        return _CALLS[event.kind]
    return _done(_NOTHING[event.kind])


def make_call(name: str, event: Event, source: FolioSource, account: Mapping[str, Any]) -> Call | Answer:
    """Returns the call with the amount that FOLIO can take, by the account as it is now; or the answer without a call.

    A charge is cancelled only if nothing of it was settled, since FOLIO cancels it as a whole; else the part is waived.
    """
    if event.amount != event.amount.quantize(Decimal("0.01")):
        return _refuse(f"FOLIO has two decimals, and {format_money(event.amount, event.currency)} has more.")
    charged, remaining = to_money(account.get("amount")), to_money(account.get("remaining"))
    if name == "refund":
        amount = min(event.amount, charged - remaining)
        if amount <= 0:
            return _refuse("The fine is open in FOLIO as a whole, so nothing can be refunded. Mark the event as done.")
        return Call(name, amount, source.refund_reason)
    if remaining <= 0 or _get_name(account, "status") == "Closed":
        return explain_closed(event, account)
    if name == "cancel":
        if event.amount == remaining == charged:
            return Call(name, remaining, None)
        name = "waive"
    methods = {"transfer": source.transfer_account, "pay": source.payment_method, "waive": source.waive_reason}
    # The fraction that the ledger has rounded away goes with the rest: FOLIO has two decimals of a yen, too.
    is_all = round_amount(remaining, event.currency) <= event.amount
    return Call(name, remaining if is_all else event.amount, methods[name])


def explain_closed(event: Event, account: Mapping[str, Any]) -> Answer:
    """Returns the answer about an account that is closed, and that Bursar has not closed."""
    status = _get_name(account, "paymentStatus")
    if event.kind is EventKind.REVERSED:
        return _done(f"Nothing to write: the fine is closed in FOLIO ({status}).")
    return _refuse(
        f"Somebody has closed the fine in FOLIO before ({status}). The next reading reverses it at the bursar. Then "
        "mark the event as done."
    )


def _get_name(account: Mapping[str, Any], field: str) -> str:
    value = account.get(field)
    name = value.get("name") if isinstance(value, Mapping) else None
    if not isinstance(name, str):
        raise BursarError(f"FOLIO gives an account without the field {field}.")
    return name


def _done(reason: str) -> Answer:
    return Answer(AnswerStatus.DONE, reason)


def _refuse(reason: str) -> Answer:
    return Answer(AnswerStatus.REFUSED, reason)
