"""The dates of a schedule around both clock changes, computed as the scheduler does."""

import pendulum
import pytest
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables import trigger
from airflow.timetables.base import DataInterval, TimeRestriction

from bursar.airflow.export_dag import export_dag
from tests.support.fixtures import make_profile, make_settings

NY, BERLIN = "America/New_York", "Europe/Berlin"
NO_CATCHUP = TimeRestriction(None, None, catchup=False)


def dates_of(monkeypatch: pytest.MonkeyPatch, schedule: str, zone: str, first_day: str, days: int) -> list[str]:
    """Returns the runs that a scheduler starts within some days if it checks every ten minutes, in local time."""
    built = export_dag(make_profile(time_zone=zone, schedule=schedule), make_settings())
    timetable = DagSerialization.from_dict(DagSerialization.to_dict(built)).timetable
    now = pendulum.parse(first_day, tz=zone)
    assert isinstance(now, pendulum.DateTime)
    end, last, runs = now.add(days=days), None, []
    monkeypatch.setattr(trigger, "utcnow", lambda: now.in_timezone("UTC"))
    following = timetable.next_dagrun_info(last_automated_data_interval=None, restriction=NO_CATCHUP)
    while now < end:
        if following and following.run_after <= now:
            runs.append(f"{following.run_after.in_timezone(zone):%a %d %H:%M %z}")
            last = following.data_interval
            assert isinstance(last, DataInterval)
            following = timetable.next_dagrun_info(last_automated_data_interval=last, restriction=NO_CATCHUP)
        now = now.add(minutes=10)
    return runs


@pytest.mark.parametrize(
    ("schedule", "zone", "first_day", "days", "runs"),
    [
        # Spring: on 8 March 2026 New York goes from 02:00 to 03:00, on 29 March Berlin does.
        ("daily at 01:30", NY, "2026-03-07", 3, ["Sat 07 01:30 -0500", "Sun 08 01:30 -0500", "Mon 09 01:30 -0400"]),
        ("daily at 02:00", NY, "2026-03-07", 3, ["Sat 07 02:00 -0500", "Sun 08 03:00 -0400", "Mon 09 02:00 -0400"]),
        ("daily at 02:30", NY, "2026-03-07", 3, ["Sat 07 02:30 -0500", "Sun 08 03:30 -0400", "Mon 09 02:30 -0400"]),
        ("daily at 03:00", NY, "2026-03-07", 3, ["Sat 07 03:00 -0500", "Sun 08 03:00 -0400", "Mon 09 03:00 -0400"]),
        ("daily at 02:30", BERLIN, "2026-03-28", 3, ["Sat 28 02:30 +0100", "Sun 29 03:30 +0200", "Mon 30 02:30 +0200"]),
        ("weekly on Sunday at 02:30", NY, "2026-03-07", 9, ["Sun 08 03:30 -0400", "Sun 15 02:30 -0400"]),
        ("monthly on day 8 at 02:30", NY, "2026-03-07", 33, ["Sun 08 03:30 -0400", "Wed 08 02:30 -0400"]),
        ("cron 30 2 * * 0,1", BERLIN, "2026-03-28", 3, ["Sun 29 03:30 +0200", "Mon 30 02:30 +0200"]),
        # Autumn: on 1 November New York has the hour from 01:00 twice, on 25 October Berlin the one from 02:00.
        ("daily at 00:30", NY, "2026-10-31", 3, ["Sat 31 00:30 -0400", "Sun 01 00:30 -0400", "Mon 02 00:30 -0500"]),
        ("daily at 01:30", NY, "2026-10-31", 3, ["Sat 31 01:30 -0400", "Sun 01 01:30 -0500", "Mon 02 01:30 -0500"]),
        ("daily at 02:00", NY, "2026-10-31", 3, ["Sat 31 02:00 -0400", "Sun 01 02:00 -0500", "Mon 02 02:00 -0500"]),
        ("daily at 02:30", BERLIN, "2026-10-24", 3, ["Sat 24 02:30 +0200", "Sun 25 02:30 +0100", "Mon 26 02:30 +0100"]),
        ("weekly on Sunday at 01:30", NY, "2026-10-31", 9, ["Sun 01 01:30 -0500", "Sun 08 01:30 -0500"]),
        ("monthly on day 1 at 01:30", NY, "2026-10-31", 32, ["Sun 01 01:30 -0500", "Tue 01 01:30 -0500"]),
        ("cron 30 1 * * 0,1", NY, "2026-10-31", 3, ["Sun 01 01:30 -0500", "Mon 02 01:30 -0500"]),
    ],
)  # fmt: skip
def test_a_schedule_keeps_the_local_time_and_fires_once_a_day(
    monkeypatch: pytest.MonkeyPatch, schedule: str, zone: str, first_day: str, days: int, runs: list[str]
) -> None:
    """A time that the clock skips is an hour later; of a time that occurs twice, the second counts."""
    assert dates_of(monkeypatch, schedule, zone, first_day, days) == runs
