"""Writes users.csv, fines.csv and groups.csv of a FOLIO into the folder that is the only argument.

Reads accounts that are open, and those that changed in 30 days. Set FOLIO_URL (of Okapi or Kong), FOLIO_TENANT,
FOLIO_USER and FOLIO_PASSWORD, and the two tables below. It needs Python 3.11 and nothing else.
"""

import csv
import json
import os
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

LIBRARIES = {"Main Circulation": "MAIN", "Law Circulation": "LAW"}
"""The codes of libraries.csv by the owners of fees and fines (`feeFineOwner`). Another owner is written as it is."""
STUDENT_NUMBER = "externalSystemId"
"""The field of a user with the number that the bursar knows."""
SETTLED = {"Waived": "waived", "Cancelled": "cancelled"}
"""How a lower balance came about, by the first word of `paymentStatus`; any other word: paid."""
PAGE = 1000
FINES = [
    *("fine_id", "user_id", "fine_fee_type", "amount", "balance", "created_at", "status", "settled_as"),
    *("owner_library", "item_barcode", "item_title", "item_call_number", "item_location", "item_due_date"),
]
USERS = [
    *("user_id", "primary_id", "last_name", "first_name", "user_group", "expiry_date", "purge_date"),
    *("identifier:BARCODE", "identifier:02"),
]


def call(path: str, headers: dict[str, str], body: object = None) -> tuple[Any, list[str]]:
    """Returns the answer of FOLIO to a request, and its cookies."""
    headers |= {"X-Okapi-Tenant": os.environ["FOLIO_TENANT"], "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(os.environ["FOLIO_URL"] + path, data, headers), timeout=300) as answer:  # noqa: S310
        # Amounts stay as they are written.
        return json.load(answer, parse_float=str), answer.headers.get_all("Set-Cookie") or []


def log_in() -> dict[str, str]:
    """Returns the header with a token, which is valid for ten minutes."""
    account = {"username": os.environ["FOLIO_USER"], "password": os.environ["FOLIO_PASSWORD"]}
    _, cookies = call("/authn/login-with-expiry", {}, account)
    [token] = [jar["folioAccessToken"].value for line in cookies if "folioAccessToken" in (jar := SimpleCookie(line))]
    return {"X-Okapi-Token": token}


def list_all(path: str, name: str, wanted: str) -> Iterator[dict[str, Any]]:
    """Yields all records of a query in CQL. The total that FOLIO gives may be an estimate: a short page is the last."""
    last = ""
    while True:
        # Pages by id: with an offset, a record that changes meanwhile would move the others.
        cql = f'({wanted}) and id>"{last}"' if last else wanted
        page = urlencode({"query": f"{cql} sortBy id", "limit": PAGE})
        records = call(f"{path}?{page}", log_in())[0][name]
        yield from records
        if len(records) < PAGE:
            return
        last = records[-1]["id"]


def to_fine(account: dict[str, Any]) -> dict[str, Any]:
    """Returns the row of an account in fines.csv."""
    said = account["paymentStatus"]["name"]
    status = "cancelled" if said.startswith("Cancelled") else "suspended" if said.startswith("Suspended") else "open"
    has_item = bool(account.get("barcode"))
    return {
        "fine_id": account["id"],
        "user_id": account["userId"],
        "fine_fee_type": account["feeFineType"],
        "amount": account["amount"],
        "balance": account["remaining"],
        "created_at": account["metadata"]["createdDate"],
        "status": status,
        "settled_as": SETTLED.get(said.split()[0], "paid"),
        "owner_library": LIBRARIES.get(account["feeFineOwner"], account["feeFineOwner"]),
        "item_barcode": account.get("barcode"),
        "item_title": account.get("title") if has_item else None,
        "item_call_number": account.get("callNumber") if has_item else None,
        "item_location": account.get("location") if has_item else None,
        "item_due_date": account.get("dueDate") if has_item else None,
    }


def to_user(user: dict[str, Any], groups: dict[str, str]) -> dict[str, Any]:
    """Returns the row of a user in users.csv; `groups` has the names of groups by their ids."""
    return {
        "user_id": user["id"],
        "primary_id": user.get("username") or user["id"],
        "last_name": user["personal"]["lastName"],
        "first_name": user["personal"].get("firstName"),
        "user_group": groups[user["patronGroup"]],
        "expiry_date": user.get("expirationDate", "")[:10],
        "purge_date": None,
        "identifier:BARCODE": user.get("barcode"),
        "identifier:02": user.get(STUDENT_NUMBER),
    }


def write(path: Path, columns: list[str], rows: Iterable[dict[str, Any]]) -> None:
    """Writes the rows of one file."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    """Writes the three files."""
    folder = Path(sys.argv[1])
    since = (datetime.now(UTC) - timedelta(days=30)).strftime("%Y-%m-%dT%H:%M:%S.000")
    groups = {group["id"]: group["group"] for group in list_all("/groups", "usergroups", "cql.allRecords=1")}
    users = list_all("/users", "users", "cql.allRecords=1")
    accounts = list_all("/accounts", "accounts", f'status.name=="Open" or metadata.updatedDate>="{since}"')
    write(folder / "groups.csv", ["code", "name"], ({"code": name, "name": name} for name in groups.values()))
    # Some users are programs, without a group or a name.
    patrons = (to_user(user, groups) for user in users if user.get("patronGroup") and user.get("personal"))
    write(folder / "users.csv", USERS, patrons)
    write(folder / "fines.csv", FINES, map(to_fine, accounts))


if __name__ == "__main__":
    main()
