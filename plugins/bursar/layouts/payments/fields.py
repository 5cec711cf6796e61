"""Reads the values of a row by the fields of a layout."""

import re
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from typing import TypeAlias

from bursar.layouts.alma_xml.encoding import quote
from bursar.layouts.payments.cells import (
    IDS,
    Cell,
    CurrencyField,
    DateField,
    FieldName,
    IdField,
    SignField,
    SumField,
)
from bursar.layouts.payments.records import PaymentRecord
from bursar.layouts.payments.row_layout import RowLayout
from bursar.layouts.pictures import DatePicture, MoneyPicture
from bursar.money import DEFAULT_DECIMALS, count_decimals

MAX_ID_LENGTH = 500
MAX_AMOUNT_LENGTH = 24
"""Characters of an amount with its signs and leading zeros."""
MAX_CACHED = 5_000
"""Sums or days whose meaning is kept: most of a file's are among a few hundred."""
_KEY_BYTES = 16
_BETWEEN = "\x1f"
_EXAMPLE = Decimal("12.50")
_EXAMPLE_DAY = date(2026, 12, 31)

Values: TypeAlias = list[str | None]
"""The values of a row, in the order of `_ORDER`."""
Parse: TypeAlias = Callable[[str], str | None]
"""Parses a value without the blanks around it; raises a ValueError if it is not written as the layout says."""


_ORDER: tuple[FieldName, ...] = (
    "transaction_id",
    "internal_id",
    "currency",
    "sum",
    "identifier",
    "reference",
    "paid_on",
    "sign",  # this one and the next are in no record
    "stated_on",
)
_CURRENCY, _SUM, _SIGN, _STATED_ON = (_ORDER.index(name) for name in ("currency", "sum", "sign", "stated_on"))


class FieldReader:
    """Reads the values of rows by the fields of a layout.

    `days` gets the days for which rows of a statement say that it counts, each with its first line.
    """

    def __init__(self, layout: RowLayout, days: dict[str, int]) -> None:
        self._days = days
        fields = layout.fields
        cells = fields.by_name
        self._fields = [(_ORDER.index(name), _get_parser(cell)) for name, cell in cells.items()]
        self._places = {_ORDER.index(name): f"{name} ({cell.place})" for name, cell in cells.items()}
        self._blank: Values = [fields.currency.is_ if name == "currency" else None for name in _ORDER]
        self._ids = [_ORDER.index(name) for name in IDS if name in cells]
        self._has_sign = fields.sign is not None
        self._must_have_cents = fields.sum.as_.number == "cents" and fields.currency.is_ is None
        self._key = [_ORDER.index(name) for name in layout.key]
        self._ignored = layout.ignore.sum.split(" or ") if layout.ignore.sum else []

    def read(self, number: int, line: int, texts: Sequence[str]) -> tuple[PaymentRecord, bool]:
        """Returns the record of a row, and whether the layout ignores it; `texts` are in the order of the fields.

        Values that can't be read are None; the record has a `problem` then. So is a sum whose sign is not certain.
        """
        values, problem = self._blank.copy(), None
        try:
            for (place, parse), text in zip(self._fields, texts, strict=True):
                values[place] = parse(text.strip())
        except ValueError:
            problem = self._read_each(values, texts)
        if day := values[_STATED_ON]:
            self._days.setdefault(day, line)
        if self._has_sign:
            sign_problem = self._apply_sign(values)
            problem = problem or sign_problem
        is_ignored = bool(self._ignored) and problem is None and self._is_ignored(values[_SUM])
        if problem is None and not is_ignored:
            problem = self._find_problem(values)
        key = self._make_key(values) if self._key and not problem else None
        return PaymentRecord._make((number, line, *values[:4], problem, *values[4:_SIGN], key)), is_ignored

    def _read_each(self, values: Values, texts: Sequence[str]) -> str | None:
        """Reads the values that can be read; returns what is wrong with the first of the others."""
        problem = None
        for (place, parse), text in zip(self._fields, texts, strict=True):
            try:
                values[place] = parse(text.strip())
            except ValueError as error:
                problem = problem or f"{self._places[place]} {error}"
        return problem

    def _apply_sign(self, values: Values) -> str | None:
        """Adds the sign of the row to its sum; returns the reason if that is not possible, and the sum is None then."""
        sum_, sign = values[_SUM], values[_SIGN]
        if not sum_ or (sign and sum_[0] != "-"):
            values[_SUM] = f"-{sum_}" if sum_ and sign == "-" else sum_
            return None
        values[_SUM] = None
        return "the sum has a sign, and so has the row" if sign else f"{self._places[_SIGN]} is blank"

    def _is_ignored(self, sum_: str | None) -> bool:
        return ("zero" in self._ignored and not Decimal(sum_)) if sum_ else "blank" in self._ignored

    def _find_problem(self, values: Values) -> str | None:
        """Returns what is wrong with values that can all be read."""
        if values[_SUM] is None:
            return f"{self._places[_SUM]} is blank"
        if not any(map(values.__getitem__, self._ids)):
            return f"there is no {' and no '.join(_ORDER[place] for place in self._ids)}"
        currency = values[_CURRENCY]
        if currency is None:
            return f"{self._places[_CURRENCY]} is blank"
        if self._must_have_cents and count_decimals(currency) != DEFAULT_DECIMALS:
            values[_SUM] = None
            return f"the sum is in cents, and {currency} has no hundredths"
        if blank := [_ORDER[place] for place in self._key if values[place] is None]:
            return f"{blank[0]} is blank, and is needed to know whether an earlier file had this payment"
        return None

    def _make_key(self, values: Values) -> str:
        text = _BETWEEN.join(values[place] or "" for place in self._key)
        return blake2b(text.encode(), digest_size=_KEY_BYTES).hexdigest()


