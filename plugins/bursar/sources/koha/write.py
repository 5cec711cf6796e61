"""Writes events into a Koha, and finds those that were written: as a credit with the key in its note, or as a mark."""

from bursar.errors import TransientError
from bursar.ledger.entry_type import EntryType
from bursar.sources.koha.account import find_credits
from bursar.sources.koha.client import KohaClient
from bursar.sources.koha.credits import describe_failure, evaluate_found, record_credit, refuse
from bursar.sources.koha.model import KohaSource, PatronAttribute
from bursar.sources.system import Answer, AnswerStatus, Confirm, Event, EventKind

PAYMENT, WRITEOFF = "PAYMENT", "WRITEOFF"
"""Koha's own types. If a lost item is found, Koha gives back what was paid; only WRITEOFF does not count as that."""
DESCRIPTIONS = {
    EventKind.HANDED_OVER: "Handed over to the bursar",
    EventKind.PAID_AT_BURSAR: "Paid at the bursar",
    EventKind.REVERSED: "Paid or waived at the library",
}
HAS_ATTRIBUTE = Answer(AnswerStatus.DONE, "The patron has the attribute.")


def find_event(client: KohaClient, source: KohaSource, event: Event) -> Answer | None:
    """Returns what became of an event that may have been written; None if there is no trace of it."""
    if event.user_id is None:
        return None
    is_possible = _refuse_impossible(source, event) is None
    # An earlier attempt may have written a credit, though the source says now that none is written.
    if event.is_repeated or (is_possible and get_credit_type(source, event)):
        credits_ = find_credits(client, event.user_id, event.text)
        if credits_:
            return evaluate_found(client, event, event.user_id, credits_)
    attribute = _get_attribute(source, event) if is_possible else None
    return HAS_ATTRIBUTE if attribute and _has_attribute(client, event.user_id, attribute) else None


def write_event(client: KohaClient, source: KohaSource, event: Event, confirm: Confirm) -> Answer:
    """Writes an event that was not found, and checks what became of it.

    Raises:
        TransientError: Koha can't be reached, before anything was written.
        BursarError: the login is refused, or a permission is missing; nothing was written.
    """
    if refusal := _refuse_impossible(source, event):
        return refusal
    if event.user_id is None:
        return refuse("The user of the fine is no patron of Koha. Settle the fine by hand, and mark the event as done.")
    if attribute := _get_attribute(source, event):
        return _add_attribute(client, event.user_id, attribute, confirm)
    type_ = get_credit_type(source, event)
    if type_ is None:
        return Answer(AnswerStatus.DONE, f"Koha closes a fine when it is {source.closes_fines_when.replace('_', ' ')}.")
    facts = {"credit_type": type_, "description": DESCRIPTIONS[event.kind]}
    if source.payment_type:
        facts["payment_type"] = source.payment_type
    return record_credit(client, event, event.user_id, facts, confirm)


def get_credit_type(source: KohaSource, event: Event) -> str | None:
    """Returns the type of the credit that an event is written as; None if it is not written as one."""
    closes_early = source.closes_fines_when == "handed_over"
    match event.kind:
        case EventKind.HANDED_OVER if closes_early:
            return source.credit_type
        case EventKind.HANDED_OVER:
            return PAYMENT if event.entry_type == EntryType.EXPORTED_AND_PAID else None
        case EventKind.PAID_AT_BURSAR:
            return None if closes_early else PAYMENT
        case EventKind.REVERSED:
            return PAYMENT if event.entry_type == EntryType.PAID else WRITEOFF
        case EventKind.OWED_AGAIN:
            return None


def _refuse_impossible(source: KohaSource, event: Event) -> Answer | None:
    """Returns the refusal of an event for which Koha has no call."""
    if event.is_credit:
        return refuse(
            f"Koha has no call that closes a credit. In Koha, use up or void the credit {event.fine_id} by hand. Then "
            "mark the event as done."
        )
    if event.kind == EventKind.OWED_AGAIN and source.closes_fines_when == "paid":
        return refuse(
            "Koha has no call that opens a fine again. In Koha, void the credit of its payment. Then mark the event as "
            "done."
        )
    if not event.fine_id.isdecimal():
        return refuse(f"{event.fine_id} is not the number of an account line of Koha. Mark the event as done.")
    return None


def _get_attribute(source: KohaSource, event: Event) -> PatronAttribute | None:
    """Returns the attribute that an event is written as; None if it is not written as one."""
    is_mark = event.kind == EventKind.HANDED_OVER and get_credit_type(source, event) is None
    return source.handed_over_attribute if is_mark else None


def _has_attribute(client: KohaClient, patron: str, attribute: PatronAttribute) -> bool:
    answer = client.get(f"/patrons/{patron}/extended_attributes", "the attributes of a patron", {"_per_page": -1})
    if not answer.is_success:
        return False
    return any((one["type"], one["value"]) == (attribute.code, attribute.value) for one in answer.parse_json())


def _add_attribute(client: KohaClient, patron: str, attribute: PatronAttribute, confirm: Confirm) -> Answer:
    data = {"type": attribute.code, "value": attribute.value}
    try:
        answer = client.post(f"/patrons/{patron}/extended_attributes", "an attribute of a patron", data, confirm)
    except TransientError as error:
        return Answer(AnswerStatus.UNKNOWN, str(error))
    return HAS_ATTRIBUTE if answer.is_success else describe_failure(answer, "attribute")
