"""Alerts: each one is raised by its cause, and none without a cause.

The module is long because every alert is tested with its cause, without it, and around clock changes.
"""

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

Find = Callable[..., list[Alert]]


@pytest.fixture
def find(ledger: Engine) -> Find:
    """Returns a function that finds the alerts at a moment, as the monitoring DAG does."""

    def find(now: datetime, *profiles: Profile, complete: bool = True) -> list[Alert]:
        with ledger.begin() as connection:
            return find_alerts(connection, profiles, now=now, complete=complete)

    return find


def make_monitored_profile(code: str = "STUDENTS", **limits: int) -> Profile:
    """Makes a profile with limits for alerts."""
    whole = make_profile(code=code).model_dump(by_alias=True, mode="json")
    whole |= {"notifications": {"failed": ["a@library.edu"]}, "alerts": limits}
    whole["import"] |= {"timeout_minutes": 60}
    return Profile.model_validate(whole)


def add_run(ledger: Engine, started: datetime, **changes: Any) -> None:
    """Adds a run with a report."""
    minutes = timedelta(minutes=5)
    record_report(
        ledger,
        make_report(**{"started_at": started, "ended_at": started + minutes, "run_id": f"at {started}"} | changes),
    )


def add_payment_file(ledger: Engine, at: datetime, *, rejected: bool = False) -> None:
    with ledger.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO import_files"
                " (profile, run_id, name, size, modified, sha256, amount_mode, registered_at, rejected_at)"
                " VALUES ('STUDENTS', 'r', 'p.xml', 1, :at, :at, 'incremental', :at, CASE WHEN "
                ":rejected THEN now() END)"
            ),
            {"at": at, "rejected": rejected},
        )


def test_runs_and_files_in_time_raise_no_alert(ledger: Engine, library: Library, find: Find) -> None:
    profile = make_monitored_profile(
        export_deadline_minutes=60,
        import_deadline_minutes=120,
        max_days_without_export=1,
        max_days_without_file=1,
        max_unsent_hours=1,
    )
    find(MONDAY - timedelta(hours=1), profile)
    add_run(ledger, MONDAY)
    add_run(ledger, MONDAY + timedelta(hours=4), job="import")
    add_payment_file(ledger, MONDAY + timedelta(hours=5))

    day = [MONDAY + timedelta(minutes=15 * quarter) for quarter in range(24 * 4)]
    assert [alert for now in day for alert in find(now, profile)] == []


def test_a_profile_without_limits_raises_no_alert(find: Find) -> None:
    assert find(MONDAY, make_monitored_profile()) == find(MONDAY + timedelta(days=900), make_monitored_profile()) == []


@pytest.mark.parametrize(
    ("minutes_later", "ran_at", "expected"),
    [
        (59, None, False),
        (60, None, True),
        (60, MONDAY, False),
        (60, MONDAY - timedelta(days=1), True),  # yesterday's
    ],
)
def test_a_run_that_has_not_ended_by_its_deadline_is_an_alert(
    ledger: Engine, find: Find, minutes_later: int, ran_at: datetime | None, expected: bool
) -> None:
    profile = make_monitored_profile(export_deadline_minutes=60)
    find(MONDAY - timedelta(hours=1), profile)
    if ran_at:
        add_run(ledger, ran_at)

    found = find(MONDAY + timedelta(minutes=minutes_later), profile)

    assert [alert.summary for alert in found] == (
        ["the run of 2026-03-02 02:00:00 EST has not ended by 2026-03-02 03:00:00 EST"] if expected else []
    )


def test_a_failed_run_counts_for_the_deadline_and_a_dry_run_does_not(ledger: Engine, find: Find) -> None:
    profile = make_monitored_profile(export_deadline_minutes=60)
    find(MONDAY - timedelta(days=2), profile)
    add_run(ledger, MONDAY, dry_run=True)
    late = MONDAY + timedelta(hours=2)
    assert len(find(late, profile)) == 1

    add_run(ledger, MONDAY + timedelta(minutes=90), outcome=RunOutcome.FAILED)
    assert find(late, profile) == []


