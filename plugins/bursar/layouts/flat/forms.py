"""The forms of the lines of a file, as a layout describes them: what each line looks like, and what it adds up to."""

import re
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

from bursar.layouts.flat.patterns import KnownValues, get_pattern
from bursar.layouts.flat.sql import BatchValues
from bursar.layouts.layout import Layout
from bursar.layouts.model import Column, Record
from bursar.layouts.pictures import MoneyPicture
from bursar.ledger.totals import CurrencyTotals

_ADDED = {"amount": "fine", "sum": "user", "charges": "user", "credits": "user"}
"""The amounts that are added up over the lines of the file, each with the kind of its records."""


class MismatchError(Exception):
    """The file is not what the batch and its layout say; the message says where."""


class Form:
    """The form of the lines of one record."""

    def __init__(self, layout: Layout, record: Record, known: KnownValues, totals: CurrencyTotals) -> None:
        """Makes the form; `known` has the values that are the same in each line of the record."""
        self._totals = totals
        self._amounts: dict[int, tuple[str, MoneyPicture, Counter[str]]] = {}
        patterns = []
        for place, column in enumerate(_order(layout, record), start=1):
            slot = column.value.only_slot
            if slot and slot.name in _ADDED and _ADDED[slot.name] == record.each:
                self._amounts[place] = (slot.name, MoneyPicture.parse(slot.picture), Counter())
            patterns.append(get_pattern(layout, record, column, known))
        self._match = re.compile(_join(layout, record, patterns)).fullmatch

    def take(self, line: str) -> bool:
        """Adds a line to the totals; returns whether it has the form. Cells are divided by line feeds."""
        match = self._match(line)
        if match is None:
            return False
        for place, (_, _, counts) in self._amounts.items():
            counts[match[place]] += 1
        return True

    def check_totals(self) -> None:
        """Checks that the amounts of all lines add up to the totals of the batch.

        Raises:
            MismatchError: they do not.
        """
        for name, picture, counts in self._amounts.values():
            positive = negative = Decimal(0)
            for text, times in counts.items():
                amount = picture.parse_amount(text)
                if amount is None:
                    raise MismatchError(f"{text!r} is not an amount")
                if amount < 0:
                    negative += amount * times
                else:
                    positive += amount * times
            expected = self._get_expected(name, picture)
            found = (positive, negative) if name == "amount" else (positive + negative,)
            if found != expected:
                raise MismatchError(f"the column {name} adds up to {_list(found)}, and its lines to {_list(expected)}")

    def _get_expected(self, name: str, picture: MoneyPicture) -> tuple[Decimal, ...]:
        totals = self._totals
        match name, picture.sign:
            case "amount", "none":
                return totals.charges - totals.credits, Decimal(0)
            case "amount", _:
                return totals.charges, totals.credits
            case "charges", _:
                return (totals.charges,)
            case "credits", sign:
                return (abs(totals.credits) if sign == "none" else totals.credits,)
        return (totals.net,)


def make_forms(layout: Layout, values: BatchValues, totals: CurrencyTotals, *, fines: int, users: int) -> list[Form]:
    """Makes the forms of the records of a layout, for the file of a batch with so many fines and users."""
    counts = {"fine": fines, "user": users, "file": 0}
    of_file: dict[str, int | Decimal] = {
        "fines": fines,
        "users": users,
        "records": sum(counts[record.each] for record in layout.records),
        "sum": totals.net,
        "charges": totals.charges,
        "credits": totals.credits,
    }
    return [
        Form(layout, record, KnownValues(layout, values, of_file if record.each == "file" else {}), totals)
        for record in layout.records
    ]


def _order(layout: Layout, record: Record) -> list[Column]:
    """Returns the columns in the order in which they are in the line."""
    if layout.kind == "delimited":
        return list(record.columns)
    return sorted(record.columns, key=lambda column: column.at.first if column.at else 0)


def _join(layout: Layout, record: Record, patterns: Sequence[str]) -> str:
    groups = [f"({pattern})" for pattern in patterns]
    if layout.kind == "delimited":
        return "\n".join(groups)
    joined, end = "", 0
    for column, group in zip(_order(layout, record), groups, strict=True):
        if column.at:
            joined += " " * (column.at.first - end - 1) + group
            end = column.at.last or column.at.first
    return joined + " " * max(0, (record.length or 0) - end)


def _list(amounts: Sequence[Decimal]) -> str:
    return " and ".join(f"{amount.normalize():f}" for amount in amounts)
