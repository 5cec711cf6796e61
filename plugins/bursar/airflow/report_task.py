"""Reporting: each task of a run records its duration and its error, and a last task records the report of the run."""

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

from airflow.sdk import Context, XComArg, get_current_context, task
from airflow.sdk.exceptions import (
    AirflowRescheduleException,
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
)
from sqlalchemy import Engine

from bursar.airflow import run_listener
from bursar.airflow.connections import ledger_url
from bursar.airflow.metrics import send_metrics
from bursar.airflow.notifier import notify, report_url, run_url
from bursar.airflow.task_failure import ReportedFailure, TaskFailure, log_known_errors
from bursar.airflow.task_summaries import ReportedRun
from bursar.db.engine import ledger_engine, session_name
from bursar.errors import BursarError, TransientError
from bursar.ledger.jobs import Job
from bursar.profiles import INCLUDE, load_settings
from bursar.profiles.job_owner import JobOwner
from bursar.reporting.build_report import build_export_report, build_import_report, build_maintenance_report
from bursar.reporting.load_report import add_dry_run, build_load_report
from bursar.reporting.outstanding import count_outstanding
from bursar.reporting.run_description import describe_run
from bursar.reporting.run_report import RunOutcome, RunReport, delete_reports_before, record_report
from bursar.reporting.task_timings import get_interrupted_tasks, record_task

log = logging.getLogger(__name__)

_BUILDERS: dict[Job, Callable[..., RunReport]] = {
    Job.EXPORT: build_export_report,
    Job.IMPORT: build_import_report,
    Job.SYNC: build_load_report,
    Job.PURGE: partial(build_maintenance_report, Job.PURGE),
    Job.WAIVE: partial(build_maintenance_report, Job.WAIVE),
}

_UNREPORTED = (
    "This run could not be reported ({}). The ledger may be down. See the tasks of the run in Airflow, and clear "
    "report_run once the ledger is back."
)


@contextmanager
def record_task_of_run(
    task_name: str, owner: JobOwner | None, job: Job, context: Context, *, since: datetime | None = None
) -> Iterator[None]:
    """Records the duration and the error of its block, for the report of the run; a skipped task has no error.

    Args:
        task_name: the name of the task, without its group.
        owner: the profile or source of the DAG; None for a job of the institution.
        job: the job that the DAG does.
        context: Airflow's context of the task.
        since: the start of the task (aware), if it started before the block.
    """
    map_index = context["ti"].map_index
    session_name.set(f"bursar {job} {owner.code if owner else ''} {task_name}")
    no_failure: AirflowSkipException | AirflowRescheduleException | None = None
    with record_task(
        ledger_engine(ledger_url()),
        task_name,
        job=job,
        profile=owner.code if owner else None,
        run_id=context["run_id"],
        map_key="" if map_index is None or map_index < 0 else str(map_index),
        since=since,
        errors_for_people=(BursarError, AirflowSensorTimeout),
    ):
        try:
            yield
        except (AirflowSkipException, AirflowRescheduleException) as signal:
            no_failure = signal
        except AirflowTaskTimeout as error:
            raise TransientError(
                f"{task_name} was ended after the time that a task with a server may take. It is repeated. If the "
                "server is slow and not broken, raise server_limits.max_task_minutes in include/bursar.yaml."
            ) from error
    if no_failure:
        raise no_failure


def report_task(job: Job, owner: JobOwner | None) -> XComArg:
    """Adds the last task of a DAG, `report_run`, which runs however the other tasks have ended.

    It is a teardown, so it also runs after a failure, or when a person marks the run as failed. For Airflow the state
    of a run is then the state of this task alone: so the task fails if the run failed, or if no report was recorded.
    """

    def execute() -> ReportedRun:
        with log_known_errors():
            return report_run(job, owner, get_current_context())

    execute.__doc__ = report_run.__doc__
    added: XComArg = task(
        task_id=run_listener.REPORTING_TASK,
        multiple_outputs=False,
        on_failure_callback=partial(notify_of_missing_report, job, owner),
    )(execute)()
    added.as_teardown(on_failure_fail_dagrun=True)
    return added