def test_an_alert_keeps_its_key_and_a_new_one_has_another(find: Find) -> None:
    profile = make_monitored_profile(export_deadline_minutes=60)
    find(MONDAY - timedelta(hours=1), profile)

    [first], [again], [tomorrow] = (find(MONDAY + timedelta(hours=hours), profile) for hours in (1, 20, 26))

    assert first.dedup_key == again.dedup_key != tomorrow.dedup_key


@pytest.mark.parametrize(
    ("schedule", "started"),
    [
        ("daily at 02:30", datetime(2026, 3, 8, 7, 30, tzinfo=UTC)),  # the clock is changed from 02:00 to 03:00
        ("daily at 01:30", datetime(2026, 11, 1, 5, 30, tzinfo=UTC)),  # 01:30 occurs twice
        ("daily at 01:30", datetime(2026, 11, 1, 6, 30, tzinfo=UTC)),
    ],
)
def test_a_clock_change_raises_no_false_alert(ledger: Engine, find: Find, schedule: str, started: datetime) -> None:
    profile = make_monitored_profile(export_deadline_minutes=30)
    export = profile.export.model_copy(update={"schedule": Schedule.parse(schedule)})
    profile = profile.model_copy(update={"export": export})
    find(started - timedelta(days=1), profile)
    add_run(ledger, started - timedelta(days=1, hours=1))
    add_run(ledger, started - timedelta(days=1))
    add_run(ledger, started)

    assert [find(started + timedelta(minutes=minutes), profile) for minutes in range(10, 300, 10)] == [[]] * 29


def test_too_many_days_without_a_successful_export_are_an_alert(ledger: Engine, find: Find) -> None:
    profile = make_monitored_profile(max_days_without_export=2)
    find(MONDAY - timedelta(days=10), profile)
    add_run(ledger, MONDAY, outcome=RunOutcome.NOTHING_TO_DO)
    add_run(ledger, MONDAY + timedelta(days=1), outcome=RunOutcome.FAILED)
    add_run(ledger, MONDAY + timedelta(days=2), job="import")

    assert find(MONDAY + timedelta(days=2), profile) == []
    [alert] = find(MONDAY + timedelta(days=2, minutes=6), profile)
    assert alert.summary == (
        "no export has succeeded for more than 2 days; the last one was on 2026-03-02 02:05:00 EST"
    )


def test_too_many_days_without_a_payment_file_are_an_alert(ledger: Engine, find: Find) -> None:
    profile = make_monitored_profile(max_days_without_file=2)
    find(MONDAY, profile)
    add_payment_file(ledger, MONDAY + timedelta(days=1), rejected=True)

    assert find(MONDAY + timedelta(days=2), profile) == []
    [alert] = find(MONDAY + timedelta(days=2, seconds=1), profile)
    assert alert.summary == "no file of payments has come for more than 2 days"
    assert "expected in in of the connection bursar_banner" in alert.advice

    add_payment_file(ledger, MONDAY + timedelta(days=2))
    assert find(MONDAY + timedelta(days=3), profile) == []


def test_days_count_from_the_start_of_the_monitoring(ledger: Engine, find: Find) -> None:
    profile = make_monitored_profile(max_days_without_export=2)
    find(MONDAY, profile)
    assert find(MONDAY + timedelta(days=1)) == []  # the profile is inactive for some days
    assert find(MONDAY + timedelta(days=9), profile) == []
    assert len(find(MONDAY + timedelta(days=11, minutes=1), profile)) == 1


def test_a_profile_that_is_invalid_for_some_days_is_still_monitored(find: Find) -> None:
    profile = make_monitored_profile(max_days_without_export=2)
    find(MONDAY, profile)
    assert find(MONDAY + timedelta(days=1), complete=False) == []
    assert len(find(MONDAY + timedelta(days=2, minutes=1), profile)) == 1


MONTHS = [datetime(2026, month, 1, 9, tzinfo=UTC) for month in range(3, 8)]
"""The dates of the monthly jobs."""


