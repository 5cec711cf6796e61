"""The demo's end of term: who may leave, whose small debts are given up, and who has to stay."""

import json
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine, text

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
DAGS: dict[UserJob, str] = {Job.PURGE: "bursar_purge_users", Job.WAIVE: "bursar_waive_fines"}


@dataclass(frozen=True)
class UserRun:
    """One run of a job over users, and some of those who stayed, by internal id and reason."""

    state: str
    job: MaintenanceJob
    kept: dict[str, list[int]]


def in_debt_at_a_bursar(engine: Engine) -> str:
    """The primary id of a user who owes at a bursar and, if there is one, at the library too."""
    with engine.connect() as connection:
        return str(
            connection.execute(
                text(
                    "SELECT value FROM identifiers JOIN user_debts USING (user_id) JOIN fines USING (user_id)"
                    " WHERE type = 'userName' AND is_outstanding ORDER BY balance > 0 DESC, user_id LIMIT 1"
                )
            ).scalar_one()
        )


def run_user_jobs(library: Library, engine: Engine) -> list[UserRun]:
    """Runs one job after the other, as from their forms, and looks up what they did."""
    client = library.airflow.client
    client.wait_for_dags(DAGS.values())
    done = []
    for job, dag in DAGS.items():
        run = client.trigger(dag, FORMS[job])
        done.append(_looked_up(engine, job, run, client.wait(dag, run)))
    return done


def _looked_up(engine: Engine, job: UserJob, run: str, state: str) -> UserRun:
    kept: dict[str, list[int]] = {}
    with engine.connect() as connection:
        done = get_job_of_run(connection, job, run)
        if done is None:
            raise BursarError(f"{job.display_name()} ended as {state} and did nothing.")
        verdicts = connection.execute(
            text(
                "SELECT DISTINCT reason, user_id FROM maintenance_job_results"
                " WHERE job_id = :job AND reason IS NOT NULL ORDER BY reason, user_id"
            ),
            {"job": done.id},
        )
        for row in verdicts:
            kept.setdefault(row.reason, []).append(row.user_id)
    return UserRun(state, done, kept)


def print_user_jobs(out: Console, runs: list[UserRun], reports: Path) -> None:
    """Prints what the jobs did, and how many stayed."""
    for run in runs:
        job = run.job
        stayed = pluralize(len({user for users in run.kept.values() for user in users}), "user")
        users, waived = (
            pluralize(job.users, "user"),
            f"{pluralize(job.fines, 'fine')} waived ({format_totals(job.net)})",
        )
        what = f"{users} deleted, {waived}; {stayed} stayed"
        if job.job is Job.WAIVE:
            what = f"{waived} of {users}; fines of {stayed} stayed"
        out.print(f"[bold]{job.job.display_name()}:[/] {what}.")
    out.print(f"Why, reason by reason: {short(reports / 'jobs.txt')}")


def write_user_jobs(out: Console, runs: list[UserRun]) -> None:
    """Writes what the jobs did, and who stayed and why."""
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
        table = Table("Stayed, because", box=None, padding=(0, 2))
        for heading in ("Users", "Fines", "Net", "Users by internal id"):
            table.add_column(heading, justify="left" if heading.endswith("id") else "right")
        for reason in KeepReason:
            if left := job.skipped.get(reason):
                users = ", ".join(map(str, run.kept[reason]))
                table.add_row(reason.description, f"{left.users:,}", f"{left.fines:,}", format_totals(left.net), users)
        out.print(table)
        out.print()


def user_job_problems(engine: Engine, runs: list[UserRun]) -> list[str]:
    """All that is not as it should be, in sentences."""
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
