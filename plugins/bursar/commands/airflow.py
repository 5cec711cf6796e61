"""`bin/bursar airflow`: what Bursar needs in Airflow's own database."""

import click
from sqlalchemy.exc import SQLAlchemyError

from bursar.commands.context import get_profiles, strip_controls
from bursar.errors import BursarError
from bursar.money import pluralize


@click.group()
def airflow() -> None:
    """Pools in Airflow's own database."""


@airflow.command("create-pools")
@click.option(
    "--slots",
    metavar="NUMBER",
    default=2,
    show_default="2",
    type=click.IntRange(min=1),
    help="Simultaneous connections to a server.",
)
def create_missing_pools(slots: int) -> None:
    """Create an Airflow pool for each bursar's server that has none. Existing pools keep their slots."""
    from bursar.airflow.config import create_pools  # noqa: PLC0415  Airflow is slow to load
    from bursar.airflow.find_connection import airflow_database_error  # noqa: PLC0415

    good, _ = get_profiles()
    try:
        created = create_pools(good, slots)
    except SQLAlchemyError as error:
        raise BursarError(airflow_database_error(error)) from error
    names = strip_controls(", ".join(created))
    click.echo(
        f"Created {pluralize(len(created), 'pool')} with {pluralize(slots, 'slot')} each: {names}."
        if created
        else "Every server has its pool."
    )
