"""Reads the records of a file of payments, or of a statement, by its layout: one by one, however large or broken."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bursar.layouts.alma_xml.encoding import SEND_AGAIN
from bursar.layouts.payments.controls import Controls
from bursar.layouts.payments.fields import FieldReader
from bursar.layouts.payments.lines import Lines, OpenSource, find_encoding
from bursar.layouts.payments.records import PaymentRecord
from bursar.layouts.payments.row_layout import RecordKind, RowLayout
from bursar.layouts.payments.rows import DelimitedRows, FixedRows, Row, Rows
from bursar.money import pluralize

log = logging.getLogger(__name__)


def parse_records(
    layout: RowLayout, open_source: OpenSource, name: str, days: dict[str, int] | None = None
) -> Iterator[PaymentRecord]:
    """Yields the records of a file in the order of the file, in memory that does not grow with the file.

    A row that is not written as the layout says is a record with a `problem`; so is a line of no known kind, which
    might be a row. A file without rows yields nothing.

    Args:
        layout: the layout of the file.
        open_source: opens the file. It is read once more for each encoding that has to be tried.
        name: the name of the file in messages.
        days: gets the days for which a statement says that it counts, each with its first line.

    Raises:
        InputFileError: with `name:line: reason`, if the file can't be read as a whole, no row is recognised, or the
            totals of its control records differ. The records that were yielded before are void.
    """
    days = {} if days is None else days
    encoding, mark_length = find_encoding(open_source, layout.encoding, name)
    with open_source() as source:
        if layout.kind == "fixed":
            # In a fixed file, each character is a byte.
            lines = Lines(source, "ascii" if encoding == "utf-8" else encoding, mark_length, name)
            yield from _parse_rows(layout, FixedRows(lines, layout), days)
        else:
            yield from _parse_rows(layout, DelimitedRows(Lines(source, encoding, mark_length, name), layout), days)


def _parse_rows(layout: RowLayout, rows: Rows[Row], days: dict[str, int]) -> Iterator[PaymentRecord]:
    lines, fields, controls = rows.lines, FieldReader(layout, days), Controls(layout, days)
    pick = rows.get_picker(layout.fields.by_name.values())
    find_kind = _get_kind_finder(layout, rows)
    found = _Found()
    for row in rows:
        line, number = lines.start + 1, found.records + 1
        kind = find_kind(row)
        is_ignored = False
        if kind is None:
            starts = ", ".join(record.starts or "" for record in layout.kinds)
            start = rows.describe(row)
            problem = f"not recognised as a {layout.noun}: the line starts with {start}. Expected: {starts}"
            record = PaymentRecord(number, line, problem=problem)
        elif kind.each == "file":
            controls.read(rows, row, kind)
            found.others += 1
            continue
        else:
            fault = rows.find_fault(row, kind)
            record, is_ignored = (
                (PaymentRecord(number, line, problem=fault), False) if fault else fields.read(number, line, pick(row))
            )
            if controls.is_needed:
                controls.add(record)
        if is_ignored:
            found.ignored += 1
            continue
        found.records += 1
        if record.problem is None:
            found.recognised += 1
        elif not found.first_problem:
            found.first_problem = f" Line {line}: {record.problem}."
        yield record
    controls.check(lines)
    found.check(layout, lines)
    if found.ignored:
        log.info("The layout ignores %s whose sum means nothing.", pluralize(found.ignored, layout.noun))


@dataclass
class _Found:
    """What a file has."""

    records: int = 0
    recognised: int = 0  # records without a problem
    ignored: int = 0
    others: int = 0  # headers, trailers and the like
    first_problem: str = ""

    def check(self, layout: RowLayout, lines: Lines) -> None:
        """Raises an error if a file has rows and no row is recognised, or has nothing at all."""
        if self.records and not self.recognised and not self.ignored:
            expected = ", ".join(f"{name} in {cell.place}" for name, cell in layout.fields.by_name.items())
            raise lines.error(
                f"no {layout.noun} is recognised. Expected: {expected}. Found: {pluralize(self.records, 'row')}."
                f"{self.first_problem} Ask the bursar for a file in the layout, or correct the layout.",
                1,
            )
        if not (self.records or self.ignored or self.others or layout.has_heading):
            raise lines.error(f"the file has no rows. {SEND_AGAIN}", 1)


def _get_kind_finder(layout: RowLayout, rows: Rows[Row]) -> Callable[[Row], RecordKind | None]:
    """Returns a function that returns the kind of a row; None if it is of no known kind."""
    others = next((kind for kind in layout.kinds if kind.starts is None), None)
    starts = [(kind.starts, kind) for kind in layout.kinds if kind.starts is not None]

    def find_kind(row: Row) -> RecordKind | None:
        for text, kind in starts:
            if rows.starts_with(row, text):
                return kind
        return others

    return find_kind
