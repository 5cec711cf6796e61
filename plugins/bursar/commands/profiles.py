"""`bin/bursar profiles`: what is wrong with them, and the schemas for editors."""

import sys

import click

from bursar.commands.surroundings import the_settings
from bursar.profiles import INCLUDE, ProfileError, load_profiles
from bursar.profiles.json_schema import json_schemas


@click.group()
def profiles() -> None:
    """Integration profiles: include/profiles/*.yaml."""


@profiles.command("check")
def check_profiles() -> None:
    """Print every problem as file:line: message; exit with 1 if there is one."""
    try:
        good, problems = load_profiles(INCLUDE / "profiles", the_settings())
    except ProfileError as error:  # in bursar.yaml, without which no profile can be judged
        good, problems = [], list(error.problems)
    for problem in problems:
        click.echo(str(problem))
    click.echo(f"{len(good)} good profiles: {', '.join(profile.code for profile in good) or 'none'}", err=True)
    sys.exit(1 if problems else 0)


@profiles.command("schema")
def write_schemas() -> None:
    """Write the JSON Schemas with which editors complete and check profiles."""
    for name, schema in json_schemas().items():
        (INCLUDE / name).write_text(schema, encoding="utf-8")
        click.echo(f"wrote {INCLUDE / name}")


@click.command()
@click.option("--slots", default=2, show_default=True, type=click.IntRange(min=1), help="Connections at once.")
def pools(slots: int) -> None:
    """Make an Airflow pool for each bursar's server that has none; its slots are the connections it gets at once."""
    from bursar.orchestration.deployment import make_pools  # noqa: PLC0415  Airflow is slow to load

    good, _ = load_profiles(INCLUDE / "profiles", the_settings())
    made = make_pools(good, slots)
    click.echo(f"Pools made, with {slots} slots each: {', '.join(made)}." if made else "Every server has its pool.")
