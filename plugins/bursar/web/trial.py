"""Trials of a connection before a profile is saved: its folders are opened, and nothing is changed."""

from collections.abc import Callable
from threading import BoundedSemaphore, Thread
from typing import Literal, TypeVar

from bursar.airflow.connections import open_folder
from bursar.errors import MissingFolderError, TransientError
from bursar.money import pluralize
from bursar.profiles.settings import ServerLimits
from bursar.remote_files.base import RemoteFolder

TRIAL_SECONDS = 30
"""A trial of a connection ends after this time."""
STEP_SECONDS = 10
"""A server that is silent for this time does not answer."""
_trials = BoundedSemaphore(4)
"""A trial that has been given up keeps its thread until the server answers; these are all."""

Section = Literal["export", "import", "statement"]
T = TypeVar("T")


class NoAnswerError(TransientError):
    """A server that is silent, or too slow for a page."""


def try_connection(connection_id: str, paths: dict[Section, str], *, may_create: bool) -> list[str]:
    """Opens the folders on the server of a connection, by their sections, and counts their files; returns sentences.

    Without a path, the folder after login is opened. `may_create`: the first export creates a missing output folder.

    Raises:
        BursarError: the server can't be reached, gives no answer in time, or rejects the login.
    """
    limits = ServerLimits(timeout_seconds=STEP_SECONDS)

    def look() -> list[str]:
        if not paths:
            return [_describe(connection_id, None, "", limits, may_create=False)]
        return [
            _describe(connection_id, section, path, limits, may_create=may_create) for section, path in paths.items()
        ]

    return within(TRIAL_SECONDS, look)


def _describe(connection_id: str, section: Section | None, path: str, limits: ServerLimits, *, may_create: bool) -> str:
    act = {"export": "Export to", "import": "Import from", "statement": "Statements from", None: "After the login,"}[
        section
    ]
    try:
        with open_folder(connection_id, path, may_create=False, limits=limits) as folder:
            return f"{act} {folder.address}: the folder is there, with {_count_files(folder)}."
    except MissingFolderError as error:
        if section != "export" or not may_create:
            return f"{act} {error}"
        return (
            f"{act} {path}: the server is reached, but the folder does not exist, or the account may not enter it. If "
            "it does not exist, the first export creates it."
        )


def _count_files(folder: RemoteFolder) -> str:
    return pluralize(sum(entry.is_regular for entry in folder.files()), "file")


def within(seconds: float, function: Callable[[], T]) -> T:
    """Returns the result of a function.

    Raises:
        NoAnswerError: it gave no result within the time.
        BursarError: it raised an error, or too many trials are under way.
    """
    results: list[T] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            results.append(function())
        except Exception as error:  # noqa: BLE001  raised again below
            errors.append(error)
        finally:
            _trials.release()

    if not _trials.acquire(blocking=False):
        raise TransientError("Other connections are being tried. Try again in a minute.")
    thread = Thread(target=run, name="bursar-trial", daemon=True)
    thread.start()
    thread.join(seconds)
    if results:
        return results[0]
    if errors:
        raise errors[0]
    raise NoAnswerError(
        f"The server has not answered within {pluralize(int(seconds), 'second')}. Check host and port of the "
        "connection in Airflow, or ask the server's administrator."
    )
