"""`bin/bursar runs`: what each run of each job did."""

from datetime import timedelta
from typing import Any

import click
from sqlalchemy import RowMapping

from bursar.commands.context import ID, console, get_engine, get_profile, sanitize
from bursar.commands.output import (
    format_moment,
    format_option,
    limit_option,
    make_table,
    plain_counts,
    plain_totals,
    print_data,
    print_facts,
    print_list,
    print_section,
    print_table,
    print_totals,
)
from bursar.db.queries import query
from bursar.errors import NotFoundError
from bursar.ledger.import_files import PaymentOutcome
from bursar.money import format_amount
from bursar.reporting.run_description import (
    describe_outcome,
    describe_result,
    format_duration,
    make_report_tables,
    sort_reasons,
)
from bursar.reporting.run_report import RunOutcome, RunReport

COLORS = {
    RunOutcome.COMPLETED: "green",
    RunOutcome.WITH_WARNINGS: "yellow",
    RunOutcome.NOTHING_TO_DO: "dim",
    RunOutcome.FAILED: "bold red",
}


@click.group()
def runs() -> None:
    """Reports of exports, imports and maintenance jobs."""


@runs.command("list")
@click.option("--profile", metavar="CODE", help="Runs of this profile only.")
@limit_option
@format_option
def list_runs(profile: str | None, limit: int, output_format: str) -> None:
    """List what the newest runs did: outcome, users, fines and amounts. Changes nothing."""
    with get_engine().connect() as connection:
        rows = connection.execute(query("commands/list_runs"), {"profile": profile, "limit": limit}).mappings().all()
    if profile and not rows:
        get_profile(profile)  # or the error that there is none
    of_profile = f"No run of profile {sanitize(profile or '')} has been recorded."
    if not print_list(output_format, rows, _get_fields, of_profile if profile else "No run has been recorded yet."):
        return
    table = make_table(
        ("Run", "Started (UTC)", "Profile", "Job"),
        ("Duration", "Users", "Fines", "Charges", "Credits", "Net", ""),
        ("Outcome",),
    )
    for row in rows:
        table.add_row(str(row["id"]), *_get_cells(RunReport.from_row(row)))
    print_table(table, ("Duration", "Users", "Charges", "Credits", "Fines", "Job"))
    console.print(f"\n[dim]`bin/bursar runs show {rows[0]['id']}` shows a run in full.[/]")


@runs.command("show")
@click.argument("run", type=ID)
@format_option
def show_run(run: int, output_format: str) -> None:
    """Show all that is known about a run: files, skipped fines and why, durations, warnings. Changes nothing."""
    with get_engine().connect() as connection:
        row = connection.execute(query("commands/get_run"), {"id": run}).mappings().first()
    if row is None:
        raise NotFoundError(f"There is no run {run}. `bin/bursar runs list` lists the newest.")
    if output_format != "table":
        print_data(output_format, _get_fields(row))
    else:
        _print_run(RunReport.from_row(row))


def _get_fields(row: RowMapping) -> dict[str, Any]:
    report = RunReport.from_row(row)
    return {
        "run": row["id"],
        "job": report.job,
        "profile": report.profile,
        "run_id": report.run_id,
        "dry_run": report.dry_run,
        "outcome": report.outcome,
        "as_of": report.as_of,
        "started_at": report.started_at,
        "ended_at": report.ended_at,
        "users": report.users,
        "fines": report.fines,
        "totals": plain_totals(report.totals),
        "files": report.files,
        "skipped": plain_counts(sort_reasons(report.skipped)),
        "rejects": plain_counts(PaymentOutcome.sort(report.rejects)),
        "task_seconds": dict(report.task_timings),
        "messages": report.messages,
    }


def _get_cells(report: RunReport) -> list[str]:
    return [
        format_moment(report.started_at),
        sanitize(report.profile or ""),
        report.job,
        format_duration(report.ended_at - report.started_at),
        f"{report.users:,}",
        f"{report.fines:,}",
        "\n".join(format_amount(sums.charges, code) for code, sums in report.totals.items()),
        "\n".join(format_amount(sums.credits, code) for code, sums in report.totals.items()),
        "\n".join(format_amount(net, code) for code, net in report.net.items()),
        "\n".join(map(sanitize, report.totals)),
        _format_outcome(report),
    ]


def _format_outcome(report: RunReport) -> str:
    return f"[{COLORS[report.outcome]}]{describe_outcome(report)}[/]"


def _print_run(report: RunReport) -> None:
    title = " ".join(filter(None, (report.job.capitalize(), sanitize(report.profile or ""))))
    console.print(f"[bold]{title}[/]: {_format_outcome(report)}")
    duration = format_duration(report.ended_at - report.started_at)
    print_facts(
        {
            "Airflow run": report.run_id,
            "As of": f"{format_moment(report.as_of)} UTC" if report.as_of else "",
            "Started": f"{format_moment(report.started_at)} UTC, took {duration}",
            "Files": ", ".join(report.files) or "none",
            "Result": describe_result(report),
        }
    )
    print_totals(report.totals)
    for message in report.messages:
        console.print(f"\n  [yellow]![/] {sanitize(message)}")
    for section in make_report_tables(report, with_amounts=False):
        print_section((section.title,), section.columns[1:], section.rows)
    print_section(
        ("Task",),
        ("Duration",),
        [(task, format_duration(timedelta(seconds=seconds))) for task, seconds in report.task_timings.items()],
    )
