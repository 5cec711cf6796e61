"""The regular expressions of the columns of a file, and the texts that are known before the file is read."""

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from bursar.layouts.flat.sql import BatchValues
from bursar.layouts.layout import Layout
from bursar.layouts.model import Column, DerivedValue, Record
from bursar.layouts.pictures import DatePicture, MoneyPicture
from bursar.layouts.templates import Slot, Template, ValueType, apply_text_steps
from bursar.layouts.terms import find_term, list_terms
from bursar.layouts.values import OF_BATCH, get_type

_MONEY = "[0-9.,+() -]"


class KnownValues:
    """The values of a record that are the same in each of its lines: those of the batch, and totals of the file."""

    def __init__(self, layout: Layout, batch: BatchValues, totals: Mapping[str, int | Decimal]) -> None:
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
            text = self._write_derived(derived)
            return None if text is None else apply_text_steps(text, slot.picture)
        if slot.name in OF_BATCH:
            return self._batch.format(slot)
        value = self._totals.get(slot.name)
        if value is None:
            return None
        if get_type(slot.name, "file") is ValueType.MONEY:
            return MoneyPicture.parse(slot.picture).format(Decimal(value))
        return f"{value:0{len(slot.picture)}}"

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
    type_ = get_type(slot.name, record.each) if slot else None
    is_filled = layout.kind == "fixed" or column.fill is not None
    if text is not None:
        pattern = re.escape(_fit(layout, column, text, is_amount=type_ is ValueType.MONEY, is_filled=is_filled))
    elif column.width is None:
        pattern = _get_free_pattern(type_, slot)
    elif is_filled and slot and type_ is ValueType.DATE and not column.cut:
        pattern = _fill_date(column, column.width, DatePicture.parse(slot.picture))
    elif is_filled and slot and type_ is ValueType.MONEY:
        pattern = _fill_money(column, column.width, MoneyPicture.parse(slot.picture))
    elif is_filled:
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


def _fit(layout: Layout, column: Column, text: str, *, is_amount: bool, is_filled: bool) -> str:
    """Returns a text as its column shows it."""
    if column.delimiter:
        text = text.replace(layout.separator, " ")
    width = column.width
    if width is None:
        return text
    if column.cut and len(text) > width:
        text = text[:width] if column.cut == "end" else text[-width:]
    if not is_filled:
        return text
    fill = column.fill or " "
    if not column.is_right_aligned:
        return text.ljust(width, fill)
    if is_amount and fill == "0" and text[:1] in ("-", "+", "("):
        return text[0] + text[1:].rjust(width - 1, fill)
    return text.rjust(width, fill)
