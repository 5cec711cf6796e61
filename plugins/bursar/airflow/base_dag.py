"""What the export DAG and the import DAG of a profile have in common."""

from datetime import timedelta
from typing import Any

import psycopg
import sqlalchemy.exc
from airflow.sdk import DAG, CronTriggerTimetable, ExceptionRetryPolicy, RetryAction, RetryRule

from bursar.errors import BursarError, TransientError
from bursar.ledger.jobs import ProfileJob
from bursar.profiles import Profile
from bursar.profiles.schedule import Schedule

# What a task tells the next one, and the UI: ids, counts, totals, names of files and checksums. Nothing about people.
Summary = dict[str, Any]

# Whatever has no rule is tried again: broken connections, locks, a ledger that restarts.
RETRY_POLICY = ExceptionRetryPolicy(
    rules=[
        RetryRule(exception=TransientError, action=RetryAction.RETRY),
        RetryRule(exception=BursarError, action=RetryAction.FAIL, reason="A person has to act."),
        RetryRule(
            exception=[sqlalchemy.exc.ProgrammingError, psycopg.ProgrammingError],
            action=RetryAction.FAIL,
            reason="The ledger is not migrated, or its login lacks a right.",
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
"""How the tasks of all DAGs are retried."""


def dag_id(profile: Profile, job: ProfileJob) -> str:
    """The id of a profile's export or import DAG."""
    return f"bursar_{job}__{profile.code}"


def get_profile_code(dag_id: str) -> str:
    """The code of the profile that an export or import DAG belongs to."""
    return dag_id.partition("__")[2]


def base_dag(
    profile: Profile,
    job: ProfileJob,
    schedule: Schedule,
    **of_direction: Any,  # noqa: ANN401  passed on to Airflow
) -> DAG:
    """A DAG without tasks for a section of a profile, scheduled and retried as all of them are."""
    return DAG(
        dag_id=dag_id(profile, job),
        description=profile.description,
        # Without start_date and with run_immediately=0 the first run is the next date. Otherwise Airflow would at once
        # run the last date that a new profile missed, or one that has just passed.
        schedule=CronTriggerTimetable(schedule.cron, timezone=profile.time_zone, run_immediately=timedelta(0)),
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=False,  # `active` in the profile is the switch
        tags=["bursar", job.value, profile.code],
        default_args=DEFAULT_ARGS,
        **of_direction,
    )
