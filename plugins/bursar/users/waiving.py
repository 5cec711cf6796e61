"""Bulk Fine Waiving: small debts are given up, many at once."""

import logging
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import Field
from pydantic_core import InitErrorDetails
from sqlalchemy import Engine

from bursar.ledger.statements import statement
from bursar.money import many
from bursar.profiles import Settings
from bursar.profiles.rules import wrong
from bursar.users.fine_ids import listed_file, stage
from bursar.users.jobs import Amount, Choices, Codes, UserJob, check_codes, job_of_run, next_job, record, waive

log = logging.getLogger(__name__)


class WaiveChoices(Choices):
    """What a person chose in the form of Bulk Fine Waiving.

    `threshold` holds for each currency. Days are days of the institution, the last one included. `fine_ids` is the name
    of a file below the staging folder, see `fine_ids.listed_file`. A fine has to fit all that was chosen.
    """

    threshold: Amount
    fine_fee_types: Codes = ()
    libraries: Codes = ()
    created_from: date | None = None
    created_to: date | None = None
    fine_ids: str | None = None
    reason: Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S")]
    comment: Annotated[str, Field(max_length=2_000)] = ""

    def _days_are_in_order(self) -> Iterator[InitErrorDetails]:
        if self.created_from and self.created_to and self.created_to < self.created_from:
            yield wrong(f"{self.created_to} is before created_from", "created_to")

    rules = (_days_are_in_order,)


def waive_fines(engine: Engine, choices: WaiveChoices, settings: Settings, *, run: str, as_of: datetime) -> UserJob:
    """Waives the fines that were chosen, in one transaction; a repeated call finds its result.

    While it runs no balance changes otherwise. The rules are include/sql/users/judge_fines.sql. A dry run judges,
    records what it found, and changes nothing else.

    Raises:
        WrongLinesError: the file of fine ids is wrong, line by line; nothing was changed.
        InputFileError: there is no such file.
        BursarError: a user group or a library is unknown; nothing was changed.
    """
    log.info("Looking for the fines that were chosen, once no other job changes balances.")
    with engine.begin() as connection:
        connection.execute(statement("export/freeze_ledger"))
        if found := job_of_run(connection, "waive", run):
            log.info("This run has waived before, as job %s; nothing is done twice.", found.id)
            return found
        check_codes(connection, choices.user_groups, choices.libraries)
        connection.execute(statement("users/listed_fines"))
        if choices.fine_ids:
            stage(connection, listed_file(settings, choices.fine_ids))
        connection.execute(statement("users/analyze_listed_fines"))
        connection.execute(statement("users/judged_fines"))
        connection.execute(statement("users/judge_fines"), _asked(choices, settings))
        users = {row.reason: row.users for row in connection.execute(statement("users/users_of_fines"))}
        job_id = next_job(connection)
        connection.execute(statement("users/record_fines"), {"job_id": job_id})
        if not choices.dry_run:
            log.info("Waiving fines of %s.", many(users.get(None, 0), "user"))
            waive(connection, f"Bulk Fine Waiving {job_id}: {choices.reason}. {choices.comment}".rstrip())
        job = record(connection, "waive", job_id, choices, run=run, as_of=as_of, users=users)
    log.info(
        "Job %s: %s of %s waived%s.",
        job.id,
        many(job.fines, "fine"),
        many(job.users, "user"),
        "; a dry run, which changed nothing" if job.dry_run else "",
    )
    return job


def _asked(choices: WaiveChoices, settings: Settings) -> dict[str, Any]:
    def midnight(day: date | None, later: int = 0) -> datetime | None:
        return datetime.combine(day + timedelta(days=later), time(), ZoneInfo(settings.time_zone)) if day else None

    return {
        "user_groups": list(choices.user_groups),
        "fine_fee_types": list(choices.fine_fee_types),
        "libraries": list(choices.libraries),
        "created_from": midnight(choices.created_from),
        "created_before": midnight(choices.created_to, later=1),
        "is_listed": choices.fine_ids is not None,
        "threshold": choices.threshold,
        "may_waive_outstanding": settings.allow_activity_on_transferred_finesfees,
    }
