"""Bulk Fine Waiving: waives many small debts in one job."""

import logging
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import Field
from pydantic_core import InitErrorDetails
from sqlalchemy import Connection, Engine

from bursar.db.queries import query
from bursar.ledger.approvals import ApprovalRequest
from bursar.ledger.jobs import Job
from bursar.money import pluralize
from bursar.profiles import Settings
from bursar.profiles.rules import wrong
from bursar.users import approval
from bursar.users.fine_ids import fine_ids_path, stage_fine_ids, stage_fine_list
from bursar.users.maintenance_job import (
    Amount,
    Codes,
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


class WaiveParams(JobParams):
    """The parameters that a person chose in the form of Bulk Fine Waiving.

    `threshold` holds for each currency. Days are days of the institution, the last one included. `fine_ids` is the name
    of a file, see `fine_ids.fine_ids_path`, `fine_list` the number of a list in the ledger. A fine has
    to match all parameters.
    """

    threshold: Amount
    fine_fee_types: Codes = ()
    libraries: Codes = ()
    created_from: date | None = None
    created_to: date | None = None
    fine_ids: str | None = None
    fine_list: Annotated[int, Field(ge=1)] | None = None
    reason: Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S")]
    comment: Annotated[str, Field(max_length=2_000)] = ""

    def _check_days(self) -> Iterator[InitErrorDetails]:
        if self.created_from and self.created_to and self.created_to < self.created_from:
            yield wrong(f"{self.created_to} is before created_from", "created_to")

    def _check_lists(self) -> Iterator[InitErrorDetails]:
        if self.fine_ids and self.fine_list:
            yield wrong("give a file or an uploaded list, not both", "fine_list")

    rules = (_check_days, _check_lists)


def waive_fines(
    engine: Engine,
    choices: WaiveParams,
    settings: Settings,
    *,
    run_id: str,
    as_of: datetime,
    requested_by: str | None = None,
) -> MaintenanceJob:
    """Waives the chosen fines in one transaction; a repeated call returns the recorded result.

    During the job no other job changes a balance. The rules are in include/sql/users/select_candidate_fines.sql. A dry
    run only records its result. `requested_by` is the person who triggered the run.

    Raises:
        InvalidRowsError: lines of the file of fine ids are invalid; nothing was changed.
        InputFileError: there is no such file.
        BursarError: a user group or a library is unknown, or the job needs an approval; nothing was changed.
    """
    log.info("Looking for the fines that were chosen, once no other job changes balances.")
    with engine.begin() as connection:
        connection.execute(query("ledger/lock_fines_table"))
        if job := get_job_of_run(connection, Job.WAIVE, run_id):
            log.info("This run has waived before, as job %s; nothing is done twice.", job.id)
            return job
        users = _evaluate(connection, choices, settings)
        job_id = next_job(connection)
        connection.execute(query("users/insert_fine_results"), {"job_id": job_id})
        if not choices.dry_run:
            summary = summarize(connection, users)
            approval.require_approved(
                connection, Job.WAIVE, summary, settings.approval, run_id=run_id, requested_by=requested_by
            )
            log.info("Waiving fines of %s.", pluralize(users.get(None, 0), "user"))
            waive(
                connection, f"Bulk Fine Waiving {job_id}: {choices.reason}. {choices.comment}".rstrip(), by=requested_by
            )
        job = record(
            connection,
            Job.WAIVE,
            job_id,
            choices,
            run_id=run_id,
            requested_by=requested_by,
            as_of=as_of,
            users=users,
        )
    log.info(
        "Job %s: %s of %s waived%s.",
        job.id,
        pluralize(job.fines, "fine"),
        pluralize(job.users, "user"),
        "; a dry run, which changed nothing" if job.dry_run else "",
    )
    return job


def record_request(
    engine: Engine, choices: WaiveParams, settings: Settings, *, run_id: str, requested_by: str | None
) -> ApprovalRequest | None:
    """Records a request for approval if a waiving now would be beyond the limits; returns None if it needs none.

    Blocks no other job, and changes no fine. A dry run needs no approval.

    Raises:
        BursarError: as for `waive_fines`.
    """
    if choices.dry_run:
        return None
    summary = preview(engine, lambda connection: _evaluate(connection, choices, settings))
    with engine.begin() as connection:
        return approval.record_request(
            connection, Job.WAIVE, summary, settings.approval, run_id=run_id, requested_by=requested_by
        )


def _evaluate(connection: Connection, choices: WaiveParams, settings: Settings) -> dict[str | None, int]:
    """Decides on each fine, in a temporary table; returns the users by reason (None: with waived fines)."""
    validate_codes(connection, choices.user_groups, choices.libraries)
    connection.execute(query("users/create_listed_fines"))
    if choices.fine_ids:
        with fine_ids_path(settings, choices.fine_ids).open("rb") as file:
            stage_fine_ids(connection, file, choices.fine_ids)
    elif choices.fine_list:
        stage_fine_list(connection, choices.fine_list)
    connection.execute(query("users/analyze_listed_fines"))
    connection.execute(query("users/create_candidate_fines"))
    connection.execute(query("users/select_candidate_fines"), _get_parameters(choices, settings))
    return {row.reason: row.users for row in connection.execute(query("users/count_users_of_fines"))}


def _get_parameters(choices: WaiveParams, settings: Settings) -> dict[str, Any]:
    def midnight(day: date | None, later: int = 0) -> datetime | None:
        return datetime.combine(day + timedelta(days=later), time(), ZoneInfo(settings.time_zone)) if day else None

    return {
        "user_groups": list(choices.user_groups),
        "fine_fee_types": list(choices.fine_fee_types),
        "libraries": list(choices.libraries),
        "created_from": midnight(choices.created_from),
        "created_before": midnight(choices.created_to, later=1),
        "is_listed": choices.fine_ids is not None or choices.fine_list is not None,
        "threshold": choices.threshold,
        "may_waive_outstanding": settings.allow_activity_on_transferred_finesfees,
    }
