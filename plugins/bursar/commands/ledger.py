"""`bin/bursar ledger`: its tables, and what comes into it."""

from pathlib import Path

import click
import pendulum

from bursar.commands.context import get_engine, get_settings, strip_controls
from bursar.db.engine import grant, migrate
from bursar.sources.csv import load
from demo import ledger_data

CSV_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def ledger() -> None:
    """The ledger: users, fines, and every change to them."""


@ledger.command("migrate")
@click.option("--grant-to", metavar="ROLE", help="Give this PostgreSQL role the rights that DAGs need, no others.")
def migrate_ledger(grant_to: str | None) -> None:
    """Create the ledger's tables, or bring them to the newest version; for the ledger's owner."""
    engine = get_engine()
    migrate(engine)
    click.echo("The ledger has the newest version.")
    if grant_to:
        grant(engine, grant_to)
        click.echo(f"The role {strip_controls(grant_to)} may do what the DAGs need, and nothing else.")


@ledger.command("load")
@click.option("--groups", type=CSV_FILE, help="User groups: code, name.")
@click.option("--libraries", type=CSV_FILE, help="Libraries: code, id, name.")
@click.option("--users", type=CSV_FILE, help="Users and their identifiers.")
@click.option("--fines", type=CSV_FILE, help="Fines and credits.")
def load_ledger(groups: Path | None, libraries: Path | None, users: Path | None, fines: Path | None) -> None:
    """Bring users and fines in from CSV files, all or nothing. Columns: docs/reference/csv.md."""
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
    click.echo(f"Users: {result.users_added:,} added, {result.users_updated:,} brought up to date.")
    click.echo(
        f"Fines: {result.fines_added:,} added, {result.fines_paid_down:,} owing less than before, "
        f"{result.fines_unchanged:,} unchanged, {result.fines_settled:,} closed or with the bursar and left alone."
    )


@ledger.command("demo-data")
@click.option("--fines", default=1_000, show_default=True, type=click.IntRange(min=0), help="How many fines.")
@click.option("--seed", default=1, show_default=True, help="The same seed gives the same library.")
def fill_with_demo_data(fines: int, seed: int) -> None:
    """Fill an empty ledger with an invented library."""
    counts = ledger_data.fill(get_engine(), fines=fines, seed=seed, now=pendulum.now("UTC"))
    contents = (f"{name.replace('_', ' ')}: {count:,}" for name, count in counts.items())
    click.echo(f"The ledger has been filled. {', '.join(contents).capitalize()}.")
