"""Durations and errors of the tasks of a run, recorded in the ledger, so that retries and other workers count."""

import logging
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from bursar.db.queries import query
from bursar.errors import BursarError, TransientError
from bursar.ledger.jobs import Job

log = logging.getLogger(__name__)


@contextmanager
def record_task(  # noqa: PLR0913 - what identifies a task of a run
    engine: Engine,
    task: str,
    *,
    job: Job,
    profile: str | None,
    run_id: str,
    map_key: str = "",
    since: datetime | None = None,
    errors_for_people: tuple[type[Exception], ...] = (BursarError,),
) -> Iterator[None]:
    """Adds the duration of its block to the task of a run, and records the error of the block, if there is one.

    `map_key` identifies the file of a task that runs once for each file. `since` is the start of the task (aware), if
    it started before the block. Of `errors_for_people` the text is recorded, of other errors only the type. A ledger
    that can't be reached does not change the result of the block.
    """
    now, clock = datetime.now(UTC), time.monotonic()
    began = since or now
    before = (now - began).total_seconds()
    error: str | None = None
    try:
        yield
    except errors_for_people as wrong:
        error = str(wrong)
        raise
    except Exception as wrong:
        error = f"it ended with {type(wrong).__name__}; the log of the task says more."
        raise
    finally:
        facts = {
            "job": job,
            "profile": profile or "",
            "run_id": run_id,
            "task": task,
            "map_key": map_key,
            "started_at": began,
        }
        try:
            with engine.begin() as connection:
                seconds = before + time.monotonic() - clock
                connection.execute(query("reporting/upsert_task_timing"), facts | {"seconds": seconds, "error": error})
        except (SQLAlchemyError, TransientError) as wrong:
            log.warning("The time of %s could not be recorded (%s).", task, type(wrong).__name__)


def get_interrupted_tasks(
    engine: Engine, job: Job, profile: str | None, run_id: str, skipped: Collection[str]
) -> list[str]:
    """Returns the skipped tasks if a person ended the run before them; else an empty list.

    Airflow skips the remaining tasks of a run that a person marks as failed. A task that skips by itself has a
    duration, and after a refused approval all following tasks are skipped.
    """
    of_run = {"job": job, "profile": profile, "run_id": run_id}
    with engine.connect() as connection:
        well = {row.task for row in connection.execute(query("reporting/list_task_timings"), of_run) if not row.errors}
        refused = connection.scalar(query("reporting/was_refused"), of_run)
    return [] if refused or well & set(skipped) else list(skipped)
