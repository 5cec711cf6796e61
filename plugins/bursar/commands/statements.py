"""`bin/bursar statements`: what bursars say is open, or was billed, compared with the ledger."""

from typing import Any

import click

from bursar.commands.context import ID, console, get_engine, get_profile, sanitize
from bursar.commands.output import (
    format_moment,
    format_option,
    limit_option,
    make_table,
    plain_amounts,
    print_csv_rows,
    print_data,
    print_facts,
    print_list,
    print_section,
    print_table,
)
from bursar.db.queries import query
from bursar.money import format_totals, plain_amount, pluralize
from bursar.statements.records import DIFFERENCES, Statement, StatementOutcome, get_statement
from bursar.statements.results import COLUMNS, list_results, list_rows

MAX_SHOWN = 20
MAX_ID = 2**63 - 1
FIELDS = (
    *("profile", "run_id", "name", "size", "sha256", "layout", "lists", "of_users", "stated_at", "lines", "users"),
    *("compared_at", "rejection", "archived_path", "warning"),
)


@click.group()
def statements() -> None:
    """Statements of the bursars, compared with the ledger."""


@statements.command("list")
@click.option("--profile", metavar="CODE", help="Statements of this profile only.")
@limit_option
@format_option
def list_statements(profile: str | None, limit: int, output_format: str) -> None:
    """List the newest statements, and how many differences each has. Changes nothing."""
    chosen = {"profiles": [profile] if profile else None, "below": MAX_ID, "limit": limit}
    with get_engine().connect() as connection:
        found = [Statement.from_row(row) for row in connection.execute(query("statements/list_statements"), chosen)]
    if profile and not found:
        get_profile(profile)  # or the error that there is none
    if not print_list(output_format, found, _get_fields, "No statement has been compared yet."):
        return
    table = make_table(
        ("Statement", "Profile", "Name", "Lists", "Compared (UTC)"), ("Results", "Differences"), ("Outcome",)
    )
    for one in found:
        table.add_row(
            str(one.id),
            sanitize(one.profile),
            sanitize(one.name),
            one.lists,
            format_moment(one.compared_at),
            *((f"{one.results:,}", f"{one.differences:,}") if one.compared_at else ("", "")),
            sanitize(one.rejection or one.result),
        )
    print_table(table, ("Lists", "Results"))


@statements.command("show")
@click.argument("statement", type=ID)
@format_option
def show_statement(statement: int, output_format: str) -> None:
    """Show the outcomes of a statement with the sums of both sides, and its first differences. Changes nothing."""
    with get_engine().connect() as connection:
        found = get_statement(connection, statement)
        rows = list_results(connection, statement, DIFFERENCES, limit=MAX_SHOWN)
    if output_format != "table":
        print_data(output_format, _get_fields(found))
        return
    print_facts(
        {
            "Statement": f"{found.id}: {sanitize(found.name)} of {sanitize(found.profile)}",
            "Lists": f"what is {found.lists}, by {found.subject}",
            "Counts for": f"{format_moment(found.stated_at)} UTC",
        }
    )
    if found.rejection:
        console.print(sanitize(f"It was rejected as a whole: {found.rejection}"), soft_wrap=True)
        return
    print_section(
        ("Outcome",),
        ("Results", "There", "Here"),
        [
            (
                StatementOutcome.describe(name),
                f"{one.results:,}",
                *(("", "") if name == StatementOutcome.INVALID else map(format_totals, (one.theirs, one.ours))),
            )
            for name, one in (found.outcomes or {}).items()
        ],
    )
    if found.differences:
        console.print(f"\n{pluralize(found.differences, 'difference')}; shown: {len(rows)}.")
        _print_results(rows)


@statements.command("results")
@click.argument("statement", type=ID)
@click.option(
    "--outcome",
    "outcomes",
    metavar="OUTCOME",
    multiple=True,
    type=click.Choice([one.lower() for one in StatementOutcome], case_sensitive=False),
    help="Results with this outcome only; may be repeated. All, if not given: "
    + ", ".join(one.lower() for one in StatementOutcome)
    + ".",
)
@format_option
def list_statement_results(statement: int, outcomes: tuple[str, ...], output_format: str) -> None:
    """List the results of a statement, differences first. Changes nothing."""
    chosen = [outcome.upper() for outcome in outcomes] or list(StatementOutcome)
    engine = get_engine()
    with engine.connect() as connection:
        get_statement(connection, statement)  # or the error that there is none
    rows = list_rows(engine, statement, chosen)
    if output_format == "csv":
        print_csv_rows(COLUMNS, rows)
        return
    if output_format == "json":
        print_data(output_format, [dict(zip(COLUMNS, row, strict=True)) for row in rows])
        return
    with engine.connect() as connection:
        found = list_results(connection, statement, chosen)
    if not found:
        console.print("No result has this outcome." if outcomes else "The statement and the ledger have nothing.")
        return
    _print_results(found)


def _print_results(rows: list[Any]) -> None:
    table = make_table(("Outcome", "Fine", "Transaction", "Identifier", "Line"), ("There", "Here", ""), ("Reason",))
    for row in rows:
        currency = row.currency or ""
        cells = (row.outcome, row.fine_id, row.transaction_id, row.identifier, row.line)
        table.add_row(
            *("" if cell is None else sanitize(str(cell)) for cell in cells),
            plain_amount(row.theirs, currency) if row.line and row.outcome != StatementOutcome.INVALID else "",
            plain_amount(row.ours, currency) if row.fine_id or row.user_id else "",
            sanitize(currency),
            sanitize(row.reason or ""),
        )
    print_table(table, ("Identifier", "Line", "Fine"))


def _get_fields(found: Statement) -> dict[str, Any]:
    outcomes = {
        name: {"results": one.results, "ours": plain_amounts(one.ours), "theirs": plain_amounts(one.theirs)}
        for name, one in (found.outcomes or {}).items()
    }
    fields = {name: getattr(found, name) for name in FIELDS}
    return {"statement": found.id, **fields, "outcomes": outcomes, "differences": found.differences}
