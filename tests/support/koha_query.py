"""The parameters of Koha's lists: `q`, `_match`, `_order_by`, `_page` and `_per_page`, on rows as the API shows them.

[guess]: the answer to an unknown operator, and to `_order_by` with an unknown field, is 400 with `error`.
"""

import json
import random
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
RESERVED = ("q", "_match", "_order_by", "_page", "_per_page")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda value, other: value == other,
    "!=": lambda value, other: value != other,
    "<": lambda value, other: value is not None and value < other,
    ">": lambda value, other: value is not None and value > other,
    "<=": lambda value, other: value is not None and value <= other,
    ">=": lambda value, other: value is not None and value >= other,
    "-like": lambda value, other: _is_like(value, other),  # noqa: PLW0108  defined below
    "-not_like": lambda value, other: not _is_like(value, other),
    "-in": lambda value, other: value in other,
    "-not_in": lambda value, other: value not in other,
    "-between": lambda value, other: value is not None and other[0] <= value <= other[1],
    "-regexp": lambda value, other: value is not None and re.search(other, str(value)) is not None,
}


class QueryError(Exception):
    """Parameters that Koha answers with 400."""


def select(rows: Sequence[Row], parameters: Mapping[str, Sequence[str]], *, listed: Sequence[str]) -> list[Row]:
    """Returns the rows that all parameters match; without `_order_by` in an order that changes from call to call.

    Raises:
        QueryError: a parameter is not listed by the route, or is malformed.
    """
    if unlisted := parameters.keys() - {*RESERVED, *listed}:
        raise QueryError(f"Malformed query string: {', '.join(sorted(unlisted))}")
    for text in parameters.get("q", ()):
        try:
            condition = json.loads(text)
        except ValueError:
            raise QueryError("Malformed query string") from None
        rows = [row for row in rows if _matches(condition, row)]
    is_exact = parameters.get("_match", ["contains"])[0] == "exact"
    for name in listed:
        for text in parameters.get(name, ()):
            rows = [row for row in rows if row[name] is not None and _has(str(row[name]), text, is_exact=is_exact)]
    return _order(list(rows), parameters.get("_order_by", ()))


def cut_page(rows: list[Row], parameters: Mapping[str, Sequence[str]], default_size: int) -> tuple[list[Row], int, int]:
    """Returns a page of rows, its number and the number of pages; `_per_page` -1 is all rows."""
    page = int(parameters.get("_page", ["1"])[0])
    size = int(parameters.get("_per_page", [str(default_size)])[0])
    if size == -1:
        return rows, 1, 1
    return rows[(page - 1) * size : page * size], page, max(1, -(-len(rows) // size))


def _has(value: str, text: str, *, is_exact: bool) -> bool:
    return value == text if is_exact else text.casefold() in value.casefold()


def _order(rows: list[Row], fields: Sequence[str]) -> list[Row]:
    """Orders rows; without fields, pages overlap, since each call has another order."""
    names = [name.strip() for field in fields for name in field.split(",")]
    if not names:
        random.shuffle(rows)
    for name in reversed(names):
        field = name.lstrip("+- ").removeprefix("me.")
        if rows and field not in rows[0]:
            raise QueryError(f"Malformed query string: no such field {field}")
        rows.sort(key=lambda row: (row[field] is not None, row[field]), reverse=name.startswith("-"))
    return rows


def _is_like(value: object, pattern: str) -> bool:
    parts = (".*" if sign == "%" else "." if sign == "_" else re.escape(sign) for sign in pattern)
    return value is not None and re.fullmatch("".join(parts), str(value), re.IGNORECASE | re.DOTALL) is not None


def _matches(condition: Any, row: Row) -> bool:
    """Returns whether a row matches a condition: an object is AND, an array is OR."""
    if isinstance(condition, list):
        return any(_matches(one, row) for one in condition)
    return all(_matches_field(name, wanted, row) for name, wanted in condition.items())


def _matches_field(name: str, wanted: Any, row: Row) -> bool:
    if name in ("-and", "-or"):
        return (all if name == "-and" else any)(_matches(one, row) for one in wanted)
    field = name.removeprefix("me.")
    if field not in row:
        raise QueryError(f"Malformed query string: no such field {field}")
    if isinstance(wanted, list):
        return any(_compare(row[field], one) for one in wanted)
    return _compare(row[field], wanted)


def _compare(value: Any, wanted: Any) -> bool:
    if not isinstance(wanted, dict):
        return bool(value == wanted)
    if unknown := wanted.keys() - _COMPARE.keys():
        raise QueryError(f"Malformed query string: {', '.join(sorted(unknown))}")
    return all(_COMPARE[operator](value, other) for operator, other in wanted.items())
