"""`bin/bursar ledger`: the tables of the ledger, and the rights of the role that the DAGs use."""

import click

from bursar.commands.context import get_engine, strip_controls
from bursar.db.engine import grant, migrate


@click.group()
def ledger() -> None:
    """The ledger: the PostgreSQL database of fines."""


@ledger.command("migrate")
@click.option("--grant-to", metavar="ROLE", help="Grant this PostgreSQL role the rights that DAGs need, and no others.")
def migrate_ledger(grant_to: str | None) -> None:
    """Create the ledger's tables, or upgrade them to the newest version. Run it as the owner of the ledger."""
    engine = get_engine()
    migrate(engine)
    click.echo("The ledger has the newest version.")
    if grant_to:
        grant(engine, grant_to)
        click.echo(f"The role {strip_controls(grant_to)} has the rights that DAGs need, and no others.")