def report_run(job: Job, owner: JobOwner | None, context: Context) -> ReportedRun:
    """Records the report of the run, writes the note of the run, and notifies people.

    Raises:
        ReportedFailure: the run failed; its report is recorded.
    """
    run_id, dag_run, ti = context["run_id"], context["dag_run"], context["ti"]
    code = owner.code if owner else None
    states = ti.get_task_states(ti.dag_id, run_ids=[run_id]).get(run_id, {})
    engine = ledger_engine(ledger_url())
    failed = _failed(states) or get_interrupted_tasks(engine, job, code, run_id, _in_state(states, "skipped"))
    started_at = dag_run.start_date or dag_run.run_after
    built = _BUILDERS[job](engine, code, run_id=run_id, started_at=started_at, failed=failed)
    if job is Job.SYNC and context["params"].get("dry_run"):
        built = add_dry_run(built, ti.xcom_pull(task_ids="load_files") or ti.xcom_pull(task_ids="load_fines") or ())
    built = replace(built, trigger=dag_run.run_type.value, requested_by=dag_run.triggering_user_name)
    report = record_report(engine, built)
    send_metrics(engine, report)
    settings = load_settings(INCLUDE / "bursar.yaml")
    if days := settings.report_retention_days:
        delete_reports_before(engine, before=datetime.now(UTC) - timedelta(days=days))
    _log(report)
    _write_note(context, report)  # before the task waits for a mail server
    report = notify(report, owner, run_url(ti.dag_id, run_id))
    _write_note(context, report)  # with the notifications that were not sent
    _count_outstanding(engine, settings.time_zone)
    if report.outcome is RunOutcome.FAILED:
        reason = "The run failed, and its report is recorded. See the tasks before this one."
        log.error(reason)
        raise ReportedFailure(reason)
    return {"outcome": report.outcome}


def _count_outstanding(engine: Engine, time_zone: str) -> None:
    """Counts what is outstanding, for the overview; a run does not fail if it can't be counted."""
    try:
        count_outstanding(engine, time_zone)
    except BursarError as error:
        log.warning("What is outstanding was not counted, so the overview shows the count of an earlier run. %s", error)


def notify_of_missing_report(job: Job, owner: JobOwner | None, context: Context) -> None:
    """Notifies people that a run could not be reported, for example because the ledger is down. Never raises."""
    if isinstance(context.get("exception"), ReportedFailure):
        return
    dag_run = context["dag_run"]
    report = RunReport(
        job=job,
        profile=owner.code if owner else None,
        run_id=context["run_id"],
        started_at=dag_run.start_date or dag_run.run_after,
        ended_at=datetime.now(UTC),
        outcome=RunOutcome.FAILED,
        messages=(_UNREPORTED.format(_reason(context.get("exception"))),),
    )
    notify(report, owner, run_url(context["ti"].dag_id, context["run_id"]))


def _reason(error: object) -> str:
    """Returns the reason of a known error, and only the name of another error: its text may name people."""
    return error.reason if isinstance(error, TaskFailure) else type(error).__name__


def _failed(states: dict[str, str | None]) -> list[str]:
    """Returns the names of the failed tasks, each once; if there are none, of tasks whose upstream tasks failed."""
    return _in_state(states, "failed") or _in_state(states, "upstream_failed")


def _in_state(states: dict[str, str | None], state: str) -> list[str]:
    return list(dict.fromkeys(_stage(task_id) for task_id, is_in in states.items() if is_in == state))


def _stage(task_id: str) -> str:
    """Returns the name of a task: its id without the group and without the map index."""
    return re.sub(r"_\d+$", "", task_id.rpartition(".")[2])


def _write_note(context: Context, report: RunReport) -> None:
    begins_with_reason = report.outcome is RunOutcome.FAILED and report.messages
    reason = report.messages[0] if begins_with_reason else None
    sentences = report.messages[1:] if begins_with_reason else report.messages
    note = run_listener.format_note(describe_run(report), sentences, reason=reason, report=report_url(report))
    context["ti"].xcom_push(key=run_listener.NOTE, value=note)


def _log(report: RunReport) -> None:
    log.info("Outcome: %s.", report.outcome)
    needs_attention = report.outcome in (RunOutcome.FAILED, RunOutcome.WITH_WARNINGS)
    for message in report.messages:
        log.log(logging.WARNING if needs_attention else logging.INFO, "%s", message)
