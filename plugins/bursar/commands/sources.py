"""`bin/bursar sources`: users and fines from the library system."""

from pathlib import Path

import click

from bursar.commands.context import get_engine, get_person, get_settings
from bursar.commands.loads import loads, print_load
from bursar.commands.output import format_option
from bursar.commands.source_files import check_sources, list_sources, show_source, write_source_schema
from bursar.sources.csv import load
from bursar.sources.load import SourceRules

CSV_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def sources() -> None:
    """Users and fines from the library system."""


for command in (list_sources, check_sources, show_source, write_source_schema, loads):
    sources.add_command(command)


@sources.command("load")
@click.option("--groups", type=CSV_FILE, help="User groups: code, name.")
@click.option("--libraries", type=CSV_FILE, help="Libraries: code, id, name.")
@click.option("--users", type=CSV_FILE, help="Users and their identifiers.")
@click.option("--fines", type=CSV_FILE, help="Fines and credits.")
@click.option("--strict", is_flag=True, help="Load all rows or none.")
@click.option("--dry-run", is_flag=True, help="Print what would change, and change nothing.")
@format_option
def load_files(
    groups: Path | None,
    libraries: Path | None,
    users: Path | None,
    fines: Path | None,
    strict: bool,  # noqa: FBT001  click passes flags by name
    dry_run: bool,  # noqa: FBT001
    output_format: str,
) -> None:
    """Add and update users and fines from CSV files: good rows are loaded, bad ones are listed.

    docs/reference/csv.md describes the columns, and docs/reference/loading.md what a row may change.
    """
    if not any((groups, libraries, users, fines)):
        raise click.UsageError("Name at least one file: --groups, --libraries, --users or --fines.")
    settings = get_settings()
    result = load.load(
        get_engine(),
        SourceRules(currency=settings.default_currency, time_zone=settings.time_zone),
        groups=groups,
        libraries=libraries,
        users=users,
        fines=fines,
        strict=strict,
        dry_run=dry_run,
        requested_by=get_person(),
    )
    print_load(output_format, result, dry_run=dry_run)
