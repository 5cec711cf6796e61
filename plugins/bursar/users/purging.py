"""Purge User Records: deletes users whose date has passed and whose debts are at most the waived threshold."""

import logging
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

import pendulum
from pydantic import Field
from sqlalchemy import Connection, Engine

from bursar.db.queries import query
from bursar.exports.recover import clear_work_dirs
from bursar.ledger.approvals import ApprovalRequest
from bursar.ledger.jobs import Job
from bursar.money import pluralize
from bursar.profiles import Settings
from bursar.users import approval
from bursar.users.deletion import erase_personal_data
from bursar.users.maintenance_job import (
    Amount,
    JobParams,
    MaintenanceJob,
    get_job_of_run,
    next_job,
    preview,
    record,
    summarize,
    validate_codes,
    waive,
)

log = logging.getLogger(__name__)


class PurgeParams(JobParams):
    """The parameters that a person chose in the form of Purge User Records.

    Users are due `days` days after their `date`. `waive_threshold` holds for each currency.
    """

    date: Literal["purge_date", "expiry_date"] = "purge_date"
    days: Annotated[int, Field(ge=0, le=36_500)] = 0
    waive_threshold: Amount = Decimal(0)


def purge_users(
    engine: Engine,
    choices: PurgeParams,
    settings: Settings,
    *,
    run_id: str,
    as_of: datetime,
    requested_by: str | None = None,
) -> MaintenanceJob:
    """Deletes the users that are due, in one transaction; a repeated call returns the recorded result.

    During the job no other job changes a balance. The rules are in include/sql/users/select_candidate_users.sql.
    `as_of` (aware) determines the day, in the time zone of the institution. `requested_by` is the person who triggered
    the run. A dry run only records its result. Other runs remove the unused working folders from this machine.

    Raises:
        BursarError: a user group is unknown, or the job needs an approval; nothing was changed.
    """
    log.info("Looking for users who are due, once no other job changes balances.")
    with engine.begin() as connection:
        connection.execute(query("ledger/lock_loads"))  # a load would give identifiers to a deleted user
        connection.execute(query("ledger/lock_fines_table"))
        job = get_job_of_run(connection, Job.PURGE, run_id)
        if job:
            log.info("This run has purged before, as job %s; nothing is done twice.", job.id)
        else:
            users = _evaluate(connection, choices, settings, as_of)
            job_id = next_job(connection)
            connection.execute(query("users/insert_user_results"), {"job_id": job_id})
            if not choices.dry_run:
                summary = summarize(connection, users)
                approval.require_approved(
                    connection, Job.PURGE, summary, settings.approval, run_id=run_id, requested_by=requested_by
                )
                log.info("Purging %s.", pluralize(users.get(None, 0), "user"))
                waive(connection, f"Purge User Records {job_id}", by=requested_by)
                connection.execute(query("users/create_users_to_delete"))
                connection.execute(query("users/add_candidates_to_delete"))
                erase_personal_data(connection, by=requested_by)
            job = record(
                connection,
                Job.PURGE,
                job_id,
                choices,
                run_id=run_id,
                requested_by=requested_by,
                as_of=as_of,
                users=users,
            )
    if not job.dry_run:
        clear_work_dirs(engine, settings.work_dir)
    log.info(
        "Job %s: %s purged, %s waived%s.",
        job.id,
        pluralize(job.users, "user"),
        pluralize(job.fines, "fine"),
        "; a dry run, which changed nothing" if job.dry_run else "",
    )
    return job


def record_request(
    engine: Engine, choices: PurgeParams, settings: Settings, *, run_id: str, as_of: datetime, requested_by: str | None
) -> ApprovalRequest | None:
    """Records a request for approval if a purge now would be beyond the limits; returns None if it needs none.

    Blocks no other job, and changes no user and no fine. A dry run needs no approval.

    Raises:
        BursarError: as for `purge_users`.
    """
    if choices.dry_run:
        return None
    summary = preview(engine, lambda connection: _evaluate(connection, choices, settings, as_of))
    with engine.begin() as connection:
        return approval.record_request(
            connection, Job.PURGE, summary, settings.approval, run_id=run_id, requested_by=requested_by
        )


def _evaluate(
    connection: Connection, choices: PurgeParams, settings: Settings, as_of: datetime
) -> dict[str | None, int]:
    """Decides on each user and fine, in temporary tables; returns the users by reason (None: purged)."""
    today = pendulum.instance(as_of).in_timezone(settings.time_zone).date()
    validate_codes(connection, choices.user_groups)
    connection.execute(query("users/create_candidate_users"))
    connection.execute(query("users/create_candidate_fines"))
    connection.execute(
        query("users/select_candidate_users"),
        {
            "user_groups": list(choices.user_groups),
            "date": choices.date,
            "due_until": today.subtract(days=choices.days),
            "threshold": choices.waive_threshold,
            "may_waive_outstanding": settings.allow_activity_on_transferred_finesfees,
        },
    )
    connection.execute(query("users/select_fines_of_candidates"))
    return {row.reason: row.users for row in connection.execute(query("users/count_kept_users"))}
