"""`bin/bursar history`: what each run of each job did."""

from datetime import timedelta

import click
from rich.table import Table

from bursar.commands.context import console, get_engine, sanitize
from bursar.db.queries import query
from bursar.errors import BursarError
from bursar.exports.skip_reason import SkipReason
from bursar.money import format_amount, format_money, format_totals, pluralize
from bursar.reporting.run_report import RunOutcome, RunReport
from bursar.users.keep_reason import KeepReason

REASON_TEXTS = {reason.value: reason.description for reason in (*SkipReason, *KeepReason)}
COLORS = {
    RunOutcome.COMPLETED: "green",
    RunOutcome.WITH_WARNINGS: "yellow",
    RunOutcome.NOTHING_TO_DO: "dim",
    RunOutcome.FAILED: "bold red",
}


@click.command()
@click.argument("profile", required=False)
@click.option("--limit", default=20, show_default=True, help="How many runs, newest first.")
@click.option("--run", "number", type=int, metavar="NUMBER", help="All that is known about one run of the list.")
def history(profile: str | None, limit: int, number: int | None) -> None:
    """Print what the runs of the jobs did, of one PROFILE or of all."""
    with get_engine().connect() as connection:
        if number is not None:
            row = connection.execute(query("commands/get_run"), {"id": number}).mappings().first()
            if row is None:
                raise BursarError(f"There is no run {number} in the history. `bin/bursar history` lists the newest.")
            _print_run(RunReport.from_row(row))
            return
        rows = connection.execute(query("commands/list_runs"), {"profile": profile, "limit": limit}).mappings().all()
    if not rows:
        console.print(
            "No run is on record yet." if profile is None else f"No run of a profile {sanitize(profile)} is on record."
        )
        return
    table = Table(box=None, padding=(0, 1, 0, 0))
    for heading in ("Run", "Started (UTC)", "Profile", "Job", "Outcome"):
        table.add_column(heading, no_wrap=heading != "Outcome", min_width=14 if heading == "Outcome" else None)
    for heading in ("Took", "Users", "Fines", "Charges", "Credits", "Net", ""):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(str(row["id"]), *_cells(RunReport.from_row(row)))
    console.print(table)
    console.print(
        "\n[dim]--run NUMBER shows one run: files, what stayed and why, how long it took, what to look at.[/]"
    )


def _cells(report: RunReport) -> list[str]:
    outcome = f"[{COLORS[report.outcome]}]{report.outcome}[/]" + (" (dry run)" if report.dry_run else "")
    return [
        f"{report.started_at:%Y-%m-%d %H:%M}",
        sanitize(report.profile or ""),
        report.job,
        outcome,
        _duration(report.ended_at - report.started_at),
        f"{report.users:,}",
        f"{report.fines:,}",
        "\n".join(format_amount(sums.charges, code) for code, sums in report.totals.items()),
        "\n".join(format_amount(sums.credits, code) for code, sums in report.totals.items()),
        "\n".join(format_amount(net, code) for code, net in report.net.items()),
        "\n".join(map(sanitize, report.totals)),
    ]


def _print_run(report: RunReport) -> None:
    console.print(
        f"[bold]{report.job.capitalize()}[/] {sanitize(report.profile or '')}: "
        f"[{COLORS[report.outcome]}]{report.outcome}[/]{' (dry run)' if report.dry_run else ''}"
    )
    facts = {
        "Airflow's run": sanitize(report.run_id),
        "As of": f"{report.as_of:%Y-%m-%d %H:%M} UTC" if report.as_of else "",
        "Started": f"{report.started_at:%Y-%m-%d %H:%M:%S} UTC, took {_duration(report.ended_at - report.started_at)}",
        "Files": ", ".join(map(sanitize, report.files)) or "none",
        "What": f"{pluralize(report.fines, 'fine')} of {pluralize(report.users, 'user')}",
    }
    for name, value in facts.items():
        if value:
            console.print(f"  {name + ':':15}{value}", soft_wrap=True)
    for code, sums in report.totals.items():
        parts = f"charges {format_money(sums.charges, code)}, credits {format_money(sums.credits, code)}"
        console.print(f"  {'':15}{parts}, net {format_money(report.net[code], code)}")
    for message in report.messages:
        console.print(f"\n  [yellow]![/] {sanitize(message)}")
    _print_table(
        ("Left behind, because", "Users", "Fines", "Net"),
        [
            (REASON_TEXTS.get(reason, reason), f"{left.users:,}", f"{left.fines:,}", format_totals(left.net))
            for reason, left in sorted(report.skipped.items())
        ],
    )
    _print_table(
        ("Without effect", "Records", "Sums"),
        [(outcome, f"{one.records:,}", format_totals(one.sums)) for outcome, one in sorted(report.rejects.items())],
    )
    _print_table(
        ("Stage", "Took"), [(stage, _duration(timedelta(seconds=took))) for stage, took in report.task_timings.items()]
    )


def _print_table(headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    if not rows:
        return
    table = Table(headings[0], box=None, padding=(0, 2))
    for heading in headings[1:]:
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(*map(sanitize, row))
    console.print()
    console.print(table)


def _duration(took: timedelta) -> str:
    """0.4 s, 12 s, 3 min 5 s, 2 h 10 min."""
    seconds = took.total_seconds()
    hours, minutes = int(seconds // 3600), int(seconds % 3600 // 60)
    if hours:
        return f"{hours} h {minutes} min"
    if minutes:
        return f"{minutes} min {int(seconds % 60)} s"
    return f"{seconds:.1f} s"
