"""The regular expressions of the columns of a file, and the texts that are known before the file is read."""

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from bursar.layouts.due import DueDay, find_due_day
from bursar.layouts.flat.sql import BatchValues
from bursar.layouts.layout import Layout
from bursar.layouts.model import Column, DerivedValue, Record
from bursar.layouts.pictures import DatePicture, MoneyPicture
from bursar.layouts.templates import Slot, Template, ValueType, apply_text_steps
from bursar.layouts.terms import find_term, list_terms
from bursar.layouts.values import OF_BATCH, get_type

_MONEY = "[0-9.,+() -]"


class KnownValues:
    """The values that are known before a line is read: those of the batch, and totals of the file or of a user."""

    def __init__(self, layout: Layout, batch: BatchValues, totals: Mapping[str, int | Decimal | date | None]) -> None:
        self._layout = layout
        self._batch = batch
        self._totals = totals

    def write(self, template: Template) -> str | None:
        """Returns the text of a template; None if it depends on the line."""
        texts = [part if isinstance(part, str) else self._write_slot(part) for part in template.parts]
        known = [text for text in texts if text is not None]
        return "".join(known) if len(known) == len(texts) else None

    def _write_slot(self, slot: Slot) -> str | None:
        if derived := self._layout.values.get(slot.name):
            if derived.due:
                return self._write_due_day(derived.due, slot.picture)
            text = self._write_derived(derived)
            return None if text is None else apply_text_steps(text, slot.picture)
        if slot.name in OF_BATCH:
            return self._batch.format(slot)
        return self._write_total(slot, self._totals[slot.name]) if slot.name in self._totals else None

    def _write_total(self, slot: Slot, value: Any) -> str:  # noqa: ANN401  as the type of the slot says
        match get_type(slot.name, "file"):
            case ValueType.MONEY:
                return MoneyPicture.parse(slot.picture).format(Decimal(value))
            case ValueType.HASH:
                return f"{value % 10 ** int(slot.picture):0{slot.picture}}"
            case ValueType.DATE:
                return "" if value is None else DatePicture.parse(slot.picture).format(value)
        return f"{value:0{len(slot.picture)}}"

    def _write_due_day(self, rule: DueDay, picture: str) -> str | None:
        if rule.of != "exported_on":
            return None
        return DatePicture.parse(picture).format(find_due_day(rule, self._batch.exported_on))

    def _write_derived(self, derived: DerivedValue) -> str | None:
        if derived.day:
            return (
                find_term(list_terms(derived.terms), self._batch.exported_on) if derived.day == "exported_on" else None
            )
        texts = [self._write_slot(Slot(name, "")) for name in derived.of]
        if None in texts:
            return None
        for key, code in derived.codes.items():
            parts = key.split("/") if len(texts) > 1 else [key]
            if all(part in ("*", text) for part, text in zip(parts, texts, strict=True)):
                return self.write(code)
        return None if derived.else_ is None else self.write(derived.else_)


def get_pattern(layout: Layout, record: Record, column: Column, known: KnownValues) -> str:
    """Returns the regular expression of a column, as it is between the delimiters or at its position."""
    text, slot = known.write(column.value), column.value.only_slot
    if text is not None:
        return re.escape(write_cell(layout, record, column, text))
    type_ = layout.get_type(slot.name, record.each) if slot else None
    if column.width is None:
        pattern = _get_free_pattern(type_, slot)
    elif column.is_filled and slot and type_ is ValueType.DATE and not column.cut:
        pattern = _fill_date(column, column.width, DatePicture.parse(slot.picture))
    elif column.is_filled and slot and type_ is ValueType.MONEY:
        pattern = _fill_money(column, column.width, MoneyPicture.parse(slot.picture))
    elif column.is_filled:
        pattern = f".{{{column.width}}}"
    else:
        free = _get_free_pattern(type_, slot)
        pattern = f"(?=[^\\n]{{0,{column.width}}}(?:\\n|$)){free}" if type_ else f".{{0,{column.width}}}"
    return f"{pattern}| " if column.blank else pattern


def _get_free_pattern(type_: ValueType | None, slot: Slot | None) -> str:
    """Returns the regular expression of a column without a width."""
    match type_:
        case ValueType.MONEY:
            return f"{_MONEY}*"
        case ValueType.NUMBER | ValueType.HASH:
            return "[0-9]*"
        case ValueType.DATE if slot:
            return f"(?:{DatePicture.parse(slot.picture).pattern})?"
    return ".*"


def _fill_money(column: Column, width: int, picture: MoneyPicture) -> str:
    """Returns the regular expression of an amount, or of nothing, in a filled column."""
    written = f"[{re.escape(column.fill or ' ')}{_MONEY[1:]}{{{width}}}"
    if not column.is_right_aligned:
        written = f"(?! ){written}"
    elif picture.sign != "trailing":  # a positive amount has a blank in place of the minus
        written = f"{written}(?<! )"
    return f"(?:{written}|{re.escape(column.fill or ' ')}{{{width}}})"


def _fill_date(column: Column, width: int, picture: DatePicture) -> str:
    """Returns the regular expression of a date, or of nothing, in a filled column."""
    length = len(picture.format(date(2000, 1, 1)))
    fill = re.escape(column.fill or " ") * (width - length)
    written = fill + picture.pattern if column.is_right_aligned else picture.pattern + fill
    return f"(?:{written}|{re.escape(column.fill or ' ')}{{{width}}})"


def write_cell(layout: Layout, record: Record, column: Column, text: str) -> str:
    """Returns a text as its column shows it, between the delimiters or at its position."""
    cell = _fit(layout, record, column, text)
    return cell or (" " if column.blank else "")


def _fit(layout: Layout, record: Record, column: Column, text: str) -> str:
    if column.delimiter:
        text = text.replace(layout.separator, " ")
    width = column.width
    if width is None:
        return text
    if column.cut and len(text) > width:
        text = text[:width] if column.cut == "end" else text[-width:]
    if not column.is_filled:
        return text
    fill, slot = column.fill or " ", column.value.only_slot
    if not column.is_right_aligned:
        return text.ljust(width, fill)
    is_amount = slot is not None and layout.get_type(slot.name, record.each) is ValueType.MONEY
    if is_amount and fill == "0" and text[:1] in ("-", "+", "("):
        return text[0] + text[1:].rjust(width - 1, fill)
    return text.rjust(width, fill)
