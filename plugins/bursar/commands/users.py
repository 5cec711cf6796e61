"""`bin/bursar users`: deletion by hand, and what the jobs over users decided."""

import csv
import sys

import click
from rich.table import Table

from bursar.commands.context import console, get_engine, get_settings, sanitize
from bursar.db.queries import query
from bursar.errors import BursarError
from bursar.exports.close import clear_work_dirs
from bursar.money import format_totals, pluralize
from bursar.users import deletion
from bursar.users.keep_reason import KeepReason
from bursar.users.maintenance_job import MaintenanceJob


@click.group()
def users() -> None:
    """Users: deletion, and the jobs that purge and waive."""


@users.command("delete")
@click.argument("user", metavar="ID")
@click.confirmation_option(prompt="Names and identifiers will be gone for good. Delete the user?")
def delete_user(user: str) -> None:
    """Delete a user none of whose fines is considered active; ID is the primary id or the internal id."""
    ledger, settings = get_engine(), get_settings()
    with ledger.connect() as connection:
        user_id = deletion.find_user(connection, user)
    deletion.delete_user(ledger, user_id)
    clear_work_dirs(ledger, settings.work_dir)
    click.echo(f"User {user_id} is deleted. Fines and journal stay, without a name.")


@users.command("jobs")
@click.option("--limit", default=20, show_default=True, help="How many jobs, newest first.")
def list_jobs(limit: int) -> None:
    """List the newest runs of Purge User Records and Bulk Fine Waiving."""
    table = Table("Job", "What", "Run", "Ended (UTC)", "Users", "Fines waived", "Net", "Stayed, because")
    with get_engine().connect() as connection:
        rows = connection.execute(query("commands/list_jobs"), {"limit": limit}).mappings()
        for job in map(MaintenanceJob.from_row, rows):
            stayed = (
                f"{pluralize(left.users, 'user')}: {sanitize(KeepReason.describe(reason))}"
                for reason, left in job.skipped.items()
            )
            table.add_row(
                str(job.id),
                f"{sanitize(job.job)} (dry run)" if job.dry_run else sanitize(job.job),
                sanitize(job.run_id),
                f"{job.ended_at:%Y-%m-%d %H:%M}",
                f"{job.users:,}",
                f"{job.fines:,}",
                format_totals(job.net),
                "\n".join(stayed),
            )
    console.print(table)


@users.command("report")
@click.argument("job", type=int)
def report_of_job(job: int) -> None:
    """Write what a job decided about each user or fine, as CSV, to standard output."""
    with get_engine().connect() as connection:
        if connection.execute(query("commands/get_job"), {"job_id": job}).first() is None:
            raise BursarError(f"There is no job {job}. `bin/bursar users jobs` lists them.")
        writer = csv.writer(sys.stdout)
        writer.writerow(("user_id", "fine_id", "outcome", "reason"))
        verdicts = connection.execute(
            query("commands/list_job_results"), {"job_id": job}, execution_options={"yield_per": 2_000}
        )
        for row in verdicts:
            writer.writerow((row.user_id, row.fine_id, row.outcome, KeepReason.describe(row.reason or "")))
