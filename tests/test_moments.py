"""Parsing moments that people type: the accepted forms, their time zone, and the errors."""

from datetime import UTC, datetime

import pytest

from bursar.errors import BursarError
from bursar.moments import parse_moment


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-01T02:00:00Z", datetime(2026, 3, 1, 2, tzinfo=UTC)),
        ("2026-03-01T02:00:00.000Z", datetime(2026, 3, 1, 2, tzinfo=UTC)),
        ("2026-03-01T02:00:00+01:00", datetime(2026, 3, 1, 1, tzinfo=UTC)),
        ("2026-03-01T02:00", datetime(2026, 3, 1, 7, tzinfo=UTC)),
        ("2026-03-01 02:00", datetime(2026, 3, 1, 7, tzinfo=UTC)),
        ("2026-03-01", datetime(2026, 3, 1, 5, tzinfo=UTC)),
    ],
)
def test_a_moment_is_in_the_zone_that_it_names_or_in_the_given_one(text: str, moment: datetime) -> None:
    assert parse_moment(text, "America/New_York") == moment


@pytest.mark.parametrize("text", ["soon", "", "2026-13-01T02:00", "P1D", "2026-03-01/2026-03-02"])
def test_any_other_text_is_an_error(text: str) -> None:
    with pytest.raises(BursarError, match=f"'{text}' is not a moment. Write a date and a time, as in 2026-03-01T02:00"):
        parse_moment(text, "America/New_York")
