"""What mod-feesfines does with the accounts: its checks, its texts, and the order in which it saves.

Read from the source of mod-feesfines 19.5, nothing of which was run. It saves the actions first, and then the account,
each by itself, with no lock and no comparison of versions.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any
from uuid import UUID, uuid4

from tests.support.folio_records import Json

RESULTS = {
    "pay": "Paid",
    "waive": "Waived",
    "transfer": "Transferred",
    "refund": "Refunded",
}
CANCELLED = "Cancelled as error"
_REQUIRED = ("notifyPatron", "servicePointId", "userName")
_FIELDS: Mapping[str, type] = {
    "amount": str,
    "comments": str,
    "transactionInfo": str,
    "notifyPatron": bool,
    "servicePointId": str,
    "userName": str,
    "paymentMethod": str,
    "cancellationReason": str,
}


class ActionError(Exception):
    """An action that FOLIO refuses: the status, and the body of the answer, text or JSON."""

    def __init__(self, status: int, body: str | Json) -> None:
        super().__init__(status)
        self.status, self.body = status, body


@dataclass(frozen=True)
class Saved:
    """The records that an action saves: its actions, then its account; and the body of the answer."""

    actions: list[Json]
    account: Json
    answer: Json


def to_money(value: object) -> Decimal:
    """Returns an amount as FOLIO has them: two decimals, half to even, whatever the currency."""
    return Decimal(str(value)).quantize(Decimal("0.01"), ROUND_HALF_EVEN)


def check_body(name: str, body: object) -> Json:
    """Returns the body of a request; an ActionError says what the schema does not allow.

    [guess]: the wording of the errors, and that a number is refused as `amount`.
    """
    if not isinstance(body, dict):
        raise ActionError(400, "Json content error")
    known = _FIELDS.keys() - (
        {"cancellationReason"} if name != "cancel" else {"amount", "paymentMethod", "transactionInfo"}
    )
    required = (*_REQUIRED, "comments") if name == "cancel" else (*_REQUIRED, "amount", "paymentMethod")
    faults = [(field, "Unrecognized field") for field in body if field not in known]
    faults += [(field, "must not be null") for field in required if body.get(field) is None]
    faults += [
        (field, f"must be a {_FIELDS[field].__name__}")
        for field, value in body.items()
        if field in known and value is not None and not isinstance(value, _FIELDS[field])
    ]
    if not faults and not _is_uuid(body["servicePointId"]):
        faults = [("servicePointId", "must match the pattern of a UUID")]
    if faults:
        errors = [
            {"message": message, "type": "1", "code": "-1", "parameters": [{"key": key, "value": "null"}]}
            for key, message in faults
        ]
        raise ActionError(422, {"errors": errors})
    return body


def prepare(name: str, account: Json | None, body: Json, refundable: list[Json], now: Callable[[], str]) -> Saved:
    """Returns what an action saves; an ActionError says why not. Changes nothing.

    `account` is as it was read, `refundable` has its actions that paid or transferred. Earlier refunds do not lower
    what can be refunded.
    """
    if account is None:
        raise ActionError(404, "Fee/fine was not found")
    amount = Decimal(0) if name == "cancel" else _check_amount(name, account, body, refundable)
    changed = account | {"status": {}, "paymentStatus": {}}
    if name == "refund":
        actions = _refund(changed, body, amount, refundable, now)
    elif name == "cancel":
        actions = [_make_action(changed, body, CANCELLED, to_money(account["amount"]), Decimal(0), now)]
        del actions[0]["transactionInformation"]
        _update(changed, CANCELLED, Decimal(0))
    else:
        left = to_money(account["remaining"]) - amount
        result = f"{RESULTS[name]} {'partially' if left else 'fully'}"
        actions = [_make_action(changed, body, result, amount, left, now)]
        _update(changed, result, left)
    answer = {
        "accountId": account["id"],
        "amount": f"{amount}",
        "remainingAmount": f"{to_money(changed['remaining'])}",
        "feefineactions": actions,
    }
    return Saved(actions, changed, answer)


def _check_amount(name: str, account: Json, body: Json, refundable: list[Json]) -> Decimal:
    def refuse(text: str) -> ActionError:
        return ActionError(422, {"accountId": account["id"], "amount": body["amount"], "errorMessage": text})

    try:
        amount = to_money(body["amount"])
    except InvalidOperation:
        raise refuse("Invalid amount entered") from None
    if amount <= 0:
        raise refuse("Amount must be positive")
    if name == "refund":
        if amount > sum(to_money(action["amountAction"]) for action in refundable):
            raise refuse("Refund amount must be greater than zero and less than or equal to Selected amount")
    elif account["status"]["name"] == "Closed":
        raise refuse("Fee/fine is already closed")
    elif amount > to_money(account["remaining"]):
        raise refuse("Requested amount exceeds remaining amount")
    return amount


def _refund(account: Json, body: Json, amount: Decimal, refundable: list[Json], now: Callable[[], str]) -> list[Json]:
    """Returns the actions of a refund: what is credited, then what is refunded; to the patron first.

    Each has a transaction information of its own. A refund opens the account again.
    """
    paid = sum(
        (to_money(action["amountAction"]) for action in refundable if action["typeAction"].startswith("Paid")),
        start=Decimal(0),
    )
    total = sum((to_money(action["amountAction"]) for action in refundable), start=Decimal(0))
    method = next((one["paymentMethod"] for one in refundable if one["typeAction"].startswith("Transferred")), "Bursar")
    parts = [("patron", min(paid, amount), paid), (method, amount - min(paid, amount), total - paid)]
    actions = []
    for word, to in (("Credited", "Refund to"), ("Refunded", "Refunded to")):
        for recipient, part, whole in parts:
            if part:
                left = to_money(account["remaining"]) + (part if word == "Refunded" else 0)
                result = f"{word} {'fully' if part == whole else 'partially'}"
                information = {"transactionInfo": f"{to} {recipient}"}
                actions.append(_make_action(account, body | information, result, part, left, now))
                _update(account, result, left)
    account["status"] = {"name": "Open"}
    return actions


def _make_action(
    account: Json, body: Json, result: str, amount: Decimal, balance: Decimal, now: Callable[[], str]
) -> Json:
    values: dict[str, Any] = {
        "id": str(uuid4()),
        "accountId": account["id"],
        "userId": account["userId"],
        "dateAction": now(),
        "typeAction": result,
        "amountAction": float(amount),
        "balance": float(balance),
        "transactionInformation": body.get("transactionInfo"),
        "createdAt": body["servicePointId"],
        "source": body["userName"],
        "paymentMethod": body.get("paymentMethod"),
        "comments": body.get("comments"),
        "notify": body["notifyPatron"],
    }
    return {key: value for key, value in values.items() if value is not None or key == "transactionInformation"}


def _update(account: Json, result: str, left: Decimal) -> None:
    account["remaining"] = float(left)
    account["paymentStatus"] = {"name": result}
    account["status"] = {"name": "Open" if left else "Closed"}


def _is_uuid(value: str) -> bool:
    try:
        return str(UUID(value)) == value.lower()
    except ValueError:
        return False
