"""`bin/bursar imports`: the files that came from bursars, and the records in them that had no effect."""

import sys

import click
from rich.table import Table

from bursar.commands.context import console, get_engine, sanitize
from bursar.db.queries import query
from bursar.imports.rejects import write_rejects
from bursar.ledger.import_files import PaymentOutcome, get_import_file
from bursar.ledger.totals import read_outcomes


@click.group(invoke_without_command=True)
@click.option("--profile", help="Files of this profile only.")
@click.option("--limit", default=20, show_default=True, help="How many files, newest first.")
@click.pass_context
def imports(context: click.Context, profile: str | None, limit: int) -> None:
    """List the newest files from the bursars, and what became of their records."""
    if context.invoked_subcommand:
        return
    with get_engine().connect() as connection:
        files = connection.execute(query("commands/list_imports"), {"profile": profile, "limit": limit}).all()
    if not files:
        console.print("No file has come from a bursar yet.")
        return
    table = Table("File", "Profile", "Name", "State", "Registered (UTC)", "Records", "Outcomes", "Lies in")
    for file in files:
        outcomes = ", ".join(
            f"{one.records:,} {name}" for name, one in PaymentOutcome.sort(read_outcomes(file.outcomes or {})).items()
        )
        table.add_row(
            str(file.id),
            sanitize(file.profile),
            sanitize(file.name),
            file.state,
            f"{file.registered_at:%Y-%m-%d %H:%M}",
            "" if file.records is None else f"{file.records:,}",
            sanitize(file.rejection or outcomes),
            sanitize(file.archived_path or ""),
        )
    console.print(table)


@imports.command()
@click.argument("file", type=int)
def rejects(file: int) -> None:
    """Write the records of a file that had no effect, as CSV with their lines and reasons, to standard output."""
    with get_engine().connect() as connection:
        get_import_file(connection, file)  # or the error that there is none
        write_rejects(connection, file, sys.stdout)
