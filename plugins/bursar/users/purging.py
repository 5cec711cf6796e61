"""Purge User Records: users whose date has passed leave, if they owe nothing, or little enough to be waived."""

import logging
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

import pendulum
from pydantic import Field
from sqlalchemy import Engine

from bursar.exporting.closing import clear_work_dirs
from bursar.ledger.statements import statement
from bursar.money import many
from bursar.profiles import Settings
from bursar.users.deletion import forget
from bursar.users.jobs import Amount, Choices, UserJob, check_codes, job_of_run, next_job, record, waive

log = logging.getLogger(__name__)


class PurgeChoices(Choices):
    """What a person chose in the form of Purge User Records.

    Users are due `days` days after their `date`. `waive_threshold` holds for each currency.
    """

    date: Literal["purge_date", "expiry_date"] = "purge_date"
    days: Annotated[int, Field(ge=0, le=36_500)] = 0
    waive_threshold: Amount = Decimal(0)


def purge_users(engine: Engine, choices: PurgeChoices, settings: Settings, *, run: str, as_of: datetime) -> UserJob:
    """Deletes the users that are due, in one transaction; a repeated call finds its result.

    While it runs no balance changes. The rules are include/sql/users/judge_users.sql. `as_of` (aware) is the moment
    whose day counts, by the clock of the institution. A dry run judges, records what it found, and changes nothing
    else. Working folders that no task uses are removed from this machine.

    Raises:
        BursarError: a user group is unknown; nothing was changed.
    """
    log.info("Looking for users who are due, once no other job changes balances.")
    today = pendulum.instance(as_of).in_timezone(settings.time_zone).date()
    with engine.begin() as connection:
        connection.execute(statement("export/freeze_ledger"))
        job = job_of_run(connection, "purge", run)
        if job:
            log.info("This run has purged before, as job %s; nothing is done twice.", job.id)
        else:
            check_codes(connection, choices.user_groups)
            job_id = next_job(connection)
            connection.execute(statement("users/judged_users"))
            connection.execute(statement("users/judged_fines"))
            connection.execute(
                statement("users/judge_users"),
                {
                    "user_groups": list(choices.user_groups),
                    "date": choices.date,
                    "due_until": today.subtract(days=choices.days),
                    "threshold": choices.waive_threshold,
                    "may_waive_outstanding": settings.allow_activity_on_transferred_finesfees,
                },
            )
            connection.execute(statement("users/judge_fines_of_users"))
            connection.execute(statement("users/record_users"), {"job_id": job_id})
            users = {row.reason: row.users for row in connection.execute(statement("users/kept_users"))}
            if not choices.dry_run:
                log.info("Purging %s.", many(users.get(None, 0), "user"))
                waive(connection, f"Purge User Records {job_id}")
                connection.execute(statement("users/leaving"))
                connection.execute(statement("users/leave_judged"))
                forget(connection)
            job = record(connection, "purge", job_id, choices, run=run, as_of=as_of, users=users)
    if not job.dry_run:
        clear_work_dirs(engine, settings.staging_folder)
    log.info(
        "Job %s: %s purged, %s waived%s.",
        job.id,
        many(job.users, "user"),
        many(job.fines, "fine"),
        "; a dry run, which changed nothing" if job.dry_run else "",
    )
    return job
