"""Due days: a day by rule, such as the 25th of the next month."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Annotated, ClassVar

import pendulum
from pydantic import Field
from pydantic_core import InitErrorDetails

from bursar.profiles.field_types import StrictModel, Text, WholeNumber
from bursar.profiles.rules import Rules, wrong

_LAST_DAY_OF_EVERY_MONTH = 28


class DueDay(StrictModel):
    """A day that follows from another one: first `next_day_of_month`, then `plus_months`, then `plus_days`."""

    of: Text = Field(
        description="The day from which it is counted: `exported_on`, `last_transaction_on`, `charged_on` or "
        "`item_due_on`. A fine without that day has no due day."
    )
    next_day_of_month: Annotated[WholeNumber, Field(ge=1, le=_LAST_DAY_OF_EVERY_MONTH)] | None = Field(
        None,
        description="The next day with this number in its month, which is the day itself if it has that number. Blank: "
        "the day itself.",
    )
    plus_months: Annotated[WholeNumber, Field(ge=0, le=120)] = Field(
        0,
        description="Months that are added; one month after 31 January is the end of February.",
    )
    plus_days: Annotated[WholeNumber, Field(ge=0, le=3650)] = Field(0, description="Days that are added.")

    def _check_rule(self) -> Iterator[InitErrorDetails]:
        if self.next_day_of_month is None and not self.plus_months and not self.plus_days:
            yield wrong("write `next_day_of_month`, `plus_months` or `plus_days`, or show the day `of` itself")

    rules: ClassVar[Rules] = (_check_rule,)


def find_due_day(rule: DueDay, day: date) -> date:
    """Returns the day on which something is due that is counted from a day."""
    months = rule.plus_months
    if rule.next_day_of_month is not None:
        months += day.day > rule.next_day_of_month
        day = day.replace(day=rule.next_day_of_month)
    later = pendulum.date(day.year, day.month, day.day).add(months=months)
    return date(later.year, later.month, later.day) + timedelta(rule.plus_days)


def write_due_day(rule: DueDay, day: str) -> str:
    """Returns the expression of the due day that is counted from the day of an expression."""
    months = str(rule.plus_months)
    if rule.next_day_of_month is not None:
        months += f" + CAST(extract(day FROM {day}) > {rule.next_day_of_month} AS integer)"
        day = f"CAST(date_trunc('month', {day}) AS date) + {rule.next_day_of_month - 1}"
    return f"CAST({day} + make_interval(months => {months}) AS date) + {rule.plus_days}"
