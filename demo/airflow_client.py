"""A client of the REST API of a running Airflow."""

import time
from collections.abc import Collection
from typing import Any
from urllib.parse import quote

import httpx

from bursar.errors import BursarError

END_STATES = ("success", "failed")
POLL_SECONDS = 0.5
TIMEOUT_SECONDS = 60
MAX_ATTEMPTS = 5
APPROVAL_TASK = "wait_for_approval"
PARKED_SECONDS = 6  # an answer in the first seconds of the wait fails the try


class AirflowClient(httpx.Client):
    """A client logged in to the Airflow at `address`."""

    def __init__(self, address: str, user: str, password: str) -> None:
        login = httpx.post(
            f"{address}/auth/token", json={"username": user, "password": password}, timeout=TIMEOUT_SECONDS
        )
        headers = {"Authorization": f"Bearer {_content(login)['access_token']}"}
        super().__init__(base_url=f"{address}/api/v2/", headers=headers, timeout=TIMEOUT_SECONDS)

    def dags(self) -> list[dict[str, Any]]:
        """Returns the DAGs that Airflow has parsed, by id, as its API describes them."""
        return self._list("dags", "dags", order_by="dag_id")

    def import_errors(self) -> list[dict[str, Any]]:
        """Returns the import errors of DAG files as its API describes them: `filename`, `stack_trace`, ..."""
        return self._list("importErrors", "import_errors")

    def wait_for_dags(self, dag_ids: Collection[str], timeout: float = 60) -> None:
        """Waits until Airflow knows all of these DAGs.

        Raises:
            BursarError: some are missing after `timeout` seconds; the message shows the import errors.
        """
        deadline = time.monotonic() + timeout
        while missing := set(dag_ids) - {dag["dag_id"] for dag in self.dags()}:
            if time.monotonic() > deadline:
                errors = "".join(f"\n{error['filename']}: {error['stack_trace']}" for error in self.import_errors())
                raise BursarError(
                    f"Airflow has no DAG {', '.join(sorted(missing))} after {timeout:.0f} seconds.{errors}"
                )
            time.sleep(POLL_SECONDS)

    def unpause(self, dag_id: str) -> None:
        """Unpauses a DAG."""
        self._ask("PATCH", f"dags/{dag_id}", json={"is_paused": False})

    def trigger(self, dag_id: str, conf: dict[str, Any] | None = None) -> str:
        """Starts a manual run and returns its id."""
        run_id = self._ask("POST", f"dags/{dag_id}/dagRuns", json={"logical_date": None, "conf": conf or {}})
        return str(run_id["dag_run_id"])

    def clear(self, dag_id: str, run_id: str) -> None:
        """Clears all tasks of a run that has ended, so that they run again."""
        self._ask("POST", f"{_run(dag_id, run_id)}/clear", json={"dry_run": False, "only_failed": False})

    def wait(self, dag_id: str, run_id: str, timeout: float = 300) -> str:
        """Waits until a run has ended and returns its state: `success` or `failed`.

        Raises:
            BursarError: the run has not ended after `timeout` seconds; the message shows the states of its tasks.
        """
        deadline = time.monotonic() + timeout
        while (state := self._ask("GET", _run(dag_id, run_id))["state"]) not in END_STATES:
            if time.monotonic() > deadline:
                tasks = ", ".join(f"{task} {state}" for task, state in self.task_states(dag_id, run_id).items())
                raise BursarError(f"Run {run_id} of {dag_id} has not ended after {timeout:.0f} seconds: {tasks}.")
            time.sleep(POLL_SECONDS)
        return str(state)

    def wait_for_approval(self, dag_id: str, run_id: str, timeout: float = 300) -> None:
        """Waits until a run waits for an approval, and can be answered.

        Raises:
            BursarError: it does not after `timeout` seconds; the message shows the states of its tasks.
        """
        deadline = time.monotonic() + timeout
        while self.task_states(dag_id, run_id).get(APPROVAL_TASK) != "awaiting_input":
            if time.monotonic() > deadline:
                states = self.task_states(dag_id, run_id)
                raise BursarError(f"Run {run_id} of {dag_id} does not wait for an approval: {states}.")
            time.sleep(POLL_SECONDS)
        time.sleep(PARKED_SECONDS)

    def approve(self, dag_id: str, run_id: str) -> None:
        """Approves a run that waits, as the user who is logged in."""
        self.wait_for_approval(dag_id, run_id)
        path = f"{_run(dag_id, run_id)}/taskInstances/{APPROVAL_TASK}/-1/hitlDetails"
        self._ask("PATCH", path, json={"chosen_options": ["Approve"]})

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """Returns the runs of a DAG, oldest first, as the API describes them."""
        return self._list(f"dags/{dag_id}/dagRuns", "dag_runs", order_by="run_after")

    def backfill(self, dag_id: str, from_date: str, to_date: str) -> int:
        """Starts a backfill, one run at a time, and returns its id."""
        wanted = {"dag_id": dag_id, "from_date": from_date, "to_date": to_date, "max_active_runs": 1}
        return int(self._ask("POST", "backfills", json=wanted)["id"])

    def task_states(self, dag_id: str, run_id: str) -> dict[str, str | None]:
        """Returns the state of each task of a run; None before it is scheduled."""
        return {task["task_id"]: task["state"] for task in self.tasks(dag_id, run_id)}

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Returns the tasks of a run as the API describes them: `task_id`, `state`, `hostname`, `start_date`, ..."""
        return self._list(f"{_run(dag_id, run_id)}/taskInstances", "task_instances")

    def _list(self, path: str, items: str, **params: str) -> list[dict[str, Any]]:
        return list(self._ask("GET", path, params={"limit": 100, **params})[items])

    def _ask(self, method: str, path: str, **request: Any) -> dict[str, Any]:  # noqa: ANN401  passed on to httpx
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                return _content(self.request(method, path, **request))
            except httpx.TransportError as error:
                # A busy machine may answer late. A repeated question is harmless, a repeated order is not.
                if method != "GET" or attempt == MAX_ATTEMPTS:
                    raise BursarError(f"Airflow does not answer {method} {path}: {error}.") from error
        raise AssertionError


def _content(reply: httpx.Response) -> dict[str, Any]:
    if reply.is_error:
        raise BursarError(f"Airflow rejected {reply.request.method} {reply.url}: {reply.status_code} {reply.text}")
    return dict(reply.json())


def _run(dag_id: str, run_id: str) -> str:
    return f"dags/{dag_id}/dagRuns/{quote(run_id)}"
