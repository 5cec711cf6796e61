"""The maintenance DAGs, which a person starts from a form: Purge User Records and Bulk Fine Waiving."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from airflow.sdk import DAG, Context, Param
from sqlalchemy import Engine

from bursar.airflow.base_dag import DEFAULT_ARGS, task_of_run
from bursar.airflow.config import maintenance_placement
from bursar.airflow.connections import ledger_url
from bursar.airflow.dag_ids import dag_id
from bursar.airflow.maintenance_approval import MaintenanceApprovalOperator
from bursar.airflow.maintenance_forms import PURGE_DOCUMENTATION, PURGE_FORM, WAIVE_DOCUMENTATION, WAIVE_FORM
from bursar.airflow.report_task import report_task
from bursar.airflow.task_summaries import MaintenanceResult
from bursar.db.engine import ledger_engine
from bursar.ledger.jobs import Job, UserJob
from bursar.ledger.totals import to_json
from bursar.profiles import INCLUDE, Settings, load_settings
from bursar.users import purging, waiving
from bursar.users.maintenance_job import MaintenanceJob

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class MaintenanceRun:
    """A run of a job over users: the first argument of its task.

    `requested_by` is the person who triggered it, `form` holds the fields that the person filled in.
    """

    job: UserJob
    engine: Engine
    settings: Settings
    run_id: str
    requested_by: str | None
    as_of: datetime
    form: Mapping[str, Any]

    @classmethod
    def from_context(cls, job: UserJob, context: Context) -> "MaintenanceRun":
        """Makes the run that a task belongs to. Settings are read by the task, so the DAG exists without them.

        Raises:
            ProfileError: the settings are wrong.
            BursarError: there is no connection to the ledger.
        """
        return cls(
            job=job,
            engine=ledger_engine(ledger_url()),
            settings=load_settings(INCLUDE / "bursar.yaml"),
            run_id=context["run_id"],
            requested_by=context["dag_run"].triggering_user_name,
            as_of=context["dag_run"].run_after,
            form=context["params"],
        )


def purge_dag() -> DAG:
    """Builds the DAG of Purge User Records."""
    with _maintenance_dag(Job.PURGE, PURGE_FORM, PURGE_DOCUMENTATION) as dag:
        _add_tasks(Job.PURGE, purge_users)
    return dag


def waive_dag() -> DAG:
    """Builds the DAG of Bulk Fine Waiving."""
    with _maintenance_dag(Job.WAIVE, WAIVE_FORM, WAIVE_DOCUMENTATION) as dag:
        _add_tasks(Job.WAIVE, waive_fines)
    return dag


def check_limits(run: MaintenanceRun) -> None:
    """Records a request for approval if the run would purge or waive more than the limits. A dry run needs none."""
    run_id, by = run.run_id, run.requested_by
    if run.job is Job.PURGE:
        purge = purging.PurgeParams.of_form(run.form)
        request = purging.record_request(
            run.engine, purge, run.settings, run_id=run_id, as_of=run.as_of, requested_by=by
        )
    else:
        waive = waiving.WaiveParams.of_form(run.form)
        request = waiving.record_request(run.engine, waive, run.settings, run_id=run_id, requested_by=by)
    for reason in request.reasons if request else ():
        log.warning("This run needs an approval. %s", reason)


def purge_users(run: MaintenanceRun) -> MaintenanceResult:
    """Purges the users that are due. A dry run counts them."""
    params = purging.PurgeParams.of_form(run.form)
    return _result(
        purging.purge_users(
            run.engine, params, run.settings, run_id=run.run_id, requested_by=run.requested_by, as_of=run.as_of
        )
    )


def waive_fines(run: MaintenanceRun) -> MaintenanceResult:
    """Waives the fines that fit the form. A dry run counts them."""
    params = waiving.WaiveParams.of_form(run.form)
    return _result(
        waiving.waive_fines(
            run.engine, params, run.settings, run_id=run.run_id, requested_by=run.requested_by, as_of=run.as_of
        )
    )


def _maintenance_dag(job: UserJob, form: dict[str, Param], documentation: str) -> DAG:
    return DAG(
        dag_id=dag_id(job),
        dag_display_name=job.display_name(),
        doc_md=documentation,
        schedule=None,
        params=form,
        max_active_runs=1,
        is_paused_upon_creation=False,
        tags=["bursar", "users"],
        default_args=DEFAULT_ARGS | maintenance_placement(),
    )


def _add_tasks(job: UserJob, function: Callable[[MaintenanceRun], MaintenanceResult]) -> None:
    task = partial(task_of_run, job, None, partial(MaintenanceRun.from_context, job))
    check = task(check_limits)()
    wait = MaintenanceApprovalOperator(task_id="wait_for_approval", job=job)
    check >> wait >> task(function)() >> report_task(job, None)


def _result(job: MaintenanceJob) -> MaintenanceResult:
    return {
        "job_id": job.id,
        "dry_run": job.dry_run,
        "users": job.users,
        "fines": job.fines,
        "totals": to_json(job.totals),
        "skipped": to_json(job.skipped),
    }
