"""The actions of a fee or fine in FOLIO: whether an event is among them, and whether FOLIO has saved it as a whole.

FOLIO saves an action first, and then its account, with no lock. After a crash between the two, the action says that
the fine was closed, and the account that it is open. Two who act at the same moment both succeed. Neither must be taken
for done.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any

from bursar.errors import BursarError
from bursar.money import format_money, round_amount
from bursar.sources.system import Answer, AnswerStatus, Event

SIMULTANEOUS = timedelta(minutes=2)
"""Actions that are closer than this may have begun with the same state of the account."""
_SETTLING = ("Paid", "Waived", "Transferred")
_UNCLEAR = "Compare the balance of the fine in FOLIO with its actions, correct it there, and mark the event as done."


@dataclass(frozen=True)
class Action:
    """An action of a fee or fine. `word` is the first of its type, as in `Transferred`; `balance` is that after it."""

    id: str
    moment: datetime
    word: str
    amount: Decimal
    balance: Decimal
    texts: tuple[str, ...]

    def is_of(self, event: Event) -> bool:
        """Returns whether the action has the key of an event."""
        return any(event.text in text for text in self.texts)

    @property
    def balance_before(self) -> Decimal | None:
        """The balance with which the action began; None if the action does not show it."""
        if self.word in _SETTLING:
            return self.balance + self.amount
        if self.word == "Refunded":
            return self.balance - self.amount
        return self.balance if self.word == "Credited" else None

    @property
    def change(self) -> Decimal:
        """How the action changed the balance. Only an untouched fine is cancelled, so its amount is the balance."""
        if self.word in (*_SETTLING, "Cancelled"):
            return -self.amount
        return self.amount if self.word == "Refunded" else Decimal(0)


def to_money(value: object) -> Decimal:
    """Returns an amount as FOLIO keeps it, with two decimals; raises a BursarError if it is none."""
    if not isinstance(value, (int, Decimal)) or isinstance(value, bool):
        raise BursarError("FOLIO gives an amount that is not a number.")
    try:
        return Decimal(value).quantize(Decimal("0.01"), ROUND_HALF_EVEN)
    except InvalidOperation:
        raise BursarError("FOLIO gives an amount that is too large.") from None


def parse_actions(records: Sequence[Mapping[str, Any]]) -> list[Action]:
    """Returns the actions of an account, oldest first; raises a BursarError if they can't be read."""
    try:
        actions = [
            Action(
                id=str(record["id"]),
                moment=datetime.fromisoformat(record["dateAction"]).astimezone(),
                word=(str(record.get("typeAction") or "").split() or [""])[0],
                amount=to_money(record.get("amountAction", 0)),
                balance=to_money(record.get("balance", 0)),
                texts=tuple(str(record.get(name) or "") for name in ("transactionInformation", "comments")),
            )
            for record in records
        ]
    except (KeyError, TypeError, ValueError):
        raise BursarError("FOLIO gives an action of a fine without a date.") from None
    # What is credited and what is refunded may have the same moment; the credit was first.
    return sorted(actions, key=lambda action: (action.moment, action.word))


def evaluate_event(event: Event, actions: Sequence[Action], remaining: Decimal) -> Answer:
    """Returns what became of an event that has an action at least.

    Args:
        event: the event.
        actions: the actions of its account, oldest first.
        remaining: what the account says is owed, read after the actions.
    """
    places = [place for place, action in enumerate(actions) if action.is_of(event)]
    own = [actions[place] for place in places]
    if own[-1].word == "Credited":
        return Answer(AnswerStatus.UNKNOWN, f"FOLIO has saved only the first part of the refund. {_UNCLEAR}")
    after_it = own[-1].balance
    before_it = after_it - sum((action.change for action in own), start=Decimal(0))
    change = round_amount(after_it, event.currency) - round_amount(before_it, event.currency)
    if abs(change) > event.amount or (len(own) > 1 and own[0].word not in ("Credited", "Refunded")):
        return Answer(AnswerStatus.UNKNOWN, f"FOLIO has the event more than once. {_UNCLEAR}", change)
    before = actions[places[0] - 1] if places[0] else None
    # Notes of the staff are actions, too, and say nothing of the balance.
    after = next((one for one in actions[places[-1] + 1 :] if one.balance_before is not None or one.change), None)
    is_counted = remaining == own[-1].balance
    if _is_simultaneous(before, own[0]) or (after and _is_simultaneous(own[-1], after)):
        reason = (
            "Somebody acted on the fine in FOLIO at the same moment, and FOLIO has counted only one of the actions."
        )
        return Answer(AnswerStatus.UNKNOWN, f"{reason} {_UNCLEAR}", change if is_counted else Decimal(0))
    if not (is_counted if after is None else after.balance_before in (None, own[-1].balance)):
        return Answer(AnswerStatus.UNKNOWN, f"FOLIO has saved the action, and not the balance of the fine. {_UNCLEAR}")
    return Answer(AnswerStatus.DONE, f"{own[-1].word} in FOLIO: {format_money(abs(change), event.currency)}.", change)


def _is_simultaneous(first: Action | None, second: Action) -> bool:
    """Returns whether an action began with another balance than the one before it left, shortly before."""
    if first is None or second.balance_before is None or second.moment - first.moment > SIMULTANEOUS:
        return False
    return second.balance_before != first.balance
