"""`bin/bursar profiles`: what is wrong with them, and the schemas for editors."""

import logging
import sys

import click

from bursar.commands.context import get_engine, get_profile, get_settings, strip_controls
from bursar.errors import BursarError, MissingFolderError
from bursar.exports.identifier_pattern import pattern_error
from bursar.money import pluralize
from bursar.profiles import INCLUDE, ProfileError, load_profiles
from bursar.profiles.json_schema import json_schemas
from bursar.remote_files.base import RemoteFolder


@click.group()
def profiles() -> None:
    """Integration profiles: include/profiles/*.yaml."""


@profiles.command("check")
def check_profiles() -> None:
    """Print every problem as file:line: message; exit with 1 if there is one."""
    patterns = _PatternCheck()
    try:
        good, problems = load_profiles(INCLUDE / "profiles", get_settings(), pattern_error=patterns.error)
    except ProfileError as error:  # in bursar.yaml, without which no profile can be judged
        good, problems = [], list(error.problems)
    for problem in problems:
        click.echo(strip_controls(str(problem)))
    click.echo(
        f"{pluralize(len(good), 'good profile')}: {', '.join(profile.code for profile in good) or 'none'}", err=True
    )
    if patterns.no_ledger:
        click.echo(
            f"No identifier_pattern was checked, which needs the ledger: {strip_controls(patterns.no_ledger)}",
            err=True,
        )
    sys.exit(1 if problems else 0)


class _PatternCheck:
    """Checks identifier patterns in the ledger; `no_ledger` says why that is not possible."""

    no_ledger: str | None = None

    def error(self, pattern: str) -> str | None:
        """Returns why a pattern is not valid; None if it is, or if there is no ledger."""
        if self.no_ledger is None:
            try:
                with get_engine().connect() as connection:
                    return pattern_error(connection, pattern)
            except BursarError as error:
                self.no_ledger = str(error)
        return None


@profiles.command("connect")
@click.argument("code")
def connect(code: str) -> None:
    """Open the folders of a profile on the bursar's server and say how many files lie there; nothing is changed."""
    from bursar.airflow.connections import open_folder  # noqa: PLC0415  Airflow is slow to load

    logging.getLogger("paramiko").setLevel(logging.WARNING)  # its steps are of no use here
    profile = get_profile(code)
    if profile.export.active:
        try:
            with open_folder(profile.sftp_connection, profile.export.output_file_path, may_create=False) as folder:
                click.echo(f"{code} exports to {_found(folder)}")
        except MissingFolderError:
            path = profile.export.output_file_path
            click.echo(
                f"{code} reaches the server, but {path} is not there, or the account may not enter it. If it is not "
                "there, the first export creates it."
            )
    if profile.import_.active:
        with open_folder(profile.sftp_connection, profile.import_.input_file_path, may_create=False) as folder:
            click.echo(f"{code} imports from {_found(folder)}")


def _found(folder: RemoteFolder) -> str:
    return (
        f"{strip_controls(folder.address)}: "
        f"{pluralize(sum(entry.is_regular for entry in folder.files()), 'file')} there."
    )


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
    from bursar.airflow.config import create_pools  # noqa: PLC0415  Airflow is slow to load

    good, _ = load_profiles(INCLUDE / "profiles", get_settings())
    made = create_pools(good, slots)
    names = strip_controls(", ".join(made))
    click.echo(f"Pools made, with {pluralize(slots, 'slot')} each: {names}." if made else "Every server has its pool.")
