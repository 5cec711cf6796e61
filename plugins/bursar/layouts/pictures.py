"""Pictures: how a layout writes money and dates, such as `0,00-` and `%d.%m.%Y`. A picture formats and parses."""

import re
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Self

_MONEY = re.compile(r"(abs )?(\+?)(\()?(0\.00|0,00|cents|plain)(\))?(-?)")
_DATE_PARTS = {
    "%Y": ("YYYY", "[0-9]{4}"),
    "%y": ("YY", "[0-9]{2}"),
    "%m": ("MM", "[0-9]{2}"),
    "%d": ("DD", "[0-9]{2}"),
    "%j": ("DDD", "[0-9]{3}"),
    "%H": ("HH24", "[0-9]{2}"),
    "%M": ("MI", "[0-9]{2}"),
    "%S": ("SS", "[0-9]{2}"),
}
"""The letters of strftime, each with its pattern in PostgreSQL's to_char and its regular expression."""
_HUNDRED = Decimal(100)


@dataclass(frozen=True)
class MoneyPicture:
    """How an amount is written. `number` is 0.00, 0,00, cents or plain (as many decimals as needed).

    `sign` is `leading` (a minus in front of negative amounts), `always` (a plus or a minus in front), `trailing` (a
    minus or a blank behind), `parentheses` (around negative amounts) or `none` (the absolute amount).
    """

    number: str
    sign: str

    @classmethod
    @cache
    def parse(cls, text: str) -> Self:
        """Parses a picture such as `abs cents`, `+0.00`, `0,00-` or `(0.00)`.

        Raises:
            ValueError: it is none; the message says what to write.
        """
        match = _MONEY.fullmatch(text)
        if match:
            absolute, plus, opening, number, closing, minus = match.groups()
            signs = {
                "none": absolute,
                "always": plus,
                "parentheses": opening and closing,
                "trailing": minus,
            }
            chosen = [name for name, written in signs.items() if written]
            if len(chosen) <= 1 and bool(opening) == bool(closing):
                return cls(number, chosen[0] if chosen else "leading")
        raise ValueError(
            f"{text!r} is no picture of money: write 0.00, 0,00, cents or plain; with `abs ` before it for no sign, + "
            "before it for a sign always, - behind it for a minus behind, or in parentheses"
        )

    def fits(self, amount: Decimal) -> bool:
        """Returns whether the picture shows all decimals of an amount."""
        return self.number == "plain" or amount == round(amount, 2)

    def format(self, amount: Decimal) -> str:
        """Returns an amount that fits, as it is written."""
        digits = f"{abs(amount):.2f}"
        match self.number:
            case "0,00":
                digits = digits.replace(".", ",")
            case "cents":
                digits = str(int(abs(amount) * _HUNDRED))
            case "plain":
                digits = f"{abs(amount):f}"
                digits = digits.rstrip("0").rstrip(".") if "." in digits else digits
        minus = "-" if amount < 0 else ""
        match self.sign:
            case "leading":
                return minus + digits
            case "always":
                return (minus or "+") + digits
            case "trailing":
                return digits + (minus or " ")
            case "parentheses":
                return f"({digits})" if minus else digits
        return digits

    def parse_amount(self, text: str) -> Decimal | None:
        """Returns the amount that a text shows; None if it is not written in this picture.

        Blanks around the text, zeros in front of the digits and a plus that the picture does not need are accepted.
        """
        match = _compile_money(self.number, self.sign).fullmatch(text.strip(" "))
        if match is None:
            return None
        before, digits, behind = match.groups("")
        amount = Decimal(digits.replace(",", ".")) / (_HUNDRED if self.number == "cents" else 1)
        return -amount if before in {"-", "("} or behind == "-" else amount


@cache
def _compile_money(number: str, sign: str) -> re.Pattern[str]:
    """Returns the pattern of amounts in a picture: the sign before them, their digits, the sign behind them."""
    digits = {
        "0.00": r"[0-9]+\.[0-9]{2}",
        "0,00": r"[0-9]+,[0-9]{2}",
        "cents": "[0-9]+",
        "plain": r"[0-9]+(?:\.[0-9]+)?",
    }[number]
    before, behind = {
        "always": ("[-+]", ""),
        "trailing": ("", "[-+]?"),
        "none": ("", ""),
    }.get(sign, ("[-+]?", ""))
    if sign == "parentheses":
        return re.compile(rf"(\()?({digits})((?(1)\)))")
    return re.compile(f"({before})({digits})({behind})")


@dataclass(frozen=True)
class DatePicture:
    """How a date or a moment is written, in the letters of strftime: `%Y %y %m %d %j %H %M %S`."""

    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parses a picture such as `%m/%d/%Y`.

        Raises:
            ValueError: it has another letter, or none; the message says what to write.
        """
        letters = re.findall(r"%.?", text)
        if not letters or any(letter not in _DATE_PARTS for letter in letters):
            raise ValueError(
                f"{text!r} is no picture of a date: write one as in %m/%d/%Y, with the letters {' '.join(_DATE_PARTS)}"
            )
        return cls(text)

    @property
    def to_char(self) -> str:
        """The same picture for PostgreSQL's function `to_char`."""
        return "".join(
            _DATE_PARTS[part][0] if part in _DATE_PARTS else '"' + part.replace("\\", r"\\").replace('"', r"\"") + '"'
            for part in re.findall("%.|[^%]+", self.text)
        )

    @property
    def pattern(self) -> str:
        """A regular expression for the dates that are written in this picture."""
        return "".join(
            _DATE_PARTS[part][1] if part in _DATE_PARTS else re.escape(part)
            for part in re.findall("%.|[^%]+", self.text)
        )

    def format(self, day: date) -> str:
        """Returns a date as it is written; `%Y` has four digits in every year."""
        return day.strftime(self.text.replace("%Y", f"{day.year:04}"))

    def parse_day(self, text: str) -> date | None:
        """Returns the day that a text shows; None if it is not written in this picture, or is no day."""
        try:
            return datetime.strptime(text.strip(" "), self.text).date()  # noqa: DTZ007  a day, without time
        except ValueError:
            return None
