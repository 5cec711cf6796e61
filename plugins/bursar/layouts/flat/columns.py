"""Composes the columns of a record to a line, as SQL expressions, and the tests for texts that do not fit.

The text of a column is itself a column of a subquery, so that it is computed once. A text that is too long makes the
line NULL; nothing is cut unless the layout says so.
"""

from collections.abc import Iterator

from bursar.layouts.flat.characters import find_foreign_characters
from bursar.layouts.flat.sql import Bindings
from bursar.layouts.flat.unfit_reason import UnfitReason
from bursar.layouts.layout import Layout
from bursar.layouts.model import Column, Record
from bursar.layouts.templates import ValueType
from bursar.layouts.values import get_type

LINE_BREAK = r"E'\n'"


def write_line(layout: Layout, record: Record, texts: list[str], bindings: Bindings) -> str:
    """Returns the expression of a line, without its end; `texts` are the columns of the subquery with its texts."""
    cells = [
        _write_cell(layout, record, column, text, bindings) for column, text in zip(record.columns, texts, strict=True)
    ]
    if layout.kind == "delimited":
        return f" || {bindings.add(layout.separator)} || ".join(cells)
    return " || ".join(_fill_gaps(record, cells, bindings))


def _fill_gaps(record: Record, cells: list[str], bindings: Bindings) -> Iterator[str]:
    placed = [(column.at, cell) for column, cell in zip(record.columns, cells, strict=True) if column.at]
    end = 0
    for at, cell in sorted(placed, key=lambda one: one[0].first):
        if at.first > end + 1:
            yield bindings.add(" " * (at.first - end - 1))
        yield cell
        end = at.last or at.first
    if record.length and record.length > end:
        yield bindings.add(" " * (record.length - end))


def _write_cell(layout: Layout, record: Record, column: Column, text: str, bindings: Bindings) -> str:
    cell = _replace_delimiter(layout, column, text, bindings)
    if column.width is not None:
        cell = _fit_width(column, cell, bindings, is_amount=_is_amount(record, column))
    if column.blank:
        cell = f"coalesce(nullif({cell}, ''), CASE WHEN {text} = '' THEN ' ' END)"
    if layout.kind == "fixed" or layout.quotes == "never":
        return cell
    quoted = f"""'"' || replace({cell}, '"', '""') || '"'"""
    if layout.quotes == "all":
        return quoted
    needs_quotes = f"strpos({cell}, {bindings.add(layout.separator)}) > 0 OR strpos({cell}, '\"') > 0"
    if len(record.columns) == 1:  # else a reader takes the line for an empty one
        needs_quotes += f" OR {cell} = ''"
    return f"CASE WHEN {needs_quotes} THEN {quoted} ELSE {cell} END"


def _replace_delimiter(layout: Layout, column: Column, text: str, bindings: Bindings) -> str:
    return f"replace({text}, {bindings.add(layout.separator)}, ' ')" if column.delimiter else text


def _is_amount(record: Record, column: Column) -> bool:
    slot = column.value.only_slot
    return slot is not None and get_type(slot.name, record.each) is ValueType.MONEY


def _fit_width(column: Column, text: str, bindings: Bindings, *, is_amount: bool) -> str:
    """Returns the expression of a text in its width; NULL if it is longer and may not be cut."""
    width, fill = column.width, bindings.add(column.fill or " ")
    cut = {"end": f"left({text}, {width})", "start": f"right({text}, {width})", None: text}[column.cut]
    filled = cut
    if column.is_filled and column.is_right_aligned:
        filled = f"lpad({cut}, {width}, {fill})"
        if column.fill == "0" and is_amount:  # the zeros stand behind the sign
            behind = f"left({cut}, 1) || lpad(substr({cut}, 2), {width} - 1, '0')"
            filled = f"CASE WHEN left({cut}, 1) IN ('-', '+', '(') THEN {behind} ELSE {filled} END"
    elif column.is_filled:
        filled = f"rpad({cut}, {width}, {fill})"
    return filled if column.cut else f"CASE WHEN length({text}) <= {width} THEN {filled} END"


def list_fit_tests(layout: Layout, column: Column, text: str, bindings: Bindings) -> Iterator[tuple[str, UnfitReason]]:
    """Yields the tests for a text that does not fit its column, each with the reason."""
    if not column.value.slots:
        return
    yield f"{text} IS NULL", UnfitReason.NO_CODE
    if column.required:
        yield f"btrim({text}) = ''", UnfitReason.VALUE_MISSING
    shown = text
    if column.width is not None and column.cut:
        shown = f"{'left' if column.cut == 'end' else 'right'}({text}, {column.width})"
    elif column.width is not None:
        yield f"length({text}) > {column.width}", UnfitReason.TOO_LONG
    if foreign := find_foreign_characters(layout):
        yield f'{shown} COLLATE "C" ~ {bindings.add(foreign)}', UnfitReason.NOT_IN_ENCODING
    if layout.kind == "delimited" and layout.quotes == "never" and not column.delimiter:
        yield f"strpos({shown}, {bindings.add(layout.separator)}) > 0", UnfitReason.DELIMITER_IN_VALUE
