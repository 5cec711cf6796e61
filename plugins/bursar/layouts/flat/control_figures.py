"""Computes the control figures of a file from its lines in the ledger, in Python: the writer computes them in SQL.

Control figures are hash totals, first and last days, and the totals of each user. Memory stays flat: of the columns of
users, only a digest over their cells is kept.
"""

import re
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from hashlib import sha256
from itertools import groupby
from operator import itemgetter
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, text

from bursar.layouts.flat.patterns import KnownValues, write_cell
from bursar.layouts.flat.render import get_batch_values, get_frozen_layout
from bursar.layouts.flat.sql import BatchValues
from bursar.layouts.layout import Layout
from bursar.layouts.model import KINDS
from bursar.layouts.templates import MAX_DIGITS, ValueType
from bursar.layouts.values import OF_FINE, TOTALS
from bursar.ledger.batch_files import BatchFile
from bursar.ledger.batches import Batch

Figures = Mapping[str, Any]
"""Values by name: numbers, amounts, hash totals, and days, None if there is none."""
_COLUMNS = {
    "direction": "NULL",  # a word, without digits
    "kind": "NULL",
    "last_transaction_on": "last_transaction_at",
    "item_due_on": "item_due_date",
    "charged_on": "(SELECT batches.selected_at FROM batch_lines AS charges JOIN batches ON batches.id = "
    "charges.batch_id WHERE charges.transaction_id = lines.reversed_transaction_id)",
}
"""The columns of the values whose name is not that of a column."""
_OF_KINDS = "AND line_kind(amount, reversal, reversed_transaction_id) = ANY (CAST(:kinds AS text[]))"


@dataclass
class ControlFigures:
    """What the lines of a batch add up to. `of_file` has hash totals, first and last days of the file.

    `fines_by_user` has the number of fines of each user, in the order of the lines. `digests` has the SHA-256 of the
    cells that a column has in the lines of the users, by the numbers of its record and column; see `encode_cell`.
    """

    of_file: Figures = field(default_factory=dict)
    fines_by_user: Sequence[int] = ()
    digests: Mapping[tuple[int, int], bytes] = field(default_factory=dict)


def read_control_figures(connection: Connection, batch: Batch, file: BatchFile) -> ControlFigures:
    """Reads the lines of a file of a batch, and returns the control figures that the file in its layout must have."""
    layout = get_frozen_layout(batch).get_file(file.number)
    of_file = {name for name in layout.list_used("file") if "." in name}
    of_users = {name for name in layout.list_used("user") if "." in name}
    if not of_file and not layout.list_records("user"):
        return ControlFigures()
    values = get_batch_values(batch)
    totals, users = _Totals(of_file), _UserCells(layout, values)
    names = sorted({name.partition(".")[2] for name in of_file | of_users})
    readers = [_get_reader(layout, batch, values, name) for name in names]
    columns = ", ".join(["user_id", "amount", *(_COLUMNS.get(name, name) for name in names)])
    rows = connection.execute(
        text(f"SELECT {columns} FROM batch_lines AS lines WHERE batch_id = :batch_id {_OF_KINDS} ORDER BY number"),
        {"batch_id": batch.id, "kinds": list(KINDS if file.kinds is None else file.kinds)},
        execution_options={"yield_per": 10_000},
    )
    counts = array("L")
    has_fines = bool(layout.list_records("fine"))
    for _, of_user in groupby(rows, itemgetter(0)):
        amounts: list[Decimal] = []
        user = _Totals(of_users)
        for row in of_user:
            found = {name: read(cell) for name, read, cell in zip(names, readers, row[2:], strict=True)}
            totals.add(found, counts_hash=has_fines or not amounts)
            user.add(found)
            amounts.append(row[1])
        counts.append(len(amounts))
        users.add(_add_up(amounts) | user.figures)
    return ControlFigures(totals.figures, counts, users.get_digests())


def _add_up(amounts: Sequence[Decimal]) -> dict[str, Any]:
    return {
        "fines": len(amounts),
        "sum": sum(amounts),
        "charges": sum(amount for amount in amounts if amount > 0),
        "credits": sum(amount for amount in amounts if amount < 0),
    }


class _Totals:
    """Hash totals, first and last days of some fines, by the names that a layout has for them."""

    def __init__(self, names: set[str]) -> None:
        self._parts = [(name, *name.split(".")) for name in names]
        self.figures: dict[str, Any] = {name: 0 if name.startswith("hash.") else None for name in names}

    def add(self, found: Mapping[str, Any], *, counts_hash: bool = True) -> None:
        """Adds the values of a fine, in which the value of a hash total is a number; None is no value."""
        for name, function, value in self._parts:
            one, known = found[value], self.figures[name]
            if function == "hash":
                if counts_hash:
                    self.figures[name] = known + (one or 0)
            elif one is not None:
                self.figures[name] = one if known is None else (min if function == "min" else max)(known, one)


def _get_reader(layout: Layout, batch: Batch, values: BatchValues, name: str) -> Callable[[Any], Any]:
    """Returns the function from a column of the ledger to a day, or to the number of a hash total."""
    if OF_FINE[name] is ValueType.DATE:
        zone = ZoneInfo(batch.render_options["time_zone"])
        default = values.exported_on if name == "charged_on" else None

        @lru_cache(10_000)
        def read_day(moment: datetime | None) -> date | None:
            return default if moment is None else moment.astimezone(zone).date()

        return read_day
    spelling = str.maketrans(dict(batch.render_options["spelling"])) if layout.characters == "ascii" else {}

    def read_digits(cell: object) -> int:
        digits = str(cell or "")
        if not (digits.isascii() and digits.isdigit()):
            digits = re.sub("[^0-9]", "", digits.translate(spelling))
        # The last digits are enough for a sum of which only the last digits are shown.
        return int(digits[-MAX_DIGITS:] or 0)

    return read_digits


class _UserCells:
    """The cells of the columns whose text follows from the totals of a user."""

    def __init__(self, layout: Layout, values: BatchValues) -> None:
        self._layout, self._values = layout, values
        any_figures = dict.fromkeys(TOTALS, 0) | _Totals({n for n in layout.list_used("user") if "." in n}).figures
        nothing, something = (KnownValues(layout, values, figures) for figures in ({}, any_figures))
        self._columns = [
            (record, column, (number, place), sha256())
            for number, record in layout.list_records("user")
            for place, column in enumerate(record.columns)
            if nothing.write(column.value) is None and something.write(column.value) is not None
        ]

    def add(self, figures: Figures) -> None:
        """Adds the cells of a user to the digests."""
        known = KnownValues(self._layout, self._values, figures)
        for record, column, _, digest in self._columns:
            digest.update(encode_cell(write_cell(self._layout, record, column, known.write(column.value) or "")))

    def get_digests(self) -> dict[tuple[int, int], bytes]:
        """Returns the digest of each column, by the numbers of its record and column."""
        return {place: digest.digest() for _, _, place, digest in self._columns}


def encode_cell(cell: str) -> bytes:
    """Returns the bytes that a cell adds to the digest of its column."""
    return cell.encode() + b"\n"
