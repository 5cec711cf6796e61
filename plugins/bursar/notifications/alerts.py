"""Alerts: about what did not happen, which no run can report."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from croniter import croniter  # type: ignore[import-untyped]
from sqlalchemy import Connection

from bursar.db.queries import query
from bursar.exports.upload_conflict import CONFLICT_ADVICE, describe_conflict
from bursar.imports.overpayments import describe_decisions, list_held_overpayments
from bursar.ledger.batches import get_unfinished_batches
from bursar.ledger.jobs import Job, OwnedJob, ProfileJob
from bursar.money import format_money, format_totals, pluralize
from bursar.page_names import Page
from bursar.profiles import Profile
from bursar.profiles.job_owner import JobOwner
from bursar.profiles.schedule import Schedule
from bursar.reporting.run_description import count_fines, format_moment
from bursar.sources.model import Source

MAX_REPETITION_HOURS = 1
"""Hours after which an application that a person began, and that no run repeats, is an alert."""
MAX_CONFLICT_DAYS = 30
"""An older conflict of two uploads is not reported any more."""


@dataclass(frozen=True)
class Alert:
    """Something that did not happen. `dedup_key` stays the same while it lasts, so that people are notified once."""

    dedup_key: str
    job: OwnedJob
    owner: JobOwner
    summary: str
    advice: str


def find_alerts(
    connection: Connection,
    profiles: Sequence[Profile],
    *,
    sources: Sequence[Source] = (),
    now: datetime,
    complete: bool = True,
) -> list[Alert]:
    """Returns the alerts of now, in the order of the profiles and sources.

    A job is monitored from the first call that has its profile or source, so that a new one has its whole time limit.
    `complete` says whether these are all profiles and sources: while one can't be read, no monitoring stops.
    """
    monitored = [(profile, job) for profile in profiles for job in _monitored_jobs(profile)]
    loaded = [source for source in sources if source.active and source.alerts.max_days_without_load]
    if complete:
        _stop_monitoring_others(connection, [*monitored, *((source, Job.SYNC) for source in loaded)])
    found: list[Alert] = []
    for source in loaded:
        found += _find_missing_load(connection, source, _start_monitoring(connection, source, Job.SYNC, now), now)
    for profile, job in monitored:
        since = _start_monitoring(connection, profile, job, now)
        found += _find_late_run(connection, profile, job, since, now)
        found += _find_silence(connection, profile, job, since, now)
    for profile in profiles:
        found += _find_unsent_batches(connection, profile, now)
        found += _find_held_overpayments(connection, profile, now)
        found += _find_unfinished_repetitions(connection, profile, now)
        found += _find_upload_conflicts(connection, profile, now)
    return found


def _monitored_jobs(profile: Profile) -> Iterable[ProfileJob]:
    limits = profile.alerts
    if profile.export.active and (limits.export_deadline_minutes or limits.max_days_without_export):
        yield Job.EXPORT
    if profile.import_.active and (limits.import_deadline_minutes or limits.max_days_without_file):
        yield Job.IMPORT
    if profile.statement.active and limits.max_days_without_statement:
        yield Job.STATEMENT


def _start_monitoring(connection: Connection, owner: JobOwner, job: OwnedJob, now: datetime) -> datetime:
    """Starts to monitor a job unless it is monitored already; returns the moment since which it is."""
    facts = {"job": job, "profile": owner.code, "now": now}
    since: datetime = connection.execute(query("notifications/start_monitoring"), facts).scalar_one()
    return since


def _stop_monitoring_others(connection: Connection, monitored: Sequence[tuple[JobOwner, OwnedJob]]) -> None:
    kept = {"jobs": [job for _, job in monitored], "profiles": [owner.code for owner, _ in monitored]}
    connection.execute(query("notifications/stop_monitoring"), kept)


def _find_late_run(
    connection: Connection, profile: Profile, job: ProfileJob, since: datetime, now: datetime
) -> Iterable[Alert]:
    if job is Job.STATEMENT:
        return
    limits, schedule = profile.alerts, profile.export.schedule if job is Job.EXPORT else profile.import_.schedule
    minutes = limits.export_deadline_minutes if job is Job.EXPORT else limits.import_deadline_minutes
    if not minutes:
        return
    due, deadline = _last_due(schedule, ZoneInfo(profile.time_zone), timedelta(minutes=minutes), now)
    of_job = {"job": job, "profile": profile.code, "since": due}
    if due < since or now < deadline or connection.execute(query("notifications/has_run_since"), of_job).scalar_one():
        return
    zone = ZoneInfo(profile.time_zone)
    yield Alert(
        f"late {job} {profile.code} {due.isoformat()}",
        job,
        profile,
        f"the run of {format_moment(due, zone)} has not ended by {format_moment(deadline, zone)}",
        "See in Airflow whether it is running, or waits for a worker or an approval. If it has not started, the "
        "scheduler is down, or the DAG is paused. A run that has begun can be cleared, or left to the next run.",
    )


def _last_due(schedule: Schedule, zone: ZoneInfo, allowed: timedelta, now: datetime) -> tuple[datetime, datetime]:
    """Returns the newest scheduled moment whose deadline has passed, and that deadline.

    When clocks change, a local time can mean two instants. The earlier counts for the start, the later for the
    deadline.
    """
    local = (now - allowed).astimezone(zone)
    naive = croniter(schedule.cron, local.replace(tzinfo=None) + timedelta(seconds=1)).get_prev(datetime)
    instants = sorted(naive.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return instants[0], instants[1] + allowed


def _find_silence(
    connection: Connection, profile: Profile, job: ProfileJob, since: datetime, now: datetime
) -> Iterable[Alert]:
    limits, of_job = profile.alerts, {"job": job, "profile": profile.code}
    days, question, lack = {
        Job.EXPORT: (limits.max_days_without_export, "get_last_success", "no export has succeeded"),
        Job.IMPORT: (limits.max_days_without_file, "get_last_file", "no file of payments has come"),
        Job.STATEMENT: (limits.max_days_without_statement, "get_last_statement", "no statement has come"),
    }[job]
    if not days:
        return
    last: datetime | None = connection.execute(query(f"notifications/{question}"), of_job).scalar_one()
    start = max(last or since, since)
    if now - start <= timedelta(days=days):
        return
    newest = f"; the last one was on {format_moment(last, ZoneInfo(profile.time_zone))}" if last else ""
    section = profile.statement if job is Job.STATEMENT else profile.import_
    yield Alert(
        f"silent {job} {profile.code} {start.isoformat()}",
        job,
        profile,
        f"{lack} for more than {pluralize(days, 'day')}{newest}",
        f"{Page.HISTORY} shows why the exports failed (`bin/bursar runs list`). Correct the cause, and trigger the DAG."
        if job is Job.EXPORT
        else f"Ask the bursar whether files were sent, and to which folder; they are expected in "
        f"{section.input_file_path} of the connection {profile.sftp_connection}.",
    )


def _find_missing_load(connection: Connection, source: Source, since: datetime, now: datetime) -> Iterable[Alert]:
    last: datetime | None = connection.execute(
        query("notifications/get_last_load"), {"profile": source.code}
    ).scalar_one()
    start, days = max(last or since, since), source.alerts.max_days_without_load
    if not days or now - start <= timedelta(days=days):
        return
    newest = f"; the last one was on {format_moment(last, ZoneInfo(source.time_zone))}" if last else ""
    place = source.place
    yield Alert(
        f"silent {Job.SYNC} {source.code} {start.isoformat()}",
        Job.SYNC,
        source,
        f"nothing has been loaded for more than {pluralize(days, 'day')}{newest}",
        f"{Page.HISTORY} shows why (`bin/bursar runs list`). Files are expected in {place}. New fines, and what was "
        "settled at the library, are not in the ledger.",
    )


def _find_unsent_batches(connection: Connection, profile: Profile, now: datetime) -> Iterable[Alert]:
    hours = profile.alerts.max_unsent_hours
    if not hours:
        return
    for batch in get_unfinished_batches(connection, profile.code):
        if batch.fines and now - batch.selected_at > timedelta(hours=hours):
            yield Alert(
                f"unsent batch {batch.id}",
                Job.EXPORT,
                profile,
                f"batch {batch.id} was selected more than {pluralize(hours, 'hour')} ago and is still "
                f"{batch.state.description}: {count_fines(batch.fines, batch.users)}, {format_totals(batch.net)}",
                f"Clear the failed task of run {batch.run_id}, or trigger the DAG: its first task completes or "
                f"releases the batch. {Page.WAITING} lists all that are unfinished (`bin/bursar batches list`).",
            )


def _find_held_overpayments(connection: Connection, profile: Profile, now: datetime) -> Iterable[Alert]:
    days = profile.alerts.max_days_overpayment_held
    if not days:
        return
    for held in list_held_overpayments(connection, profile=profile.code):
        if now - held.held_since > timedelta(days=days):
            yield Alert(
                f"held overpayment {held.file_id} {held.record}",
                Job.IMPORT,
                profile,
                f"an overpayment of {format_money(held.amount, held.currency)} (transaction {held.transaction_id}) has "
                f"waited for a person for more than {pluralize(days, 'day')}",
                f"Ask the bursar whether the student paid that much. {describe_decisions(held.file_id, held.record)}",
            )


def _find_unfinished_repetitions(connection: Connection, profile: Profile, now: datetime) -> Iterable[Alert]:
    begun_before = now - timedelta(hours=MAX_REPETITION_HOURS)
    parameters = {"profile": profile.code, "begun_before": begun_before}
    for file in connection.execute(query("notifications/list_unfinished_repetitions"), parameters):
        yield Alert(
            f"unfinished repetition {file.id}",
            Job.IMPORT,
            profile,
            f"{file.name} was to be applied again, as file {file.id}, and that has not been completed for more than "
            f"{pluralize(MAX_REPETITION_HOURS, 'hour')}: not all of its payments are applied",
            f"No run completes it. Apply it again under {Page.WAITING} "
            f"(`bin/bursar imports apply-again {file.repeated_arrival_id}`): that completes it, and changes nothing "
            "twice.",
        )


def _find_upload_conflicts(connection: Connection, profile: Profile, now: datetime) -> Iterable[Alert]:
    facts = {"profile": profile.code, "since": now - timedelta(days=MAX_CONFLICT_DAYS)}
    for conflict in connection.execute(query("notifications/list_upload_conflicts"), facts):
        what = describe_conflict(
            conflict.batch_id, conflict.file_name, conflict.remote_folder, is_released=conflict.is_released
        )
        yield Alert(
            f"upload conflict {conflict.id}",
            Job.EXPORT,
            profile,
            what[0].lower() + what[1:].rstrip("."),
            CONFLICT_ADVICE,
        )
