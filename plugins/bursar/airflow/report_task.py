"""How the runs of a DAG are reported: its tasks are timed, and a last one records what they did."""

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial, wraps
from typing import ParamSpec, TypeVar

from airflow.sdk import DAG, Context, XComArg, get_current_context, task
from airflow.sdk.exceptions import (
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSensorTimeout,
    AirflowSkipException,
)

from bursar.airflow import run_listener
from bursar.airflow.base_dag import Summary
from bursar.airflow.connections import ledger_url
from bursar.airflow.metrics import send_metrics
from bursar.airflow.notifier import notify, run_url
from bursar.db.engine import ledger_engine, session_name
from bursar.errors import BursarError
from bursar.ledger.jobs import Job
from bursar.money import format_totals, pluralize
from bursar.profiles import INCLUDE, Profile, load_settings
from bursar.reporting.build_report import build_export_report, build_import_report, build_maintenance_report
from bursar.reporting.run_report import RunOutcome, RunReport, delete_reports_before, record_report
from bursar.reporting.task_timings import get_interrupted_tasks, record_task

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

_BUILDERS: dict[Job, Callable[..., RunReport]] = {
    Job.EXPORT: build_export_report,
    Job.IMPORT: build_import_report,
    Job.PURGE: partial(build_maintenance_report, Job.PURGE),
    Job.WAIVE: partial(build_maintenance_report, Job.WAIVE),
}


_UNREPORTED = (
    "What this run did could not be reported ({}); the ledger may be down. See the tasks of the run in Airflow. "
    "Once the ledger is back, clear report_run."
)


@contextmanager
def record_task_of_run(
    stage: str, profile: Profile | None, job: Job, context: Context, *, since: datetime | None = None
) -> Iterator[None]:
    """Takes down in the ledger how long a block took and why it failed, if it did; to be skipped is no failure.

    `since` is when the stage began, if before the block.
    """
    part = context["ti"].map_index
    session_name.set(f"bursar {job} {profile.code if profile else ''} {stage}")
    no_failure: AirflowSkipException | AirflowRescheduleException | None = None
    with record_task(
        ledger_engine(ledger_url()),
        stage,
        job=job,
        profile=profile.code if profile else None,
        run_id=context["run_id"],
        part="" if part is None or part < 0 else str(part),
        since=since,
        speaking=(BursarError, AirflowSensorTimeout),
    ):
        try:
            yield
        except (AirflowSkipException, AirflowRescheduleException) as signal:
            no_failure = signal
    if no_failure:
        raise no_failure


def recorded(profile: Profile | None, job: Job) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Makes a task's function a stage of its run."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def timed_function(*args: P.args, **kwargs: P.kwargs) -> R:
            with record_task_of_run(function.__name__, profile, job, get_current_context()):
                return function(*args, **kwargs)

        return timed_function

    return decorate


def report_run(profile: Profile | None, job: Job, dag: DAG) -> XComArg:
    """The last task of a DAG: records the report of the run, whatever became of the other tasks.

    It is a teardown, so it also runs after a failure or when a person marks the run as failed. To Airflow it alone
    decides how the run ended: so it fails if the run did, and also if the report can't be recorded.
    """

    def tell_without_report(context: Context) -> None:
        """Tells that the run could not be reported: the ledger may be down. Never raises."""
        if isinstance(context.get("exception"), AirflowFailException):
            return  # reported as failed
        dag_run, now = context["dag_run"], datetime.now(UTC)
        notify(
            RunReport(
                job=job,
                profile=profile.code if profile else None,
                run_id=context["run_id"],
                started_at=dag_run.start_date or dag_run.run_after,
                ended_at=now,
                outcome=RunOutcome.FAILED,
                messages=(_UNREPORTED.format(_reason(context.get("exception"))),),
            ),
            profile,
            run_url(dag.dag_id, context["run_id"]),
        )

    @task(task_id=run_listener.REPORTING_TASK, on_failure_callback=tell_without_report)
    def report() -> Summary:
        """Records what the run did, for the job history and for whoever is told."""
        context = get_current_context()
        run_id, dag_run = context["run_id"], context["dag_run"]
        states = context["ti"].get_task_states(dag.dag_id, run_ids=[run_id]).get(run_id, {})
        engine = ledger_engine(ledger_url())
        started_at = dag_run.start_date or dag_run.run_after
        of_profile = profile.code if profile else None
        failed = _failed(states) or get_interrupted_tasks(engine, job, of_profile, run_id, _in_state(states, "skipped"))
        built = _BUILDERS[job](engine, of_profile, run_id=run_id, started_at=started_at, failed=failed)
        recorded = record_report(engine, built)
        send_metrics(engine, recorded)
        if days := load_settings(INCLUDE / "bursar.yaml").report_retention_days:
            delete_reports_before(engine, before=datetime.now(UTC) - timedelta(days=days))
        _log(recorded)
        _note(context, recorded)  # before a server is waited for
        recorded = notify(recorded, profile, run_url(dag.dag_id, run_id))
        _note(context, recorded)  # with what was not told
        if recorded.outcome is RunOutcome.FAILED:
            raise AirflowFailException("The run failed, and its report is recorded. See the tasks before this one.")
        return {"outcome": recorded.outcome}

    last: XComArg = report()
    last.as_teardown(on_failure_fail_dagrun=True)
    return last


def _reason(error: object) -> str:
    """The sentences of an error of Bursar's, of another one only its name: its text may name people."""
    return str(error) if isinstance(error, BursarError) else type(error).__name__


def _failed(states: dict[str, str | None]) -> list[str]:
    """The stages that failed, each once; those that never ran because of them only if nothing else explains the end."""
    return _in_state(states, "failed") or _in_state(states, "upstream_failed")


def _in_state(states: dict[str, str | None], wanted: str) -> list[str]:
    return list(dict.fromkeys(_stage(task_id) for task_id, state in states.items() if state == wanted))


def _stage(task_id: str) -> str:
    """A task's stage: its id without the group and the number of the file."""
    return re.sub(r"_\d+$", "", task_id.rpartition(".")[2])


def _headline(report: RunReport) -> str:
    parts = [report.outcome + (" (dry run)" if report.dry_run else "")]
    if report.fines:
        parts.append(
            f"{pluralize(report.fines, 'fine')} of {pluralize(report.users, 'user')}, {format_totals(report.net)}"
        )
    return ", ".join(parts)


def _note(context: Context, report: RunReport) -> None:
    context["ti"].xcom_push(
        key=run_listener.NOTE, value=run_listener.format_note(_headline(report), list(report.messages))
    )


def _log(report: RunReport) -> None:
    log.info("Outcome: %s.", report.outcome)
    for message in report.messages:
        log.warning("%s", message)
