"""`bin/bursar jobs`: what the maintenance jobs decided about users and fines."""

from collections.abc import Iterator
from typing import Any

import click

from bursar.commands.context import ID, console, get_engine, sanitize
from bursar.commands.output import (
    format_moment,
    format_option,
    limit_option,
    make_table,
    plain_counts,
    plain_totals,
    print_csv_rows,
    print_json,
    print_list,
    print_table,
)
from bursar.db.queries import query
from bursar.errors import NotFoundError
from bursar.ledger.jobs import Job
from bursar.money import format_totals, pluralize
from bursar.users.keep_reason import KeepReason
from bursar.users.maintenance_job import MaintenanceJob

RESULT_COLUMNS = ("user_id", "fine_id", "outcome", "reason", "requested_by", "approved_by")


@click.group()
def jobs() -> None:
    """Maintenance jobs: Purge User Records and Bulk Fine Waiving."""


@jobs.command("list")
@limit_option
@format_option
def list_jobs(limit: int, output_format: str) -> None:
    """List the newest maintenance jobs: how many users and fines, and why others were kept. Changes nothing."""
    with get_engine().connect() as connection:
        parameters = {"jobs": [Job.PURGE, Job.WAIVE], "below": None, "limit": limit}
        rows = connection.execute(query("commands/list_jobs"), parameters).mappings().all()
    jobs_ = [(MaintenanceJob.from_row(row), row["approved_by"]) for row in rows]
    if not print_list(output_format, jobs_, lambda one: _get_fields(*one), "No maintenance job has run yet."):
        return
    table = make_table(
        ("Job", "Kind", "Ended (UTC)", "Triggered by"), ("Users", "Fines waived", "Net"), ("Kept because",)
    )
    for job, approved_by in jobs_:
        kept = (
            f"{pluralize(left.users, 'user')}: {sanitize(KeepReason.describe(reason))}"
            for reason, left in job.skipped.items()
        )
        table.add_row(
            str(job.id),
            f"{job.job}{' (dry run)' if job.dry_run else ''}",
            format_moment(job.ended_at),
            sanitize(job.requested_by or "") + (f"\napproved by {sanitize(approved_by)}" if approved_by else ""),
            f"{job.users:,}",
            f"{job.fines:,}",
            format_totals(job.net).replace(", ", "\n"),
            "\n".join(kept),
        )
    print_table(table, ("Triggered by", "Users"))


def _get_fields(job: MaintenanceJob, approved_by: str | None) -> dict[str, Any]:
    return {
        "job": job.id,
        "kind": job.job,
        "run_id": job.run_id,
        "requested_by": job.requested_by,
        "approved_by": approved_by,
        "dry_run": job.dry_run,
        "as_of": job.as_of,
        "started_at": job.started_at,
        "ended_at": job.ended_at,
        "users": job.users,
        "fines_waived": job.fines,
        "totals": plain_totals(job.totals),
        "skipped": plain_counts(job.skipped),
    }


@jobs.command("results")
@click.argument("job", type=ID)
@format_option
def list_results(job: int, output_format: str) -> None:
    """List what a job decided about each user or fine, and why. Changes nothing."""
    with get_engine().connect() as connection:
        found = connection.execute(query("commands/get_job"), {"job_id": job}).first()
        if found is None:
            raise NotFoundError(f"There is no job {job}. `bin/bursar jobs list` lists the newest.")
        results = connection.execute(
            query("commands/list_job_results"), {"job_id": job}, execution_options={"yield_per": 2_000}
        )
        rows = (
            (
                row.user_id,
                row.fine_id,
                row.outcome,
                KeepReason.describe(row.reason or ""),
                found.requested_by,
                found.approved_by,
            )
            for row in results
        )
        if output_format == "csv":
            print_csv_rows(RESULT_COLUMNS, rows)
        elif output_format == "json":
            print_json([dict(zip(RESULT_COLUMNS, row, strict=True)) for row in rows])
        else:
            _print_results(rows)


def _print_results(rows: Iterator[tuple[object, ...]]) -> None:
    table = make_table(("User", "Fine", "Outcome"), (), ("Reason", "Triggered by", "Approved by"))
    for row in rows:
        table.add_row(*("" if value is None else sanitize(str(value)) for value in row))
    if table.row_count:
        print_table(table, ("Triggered by", "Approved by"))
    else:
        console.print("The job decided about nobody.")
