"""Schedules: presets, cron expressions, and the messages for invalid ones."""

import pytest

from bursar.profiles.schedule import Schedule


@pytest.mark.parametrize(
    ("text", "words", "cron"),
    [
        ("daily at 02:00", "daily at 02:00", "0 2 * * *"),
        ("Daily  at 2:05", "daily at 02:05", "5 2 * * *"),
        ("daily at 00:00", "daily at 00:00", "0 0 * * *"),
        ("daily at 23:59", "daily at 23:59", "59 23 * * *"),
        ("weekly on Sunday at 03:00", "weekly on Sunday at 03:00", "0 3 * * 0"),
        ("weekly on MONDAY at 12:30", "weekly on Monday at 12:30", "30 12 * * 1"),
        ("weekly on saturday at 12:30", "weekly on Saturday at 12:30", "30 12 * * 6"),
        ("monthly on day 1 at 04:00", "monthly on day 1 at 04:00", "0 4 1 * *"),
        ("monthly on day 28 at 04:00", "monthly on day 28 at 04:00", "0 4 28 * *"),
        ("cron 0 2 * * 1-5", "cron 0 2 * * 1-5", "0 2 * * 1-5"),
        ("CRON  */15  8-18 * jan-mar,dec mon", "cron */15 8-18 * JAN-MAR,DEC MON", "*/15 8-18 * JAN-MAR,DEC MON"),
        ("cron 0 2 29 2 *", "cron 0 2 29 2 *", "0 2 29 2 *"),
    ],
)
def test_a_schedule_has_a_normal_form_that_can_be_read_back(text: str, words: str, cron: str) -> None:
    schedule = Schedule.parse(text)

    assert (schedule.words, schedule.cron) == (words, cron)
    assert Schedule.parse(words) == schedule
    assert str(schedule) == words


@pytest.mark.parametrize(
    "text",
    ["", "daily", "daily at 24:00", "daily at 02:60", "daily at 2", "daily at 2am", "hourly", "0 2 * * *", "@daily",
     "weekly at 03:00", "monthly at 03:00", "cron 0 2 * *", "cron 0 0 2 * * *", "cron @daily", "daily at ١٢:١٢"],
)  # fmt: skip
def test_the_error_of_an_invalid_schedule_shows_valid_ones(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a schedule: write `daily at 02:00`, .*`cron 0 2 \* \* 1-5`"):
        Schedule.parse(text)


@pytest.mark.parametrize("day", [0, 29, 31])
def test_a_day_that_some_months_do_not_have_is_an_error(day: int) -> None:
    with pytest.raises(ValueError, match=f"not every month has a day {day}: write a day from 1 to 28"):
        Schedule.parse(f"monthly on day {day} at 04:00")


def test_an_unknown_day_of_the_week_is_an_error() -> None:
    with pytest.raises(ValueError, match="'Sonntag' is not a day of the week: write one of Sunday, Monday"):
        Schedule.parse("weekly on Sonntag at 04:00")


@pytest.mark.parametrize(
    "fields", ["0 25 * * *", "61 2 * * *", "0 2 31 2 *", "0 2 * * MOO", "x y z a b", "0-70 2 * * *"]
)
def test_a_cron_expression_without_dates_is_an_error(fields: str) -> None:
    with pytest.raises(ValueError, match="is not a cron expression"):
        Schedule.parse(f"cron {fields}")


@pytest.mark.parametrize("fields", ["R 2 * * *", "H 2 * * *", "R(0-30) 2 * * *", "r/5 2 * * *", "0 h(0-7) * * *"])
def test_a_random_moment_is_an_error(fields: str) -> None:
    with pytest.raises(ValueError, match="has a random moment in it"):
        Schedule.parse(f"cron {fields}")
