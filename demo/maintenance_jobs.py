"""The end of term in the demo: users who have left are deleted, and small debts are waived."""

import json
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine, text

from bursar.airflow.dag_ids import MAINTENANCE
from bursar.errors import BursarError
from bursar.ledger.jobs import Job, UserJob
from bursar.money import format_totals, pluralize
from bursar.users.keep_reason import KeepReason
from bursar.users.maintenance_job import MaintenanceJob, get_job_of_run
from demo.library import Library
from demo.report import short

FORMS: dict[UserJob, dict[str, object]] = {
    Job.PURGE: {"date": "expiry_date", "waive_threshold": "5", "dry_run": False},
    Job.WAIVE: {"fine_fee_types": ["OVERDUEFINE"], "threshold": "10", "reason": "End of term", "dry_run": False},
}


@dataclass(frozen=True)
class JobRun:
    """One run of a maintenance job, and the internal ids of kept users by reason."""

    state: str
    job: MaintenanceJob
    kept: dict[str, list[int]]


def find_debtor(engine: Engine) -> str:
    """Returns the primary id of a user who owes a bursar, preferably the library too."""
    with engine.connect() as connection:
        return str(
            connection.execute(
                text(
                    "SELECT value FROM identifiers JOIN user_debts USING (user_id) JOIN fines USING (user_id)"
                    " WHERE type = 'userName' AND is_outstanding ORDER BY balance > 0 DESC, user_id LIMIT 1"
                )
            ).scalar_one()
        )


def run_jobs(library: Library, engine: Engine) -> list[JobRun]:
    """Runs one job after the other, with the parameters of their forms, and returns the results."""
    client = library.airflow.client
    client.wait_for_dags(MAINTENANCE.values())
    done = []
    for job, dag in MAINTENANCE.items():
        run = client.trigger(dag, FORMS[job])
        done.append(_get_job_run(engine, job, run, client.wait(dag, run)))
    return done


def _get_job_run(engine: Engine, job: UserJob, run: str, state: str) -> JobRun:
    kept: dict[str, list[int]] = {}
    with engine.connect() as connection:
        done = get_job_of_run(connection, job, run)
        if done is None:
            raise BursarError(f"{job.display_name()} ended as {state} and did nothing.")
        results = connection.execute(
            text(
                "SELECT DISTINCT reason, user_id FROM maintenance_job_results"
                " WHERE job_id = :job AND reason IS NOT NULL ORDER BY reason, user_id"
            ),
            {"job": done.id},
        )
        for row in results:
            kept.setdefault(row.reason, []).append(row.user_id)
    return JobRun(state, done, kept)


def print_jobs(out: Console, runs: list[JobRun], reports: Path) -> None:
    """Prints the results of the jobs."""
    for run in runs:
        job = run.job
        kept = pluralize(len({user for users in run.kept.values() for user in users}), "user")
        users, waived = (
            pluralize(job.users, "user"),
            f"{pluralize(job.fines, 'fine')} waived ({format_totals(job.net)})",
        )
        what = f"{users} deleted, {waived}; {kept} kept"
        if job.job is Job.WAIVE:
            what = f"{waived} of {users}; fines of {kept} kept"
        out.print(f"[bold]{job.job.display_name()}:[/] {what}.")
    out.print(f"The reasons: {short(reports / 'jobs.txt')}")


def write_jobs(out: Console, runs: list[JobRun]) -> None:
    """Writes the results of the jobs, and which users were kept and why."""
    for run in runs:
        job = run.job
        out.rule(job.job.display_name(), align="left")
        out.print(f"  The form: {json.dumps(FORMS[job.job])}")
        what = (
            f"{pluralize(job.users, 'user')} purged"
            if job.job is Job.PURGE
            else f"fines of {pluralize(job.users, 'user')} waived"
        )
        out.print(f"  {what}; {pluralize(job.fines, 'fine')} waived, {format_totals(job.net)}")
        table = Table("Kept because", box=None, padding=(0, 2))
        for heading in ("Users", "Fines", "Net", "Users by internal id"):
            table.add_column(heading, justify="left" if heading.endswith("id") else "right")
        for reason in KeepReason:
            if left := job.skipped.get(reason):
                users = ", ".join(map(str, run.kept[reason]))
                table.add_row(reason.description, f"{left.users:,}", f"{left.fines:,}", format_totals(left.net), users)
        out.print(table)
        out.print()


def find_job_problems(engine: Engine, runs: list[JobRun]) -> list[str]:
    """Returns the problems of the jobs, as sentences."""
    problems = [f"{run.job.job.display_name()} ended as {run.state}" for run in runs if run.state != "success"]
    problems += [
        f"{run.job.job.display_name()} did nothing, or kept nobody"
        for run in runs
        if not (run.job.users and run.job.skipped)
    ]
    with engine.connect() as connection:
        lost = connection.scalar(
            text("SELECT count(*) FROM active_fines JOIN users ON users.id = user_id WHERE deleted_at IS NOT NULL")
        )
    return problems + ([f"{lost} active fines have lost their user"] if lost else [])
