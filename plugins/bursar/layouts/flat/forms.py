"""The forms of the lines of a file, as a layout describes them: what each line looks like, and what it adds up to."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from hashlib import sha256
from typing import Any

from bursar.layouts.flat.control_figures import ControlFigures, encode_cell
from bursar.layouts.flat.patterns import KnownValues, get_pattern
from bursar.layouts.flat.sql import BatchValues
from bursar.layouts.layout import Layout
from bursar.layouts.model import Column, Record
from bursar.layouts.pictures import MoneyPicture
from bursar.ledger.totals import CurrencyTotals


class MismatchError(Exception):
    """The file is not what the batch and its layout say; the message says where."""


class Form:
    """The form of the lines of one record."""

    def __init__(
        self,
        layout: Layout,
        record: Record,
        known: KnownValues,
        totals: CurrencyTotals,
        digests: Mapping[int, bytes],
    ) -> None:
        """Makes the form; `known` has the values that are the same in each line of the record.

        `digests` has the SHA-256 of the cells that a column must have, by the number of the column.
        """
        self._totals = totals
        self._amounts: dict[int, tuple[MoneyPicture, Counter[str]]] = {}
        self._cells = []
        patterns = []
        for group, (number, column) in enumerate(_order(layout, record), start=1):
            slot = column.value.only_slot
            if slot and slot.name == "amount":
                self._amounts[group] = (MoneyPicture.parse(slot.picture), Counter())
            if number in digests:
                self._cells.append((group, column, sha256(), digests[number]))
            patterns.append(get_pattern(layout, record, column, known))
        self._match = re.compile(_join(layout, record, patterns)).fullmatch

    def take(self, line: str) -> bool:
        """Adds a line to the totals; returns whether it has the form. Cells are divided by line feeds."""
        match = self._match(line)
        if match is None:
            return False
        for group, (_, counts) in self._amounts.items():
            counts[match[group]] += 1
        for group, _, digest, _ in self._cells:
            digest.update(encode_cell(match[group]))
        return True

    def check_totals(self) -> None:
        """Checks that the amounts of all lines add up to the totals of the batch, and users have their own totals.

        Raises:
            MismatchError: they do not.
        """
        for _, column, digest, expected in self._cells:
            if digest.digest() != expected:
                raise MismatchError(f"for some user, {column.value} differs from the ledger")
        for picture, counts in self._amounts.values():
            positive = negative = Decimal(0)
            for text, times in counts.items():
                amount = picture.parse_amount(text)
                if amount is None:
                    raise MismatchError(f"{text!r} is not an amount")
                if amount < 0:
                    negative += amount * times
                else:
                    positive += amount * times
            charges, credits_ = self._totals.charges, self._totals.credits
            due = (charges - credits_, Decimal(0)) if picture.sign == "none" else (charges, credits_)
            if (positive, negative) != due:
                found = f"{_format(positive)} and {_format(negative)}"
                raise MismatchError(
                    f"the column amount adds up to {found}, and its lines to {_format(due[0])} and {_format(due[1])}"
                )


def make_forms(
    layout: Layout, values: BatchValues, totals: CurrencyTotals, figures: ControlFigures, *, fines: int, users: int
) -> list[Form]:
    """Makes the forms of the records of a layout, for the file of a batch with so many fines and users."""
    counts = {"fine": fines, "user": users, "file": 0}
    of_file: dict[str, Any] = {
        **figures.of_file,
        "fines": fines,
        "users": users,
        "records": sum(counts[record.each] for record in layout.records),
        "sum": totals.net,
        "charges": totals.charges,
        "credits": totals.credits,
    }
    return [
        Form(
            layout,
            record,
            KnownValues(layout, values, of_file if record.each == "file" else {}),
            totals,
            {column: digest for (one, column), digest in figures.digests.items() if one == number},
        )
        for number, record in enumerate(layout.records)
    ]


def _order(layout: Layout, record: Record) -> list[tuple[int, Column]]:
    """Returns the columns with their numbers, in the order in which they are in the line."""
    columns = list(enumerate(record.columns))
    if layout.kind == "delimited":
        return columns
    return sorted(columns, key=lambda one: one[1].at.first if one[1].at else 0)


def _join(layout: Layout, record: Record, patterns: Sequence[str]) -> str:
    groups = [f"({pattern})" for pattern in patterns]
    if layout.kind == "delimited":
        return "\n".join(groups)
    joined, end = "", 0
    for (_, column), group in zip(_order(layout, record), groups, strict=True):
        if column.at:
            joined += " " * (column.at.first - end - 1) + group
            end = column.at.last or column.at.first
    return joined + " " * max(0, (record.length or 0) - end)


def _format(amount: Decimal) -> str:
    return f"{amount.normalize():f}"
