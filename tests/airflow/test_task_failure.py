"""The end of a task that fails for a known reason."""

import logging

import pytest
from airflow.sdk import RetryAction
from airflow.sdk.exceptions import AirflowSensorTimeout

from bursar.airflow.base_dag import RETRY_POLICY
from bursar.airflow.task_failure import TaskFailure, log_known_errors
from bursar.errors import BatchError, BursarError, MissingFolderError, TransientError


def fail(error: Exception) -> TaskFailure:
    """Returns the exception that ends a task with an error."""
    with pytest.raises(TaskFailure) as ended, log_known_errors():
        raise error
    return ended.value


@pytest.mark.parametrize(
    ("error", "action"),
    [
        (BursarError("There is no such connection."), RetryAction.FAIL),
        (BatchError("The batch is released."), RetryAction.FAIL),
        (MissingFolderError("There is no such folder."), RetryAction.FAIL),
        (AirflowSensorTimeout("No file was ready."), RetryAction.FAIL),
        (TransientError("The server is down."), RetryAction.RETRY),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value.value,
)
def test_a_known_error_is_one_sentence_in_the_log_and_is_retried_as_before(
    error: Exception, action: RetryAction, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    failure = fail(error)
    assert [(record.message, record.exc_info) for record in caplog.records] == [(str(error), None)]
    assert (failure.reason, str(failure), failure.code) == (str(error), str(error), 1)
    assert RETRY_POLICY.evaluate(failure, try_number=1, max_tries=4).action is action
    if not isinstance(error, AirflowSensorTimeout):
        assert RETRY_POLICY.evaluate(error, try_number=1, max_tries=4).action is action


def test_the_stack_is_logged_for_those_who_look_for_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    fail(BursarError("There is no such connection."))
    assert "in fail" in caplog.text


def test_an_unknown_error_keeps_its_stack() -> None:
    with pytest.raises(ZeroDivisionError), log_known_errors():
        1 / 0  # noqa: B018
