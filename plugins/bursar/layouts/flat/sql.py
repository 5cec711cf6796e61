"""Turns templates and values of a layout into SQL expressions of texts. Texts of the layout are bound, never SQL.

An expression is NULL if a value has no text in its place: no code, or more decimals than its picture. So is a text that
has such a value in it, and so is the whole line.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from sqlalchemy import TextClause, text

from bursar.layouts.due import DueDay, find_due_day, write_due_day
from bursar.layouts.layout import Layout
from bursar.layouts.model import DerivedValue, Each
from bursar.layouts.pictures import DatePicture, MoneyPicture
from bursar.layouts.templates import Slot, Template, ValueType, apply_text_steps, list_text_steps
from bursar.layouts.terms import find_term, list_terms, split_year
from bursar.layouts.values import OF_BATCH, get_type

_NO_TEXT = "CAST(NULL AS text)"


@dataclass
class Bindings:
    """The values that a statement has bound, by the names of its parameters."""

    values: dict[str, object] = field(default_factory=dict)
    _names: dict[tuple[str, object], str] = field(default_factory=dict)

    def add(self, value: object, type_: str = "text") -> str:
        """Binds a value once, and returns the expression that stands for it."""
        name = self._names.setdefault((type_, value), f"p{len(self._names)}")
        self.values[name] = value
        return f"CAST(:{name} AS {type_})"

    def bind(self, statement: str) -> TextClause:
        """Returns a statement with those of the values bound that it has."""
        names = set(re.findall(r":(p[0-9]+)\b", statement))
        return text(statement).bindparams(**{name: value for name, value in self.values.items() if name in names})


@dataclass(frozen=True)
class BatchValues:
    """The values of a batch that its file may show. `exported_at` is aware, in the time zone of the profile."""

    batch: int
    profile: str
    exported_at: datetime

    @property
    def exported_on(self) -> date:
        """The day of the selection, in the time zone of the profile."""
        return self.exported_at.date()

    def format(self, slot: Slot) -> str:
        """Returns a value of the batch as it is written."""
        value = getattr(self, slot.name)
        match OF_BATCH[slot.name]:
            case ValueType.NUMBER:
                return f"{value:0{len(slot.picture)}}"
            case ValueType.TEXT:
                return apply_text_steps(str(value), slot.picture)
        return DatePicture.parse(slot.picture).format(value)


@dataclass(frozen=True)
class Writer:
    """Writes the expressions of one kind of records (`each`), whose values are columns of a subquery."""

    layout: Layout
    each: Each
    batch: BatchValues
    bindings: Bindings

    def template(self, template: Template) -> str:
        """Returns the expression of a template."""
        texts = [self.bindings.add(part) if isinstance(part, str) else self.slot(part) for part in template.parts]
        return " || ".join(texts) or "''"

    def slot(self, slot: Slot) -> str:
        """Returns the expression of a value in its picture."""
        if slot.name in OF_BATCH:
            return self.bindings.add(self.batch.format(slot))
        column = quote(slot.name)
        match self.layout.get_type(slot.name, self.each):
            case ValueType.MONEY:
                return write_money(column, MoneyPicture.parse(slot.picture))
            case ValueType.DATE:
                return f"coalesce(to_char({column}, {self.bindings.add(DatePicture.parse(slot.picture).to_char)}), '')"
            case ValueType.NUMBER:
                return write_number(column, len(slot.picture))
            case ValueType.HASH:
                return f"lpad(right(CAST(coalesce({column}, 0) AS text), {slot.picture}), {slot.picture}, '0')"
        return write_text(column, slot.picture)

    def derived(self, derived: DerivedValue) -> str:
        """Returns the expression of a value of the layout's own."""
        if derived.due:
            return self._due_day(derived.due)
        return self._term(derived) if derived.day else self._code(derived)

    def _due_day(self, rule: DueDay) -> str:
        if rule.of == "exported_on":
            return self.bindings.add(find_due_day(rule, self.batch.exported_on), "date")
        return write_due_day(rule, quote(rule.of))

    def _code(self, derived: DerivedValue) -> str:
        values = [f"({self.slot(Slot(name, ''))})" for name in derived.of]
        branches = []
        for key, code in derived.codes.items():
            parts = key.split("/") if len(values) > 1 else [key]
            tests = [
                f"{value} = {self.bindings.add(part)}" for value, part in zip(values, parts, strict=True) if part != "*"
            ]
            branches.append(f"WHEN {' AND '.join(tests) or 'true'} THEN {self.template(code)}")
        rest = _NO_TEXT if derived.else_ is None else self.template(derived.else_)
        return f"CASE {' '.join(branches)} ELSE {rest} END" if branches else rest

    def _term(self, derived: DerivedValue) -> str:
        terms = list_terms(derived.terms)
        if derived.day == "exported_on":
            code = find_term(terms, self.batch.exported_on)
            return _NO_TEXT if code is None else self.bindings.add(code)
        day = quote(str(derived.day))
        year = f"CAST(extract(year FROM {day}) AS int)"
        branches = []
        for term in reversed(terms):
            if term.year:
                test = f"{day} >= {self.bindings.add(date(term.year, term.month, term.day), 'date')}"
                branches.append(f"WHEN {test} THEN {self._year_code(term.code, str(term.year))}")
            else:
                test = f"to_char({day}, 'MMDD') >= {self.bindings.add(f'{term.month:02}{term.day:02}')}"
                branches.append(f"WHEN {test} THEN {self._year_code(term.code, year)}")
        if not terms[-1].year:
            branches.append(f"WHEN {day} IS NOT NULL THEN {self._year_code(terms[-1].code, f'{year} - 1')}")
        return f"CASE {' '.join(branches)} END"

    def _year_code(self, code: Template, year: str) -> str:
        texts = []
        for part in code.parts:
            if isinstance(part, str):
                texts.append(self.bindings.add(part))
                continue
            name, shift = split_year(part.name)
            shifted = f"({year} + {shift})"
            texts.append(f"to_char({shifted} % 100, 'FM00')" if name == "yy" else f"CAST({shifted} AS text)")
        return " || ".join(texts) or "''"


