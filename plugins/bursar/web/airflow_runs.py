"""Airflow's view of runs, for the pages: whether a run is under way, and the addresses of Airflow's REST API."""

from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import quote

from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from airflow.utils.state import State, TaskInstanceState
from sqlalchemy import select, tuple_

APPROVAL_TASK = "wait_for_approval"
_WORDS = {"queued": "waits to be started", "running": "is under way", "success": "has ended", "failed": "has failed"}


@dataclass(frozen=True)
class AirflowRun:
    """The state of a run in Airflow, and of its tasks by their ids; `state` is None if Airflow has no such run."""

    state: str | None
    tasks: dict[str, str]

    @property
    def is_under_way(self) -> bool:
        """Whether the run has not ended."""
        return self.state in ("queued", "running")

    @property
    def has_failed(self) -> bool:
        """Whether the run has failed, so that its failed steps can be repeated."""
        return self.state == "failed"

    @property
    def failed_tasks(self) -> list[str]:
        """The tasks that have failed."""
        return sorted(task for task, state in self.tasks.items() if state == TaskInstanceState.FAILED)

    @property
    def waits_for_approval(self) -> bool:
        """Whether Airflow takes an answer to the request for approval now."""
        return self.is_under_way and self.tasks.get(APPROVAL_TASK) in (
            TaskInstanceState.AWAITING_INPUT,
            TaskInstanceState.DEFERRED,
        )

    @property
    def words(self) -> str:
        """The state in words: `is under way`."""
        return _WORDS.get(self.state or "", "is not known to Airflow")

    @property
    def current_tasks(self) -> list[str]:
        """The tasks that run or wait at the moment."""
        return sorted(task for task, state in self.tasks.items() if state not in ("", *State.finished))


def get_run(dag: str, run_id: str) -> AirflowRun:
    """Returns the state of a run of a DAG."""
    with create_session() as session:
        state = session.scalar(select(DagRun.state).where(DagRun.dag_id == dag, DagRun.run_id == run_id))
        if state is None:
            return AirflowRun(None, {})
        tasks = session.execute(
            select(TaskInstance.task_id, TaskInstance.state).where(
                TaskInstance.dag_id == dag, TaskInstance.run_id == run_id
            )
        )
        return AirflowRun(str(state), {task: str(one or "") for task, one in tasks})


def list_runs(runs: Collection[tuple[str, str]]) -> dict[tuple[str, str], AirflowRun]:
    """Returns the states of runs by the ids of their DAGs and their own, without their tasks."""
    with create_session() as session:
        rows = session.execute(
            select(DagRun.dag_id, DagRun.run_id, DagRun.state).where(tuple_(DagRun.dag_id, DagRun.run_id).in_(runs))
        )
        found = {(row.dag_id, row.run_id): AirflowRun(str(row.state), {}) for row in rows}
    return {run: found.get(run, AirflowRun(None, {})) for run in runs}


def find_obstacle(dag: str) -> str | None:
    """Returns a sentence on why Airflow starts no run of a DAG at the moment, None if it does."""
    with create_session() as session:
        found = session.execute(
            select(DagModel.is_paused, DagModel.is_stale).where(DagModel.dag_id == dag)
        ).one_or_none()
    if found is None or found.is_stale:
        return "Airflow has no DAG for this job at the moment. If you have just saved it, wait a minute."
    if found.is_paused:
        return "The DAG of this job is paused in Airflow: a run that you start waits until somebody unpauses it."
    return None


def run_path(dag: str, run_id: str) -> str:
    """Returns the path of a run in Airflow's REST API, below `api/v2/`."""
    return f"dags/{quote(dag, safe='')}/dagRuns/{quote(run_id, safe='')}"


def runs_path(dag: str) -> str:
    """Returns the path of the runs of a DAG in Airflow's REST API, below `api/v2/`."""
    return f"dags/{quote(dag, safe='')}/dagRuns"
