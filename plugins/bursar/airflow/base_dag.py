"""The parts that DAGs share: how they are scheduled and retried, and how a function becomes a task."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Concatenate, TypeVar

import psycopg
import sqlalchemy.exc
from airflow.sdk import (
    DAG,
    Context,
    CronTriggerTimetable,
    ExceptionRetryPolicy,
    RetryAction,
    RetryRule,
    XComArg,
    get_current_context,
    task,
)

from bursar.airflow.dag_ids import dag_id
from bursar.airflow.report_task import record_task_of_run
from bursar.airflow.task_failure import TaskFailure, TransientTaskFailure, log_known_errors
from bursar.errors import BursarError, TransientError
from bursar.ledger.jobs import Job, OwnedJob
from bursar.profiles.job_owner import JobOwner
from bursar.profiles.schedule import Schedule

RunT = TypeVar("RunT")

# An error without a rule is retried: broken connections, locks, a ledger that restarts.
RETRY_POLICY = ExceptionRetryPolicy(
    rules=[
        RetryRule(exception=[TransientError, TransientTaskFailure], action=RetryAction.RETRY),
        RetryRule(exception=[BursarError, TaskFailure], action=RetryAction.FAIL, reason="A person has to act."),
        RetryRule(
            exception=[sqlalchemy.exc.ProgrammingError, psycopg.ProgrammingError],
            action=RetryAction.FAIL,
            reason="The ledger is not migrated, or its login lacks a right.",
        ),
        RetryRule(
            exception=[sqlalchemy.exc.DataError, psycopg.DataError],
            action=RetryAction.FAIL,
            reason="A value does not fit the ledger, now and later.",
        ),
    ]
)

DEFAULT_ARGS: dict[str, Any] = {
    "retries": 4,
    "retry_delay": timedelta(minutes=1),
    "retry_exponential_backoff": 2,
    "max_retry_delay": timedelta(minutes=30),
    "retry_policy": RETRY_POLICY,
}
"""Arguments of the tasks of all DAGs that report their runs."""

RUN_TYPES_WITHOUT_BACKFILL = ["scheduled", "manual", "operator_triggered", "asset_triggered"]
"""The runs of DAGs that take what is there now. A past day has nothing to take, so Airflow refuses a backfill."""


def base_dag(owner: JobOwner, job: OwnedJob, schedule: Schedule, **arguments: Any) -> DAG:  # noqa: ANN401
    """Creates the DAG of a section of a profile, or of a source, without tasks; Airflow gets the `arguments`."""
    return DAG(
        dag_id=dag_id(job, owner.code),
        dag_display_name=arguments.pop("dag_display_name", job.display_name(owner.name)),
        # Without start_date and with run_immediately=0 the first run is at the next date of the schedule. Otherwise
        # Airflow would immediately run the last date before the profile or source was added.
        schedule=CronTriggerTimetable(schedule.cron, timezone=owner.time_zone, run_immediately=timedelta(0)),
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=False,  # `active` in the file is the switch
        tags=["bursar", job.value, owner.code],
        default_args=DEFAULT_ARGS,
        **arguments,
    )


def task_of_run(
    job: Job,
    owner: JobOwner | None,
    get_run: Callable[[Context], RunT],
    function: Callable[Concatenate[RunT, ...], object],
    **arguments: Any,  # noqa: ANN401
) -> Callable[..., XComArg]:
    """Makes an Airflow task of a module-level function; called in a DAG with the function's inputs, it adds the task.

    The task has the function's name and docstring. It calls the function with the run, then the inputs. Its duration
    and its error are recorded for the report of the run. A known error is logged as a sentence, without a stack.

    Args:
        job: the job that the DAG does.
        owner: the profile or source of the DAG; None for a job of the institution.
        get_run: makes the function's first argument from Airflow's context.
        function: the function.
        arguments: passed on to Airflow.
    """

    def execute(*inputs: object) -> object:
        context = get_current_context()
        with log_known_errors(), record_task_of_run(function.__name__, owner, job, context):
            return function(get_run(context), *inputs)

    execute.__name__ = execute.__qualname__ = function.__name__
    execute.__doc__ = function.__doc__
    return task(multiple_outputs=False, **arguments)(execute)
