"""`bin/bursar ledger`: the tables of the ledger, and the rights of the role that the DAGs use."""

import click

from bursar.commands.context import get_engine, sanitize
from bursar.commands.output import format_option, print_result
from bursar.db.engine import grant, migrate


@click.group()
def ledger() -> None:
    """The ledger: the PostgreSQL database of fines."""


@ledger.command("migrate")
@click.option("--grant-to", metavar="ROLE", help="Grant this PostgreSQL role the rights that DAGs need, and no others.")
@format_option
def migrate_ledger(grant_to: str | None, output_format: str) -> None:
    """Create the ledger's tables, or upgrade them to the newest version. Run it as the owner of the ledger."""
    engine = get_engine()
    revision = migrate(engine)
    if grant_to:
        grant(engine, grant_to)
    print_result(
        output_format,
        {"revision": revision, "granted_to": grant_to},
        "The ledger has the newest version.",
        f"The role {sanitize(grant_to)} has the rights that DAGs need, and no others." if grant_to else "",
    )
