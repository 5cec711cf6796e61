"""Compares the rows of a file with the totals that its control records name."""

import re
from decimal import Decimal
from typing import NamedTuple

from bursar.layouts.alma_xml.encoding import CUT_OFF, SEND_AGAIN, quote
from bursar.layouts.payments.cells import MAX_HASH_DIGITS, Cell, ControlHash, ControlSum, DateField
from bursar.layouts.payments.fields import get_amount_parser, get_day_parser
from bursar.layouts.payments.lines import Lines
from bursar.layouts.payments.records import PaymentRecord
from bursar.layouts.payments.row_layout import RecordKind, RowLayout
from bursar.layouts.payments.rows import Row, Rows

_NO_DIGITS = re.compile(r"[^0-9]+")


class _Stated(NamedTuple):
    """A total that the file names, and where."""

    name: str
    cell: Cell
    text: str
    line: int


class Controls:
    """The totals of the rows of a file, and those that its control records name.

    `days` gets the days for which these records say that a statement counts, each with its line.
    """

    def __init__(self, layout: RowLayout, days: dict[str, int]) -> None:
        self._rows = f"{layout.noun}s"
        self._records = [record for record in layout.kinds if record.controls]
        self._hashed = {record.hash.of: 0 for record in self._records if record.hash}
        self._count = 0
        self._sum = Decimal(0)
        self._without_sum = ""  # the first line whose sum can't be read, and why
        self._stated: list[_Stated] = []
        self._days = days
        self.is_needed = bool(self._records)

    def add(self, record: PaymentRecord) -> None:
        """Counts a row, also one that has a problem or is ignored."""
        self._count += 1
        if record.sum:
            self._sum += Decimal(record.sum)
        elif record.problem and not self._without_sum:
            self._without_sum = f"in line {record.line}, {record.problem}"
        for name in self._hashed:
            self._hashed[name] += int(_NO_DIGITS.sub("", getattr(record, name) or "") or 0)

    def read(self, rows: Rows[Row], row: Row, kind: RecordKind) -> None:
        """Reads the totals of a record of the file.

        Raises:
            InputFileError: it is damaged, or the file had such a record before.
        """
        line = rows.lines.start + 1
        if not kind.controls:
            return
        if any(stated.name == kind.starts for stated in self._stated):
            raise rows.lines.error(
                f"a second {quote(kind.starts or '')}, as if several files had been joined. {SEND_AGAIN}"
            )
        if fault := rows.find_fault(row, kind):
            raise rows.lines.error(f"the record {quote(kind.starts or '')} is damaged: {fault}. {SEND_AGAIN}")
        texts = rows.get_picker(kind.controls.values(), by_number=True)(row)
        self._stated += [
            _Stated(kind.starts or "", cell, text.strip(), line)
            for cell, text in zip(kind.controls.values(), texts, strict=True)
        ]

    def check(self, lines: Lines) -> None:
        """Compares the rows with the totals.

        Raises:
            InputFileError: a total differs, or is missing.
        """
        for record in self._records:
            if all(stated.name != record.starts for stated in self._stated):
                raise lines.error(f"there is no record {quote(record.starts or '')}: {CUT_OFF}", lines.count)
        for stated in self._stated:
            cell = stated.cell
            reason = self._add_day(cell, stated) if isinstance(cell, DateField) else self._compare(stated)
            if reason:
                raise lines.error(
                    f"{reason}. Nothing of the file was loaded. Ask the bursar which is right, and to send the file "
                    "again, or correct the layout.",
                    stated.line,
                )

    def _add_day(self, cell: DateField, stated: _Stated) -> str | None:
        """Adds the day for which the file counts; returns the reason if it can't be read."""
        try:
            day = get_day_parser(cell.as_)(stated.text)
        except ValueError as error:
            return f"the day of the file {error}"
        if day:
            self._days.setdefault(day, stated.line)
        return None if day else "the day of the file is blank"

    def _compare(self, stated: _Stated) -> str | None:
        """Returns the reason if a total differs."""
        cell, text = stated.cell, stated.text
        if isinstance(cell, ControlSum):
            try:
                said = Decimal(get_amount_parser(cell.as_)(text) or "")
            except (ValueError, ArithmeticError):
                return f"the total {quote(text)} is not written as the layout says"
            if self._without_sum:
                return f"the {self._rows} have no total to compare: {self._without_sum}"
            difference = f"the file names a total of {said}, and its {self._rows} have {self._sum}"
            return None if said == self._sum else difference
        if not (text.isascii() and text.isdigit() and len(text) <= MAX_HASH_DIGITS):
            return f"the total {quote(text)} is no number"
        if isinstance(cell, ControlHash):
            digits = cell.digits or len(text)
            found = self._hashed[cell.of] % 10**digits
            what = f"a hash total of {cell.of}"
        else:
            found, what = self._count, "a count"
        difference = f"the file names {what} of {int(text)}, and its {self._rows} have {found}"
        return None if int(text) == found else difference
