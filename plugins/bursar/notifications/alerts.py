"""Alerts: what has to be told although no run reports it, since it is that something did not happen."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from croniter import croniter  # type: ignore[import-untyped]
from sqlalchemy import Connection

from bursar.db.queries import query
from bursar.ledger.batches import get_unfinished_batches
from bursar.ledger.jobs import Job, ProfileJob
from bursar.money import format_totals, pluralize
from bursar.notifications.messages import format_moment
from bursar.profiles import Profile
from bursar.profiles.schedule import Schedule


@dataclass(frozen=True)
class Alert:
    """Something that did not happen. `what` stays the same as long as it is the same trouble: it is told once."""

    what: str
    job: ProfileJob
    profile: Profile
    summary: str
    advice: str


def find_alerts(
    connection: Connection, profiles: Sequence[Profile], *, now: datetime, complete: bool = True
) -> list[Alert]:
    """All that is wrong now with what the profiles want watched, by profile; an empty list on a good day.

    What is watched is watched from the first question on: a new profile has its whole time before it is missed.
    `complete` says whether these are all profiles. While one can't be read, none loses the moment since when it is
    watched.
    """
    watched = [(profile, job) for profile in profiles for job in _watched(profile)]
    if complete:
        _forget_the_others(connection, watched)
    found: list[Alert] = []
    for profile, job in watched:
        facts = {"job": job, "profile": profile.code}
        since: datetime = connection.execute(query("notifications/start_monitoring"), facts | {"now": now}).scalar_one()
        found += _late(connection, profile, job, since, now)
        found += _silent(connection, profile, job, since, now)
    return found + [alert for profile in profiles for alert in _unsent(connection, profile, now)]


def _watched(profile: Profile) -> Iterable[ProfileJob]:
    limits = profile.alerts
    if profile.export.active and (limits.export_deadline_minutes or limits.max_days_without_export):
        yield Job.EXPORT
    if profile.import_.active and (limits.import_deadline_minutes or limits.max_days_without_file):
        yield Job.IMPORT


def _forget_the_others(connection: Connection, watched: Sequence[tuple[Profile, ProfileJob]]) -> None:
    kept = {"jobs": [job for _, job in watched], "profiles": [profile.code for profile, _ in watched]}
    connection.execute(query("notifications/stop_monitoring"), kept)


def _late(connection: Connection, profile: Profile, job: ProfileJob, since: datetime, now: datetime) -> Iterable[Alert]:
    limits, schedule = profile.alerts, profile.export.schedule if job is Job.EXPORT else profile.import_.schedule
    minutes = limits.export_deadline_minutes if job is Job.EXPORT else limits.import_deadline_minutes
    if not minutes:
        return
    due, deadline = _last_due(schedule, ZoneInfo(profile.time_zone), timedelta(minutes=minutes), now)
    of_job = {"job": job, "profile": profile.code, "since": due}
    if due < since or now < deadline or connection.execute(query("notifications/get_runs_since"), of_job).scalar_one():
        return
    zone = ZoneInfo(profile.time_zone)
    yield Alert(
        f"late {job} {profile.code} {due.isoformat()}",
        job,
        profile,
        f"the run of {format_moment(due, zone)} has not ended by {format_moment(deadline, zone)}",
        "See in Airflow whether it runs, waits for a worker or for an approval, or never started: then the scheduler "
        "is down, or the DAG is paused. What the run has begun is safe; it can be cleared or left to the next run.",
    )


def _last_due(schedule: Schedule, zone: ZoneInfo, allowed: timedelta, now: datetime) -> tuple[datetime, datetime]:
    """The newest scheduled moment whose deadline is over, and that deadline.

    Where the clock strikes twice or jumps, the earlier instant counts for the start and the later for the deadline.
    """
    local = (now - allowed).astimezone(zone)
    naive = croniter(schedule.cron, local.replace(tzinfo=None) + timedelta(seconds=1)).get_prev(datetime)
    instants = sorted(naive.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return instants[0], instants[1] + allowed


def _silent(
    connection: Connection, profile: Profile, job: ProfileJob, since: datetime, now: datetime
) -> Iterable[Alert]:
    limits, of_job = profile.alerts, {"job": job, "profile": profile.code}
    days = limits.max_days_without_export if job is Job.EXPORT else limits.max_days_without_file
    if not days:
        return
    question = "notifications/get_last_success" if job is Job.EXPORT else "notifications/get_last_file"
    last: datetime | None = connection.execute(query(question), of_job).scalar_one()
    start = max(last or since, since)
    if now - start <= timedelta(days=days):
        return
    lack = "no export has succeeded" if job is Job.EXPORT else "no file of payments has come"
    newest = f"; the last one was on {format_moment(last, ZoneInfo(profile.time_zone))}" if last else ""
    yield Alert(
        f"silent {job} {profile.code} {start.isoformat()}",
        job,
        profile,
        f"{lack} for more than {pluralize(days, 'day')}{newest}",
        "`bin/bursar runs list` shows why the exports failed. Mend the cause, and start the DAG by hand."
        if job is Job.EXPORT
        else f"Ask the bursar whether files were sent, and to which folder; they are expected in "
        f"{profile.import_.input_file_path} of the connection {profile.sftp_connection}.",
    )


def _unsent(connection: Connection, profile: Profile, now: datetime) -> Iterable[Alert]:
    hours = profile.alerts.max_unsent_hours
    if not hours:
        return
    for batch in get_unfinished_batches(connection, profile.code):
        if batch.fines and now - batch.selected_at > timedelta(hours=hours):
            yield Alert(
                f"unsent batch {batch.id}",
                Job.EXPORT,
                profile,
                f"batch {batch.id} is {batch.state} for more than {pluralize(hours, 'hour')}; still waiting: "
                f"{pluralize(batch.fines, 'fine')} of {pluralize(batch.users, 'user')}, "
                f"{format_totals(batch.net)}",
                f"Clear the failed task of run {batch.run_id}, or start the DAG: its first task ends what is left. "
                "`bin/bursar batches list` lists what is unfinished.",
            )