def quote(name: str) -> str:
    """Returns the name of a value as a column of a subquery."""
    return f'"{name}"'


def write_text(value: str, picture: str) -> str:
    """Returns the expression of a text in its picture."""
    for step, count in list_text_steps(picture):
        match step:
            case "upper" | "lower":
                value = f"{step}({value})"
            case "first":
                value = f"left({value}, {count})"
            case "last":
                value = f"right({value}, {count})"
            case _:
                value = f"ltrim({value}, '0')"
    return value


def write_number(value: str, digits: int) -> str:
    """Returns the expression of a number with at least so many digits."""
    written = f"CAST({value} AS text)"
    return f"lpad({written}, greatest({digits}, length({written})), '0')" if digits else written


def write_money(value: str, picture: MoneyPicture) -> str:
    """Returns the expression of an amount: empty if there is none, NULL if the picture lacks decimals for it."""
    digits = {
        "0.00": f"CAST(round(abs({value}), 2) AS text)",
        "0,00": f"replace(CAST(round(abs({value}), 2) AS text), '.', ',')",
        "cents": f"CAST(round(abs({value}) * 100) AS text)",
        "plain": f"CAST(trim_scale(abs({value})) AS text)",
    }[picture.number]
    signed = {
        "leading": f"CASE WHEN {value} < 0 THEN '-' ELSE '' END || {digits}",
        "always": f"CASE WHEN {value} < 0 THEN '-' ELSE '+' END || {digits}",
        "trailing": f"{digits} || CASE WHEN {value} < 0 THEN '-' ELSE ' ' END",
        "parentheses": f"CASE WHEN {value} < 0 THEN '(' || {digits} || ')' ELSE {digits} END",
        "none": digits,
    }[picture.sign]
    fits = "" if picture.number == "plain" else f" AND {value} = round({value}, 2)"
    return f"CASE WHEN {value} IS NULL THEN '' WHEN true{fits} THEN {signed} END"


def list_decimal_tests(layout: Layout, each: Each) -> list[str]:
    """Returns the tests for amounts with more decimals than the records of a kind show, or the totals of the file."""
    amounts = _list_rounded(layout, each)
    if of_file := _list_rounded(layout, "file"):
        amounts |= {"amount"} if each == "fine" else set() if layout.list_records("fine") else of_file
    return [f"{quote(name)} <> round({quote(name)}, 2)" for name in sorted(amounts)]


def _list_rounded(layout: Layout, each: Each) -> set[str]:
    """Returns the amounts that the records of a kind show with two decimals."""
    return {
        slot.name
        for _, record in layout.list_records(each)
        for column in record.columns
        for slot in column.value.slots
        if get_type(slot.name, each) is ValueType.MONEY and MoneyPicture.parse(slot.picture).number != "plain"
    }


def order_derived(layout: Layout, names: set[str]) -> list[Mapping[str, DerivedValue]]:
    """Returns those of the layout's own values that are used, in layers: each depends on earlier layers only."""
    left = {name: derived for name, derived in layout.values.items() if name in names}
    layers: list[Mapping[str, DerivedValue]] = []
    while left:
        layer = {name: derived for name, derived in left.items() if derived.needs.isdisjoint(left)}
        layers.append(layer)
        left = {name: derived for name, derived in left.items() if name not in layer}
    return layers
