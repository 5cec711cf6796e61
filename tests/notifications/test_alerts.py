"""Each alert by its real cause, and none on a good day."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import Engine, text

from bursar.exports.selection import select_fines
from bursar.notifications.alerts import Alert, find_alerts
from bursar.profiles import Profile
from bursar.profiles.schedule import Schedule
from bursar.reporting.run_report import RunOutcome, delete_reports_before, record_report
from tests.support.fixtures import Library, make_profile, make_settings
from tests.support.reports import make_report

MONDAY = datetime(2026, 3, 2, 7, tzinfo=UTC)
"""02:00 in New York, when the export is due every day; the import is due at 11:00 UTC."""

Ask = Callable[..., list[Alert]]


@pytest.fixture
def ask(ledger: Engine) -> Ask:
    """Asks at a moment, as the watch does."""

    def ask(now: datetime, *profiles: Profile, **more: bool) -> list[Alert]:
        with ledger.begin() as connection:
            return find_alerts(connection, profiles, now=now, **more)

    return ask


def watched(code: str = "STUDENTS", **limits: int) -> Profile:
    """A profile with limits for what is watched."""
    whole = make_profile(code=code).model_dump(by_alias=True, mode="json")
    whole |= {"notifications": {"failed": ["a@library.edu"]}, "alerts": limits}
    whole["import"] |= {"timeout_minutes": 60}
    return Profile.model_validate(whole)


def ran(ledger: Engine, started: datetime, **changes: Any) -> None:
    """A run of which there is a report."""
    minutes = timedelta(minutes=5)
    record_report(
        ledger,
        make_report(**{"started_at": started, "ended_at": started + minutes, "run_id": f"at {started}"} | changes),
    )


def a_file_came(ledger: Engine, at: datetime, *, refused: bool = False) -> None:
    with ledger.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO import_files"
                " (profile, run_id, name, size, modified, sha256, amount_mode, registered_at, rejected_at)"
                " VALUES ('STUDENTS', 'r', 'p.xml', 1, :at, :at, 'incremental', :at, CASE WHEN "
                ":refused THEN now() END)"
            ),
            {"at": at, "refused": refused},
        )


def test_a_good_day_raises_nothing(ledger: Engine, library: Library, ask: Ask) -> None:
    profile = watched(
        export_deadline_minutes=60,
        import_deadline_minutes=120,
        max_days_without_export=1,
        max_days_without_file=1,
        max_unsent_hours=1,
    )
    ask(MONDAY - timedelta(hours=1), profile)
    ran(ledger, MONDAY)
    ran(ledger, MONDAY + timedelta(hours=4), job="import")
    a_file_came(ledger, MONDAY + timedelta(hours=5))

    day = [MONDAY + timedelta(minutes=15 * quarter) for quarter in range(24 * 4)]
    assert [alert for now in day for alert in ask(now, profile)] == []


def test_without_limits_nothing_is_watched(ask: Ask) -> None:
    assert ask(MONDAY, watched()) == ask(MONDAY + timedelta(days=900), watched()) == []


@pytest.mark.parametrize(
    ("minutes_later", "ran_at", "raised"),
    [
        (59, None, False),
        (60, None, True),
        (60, MONDAY, False),
        (60, MONDAY - timedelta(days=1), True),  # yesterday's
    ],
)
def test_a_run_that_has_not_ended_by_its_deadline(
    ledger: Engine, ask: Ask, minutes_later: int, ran_at: datetime | None, raised: bool
) -> None:
    profile = watched(export_deadline_minutes=60)
    ask(MONDAY - timedelta(hours=1), profile)
    if ran_at:
        ran(ledger, ran_at)

    found = ask(MONDAY + timedelta(minutes=minutes_later), profile)

    assert [alert.summary for alert in found] == (
        ["the run of 2026-03-02 02:00:00 EST has not ended by 2026-03-02 03:00:00 EST"] if raised else []
    )


def test_a_failed_run_has_ended_and_a_dry_run_is_none(ledger: Engine, ask: Ask) -> None:
    profile = watched(export_deadline_minutes=60)
    ask(MONDAY - timedelta(days=2), profile)
    ran(ledger, MONDAY, dry_run=True)
    late = MONDAY + timedelta(hours=2)
    assert len(ask(late, profile)) == 1

    ran(ledger, MONDAY + timedelta(minutes=90), outcome=RunOutcome.FAILED)
    assert ask(late, profile) == []


def test_the_same_trouble_stays_the_same_and_a_new_one_is_another(ask: Ask) -> None:
    profile = watched(export_deadline_minutes=60)
    ask(MONDAY - timedelta(hours=1), profile)

    [first], [again], [tomorrow] = (ask(MONDAY + timedelta(hours=hours), profile) for hours in (1, 20, 26))

    assert first.dedup_key == again.dedup_key != tomorrow.dedup_key


@pytest.mark.parametrize(
    ("schedule", "started"),
    [
        ("daily at 02:30", datetime(2026, 3, 8, 7, 30, tzinfo=UTC)),  # the clock jumps from 02:00 to 03:00
        ("daily at 01:30", datetime(2026, 11, 1, 5, 30, tzinfo=UTC)),  # and strikes 01:30 twice
        ("daily at 01:30", datetime(2026, 11, 1, 6, 30, tzinfo=UTC)),
    ],
)
def test_a_clock_change_raises_no_false_alert(ledger: Engine, ask: Ask, schedule: str, started: datetime) -> None:
    profile = watched(export_deadline_minutes=30)
    export = profile.export.model_copy(update={"schedule": Schedule.parse(schedule)})
    profile = profile.model_copy(update={"export": export})
    ask(started - timedelta(days=1), profile)
    ran(ledger, started - timedelta(days=1, hours=1))
    ran(ledger, started - timedelta(days=1))
    ran(ledger, started)

    assert [ask(started + timedelta(minutes=minutes), profile) for minutes in range(10, 300, 10)] == [[]] * 29


def test_no_successful_export_for_longer_than_allowed(ledger: Engine, ask: Ask) -> None:
    profile = watched(max_days_without_export=2)
    ask(MONDAY - timedelta(days=10), profile)
    ran(ledger, MONDAY, outcome=RunOutcome.NOTHING_TO_DO)
    ran(ledger, MONDAY + timedelta(days=1), outcome=RunOutcome.FAILED)
    ran(ledger, MONDAY + timedelta(days=2), job="import")

    assert ask(MONDAY + timedelta(days=2), profile) == []
    [alert] = ask(MONDAY + timedelta(days=2, minutes=6), profile)
    assert alert.summary == (
        "no export has succeeded for more than 2 days; the last one was on 2026-03-02 02:05:00 EST"
    )


def test_no_file_from_the_bursar_for_longer_than_allowed(ledger: Engine, ask: Ask) -> None:
    profile = watched(max_days_without_file=2)
    ask(MONDAY, profile)
    a_file_came(ledger, MONDAY + timedelta(days=1), refused=True)

    assert ask(MONDAY + timedelta(days=2), profile) == []
    [alert] = ask(MONDAY + timedelta(days=2, seconds=1), profile)
    assert alert.summary == "no file of payments has come for more than 2 days"
    assert "expected in in of the connection bursar_banner" in alert.advice

    a_file_came(ledger, MONDAY + timedelta(days=2))
    assert ask(MONDAY + timedelta(days=3), profile) == []


def test_a_profile_is_missed_only_from_when_it_was_watched_first(ledger: Engine, ask: Ask) -> None:
    profile = watched(max_days_without_export=2)
    ask(MONDAY, profile)
    assert ask(MONDAY + timedelta(days=1)) == []  # switched off for a while
    assert ask(MONDAY + timedelta(days=9), profile) == []
    assert len(ask(MONDAY + timedelta(days=11, minutes=1), profile)) == 1


def test_a_profile_that_can_not_be_read_for_a_while_is_watched_as_before(ask: Ask) -> None:
    profile = watched(max_days_without_export=2)
    ask(MONDAY, profile)
    assert ask(MONDAY + timedelta(days=1), complete=False) == []
    assert len(ask(MONDAY + timedelta(days=2, minutes=1), profile)) == 1


MONTHS = [datetime(2026, month, 1, 9, tzinfo=UTC) for month in range(3, 8)]
"""When the monthly jobs are due."""


def monthly(**limits: int) -> Profile:
    """A profile with an export and an import on the first of each month, at 09:00 UTC."""
    profile = watched("STUDENTS", **limits).model_copy(update={"time_zone": "UTC"})
    schedule = {"schedule": Schedule.parse("monthly on day 1 at 09:00")}
    return profile.model_copy(
        update={
            "export": profile.export.model_copy(update=schedule),
            "import_": profile.import_.model_copy(update=schedule),
        }
    )


def live_through(ledger: Engine, ask: Ask, profile: Profile, first: datetime, last: datetime) -> list[str]:
    """Each alert once, in order, while reports are kept for 7 days and deleted before each look."""
    raised: dict[str, str] = {}
    for hours in range(0, int((last - first).total_seconds() // 3600), 12):
        now = first + timedelta(hours=hours)
        delete_reports_before(ledger, before=now - timedelta(days=7))
        raised |= {alert.dedup_key: alert.summary for alert in ask(now, profile)}
    return list(raised.values())


def test_a_monthly_job_with_reports_kept_for_a_week_raises_no_false_alert_and_a_real_one(
    ledger: Engine, ask: Ask
) -> None:
    profile = monthly(export_deadline_minutes=60, import_deadline_minutes=120, max_days_without_export=32)
    ask(MONTHS[0] - timedelta(days=1), profile)
    for began, ends in pairwise(MONTHS):
        for job in ("export", "import"):
            ran(ledger, began, job=job)
        ran(ledger, began + timedelta(days=3), dry_run=True)
        ran(ledger, began + timedelta(days=9), profile="OTHER")
        assert live_through(ledger, ask, profile, began + timedelta(minutes=5), ends) == []

    # In July no job runs.
    assert live_through(ledger, ask, profile, MONTHS[-1], MONTHS[-1] + timedelta(days=30)) == [
        "the run of 2026-07-01 09:00:00 UTC has not ended by 2026-07-01 10:00:00 UTC",
        "the run of 2026-07-01 09:00:00 UTC has not ended by 2026-07-01 11:00:00 UTC",
        "no export has succeeded for more than 32 days; the last one was on 2026-06-01 09:05:00 UTC",
    ]


def test_an_old_success_stays_while_later_runs_fail(ledger: Engine, ask: Ask) -> None:
    """Also if the newest success becomes a failure, since its run was repeated."""
    profile = monthly(max_days_without_export=40)
    ask(MONTHS[0] - timedelta(days=60), profile)
    ran(ledger, MONTHS[0])
    ran(ledger, MONTHS[1], run_id="repeated")
    assert live_through(ledger, ask, profile, MONTHS[1], MONTHS[1] + timedelta(days=3)) == []
    ran(ledger, MONTHS[1], run_id="repeated", outcome=RunOutcome.FAILED)
    for day in range(4, 12):
        ran(ledger, MONTHS[1] + timedelta(days=day), outcome=RunOutcome.FAILED)

    alerts = live_through(ledger, ask, profile, MONTHS[1] + timedelta(days=3), MONTHS[2])

    assert alerts == ["no export has succeeded for more than 40 days; the last one was on 2026-03-01 09:05:00 UTC"]


def test_a_batch_that_stays_unsent(library: Library, ask: Ask) -> None:
    profile = watched(max_unsent_hours=4)
    library.fine(amount="12")
    batch = select_fines(library.ledger, profile, make_settings(), run_id="today", as_of=datetime.now(UTC))

    assert ask(batch.selected_at + timedelta(hours=4), profile, watched("OTHER", max_unsent_hours=1)) == []
    [alert] = ask(batch.selected_at + timedelta(hours=5), profile)
    assert alert.summary == (
        f"batch {batch.id} was selected more than 4 hours ago and is still SELECTED: 1 fine of 1 user, 12.00 USD"
    )
    assert ask(batch.selected_at + timedelta(hours=9), profile)[0].dedup_key == alert.dedup_key
