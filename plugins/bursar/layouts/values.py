"""The values that a layout of an export may show, with their types, by the kinds of records that have them."""

import re
from collections.abc import Mapping
from functools import cache

from bursar.layouts.templates import ValueType

_T = ValueType
OF_BATCH: Mapping[str, ValueType] = {
    "batch": _T.NUMBER,
    "profile": _T.TEXT,
    "exported_on": _T.DATE,
    "exported_at": _T.MOMENT,
}
"""The values of a batch, which every record has. `exported_on` is the day of the selection in the profile's zone."""
OF_USER: Mapping[str, ValueType] = {"identifier": _T.TEXT, "patron_name": _T.TEXT}
"""The values of a user."""
OF_FINE: Mapping[str, ValueType] = {
    **OF_USER,
    "transaction_id": _T.TEXT,
    "reversed_transaction_id": _T.TEXT,
    "fine_id": _T.NUMBER,
    "number": _T.NUMBER,
    "fine_fee_type": _T.TEXT,
    "comment": _T.TEXT,
    "owner_library_code": _T.TEXT,
    "owner_library_id": _T.TEXT,
    "last_transaction_on": _T.DATE,
    "charged_on": _T.DATE,
    "item_title": _T.TEXT,
    "item_call_number": _T.TEXT,
    "item_library": _T.TEXT,
    "item_location": _T.TEXT,
    "item_barcode": _T.TEXT,
    "item_due_on": _T.DATE,
    "currency": _T.TEXT,
    "amount": _T.MONEY,
    "vat": _T.MONEY,
    "direction": _T.TEXT,
    "kind": _T.TEXT,
}
"""The values of a fine. `direction` is charge or credit; `kind` is charge, credit or reversal. `charged_on` is the day
on which the charge was exported that a credit or a reversal takes back; of all others it is `exported_on`.
"""
TOTALS: Mapping[str, ValueType] = {
    "fines": _T.NUMBER,
    "sum": _T.MONEY,
    "charges": _T.MONEY,
    "credits": _T.MONEY,
}
"""The totals of a user, or of the whole file; `credits` are 0 or less."""
TOTALS_OF_FILE: Mapping[str, ValueType] = {**TOTALS, "users": _T.NUMBER, "records": _T.NUMBER}
"""The totals of the file. `records` counts the lines of fines and users."""
FREE_TEXTS = {"patron_name", "comment", "item_title", "item_call_number", "item_library", "item_location"}
"""Values in which people write any character."""
OF_TERM: Mapping[str, ValueType] = {"year": _T.NUMBER, "yy": _T.NUMBER}
"""The year in which a term began, with four and with two digits; a number may be added, as in {year+1}."""

_AGGREGATE = re.compile(r"(hash|min|max)\.(\w+)")


@cache
def get_type(name: str, each: str) -> ValueType | None:
    """Returns the type of a value in the records of a kind (`file`, `user`, `fine`); None if they do not have it."""
    if each != "fine" and (match := _AGGREGATE.fullmatch(name)):
        type_ = OF_FINE.get(match[2])
        if match[1] == "hash":
            return ValueType.HASH if type_ in (ValueType.TEXT, ValueType.NUMBER) else None
        return type_ if type_ is ValueType.DATE else None
    return list_values(each).get(name)


def list_values(each: str) -> Mapping[str, ValueType]:
    """Returns the values in the records of a kind by their names, without `hash.`, `min.` and `max.`."""
    match each:
        case "fine":
            return {**OF_BATCH, **OF_FINE}
        case "user":
            return {**OF_BATCH, **OF_USER, **TOTALS}
    return {**OF_BATCH, **TOTALS_OF_FILE}
