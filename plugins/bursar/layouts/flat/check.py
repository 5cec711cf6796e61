"""Checks the file of a batch before its upload, with code that shares nothing with the writer but the layout.

The writer is SQL; this reads the bytes with regular expressions (fixed layouts) or the csv module (delimited ones).
"""

import csv
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import chain, repeat

from bursar.errors import BatchError
from bursar.layouts.flat.control_figures import ControlFigures
from bursar.layouts.flat.forms import Form, MismatchError, make_forms
from bursar.layouts.flat.render import get_batch_values, get_frozen_layout, get_totals
from bursar.layouts.layout import Layout
from bursar.ledger.batch_files import BatchFile
from bursar.ledger.batches import Batch
from bursar.money import pluralize


def check_file(batch: Batch, file: BatchFile, figures: ControlFigures, blocks: Iterable[bytes]) -> None:
    """Checks a file block by block: each line has the form of its record, and all figures are those of the batch.

    Raises:
        BatchError: the file is not that of the batch and must not be uploaded.
    """
    layout = get_frozen_layout(batch).get_file(file.number)
    forms = make_forms(layout, get_batch_values(batch), get_totals(file), figures, fines=file.fines, users=file.users)
    with closing(_split_lines(layout, blocks)) as lines:
        try:
            _check_lines(layout, _list_forms(layout, forms, file, figures.fines_by_user), _read_rows(layout, lines))
            for form in forms:
                form.check_totals()
        except (MismatchError, UnicodeDecodeError, csv.Error) as error:
            raise BatchError(f"{file.name} of batch {batch.id} was not sent: {error}.") from error


def _check_lines(layout: Layout, forms: Iterable[Form], lines: Iterator[str]) -> None:
    number = 0
    if layout.heading:
        number = 1
        names = [column.name for column in layout.records[layout.first_body].columns]
        if next(lines, "").split("\n") != names:
            raise MismatchError("its first line is not the heading")
    for form in forms:
        number += 1
        line = next(lines, None)
        if line is None:
            raise MismatchError(f"it ends after {pluralize(number - 1, 'line')}")
        if not form.take(line):
            raise MismatchError(f"line {number:,} does not keep to the layout, or a value of it does not fit")
    if next(lines, None) is not None:
        raise MismatchError(f"something follows line {number:,}, which is the last one")


def _list_forms(layout: Layout, forms: Sequence[Form], file: BatchFile, fines_by_user: Sequence[int]) -> Iterable[Form]:
    """Returns the forms of the lines of the file, one a line, in the order of the file."""
    before = [forms[number] for number, _ in layout.list_records("file") if number < layout.first_body]
    behind = [forms[number] for number, _ in layout.list_records("file") if number > layout.first_body]
    body = forms[len(before) : len(forms) - len(behind)]
    if not layout.joins_users:
        count = file.fines if layout.list_records("fine") else file.users
        return chain(before, chain.from_iterable(repeat(body, count)), behind)
    fines = [number for number, _ in layout.list_records("fine")]
    opening = [forms[number] for number, _ in layout.list_records("user") if number < fines[0]]
    closing_ = [forms[number] for number, _ in layout.list_records("user") if number > fines[0]]
    of_fine = [forms[number] for number in fines]
    of_users = (chain(opening, chain.from_iterable(repeat(of_fine, count)), closing_) for count in fines_by_user)
    return chain(before, chain.from_iterable(of_users), behind)


def _read_rows(layout: Layout, lines: Iterator[str]) -> Iterator[str]:
    """Yields the lines; those of a delimited file as their cells, divided by line feeds, which no cell has."""
    if layout.kind == "fixed":
        return lines
    quotes = {"quoting": csv.QUOTE_NONE} if layout.quotes == "never" else {}
    return map("\n".join, csv.reader(lines, delimiter=layout.separator, strict=True, **quotes))  # type: ignore[arg-type]


def _split_lines(layout: Layout, blocks: Iterable[bytes]) -> Generator[str]:
    """Yields the lines of a file without their ends."""
    end, rest = layout.line_end_bytes, b""
    is_empty = True  # a file without bytes has no line
    for block in blocks:
        is_empty = is_empty and not block
        *lines, rest = (rest + block).split(end)
        for line in lines:
            yield line.decode(layout.encoding)
    if layout.last_line_end and rest:
        raise MismatchError("its last line has no end")
    if not layout.last_line_end and not is_empty:
        yield rest.decode(layout.encoding)
