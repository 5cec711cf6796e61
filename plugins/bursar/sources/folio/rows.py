"""The rows of Bursar's CSV files that FOLIO's records become. Owners and types stay as FOLIO has them."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from bursar.sources.csv.tables import IDENTIFIER
from bursar.sources.folio.model import FolioSource

Record = Mapping[str, Any]
Row = dict[str, str]

GROUP_COLUMNS = ("code", "name")
USER_COLUMNS = ("user_id", "primary_id", "last_name", "first_name", "user_group", "expiry_date", "purge_date")
FINE_COLUMNS = (
    "fine_id",
    "user_id",
    "fine_fee_type",
    "amount",
    "balance",
    "created_at",
    "status",
    "settled_as",
    "owner_library",
    "item_barcode",
    "item_title",
    "item_call_number",
    "item_location",
    "item_due_date",
)
SETTLED_AS = {"Waived": "waived", "Cancelled": "cancelled"}
"""How a lower balance came about, by the first word of the payment status; any other word: paid."""
STATUSES = {"Cancelled": "cancelled", "Suspended": "suspended"}
"""The status of a fine, by the first word of the payment status; any other word: open."""


def make_fine(account: Record) -> Row:
    """Returns the row of an account: a fee or fine."""
    first, *_ = (_text(account, "paymentStatus", "name") or "Outstanding").split()
    row = {
        "fine_id": _text(account, "id"),
        "user_id": _text(account, "userId"),
        "fine_fee_type": _text(account, "feeFineType"),
        "amount": _text(account, "amount"),
        "balance": _text(account, "remaining"),
        "created_at": _text(account, "metadata", "createdDate") or _text(account, "dateCreated"),
        "status": STATUSES.get(first, "open"),
        "settled_as": SETTLED_AS.get(first, "paid"),
        "owner_library": _text(account, "feeFineOwner"),
    }
    if barcode := _text(account, "barcode"):
        row |= {
            "item_barcode": barcode,
            "item_title": _text(account, "title"),
            "item_call_number": _text(account, "callNumber"),
            "item_location": _text(account, "location"),
            "item_due_date": _text(account, "dueDate"),
        }
    return row


def make_user(user: Record, source: FolioSource, groups: Mapping[str, str]) -> Row:
    """Returns the row of a user; `groups` has the names of patron groups by their ids.

    What a user lacks stays blank, and the load says so. Without the field of the primary id, it is made of the id.
    """
    id_ = _text(user, "id")
    row = {
        "user_id": id_,
        "primary_id": _text(user, source.primary_id) or f"{source.code}:{id_}",
        "last_name": _text(user, "personal", "lastName"),
        "first_name": _text(user, "personal", "firstName"),
        "user_group": groups.get(_text(user, "patronGroup"), ""),
        "expiry_date": _get_day(_text(user, "expirationDate"), source.time_zone),
    }
    return row | {f"{IDENTIFIER}{type_}": _text(user, *name.split(".")) for type_, name in source.identifiers.items()}


def make_group(group: Record) -> Row:
    """Returns the row of a patron group, whose name is its code."""
    name = _text(group, "group")
    return {"code": name, "name": _text(group, "desc") or name}


def _text(record: Record, *path: str) -> str:
    """Returns the text of a field; blank if it is missing. Numbers are written in full, as they are."""
    value: Any = record
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return f"{Decimal(value):f}"
    return value.strip() if isinstance(value, str) else ""


def _get_day(moment: str, time_zone: str) -> str:
    """Returns the day of a moment in the library's time zone; another text is returned as it is, and rejected."""
    with suppress(ValueError):
        return f"{datetime.fromisoformat(moment).astimezone(ZoneInfo(time_zone)):%Y-%m-%d}"
    return moment
