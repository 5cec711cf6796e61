"""The ids of the DAGs of jobs."""

from typing import NamedTuple

from bursar.ledger.jobs import Job, UserJob

MAINTENANCE: dict[UserJob, str] = {Job.PURGE: "bursar_purge_users", Job.WAIVE: "bursar_waive_fines"}
"""The ids of the DAGs of jobs that belong to no profile."""


class JobOfOwner(NamedTuple):
    """A job and the code of the profile or source it belongs to; None for a job of the whole institution."""

    job: Job
    code: str | None


def dag_id(job: Job, owner: str | None = None) -> str:
    """Returns the id of the DAG of a job; `owner` is the code of the profile or source that it belongs to, if any."""
    return MAINTENANCE[job] if job is Job.PURGE or job is Job.WAIVE else f"bursar_{job}__{owner}"


def parse_dag_id(dag_id: str) -> JobOfOwner | None:
    """Returns the job that a DAG does, or None if the DAG is not one of a job of Bursar."""
    for job in (Job.EXPORT, Job.IMPORT, Job.STATEMENT, Job.SYNC):
        if dag_id.startswith(prefix := f"bursar_{job}__"):
            return JobOfOwner(job, dag_id.removeprefix(prefix))
    return next((JobOfOwner(job, None) for job, id_ in MAINTENANCE.items() if id_ == dag_id), None)
