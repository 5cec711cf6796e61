"""The end of a task that fails for a known reason: its log has one sentence, and no stack.

Airflow logs the stack of every exception but SystemExit, and treats both alike afterwards: retries, callbacks, states.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from airflow.sdk.exceptions import AirflowSensorTimeout

from bursar.errors import BursarError, TransientError

log = logging.getLogger(__name__)


class TaskFailure(SystemExit):
    """Ends a task, without a retry. The reason is a sentence for people."""

    def __init__(self, reason: str) -> None:
        super().__init__(1)
        self.reason = reason

    def __str__(self) -> str:
        """Returns the reason."""
        return self.reason


class TransientTaskFailure(TaskFailure):
    """Ends a try of a task, which is retried."""


class ReportedFailure(TaskFailure):
    """Ends the last task of a run that failed, after its report has been recorded."""


@contextmanager
def log_known_errors() -> Iterator[None]:
    """Logs the sentence of a known error of its block, and ends the task; other errors pass, and have a stack.

    The stack of a known error is logged at level DEBUG.

    Raises:
        TaskFailure: the block raised a BursarError, or a sensor waited until its deadline.
        TransientTaskFailure: the block raised a TransientError.
    """
    try:
        yield
    except (BursarError, AirflowSensorTimeout) as error:
        log.error("%s", error)  # noqa: TRY400
        log.debug("The stack of this error", exc_info=True)
        failure = TransientTaskFailure if isinstance(error, TransientError) else TaskFailure
        raise failure(str(error)) from error
