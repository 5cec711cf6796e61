"""The profiles of both places: files in include/profiles, and revisions in the ledger, which people make in the pages.

DAGs must not disappear while the ledger can't be reached. So each machine keeps a snapshot of the newest revisions in
its work folder, and uses it then. Nothing here waits longer than READ_TIMEOUT_SECONDS for the ledger, since Airflow
gives a DAG file 30 seconds.
"""

import json
import logging
import os
from collections.abc import Callable, Mapping
from operator import itemgetter
from pathlib import Path
from threading import Lock, Thread
from typing import Any

from sqlalchemy import Connection, Engine, text

from bursar.airflow.connections import ledger_url
from bursar.db.engine import ledger_engine
from bursar.errors import BursarError
from bursar.ledger.jobs import ProfileJob
from bursar.ledger.profile_revisions import get_pinned_revision, list_newest_revisions, pin_revision
from bursar.profiles import INCLUDE, Problem, Profile, ProfileError, Settings, load_profiles
from bursar.profiles.problems import describe_revision
from bursar.profiles.yaml_reader import Source
from bursar.work_dir import atomic_write

log = logging.getLogger(__name__)

READ_TIMEOUT_SECONDS = 8
STATEMENT_TIMEOUT = "5s"
"""PostgreSQL ends the statement before the wait for it ends, so that no connection is left waiting."""
SNAPSHOT = "profiles.json"
_snapshot_lock = Lock()


def load_all_profiles(
    settings: Settings,
    *,
    code: str | None = None,
    pattern_error: Callable[[str], str | None] = lambda _pattern: None,
    get_engine: Callable[[], Engine] = lambda: ledger_engine(ledger_url()),
) -> tuple[list[Profile], list[Problem]]:
    """Returns the valid profiles, by code, and the problems of the others. With a `code`, only that profile.

    A profile in a file needs no ledger, so for its `code` none is asked. `get_engine` returns the engine of a process
    that reads often; by default, a connection is opened.
    """
    # Not Path.exists(), which raises an error where the folder may not be entered.
    in_file = code is not None and os.path.exists(INCLUDE / "profiles" / f"{code.lower()}.yaml")  # noqa: PTH110
    managed = [] if in_file else _read_revisions(settings, code, get_engine)
    return load_profiles(INCLUDE / "profiles", settings, code=code, managed=managed, pattern_error=pattern_error)


def find_credits_of(
    settings: Settings, profile: Profile, *, get_engine: Callable[[], Engine] = lambda: ledger_engine(ledger_url())
) -> Profile:
    """Returns the profile with the codes of the valid profiles, active or not, whose credits it sends.

    Only a selection needs them, since it takes the reading of all profiles to find them.
    """
    others, _ = load_all_profiles(settings, get_engine=get_engine)
    return profile.with_credits_of(
        tuple(one.code for one in others if one.export.credits_profile == profile.code and one.code != profile.code)
    )


def keep_revision(engine: Engine, settings: Settings, profile: Profile, job: ProfileJob, run_id: str) -> Profile:
    """Returns the profile as it was when the run started, even if a file has replaced it since.

    A profile that was in a file then, and still is, is returned as it is.

    Raises:
        ProfileError: that revision is not valid any more, after an upgrade.
        BursarError: the profile was in a file then, and is managed in the pages now.
    """
    with engine.begin() as connection:
        pinned = pin_revision(connection, job, profile.code, run_id, profile.revision)
        if pinned is None and profile.revision is not None:
            raise BursarError(
                f"The profile {profile.code} was in a file when this run started. The file has been removed, and the "
                f"profile of the pages with this code is not the one of this run. Put {profile.code.lower()}.yaml back "
                "and clear the failed task, or trigger the DAG again: a new run takes the profile of the pages."
            )
        return get_pinned_profile(connection, settings, profile.code, job, run_id) or profile


def get_pinned_profile(
    connection: Connection, settings: Settings, code: str, job: ProfileJob, run_id: str
) -> Profile | None:
    """Returns the profile as it was when a run started; None if the run has pinned no revision.

    Raises:
        ProfileError: that revision is not valid any more, after an upgrade.
    """
    pinned = get_pinned_revision(connection, job, code, run_id)
    if pinned is None:
        return None
    profiles, problems = load_profiles(None, settings, code=code, managed=[to_source(vars(pinned))])
    if not profiles:
        raise ProfileError(problems)
    return profiles[0]


def _read_revisions(settings: Settings, code: str | None, get_engine: Callable[[], Engine]) -> list[Source]:
    snapshot = settings.work_dir / SNAPSHOT
    try:
        revisions = _within(READ_TIMEOUT_SECONDS, lambda: _query_revisions(code, get_engine()))
    except BursarError as error:
        log.warning("The profiles that are managed in the pages are those of the last snapshot: %s", error)
        revisions = [one for one in _read_snapshot(snapshot) if code in (None, one["code"])]
    else:
        _write_snapshot(snapshot, revisions, code)
    return [to_source(revision) for revision in revisions]


def _query_revisions(code: str | None, engine: Engine) -> list[dict[str, Any]]:
    with engine.connect() as connection:
        connection.execute(text(f"SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT}'"))
        return [
            {"code": one.code, "revision": one.revision, "profile": dict(one.profile)}
            for one in list_newest_revisions(connection, code)
        ]


def _within(seconds: float, function: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Returns the result of a function.

    Raises:
        BursarError: it raised an error, or gave no result within the time. Its thread is left alone.
    """
    results: list[list[dict[str, Any]]] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            results.append(function())
        except Exception as error:  # noqa: BLE001  the snapshot serves whatever is wrong with the ledger
            errors.append(error)

    thread = Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if results:
        return results[0]
    raise BursarError(str(errors[0]) if errors else f"the ledger gave no answer within {seconds} seconds")


def _write_snapshot(snapshot: Path, revisions: list[dict[str, Any]], code: str | None) -> None:
    """Replaces the snapshot, or only its entry of a code: a worker reads only the profiles of its own tasks."""
    with _snapshot_lock:
        before = _read_snapshot(snapshot)
        after = revisions if code is None else [*(one for one in before if one["code"] != code), *revisions]
        if sorted(after, key=itemgetter("code")) == sorted(before, key=itemgetter("code")):
            return
        try:
            with atomic_write(snapshot) as path:
                path.write_text(json.dumps(after), encoding="utf-8")
        except (OSError, BursarError) as error:  # no DAG may disappear because of it
            log.warning("The snapshot of the profiles that are managed in the pages is not written: %s", error)


def _read_snapshot(path: Path) -> list[dict[str, Any]]:
    try:
        return list(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return []


def to_source(revision: Mapping[str, Any]) -> Source:
    """Returns a revision, with its `code`, `revision` and `profile`, as if it were read from a file."""
    name = describe_revision(revision["code"], revision["revision"])
    return Source(name, dict(revision["profile"]), {}, revision=revision["revision"])
