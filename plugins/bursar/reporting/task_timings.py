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
def record_task(  # noqa: PLR0913 - so many things belong to a stage
    engine: Engine,
    stage: str,
    *,
    job: Job,
    profile: str | None,
    run_id: str,
    part: str = "",
    since: datetime | None = None,
    speaking: tuple[type[Exception], ...] = (BursarError,),
) -> Iterator[None]:
    """Adds the time that its block takes to the stage of a run, and keeps why the block failed, if it does.

    `part` is the file, of a stage that runs once for each. `since` is when the stage began, if before the block. What
    `speaking` errors say is for people. A ledger that can't be reached never changes what the block did.
    """
    now, clock = datetime.now(UTC), time.monotonic()
    began = since or now
    before = (now - began).total_seconds()
    error: str | None = None
    try:
        yield
    except speaking as wrong:
        error = str(wrong)
        raise
    except Exception as wrong:
        error = f"{stage} failed with {type(wrong).__name__}; its log says more."
        raise
    finally:
        facts = {
            "job": job,
            "profile": profile or "",
            "run_id": run_id,
            "task": stage,
            "map_key": part,
            "started_at": began,
        }
        try:
            with engine.begin() as connection:
                seconds = before + time.monotonic() - clock
                connection.execute(query("reporting/upsert_task_timing"), facts | {"seconds": seconds, "error": error})
        except (SQLAlchemyError, TransientError) as wrong:
            log.warning("The time of %s could not be recorded (%s).", stage, type(wrong).__name__)


def get_interrupted_tasks(
    engine: Engine, job: Job, profile: str | None, run_id: str, skipped: Collection[str]
) -> list[str]:
    """The skipped stages, if neither one of them nor a refusal decided that: then a person ended the run before them.

    Airflow skips what is left of a run that a person marks as failed.
    """
    of_run = {"job": job, "profile": profile, "run_id": run_id}
    with engine.connect() as connection:
        well = {row.task for row in connection.execute(query("reporting/list_task_timings"), of_run) if not row.errors}
        refused = connection.scalar(query("reporting/list_rejected_files"), of_run)
    return [] if refused or well & set(skipped) else list(skipped)
