"""The stages of a run, kept in the ledger while it goes on, so that retries and other workers count."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from bursar.errors import BursarError
from bursar.ledger.statements import statement
from bursar.reporting.report import Job

log = logging.getLogger(__name__)


@contextmanager
def timed_stage(
    engine: Engine, stage: str, *, job: Job, profile: str | None, run: str, part: str = ""
) -> Iterator[None]:
    """Adds the time that its block takes to the stage of a run, and keeps why the block failed, if it does.

    `part` is the file, of a stage that runs once for each. A ledger that can't be reached never changes what the block
    did.
    """
    began, clock = datetime.now(UTC), time.monotonic()
    error: str | None = None
    try:
        yield
    except BursarError as wrong:
        error = str(wrong)
        raise
    except Exception as wrong:
        error = f"{stage} failed with {type(wrong).__name__}; its log says more."
        raise
    finally:
        facts = {"job": job, "profile": profile or "", "run": run, "stage": stage, "part": part, "started_at": began}
        try:
            with engine.begin() as connection:
                seconds = time.monotonic() - clock
                connection.execute(statement("reports/add_to_stage"), facts | {"seconds": seconds, "error": error})
        except SQLAlchemyError as wrong:
            log.warning("The time of %s could not be recorded (%s).", stage, type(wrong).__name__)
