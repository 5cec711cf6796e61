"""The trigger that waits for payment files, in the event loop of Airflow's triggerer.

The clients of SFTP, FTP and PostgreSQL block, so each check of a folder runs in a thread. The number of threads is
limited, and a connection id has one check at a time: a server that does not answer delays no other server.
"""

import asyncio
import contextvars
import logging
from collections import defaultdict
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, TypedDict

from airflow.sdk import RetryAction
from airflow.sdk.configuration import conf
from airflow.triggers.base import BaseTrigger, TriggerEvent

from bursar.airflow.base_dag import RETRY_POLICY
from bursar.airflow.connections import ledger_url, open_folder
from bursar.airflow.profile_store import load_all_profiles
from bursar.db.engine import ledger_engine, session_name
from bursar.errors import BursarError, TransientError
from bursar.imports.detect import WatchedFolder, select_ready_files
from bursar.profiles import INCLUDE, Profile, Settings, load_settings

log = logging.getLogger(__name__)

MAX_THREADS = 8
_threads = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="payment-files")
_connection_locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)


class WaitResult(TypedDict, total=False):
    """The end of a wait: `files` are ready, or `failure` needs a person, or, with neither, the deadline has passed.

    `last_error` is set if the last check before the deadline failed.
    """

    files: list[str]
    failure: str
    last_error: str | None


class PaymentFileTrigger(BaseTrigger):
    """Checks a profile's input folder until payment files are ready or the deadline has passed, at least once.

    After a transient error (network, ledger) the check is repeated until the deadline. An error that needs a person
    ends the wait. An unexpected error fails the task, which Airflow retries.

    Args:
        profile_code: the code of the profile, which each check reads anew.
        connection_id: the profile's S/FTP connection.
        deadline: ISO 8601 with time zone. It may be a template, which Airflow renders before `run`.
        check_interval_seconds: the pause after each check.
    """

    def __init__(self, *, profile_code: str, connection_id: str, deadline: str, check_interval_seconds: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.profile_code = profile_code
        self.connection_id = connection_id
        self.deadline = deadline
        self.check_interval_seconds = check_interval_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Returns the class path and the arguments that create this trigger again."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "profile_code": self.profile_code,
            "connection_id": self.connection_id,
            "deadline": self.deadline,
            "check_interval_seconds": self.check_interval_seconds,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yields one event, a `WaitResult`. A restarted triggerer starts it anew, with the same deadline."""
        deadline = datetime.fromisoformat(self.deadline)
        while True:
            is_last_check = datetime.now(UTC) >= deadline
            result = await self._check()
            if is_last_check or result.get("files") or result.get("failure"):
                yield TriggerEvent(result)  # type: ignore[no-untyped-call]
                return
            seconds_left = (deadline - datetime.now(UTC)).total_seconds()
            await asyncio.sleep(max(0, min(self.check_interval_seconds, seconds_left)))

    async def _check(self) -> WaitResult:
        """Checks once, in a thread, and classifies errors by the retry policy of all tasks."""
        context = contextvars.copy_context()  # the thread then writes into this task's log
        try:
            async with _connection_locks[self.connection_id]:
                loop = asyncio.get_running_loop()
                return {"files": await loop.run_in_executor(_threads, context.run, find_ready_files, self.profile_code)}
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


def find_ready_files(profile_code: str) -> list[str]:
    """Checks a profile's input folder once; returns the names of the files that are ready, oldest first.

    Raises:
        TransientError: the server or the ledger can't be reached, or the profile can't be read.
        RemoteFolderError: the server rejects the login, its identity is not confirmed, or the folder is missing.
        BursarError: there is no such connection.
    """
    session_name.set(f"bursar import {profile_code} wait_for_files")
    settings = load_settings(INCLUDE / "bursar.yaml")
    profile = _load_profile(profile_code, settings)
    path, limits = profile.import_.input_file_path, settings.server_limits
    with open_folder(profile.sftp_connection, path, may_create=False, limits=limits) as folder:
        return select_ready_files(
            ledger_engine(ledger_url()),
            WatchedFolder.of_import(profile),
            folder.files(),
            limit=conf.getint("core", "max_map_length"),
        )


def _load_profile(code: str, settings: Settings) -> Profile:
    profiles, _ = load_all_profiles(settings, code=code)
    for profile in profiles:
        if profile.code == code and profile.import_.active:
            return profile
    raise TransientError(
        f"The profile {code} has an error or has been removed, or its import is not active. Someone may be editing it. "
        "Run bin/bursar profiles check."
    )
