"""Terms: the code of the academic term in which a day is."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from bursar.layouts.templates import Slot, Template

_FEBRUARY = 2
_YEAR = re.compile(r"(year|yy)(?:([+-])([0-9]{1,4}))?")


@dataclass(frozen=True)
class Term:
    """A row of a table of terms: it begins on a day of every year (`year` is None), or of one year."""

    year: int | None
    month: int
    day: int
    code: Template


def check_first_day(text: str) -> str:
    """Returns the first day of a term, `08-16` or `2026-08-24`; raises a ValueError if it is none."""
    try:
        date.fromisoformat(text if len(text) == len("2026-08-24") else f"2000-{text}")
    except ValueError:
        raise ValueError(
            f"{text!r} is no first day of a term: write month and day of every year, as in 08-16, or a date, as in "
            "2026-08-24, in quotes"
        ) from None
    return text


def list_terms(terms: Mapping[str, Template]) -> list[Term]:
    """Returns the rows of a table of terms by month and day, dates of one year by date."""
    rows = []
    for text, code in terms.items():
        *year, month, day = map(int, text.split("-"))
        rows.append(Term(year[0] if year else None, month, day, code))
    return sorted(rows, key=lambda term: (term.year or 0, term.month, term.day))


def find_term(terms: Sequence[Term], day: date) -> str | None:
    """Returns the code of the term in which a day is; None if all terms of one year begin later.

    A term that begins on a day of every year ends where the next one begins, also in the next year.
    """
    begun = [
        (first, term)
        for term in terms
        for year in ([term.year] if term.year else [day.year - 1, day.year])
        if (first := _get_first_day(term, year)) <= day
    ]
    if not begun:
        return None
    first, term = max(begun, key=lambda one: one[0])
    return render_term(term.code, first.year)


def render_term(code: Template, year: int) -> str:
    """Returns the code of a term that began in a year."""
    return "".join(part if isinstance(part, str) else _render_year(part, year) for part in code.parts)


def is_year(name: str) -> bool:
    """Returns whether a value in the code of a term is its year, as in `year`, `yy+1` or `year-1743`."""
    return _YEAR.fullmatch(name) is not None


def split_year(name: str) -> tuple[str, int]:
    """Returns `year` or `yy`, and the number that is added to it."""
    word, sign, number = _YEAR.fullmatch(name).groups()  # type: ignore[union-attr]  # checked with the layout
    return word, int(f"{sign or ''}{number or 0}")


def _render_year(slot: Slot, year: int) -> str:
    name, shift = split_year(slot.name)
    shifted = year + shift
    return f"{shifted % 100:02}" if name == "yy" else str(shifted)


def _get_first_day(term: Term, year: int) -> date:
    return date(year, term.month, min(term.day, 28) if term.month == _FEBRUARY else term.day)
