"""Schedules of an integration: daily, weekly, monthly, or a cron expression."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from croniter import CroniterError, croniter  # type: ignore[import-untyped]

_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_LAST_DAY_OF_EVERY_MONTH = 28
_PRESET = re.compile(
    r"""(?: daily | weekly\ on\ (?P<day>[a-z]+) | monthly\ on\ day\ (?P<date>\d{1,2}) )
        \ at\ (?P<hour>[01]?\d|2[0-3]):(?P<minute>[0-5]\d)""",
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
_CRON = re.compile(r"cron (?P<fields>\S+(?: \S+){4})", re.IGNORECASE)
_ANY_DAY = datetime(2000, 1, 1, tzinfo=UTC)
_FORMS = "`daily at 02:00`, `weekly on Sunday at 03:00`, `monthly on day 1 at 04:00`, or `cron 0 2 * * 1-5`"


@dataclass(frozen=True)
class Schedule:
    """A schedule in wall-clock time of the profile's time zone.

    `words` is its normal form in a profile, `cron` the same in five fields.
    """

    words: str
    cron: str

    def __str__(self) -> str:
        """Returns the normal form in a profile."""
        return self.words

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parses a schedule; case is ignored, and 2:00 is 02:00.

        Raises:
            ValueError: the text is no schedule; the message lists the forms, or names the error in this one.
        """
        text = " ".join(text.split())
        if preset := _PRESET.fullmatch(text):
            return cls._parse_preset(preset)
        if cron := _CRON.fullmatch(text):
            return cls._parse_cron(cron["fields"])
        raise ValueError(f"{text!r} is not a schedule: write {_FORMS}; times run from 00:00 to 23:59")

    @classmethod
    def _parse_preset(cls, preset: re.Match[str]) -> Self:
        hour, minute = int(preset["hour"]), int(preset["minute"])
        time = f"{hour:02}:{minute:02}"
        if preset["day"]:
            day = preset["day"].capitalize()
            if day not in _DAYS:
                raise ValueError(f"{preset['day']!r} is not a day of the week: write one of {', '.join(_DAYS)}")
            return cls(f"weekly on {day} at {time}", f"{minute} {hour} * * {_DAYS.index(day)}")
        if preset["date"]:
            date = int(preset["date"])
            if not 1 <= date <= _LAST_DAY_OF_EVERY_MONTH:
                raise ValueError(f"not every month has a day {date}: write a day from 1 to {_LAST_DAY_OF_EVERY_MONTH}")
            return cls(f"monthly on day {date} at {time}", f"{minute} {hour} {date} * *")
        return cls(f"daily at {time}", f"{minute} {hour} * * *")

    @classmethod
    def _parse_cron(cls, fields: str) -> Self:
        # R and H mean random moments: the DAG would change each time that Airflow parses it.
        # Letters are upper case in normal form; croniter accepts L, MON and JAN.
        expression = fields.upper()
        if re.search(r"\b[RH]\b", expression):
            raise ValueError(f"{fields!r} has a random moment in it: write a fixed one")
        try:
            croniter(expression, _ANY_DAY).get_next()  # also raises for a day that never occurs, such as February 30
        except CroniterError as error:
            raise ValueError(f"{fields!r} is not a cron expression: {error}. Or write {_FORMS}") from None
        return cls(f"cron {expression}", expression)
