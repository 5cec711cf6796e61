"""Records an event as a credit of one line of a Koha patron, and evaluates credits that were recorded.

Koha promises little about a credit: it is recorded before it is applied, an error can come after both, and the rest
that its line does not take goes to other fines of the patron. So the account is read before and after. A credit that
is not as it has to be is refused with what a person does about it; docs/how-to/connect-koha.md has the refusals.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from bursar.errors import BursarError, TransientError
from bursar.money import format_money, round_amount
from bursar.sources.http_client import HttpAnswer
from bursar.sources.koha.account import (
    Credit,
    find_credits,
    find_debit,
    has_earlier_credit,
    read_credit,
    read_open_debits,
)
from bursar.sources.koha.client import KohaClient, get_message
from bursar.sources.system import Answer, AnswerStatus, Confirm, Event

SERVER_ERROR = 500
VOID_BY_HAND = "In Koha, void the credit, and settle the fine by hand. Then mark the event as done."
NOTHING = Decimal(0)


def record_credit(client: KohaClient, event: Event, patron: str, facts: Mapping[str, str], confirm: Confirm) -> Answer:
    """Writes an event as a credit of at most what its line owes; `facts` are further fields of the credit.

    Raises:
        TransientError: Koha can't be reached, before anything was written.
        BursarError: the login is refused, or a permission is missing; nothing was written.
    """
    line = int(event.fine_id)
    before = read_open_debits(client, patron)
    # A credit of an earlier attempt may have arrived after `find`. Then the line does not owe what it took.
    if event.is_repeated and (late := find_credits(client, patron, event.text)):
        return evaluate_found(client, event, patron, late)
    if before is None or before.get(line, NOTHING) <= 0:
        return _explain_closed(client, patron, line)
    # Koha has six decimals: the fraction that the ledger has rounded away goes with the rest.
    amount = before[line] if _round(before[line], event) <= event.amount else event.amount
    data = {"amount": float(amount), "account_lines_ids": [line], "note": event.text, **facts}
    credit, failure = _post_credit(client, patron, data, confirm)
    try:
        if credit is None:
            found = find_credits(client, patron, event.text)
            if len(found) != 1:
                return evaluate_found(client, event, patron, found) if found else failure
            credit = found[0]
        after = read_open_debits(client, patron)
    except BursarError as error:
        return Answer(AnswerStatus.UNKNOWN, str(error))
    if after is None:
        return Answer(AnswerStatus.UNKNOWN, "Koha had the patron when the credit was recorded, and has it no more.")
    return _evaluate_written(event, credit, before, after)


def evaluate_found(client: KohaClient, event: Event, patron: str, credits_: Sequence[Credit]) -> Answer:
    """Returns what became of an event of which there are credits. Those that were voided by hand do not count."""
    valid = [credit for credit in credits_ if not credit.is_void]
    ids = ", ".join(str(credit.id) for credit in valid or credits_)
    if not valid:
        return refuse(f"The credit {ids} was voided in Koha. If that is right, mark the event as done.")
    credit, debit = valid[0], find_debit(client, patron, int(event.fine_id))
    if debit is None:
        return refuse(f"The credit {ids} is there, and its fine is not. {VOID_BY_HAND}")
    taken = min(credit.amount - credit.unused, debit.amount - debit.owed)
    change = -(_round(debit.owed + taken, event) - _round(debit.owed, event))
    if len(valid) > 1:
        return refuse(f"It was recorded more than once, as the credits {ids}. Void all but the first in Koha.", change)
    if taken < credit.amount:
        rest = _money(credit.amount - taken, event)
        return refuse(f"{rest} of the credit {ids} went elsewhere. {VOID_BY_HAND}", change)
    if not debit.owed and has_earlier_credit(client, patron, credit):
        # Koha does not show which lines a credit was applied to. If the other one was recorded after the look at the
        # account, a part of Bursar's went to other fines of the patron.
        return refuse(
            f"The answer about the credit {ids} was lost, and the patron has paid on the same day, perhaps at that "
            f"moment. In Koha, look whether all of the credit went to the fine {event.fine_id}. If so, mark the event "
            "as done; if not, void the credit, and settle the fine by hand first.",
            change,
        )
    return _describe_done(event, credit, change)


def describe_failure(answer: HttpAnswer, subject: str) -> Answer:
    """Returns what became of an event whose request was no success, if no trace of it is found."""
    if answer.status >= SERVER_ERROR:  # it may have been recorded
        return Answer(AnswerStatus.UNKNOWN, f"Koha has answered with an error: {get_message(answer)}.")
    return refuse(
        f"Koha refuses the {subject}: {get_message(answer)}. Nothing was written. Correct the cause, and try again."
    )


def refuse(reason: str, change: Decimal = NOTHING) -> Answer:
    """Returns a refusal, after which a person acts."""
    return Answer(AnswerStatus.REFUSED, reason, change)


def _explain_closed(client: KohaClient, patron: str, line: int) -> Answer:
    """Returns the answer about a line that is not among those that the patron owes."""
    if find_debit(client, patron, line):
        return Answer(AnswerStatus.DONE, "It owes nothing in Koha any more, so nothing was written.")
    return refuse(
        f"The patron has no line {line} in Koha: it was moved or deleted. Try again after the next load, or settle the "
        "fine by hand and mark the event as done."
    )


def _post_credit(
    client: KohaClient, patron: str, data: Mapping[str, Any], confirm: Confirm
) -> tuple[Credit | None, Answer]:
    """Sends a credit once. Returns it if the answer has it, and what became of the event if no trace is found."""
    try:
        answer = client.post(f"/patrons/{patron}/account/credits", "a credit", data, confirm)
    except TransientError as error:
        return None, Answer(AnswerStatus.UNKNOWN, str(error))
    if not answer.is_success:
        return None, describe_failure(answer, "credit")
    no_trace = Answer(AnswerStatus.UNKNOWN, "Koha has accepted the credit, and does not show it.")
    try:
        return read_credit(answer.parse_json()), no_trace
    except BursarError:  # older versions answer with the id alone
        return None, no_trace


def _evaluate_written(event: Event, credit: Credit, before: dict[int, Decimal], after: dict[int, Decimal]) -> Answer:
    """Compares the account after a credit with the one before it."""
    line = int(event.fine_id)
    falls = {id_: owed - after.get(id_, NOTHING) for id_, owed in before.items()}
    others = sum((fall for id_, fall in falls.items() if id_ != line and fall > 0), NOTHING)
    spilled = min(credit.amount, others + credit.unused)
    left = max(before[line] - (credit.amount - spilled), NOTHING)
    change = _round(left, event) - _round(before[line], event)
    if spilled:
        where = [f"{_money(others, event)} may have gone to other fines of the patron"] if others else []
        where += [f"{_money(credit.unused, event)} was not used"] if credit.unused else []
        return refuse(
            f"The fine owed less than the credit {credit.id} when it was recorded: {', and '.join(where)}. "
            f"{VOID_BY_HAND}",
            change,
        )
    if falls[line] < credit.amount:
        return refuse(
            f"After the credit {credit.id}, the fine owes {_money(before[line] - falls[line], event)}: it has grown, "
            f"or the credit went elsewhere. {VOID_BY_HAND}",
            change,
        )
    return _describe_done(event, credit, change)


def _describe_done(event: Event, credit: Credit, change: Decimal) -> Answer:
    less = "" if _round(credit.amount, event) >= event.amount else ", all that the fine owed"
    reason = f"Koha has the credit {credit.id} of {_money(credit.amount, event)}{less}."
    return Answer(AnswerStatus.DONE, reason, change)


def _round(amount: Decimal, event: Event) -> Decimal:
    return round_amount(amount, event.currency)


def _money(amount: Decimal, event: Event) -> str:
    return format_money(_round(amount, event), event.currency)
