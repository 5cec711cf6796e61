"""`bin/bursar airflow`: what Bursar needs in Airflow's own database."""

import click
from sqlalchemy.exc import SQLAlchemyError

from bursar.commands.context import get_profiles, get_sources, sanitize
from bursar.commands.output import format_option, print_result
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
@format_option
def create_missing_pools(slots: int, output_format: str) -> None:
    """Create an Airflow pool for each server of a profile or source that has none. Existing pools keep their slots."""
    from bursar.airflow.config import create_pools  # noqa: PLC0415  Airflow is slow to load
    from bursar.airflow.find_connection import airflow_database_error  # noqa: PLC0415

    profiles, _ = get_profiles()
    sources, _ = get_sources()
    try:
        created = create_pools(profiles, sources, slots)
    except SQLAlchemyError as error:
        raise BursarError(airflow_database_error(error)) from error
    names = sanitize(", ".join(created))
    print_result(
        output_format,
        [{"pool": name, "slots": slots} for name in created],
        f"Created {pluralize(len(created), 'pool')} with {pluralize(slots, 'slot')} each: {names}."
        if created
        else "Every server has its pool.",
    )
