"""The account of a Koha patron over the REST API: what lines owe, and the credits that Bursar has written."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from bursar.errors import BursarError
from bursar.sources.http_client import HttpAnswer
from bursar.sources.koha.client import KohaClient, get_message
from bursar.sources.system import PREFIX

MAX_CREDITS = 10
"""The most credits that are asked for: those with the key of one event, or the last before another one."""
NOT_FOUND = 404
COMPARE_VERSIONS = "Compare the version of Koha with those of the manual."


@dataclass(frozen=True)
class Credit:
    """A credit that Bursar has written. Amounts are positive; `unused` has not been applied to any line."""

    id: int
    day: str
    amount: Decimal
    unused: Decimal
    is_void: bool


@dataclass(frozen=True)
class Debit:
    """A debit, with what it still owes."""

    id: int
    amount: Decimal
    owed: Decimal


def read_open_debits(client: KohaClient, patron: str) -> dict[int, Decimal] | None:
    """Returns what each open debit of a patron owes, by line; None if Koha does not have the patron."""
    answer = client.get(f"/patrons/{patron}/account", "the account of a patron")
    if answer.status == NOT_FOUND:
        return None
    account = _parse(client, answer)
    try:
        lines = account["outstanding_debits"]["lines"]
    except (KeyError, TypeError):
        raise _unreadable(client) from None
    if not isinstance(lines, list):
        raise _unreadable(client)
    return {_read_id(line): _decimal(line, "amount_outstanding") for line in lines}


def find_debit(client: KohaClient, patron: str, line: int) -> Debit | None:
    """Returns a debit of a patron, open or not; None if the patron does not have it."""
    rows = _list(client, patron, "debits", {"account_line_id": line})
    if any(_read_id(row) != line for row in rows):
        raise _make_filter_error(client)
    return next((Debit(line, _decimal(row, "amount"), _decimal(row, "amount_outstanding")) for row in rows), None)


def find_credits(client: KohaClient, patron: str, key: str) -> list[Credit]:
    """Returns the credits of a patron whose note has a key; none if Koha does not have the patron."""
    rows = _list(client, patron, "credits", {"internal_note": {"-like": f"%{key}%"}})
    credits_ = [read_credit(row) for row in rows]
    if any(key not in str(row.get("internal_note")) for row in rows):
        raise _make_filter_error(client)
    return credits_


def has_earlier_credit(client: KohaClient, patron: str, credit: Credit) -> bool:
    """Returns whether a patron has an earlier credit of the same day that is not Bursar's."""
    rows = _list(client, patron, "credits", {"account_line_id": {"<": credit.id}}, order="-account_line_id")
    notes = (row.get("internal_note") or "" for row in rows if str(row.get("date") or "")[:10] == credit.day)
    return any(not note.startswith(PREFIX) for note in notes)


def read_credit(line: Mapping[str, Any]) -> Credit:
    """Returns a credit as the API shows it, with negative amounts; raises a BursarError if it can't be read."""
    return Credit(
        _read_id(line),
        str(line.get("date") or "")[:10],
        -_decimal(line, "amount"),
        -_decimal(line, "amount_outstanding"),
        line.get("status") == "VOID",
    )


def _list(
    client: KohaClient, patron: str, kind: str, condition: Mapping[str, Any], order: str = "+account_line_id"
) -> list[Mapping[str, Any]]:
    params: dict[str, str | int] = {
        "q": json.dumps(condition),
        "_order_by": order,
        "_per_page": MAX_CREDITS,
    }
    answer = client.get(f"/patrons/{patron}/account/{kind}", f"the {kind} of a patron", params)
    if answer.status == NOT_FOUND:
        if "Not Found" in answer.text:
            raise BursarError(
                f"{client.account} does not list {kind}, which Koha does since 23.05. Bursar writes nothing into an "
                "older one: write off at each event in write_back."
            )
        return []
    rows = _parse(client, answer)
    if not isinstance(rows, list):
        raise _unreadable(client)
    return rows


def _parse(client: KohaClient, answer: HttpAnswer) -> Any:  # noqa: ANN401  JSON
    if not answer.is_success:
        raise BursarError(f"{client.account} refuses to show an account: {get_message(answer)}.")
    return answer.parse_json()


def _read_id(line: Mapping[str, Any]) -> int:
    return int(_decimal(line, "account_line_id"))


def _decimal(line: Mapping[str, Any], name: str) -> Decimal:
    """Returns a number of a line; raises a BursarError, without its value, if it is none."""
    value = line.get(name) if isinstance(line, Mapping) else None
    if not isinstance(value, (int, Decimal, str)) or isinstance(value, bool):
        raise BursarError(f"Koha shows a line of an account without {name}. {COMPARE_VERSIONS}")
    try:
        number = Decimal(value)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise BursarError(f"Koha shows a line of an account whose {name} is no number. {COMPARE_VERSIONS}")
    return number


def _unreadable(client: KohaClient) -> BursarError:
    return BursarError(
        f"{client.account} has answered about an account in a form that is not known here. {COMPARE_VERSIONS}"
    )


def _make_filter_error(client: KohaClient) -> BursarError:
    """Returns the error of an answer with other lines than were asked for: none of them may count as the event."""
    return BursarError(
        f"{client.account} takes no notice of the filter in a request about an account. If a proxy is before Koha, "
        f"have it pass the whole address on. {COMPARE_VERSIONS}"
    )
