"""`bin/bursar sources`: users and fines from the library system."""

from pathlib import Path

import click

from bursar.commands.context import get_engine, get_settings
from bursar.commands.output import format_option, print_result
from bursar.commands.source_files import check_sources, list_sources, show_source, write_source_schema
from bursar.money import pluralize
from bursar.sources.csv import load

CSV_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def sources() -> None:
    """Users and fines from the library system."""


for command in (list_sources, check_sources, show_source, write_source_schema):
    sources.add_command(command)


@sources.command("load")
@click.option("--groups", type=CSV_FILE, help="User groups: code, name.")
@click.option("--libraries", type=CSV_FILE, help="Libraries: code, id, name.")
@click.option("--users", type=CSV_FILE, help="Users and their identifiers.")
@click.option("--fines", type=CSV_FILE, help="Fines and credits.")
@format_option
def load_files(
    groups: Path | None, libraries: Path | None, users: Path | None, fines: Path | None, output_format: str
) -> None:
    """Add and update users and fines from CSV files, all rows or none. docs/reference/csv.md describes the columns."""
    if not any((groups, libraries, users, fines)):
        raise click.UsageError("Name at least one file: --groups, --libraries, --users or --fines.")
    settings = get_settings()
    result = load.load(
        get_engine(),
        groups=groups,
        libraries=libraries,
        users=users,
        fines=fines,
        currency=settings.default_currency,
        time_zone=settings.time_zone,
    )
    rounded = pluralize(result.fines_rounded, "fine")
    print_result(
        output_format,
        vars(result),
        f"Users: {result.users_added:,} added, {result.users_updated:,} updated.",
        f"Fines: {result.fines_added:,} added, {result.fines_paid_down:,} with a lower balance, "
        f"{result.fines_unchanged:,} unchanged, {result.fines_settled:,} skipped because they are closed or with the "
        "bursar.",
        f"The amounts of {rounded} were rounded to the decimals of their currency." if result.fines_rounded else "",
    )
