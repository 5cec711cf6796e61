"""The part of a trigger that waits for files, in the event loop of Airflow's triggerer.

The clients of SFTP, FTP and PostgreSQL block, so each check of a folder runs in a thread. The number of threads is
limited, and a connection id has one check at a time: a server that does not answer delays no other server.
"""

import asyncio
import contextvars
import logging
from abc import abstractmethod
from collections import defaultdict
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypedDict

from airflow.sdk import RetryAction
from airflow.triggers.base import BaseTrigger, TriggerEvent

from bursar.airflow.base_dag import RETRY_POLICY
from bursar.errors import BursarError

log = logging.getLogger(__name__)

MAX_THREADS = 8
_threads = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="files")
_connection_locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)


class WaitResult(TypedDict, total=False):
    """The end of a wait: `files` are ready, or `failure` needs a person, or, with neither, the deadline has passed.

    `files` are those of a class of triggers, as JSON. `last_error` is set if the last check before the deadline failed.
    """

    files: list[Any]
    failure: str
    last_error: str | None


class FileTrigger(BaseTrigger):
    """Checks a folder until files are ready or the deadline has passed, at least once.

    After a transient error (network, ledger) the check is repeated until the deadline. An error that needs a person
    ends the wait. An unexpected error fails the task, which Airflow retries.

    Args:
        code: that of the profile or source, which each check reads anew.
        connection_id: the S/FTP connection; empty for a folder of the machine.
        deadline: ISO 8601 with time zone. It may be a template, which Airflow renders before `run`.
        check_interval_seconds: the pause after each check.
    """

    def __init__(self, *, code: str, connection_id: str, deadline: str, check_interval_seconds: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.code, self.connection_id = code, connection_id
        self.deadline = deadline
        self.check_interval_seconds = check_interval_seconds

    @abstractmethod
    def find_ready_files(self, *, is_last_check: bool) -> list[Any]:
        """Checks the folder once; returns the files that are ready, empty to check again.

        Raises:
            TransientError: the server or the ledger can't be reached, or the owner of the folder can't be read.
            BursarError: the check fails for a reason that needs a person.
        """

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Returns the class path and the arguments that create this trigger again."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "code": self.code,
            "connection_id": self.connection_id,
            "deadline": self.deadline,
            "check_interval_seconds": self.check_interval_seconds,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yields one event, a `WaitResult`. A restarted triggerer starts it anew, with the same deadline."""
        deadline = datetime.fromisoformat(self.deadline)
        while True:
            is_last_check = datetime.now(UTC) >= deadline
            result = await self._check(is_last_check=is_last_check)
            if is_last_check or result.get("files") or result.get("failure"):
                yield TriggerEvent(result)  # type: ignore[no-untyped-call]
                return
            seconds_left = (deadline - datetime.now(UTC)).total_seconds()
            await asyncio.sleep(max(0, min(self.check_interval_seconds, seconds_left)))

    async def _check(self, *, is_last_check: bool) -> WaitResult:
        """Checks once, in a thread, and classifies errors by the retry policy of all tasks."""
        context = contextvars.copy_context()  # the thread then writes into this task's log
        try:
            async with _connection_locks[self.connection_id]:
                loop = asyncio.get_running_loop()
                check = partial(self.find_ready_files, is_last_check=is_last_check)
                return {"files": await loop.run_in_executor(_threads, context.run, check)}
        except Exception as error:
            decision = RETRY_POLICY.evaluate(error, 1, 1)
            if decision.action is RetryAction.RETRY:
                log.warning("This check failed. It is repeated until the deadline. The error was: %s", error)
                return {"last_error": str(error)}
            if decision.action is RetryAction.FAIL:
                if isinstance(error, BursarError):
                    log.error("This check failed, and the wait ends. The error was: %s", error)  # noqa: TRY400
                    log.debug("The stack of this error", exc_info=True)
                    return {"failure": str(error)}
                log.exception("This check failed, and the wait ends.")
                return {"failure": f"{type(error).__name__}: {decision.reason}"}
            raise
