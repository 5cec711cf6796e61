"""The DAGs of profiles that the pages have changed, so that a page can ask Airflow to read them again."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from airflow.models.dag import DagModel
from airflow.utils.session import create_session
from sqlalchemy import or_, select

from bursar.airflow.dag_ids import dag_id
from bursar.ledger.jobs import Job, ProfileJob

_JOBS: Mapping[str, ProfileJob] = {"export": Job.EXPORT, "import": Job.IMPORT, "statement": Job.STATEMENT}


def list_dag_ids(code: str, profile: Mapping[str, Any]) -> list[str]:
    """Returns the ids of the DAGs that a profile has: one for each active section of its fields."""
    return [
        dag_id(job, code)
        for section, job in _JOBS.items()
        if (profile.get(section) or {}).get("active") in {"yes", "true"}
    ]


def find_integration_dag() -> str | None:
    """Returns a DAG of the file that makes the DAGs of all profiles, or None as long as there is no profile.

    Airflow reads a file again on request; a request names the file by one of its DAGs.
    """
    starts = [DagModel.dag_id.startswith(dag_id(job, ""), autoescape=True) for job in _JOBS.values()]
    with create_session() as session:
        return session.scalar(
            select(DagModel.dag_id).where(or_(*starts)).order_by(DagModel.is_stale, DagModel.dag_id).limit(1)
        )


def list_next_runs(ids: Sequence[str]) -> dict[str, datetime]:
    """Returns when Airflow starts the next runs of DAGs, by their ids; paused and unknown DAGs are left out."""
    due = DagModel.next_dagrun_create_after
    chosen = select(DagModel.dag_id, due).where(DagModel.dag_id.in_(ids), DagModel.is_paused.is_(False))
    with create_session() as session:
        return {row.dag_id: row.next_dagrun_create_after for row in session.execute(chosen.where(due.is_not(None)))}
