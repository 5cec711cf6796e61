"""A task that asks for a connection which Airflow does not have."""

import pytest
from airflow.sdk import RetryAction
from airflow.sdk.exceptions import ErrorType
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import ErrorResponse

from bursar.airflow.base_dag import RETRY_POLICY
from bursar.airflow.find_connection import MissingConnectionError, find_connection


class SupervisorWithoutConnections:
    """The supervisor of a task, whose Airflow has no connections."""

    def send(self, _message: object) -> ErrorResponse:
        return ErrorResponse(error=ErrorType.CONNECTION_NOT_FOUND)


def test_a_task_of_the_local_executor_fails_at_once_without_a_look_at_the_database(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def reject() -> None:
        raise RuntimeError("Direct database access via the ORM is not allowed in Airflow 3.0")  # as Airflow in tasks

    monkeypatch.setattr("airflow.utils.session.create_session", reject)
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")  # of the scheduler, which starts the executor
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", SupervisorWithoutConnections(), raising=False)
    with pytest.raises(MissingConnectionError, match="There is no Airflow connection bursar_nowhere") as missing:
        find_connection("bursar_nowhere")
    assert RETRY_POLICY.evaluate(missing.value, 1, 5).action is RetryAction.FAIL