def _get_parser(cell: Cell) -> Parse:
    match cell:
        case SumField():
            return get_amount_parser(cell.as_)
        case DateField():
            return get_day_parser(cell.as_)
        case SignField():
            return _get_code_parser(dict(cell.codes))
        case CurrencyField():
            return _get_code_parser(cell.codes) if cell.codes else _parse_currency
        case IdField():
            return _get_text_parser(cell.matches)
    raise TypeError(f"{type(cell).__name__} is no field")


def get_amount_parser(picture: MoneyPicture) -> Parse:
    """Returns the parser of amounts in a picture; they are written as `-12.50` then."""
    parse_amount = picture.parse_amount
    example = picture.format(_EXAMPLE)
    decimals = "f" if picture.number == "plain" else f".{DEFAULT_DECIMALS}f"

    @lru_cache(MAX_CACHED)
    def parse(text: str) -> str | None:
        if not text:
            return None
        amount = parse_amount(text) if len(text) <= MAX_AMOUNT_LENGTH else None
        if amount is None:
            raise ValueError(f"is {quote(text)}, and not a sum such as {example}")
        return format(amount, decimals)

    return parse


def get_day_parser(picture: DatePicture) -> Parse:
    """Returns the parser of days in a picture; they are written as `2026-12-31` then."""
    example = picture.format(_EXAMPLE_DAY)

    @lru_cache(MAX_CACHED)
    def parse(text: str) -> str | None:
        if not text:
            return None
        day = picture.parse_day(text)
        if day is None:
            raise ValueError(f"is {quote(text)}, and not a day such as {example}")
        return day.isoformat()

    return parse


def _get_code_parser(codes: dict[str, str]) -> Parse:
    def parse(text: str) -> str | None:
        code = codes.get(text)
        if code is None and text:
            raise ValueError(f"is {quote(text)}, and the codes are {', '.join(codes)}")
        return code

    return parse


def _parse_currency(text: str) -> str | None:
    if text and not (len(text) == 3 and text.isascii() and text.isupper()):  # noqa: PLR2004  letters of ISO 4217
        raise ValueError(f"is {quote(text)}, and not a currency such as USD")
    return text or None


def _get_text_parser(expression: str | None) -> Parse:
    match = re.compile(expression or ".*").fullmatch

    def parse(text: str) -> str | None:
        if not text:
            return None
        if len(text) > MAX_ID_LENGTH:
            raise ValueError(f"has more than {MAX_ID_LENGTH} characters")
        if not text.isprintable():
            raise ValueError(f"is {quote(text)}, with a character that can't be shown")
        if expression and not match(text):
            raise ValueError(f"is {quote(text)}, which does not match {expression}")
        return text

    return parse