def make_monthly_profile(**limits: int) -> Profile:
    """Makes a profile with an export and an import on the first of each month, at 09:00 UTC."""
    profile = make_monitored_profile("STUDENTS", **limits).model_copy(update={"time_zone": "UTC"})
    schedule = {"schedule": Schedule.parse("monthly on day 1 at 09:00")}
    return profile.model_copy(
        update={
            "export": profile.export.model_copy(update=schedule),
            "import_": profile.import_.model_copy(update=schedule),
        }
    )


def find_alerts_between(ledger: Engine, find: Find, profile: Profile, first: datetime, last: datetime) -> list[str]:
    """Returns the alerts of a period, each once, in order; reports older than 7 days are deleted before each check."""
    alerts: dict[str, str] = {}
    for hours in range(0, int((last - first).total_seconds() // 3600), 12):
        now = first + timedelta(hours=hours)
        delete_reports_before(ledger, before=now - timedelta(days=7))
        alerts |= {alert.dedup_key: alert.summary for alert in find(now, profile)}
    return list(alerts.values())


def test_alerts_of_a_monthly_job_need_no_old_reports(ledger: Engine, find: Find) -> None:
    profile = make_monthly_profile(export_deadline_minutes=60, import_deadline_minutes=120, max_days_without_export=32)
    find(MONTHS[0] - timedelta(days=1), profile)
    for started, ends in pairwise(MONTHS):
        for job in ("export", "import"):
            add_run(ledger, started, job=job)
        add_run(ledger, started + timedelta(days=3), dry_run=True)
        add_run(ledger, started + timedelta(days=9), profile="OTHER")
        assert find_alerts_between(ledger, find, profile, started + timedelta(minutes=5), ends) == []

    # No job runs in July.
    assert find_alerts_between(ledger, find, profile, MONTHS[-1], MONTHS[-1] + timedelta(days=30)) == [
        "the run of 2026-07-01 09:00:00 UTC has not ended by 2026-07-01 10:00:00 UTC",
        "the run of 2026-07-01 09:00:00 UTC has not ended by 2026-07-01 11:00:00 UTC",
        "no export has succeeded for more than 32 days; the last one was on 2026-06-01 09:05:00 UTC",
    ]


def test_the_last_success_is_known_after_many_failures(ledger: Engine, find: Find) -> None:
    """The newest success may also be replaced by a failure, because its run was repeated."""
    profile = make_monthly_profile(max_days_without_export=40)
    find(MONTHS[0] - timedelta(days=60), profile)
    add_run(ledger, MONTHS[0])
    add_run(ledger, MONTHS[1], run_id="repeated")
    assert find_alerts_between(ledger, find, profile, MONTHS[1], MONTHS[1] + timedelta(days=3)) == []
    add_run(ledger, MONTHS[1], run_id="repeated", outcome=RunOutcome.FAILED)
    for day in range(4, 12):
        add_run(ledger, MONTHS[1] + timedelta(days=day), outcome=RunOutcome.FAILED)

    alerts = find_alerts_between(ledger, find, profile, MONTHS[1] + timedelta(days=3), MONTHS[2])

    assert alerts == ["no export has succeeded for more than 40 days; the last one was on 2026-03-01 09:05:00 UTC"]


def test_a_batch_that_is_unsent_for_too_long_is_an_alert(library: Library, find: Find) -> None:
    profile = make_monitored_profile(max_unsent_hours=4)
    library.fine(amount="12")
    batch = select_fines(library.ledger, profile, make_settings(), run_id="today", as_of=datetime.now(UTC))

    assert (
        find(batch.selected_at + timedelta(hours=4), profile, make_monitored_profile("OTHER", max_unsent_hours=1)) == []
    )
    [alert] = find(batch.selected_at + timedelta(hours=5), profile)
    assert alert.summary == (
        f"batch {batch.id} was selected more than 4 hours ago and is still selected: 1 fine of 1 user, 12.00 USD"
    )
    assert find(batch.selected_at + timedelta(hours=9), profile)[0].dedup_key == alert.dedup_key
