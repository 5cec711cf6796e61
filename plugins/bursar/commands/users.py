"""`bin/bursar users`: deletion by hand, and what the jobs over users decided."""

import csv
import sys
from decimal import Decimal

import click
from rich.table import Table

from bursar.commands.surroundings import out, printable, the_ledger, the_settings
from bursar.errors import BursarError
from bursar.exporting.closing import clear_work_dirs
from bursar.ledger.statements import statement
from bursar.money import many, monies
from bursar.users import deletion
from bursar.users.jobs import REASONS


@click.group()
def users() -> None:
    """Users: deletion, and the jobs that purge and waive."""


@users.command("delete")
@click.argument("user", metavar="ID")
@click.confirmation_option(prompt="Names and identifiers will be gone for good. Delete the user?")
def delete_user(user: str) -> None:
    """Delete a user none of whose fines is considered active; ID is the primary id or the internal id."""
    ledger, settings = the_ledger(), the_settings()
    with ledger.connect() as connection:
        user_id = deletion.find_user(connection, user)
    deletion.delete_user(ledger, user_id)
    clear_work_dirs(ledger, settings.staging_folder)
    click.echo(f"User {user_id} is deleted. Fines and journal stay, without a name.")


@users.command("jobs")
@click.option("--limit", default=20, show_default=True, help="How many jobs, newest first.")
def list_jobs(limit: int) -> None:
    """List the newest runs of Purge User Records and Bulk Fine Waiving."""
    table = Table("Job", "What", "Run", "Ended (UTC)", "Users", "Fines waived", "Net", "Stayed, because")
    with the_ledger().connect() as connection:
        for job in connection.execute(statement("users/jobs"), {"limit": limit}):
            net = {code: Decimal(sums["charges"]) + Decimal(sums["credits"]) for code, sums in job.totals.items()}
            stayed = (
                f"{many(left['users'], 'user')}: {printable(REASONS.get(reason, reason))}"
                for reason, left in job.left_behind.items()
            )
            table.add_row(
                str(job.id),
                f"{printable(job.job)} (dry run)" if job.dry_run else printable(job.job),
                printable(job.run),
                f"{job.ended_at:%Y-%m-%d %H:%M}",
                f"{job.users:,}",
                f"{job.fines:,}",
                monies(net),
                "\n".join(stayed),
            )
    out.print(table)


@users.command("report")
@click.argument("job", type=int)
def report_of_job(job: int) -> None:
    """Write what a job decided about each user or fine, as CSV, to standard output."""
    with the_ledger().connect() as connection:
        if connection.execute(statement("users/job"), {"job_id": job}).first() is None:
            raise BursarError(f"There is no job {job}. `bin/bursar users jobs` lists them.")
        writer = csv.writer(sys.stdout)
        writer.writerow(("user_id", "fine_id", "outcome", "reason"))
        verdicts = connection.execute(
            statement("users/verdicts"), {"job_id": job}, execution_options={"yield_per": 2_000}
        )
        for row in verdicts:
            writer.writerow((row.user_id, row.fine_id, row.outcome, REASONS.get(row.reason, row.reason)))
