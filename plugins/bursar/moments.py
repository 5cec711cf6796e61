"""Moments that people type."""

from datetime import datetime

import pendulum

from bursar.errors import WrongValueError


def parse_moment(text: str, time_zone: str) -> datetime:
    """Parses a date, with or without a time, into an aware moment; `time_zone` counts if the text names no offset.

    Raises:
        WrongValueError: the text is not a moment.
    """
    try:
        moment = pendulum.parse(text, tz=time_zone, exact=False)
    except ValueError:
        moment = None
    if isinstance(moment, datetime):  # pendulum parses durations and intervals as well
        return moment
    raise WrongValueError(f"{text!r} is not a moment. Write a date and a time, as in 2026-03-01T02:00.")
