"""`bin/bursar`: what an operator does by hand."""

import click

from bursar import VERSION
from bursar.commands.airflow import airflow
from bursar.commands.batches import batches
from bursar.commands.context import strip_controls
from bursar.commands.desk import desk
from bursar.commands.fines import fines
from bursar.commands.imports import imports
from bursar.commands.jobs import jobs
from bursar.commands.ledger import ledger
from bursar.commands.overpayments import overpayments
from bursar.commands.profiles import profiles
from bursar.commands.runs import runs
from bursar.commands.sources import sources
from bursar.commands.users import users
from bursar.db.engine import session_name
from bursar.errors import BursarError


class ErrorHandlingGroup(click.Group):
    """Shows errors of Bursar as sentences, without a traceback, and exits with 1."""

    def invoke(self, ctx: click.Context) -> object:
        """Runs a command."""
        session_name.set(f"bin/bursar {ctx.invoked_subcommand or ''}")
        try:
            return super().invoke(ctx)
        except BursarError as error:
            lines = map(strip_controls, str(error).split("\n"))
            raise click.ClickException("\n".join(lines)) from error


@click.group(cls=ErrorHandlingGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="Bursar")
@click.option(
    "--by",
    metavar="NAME",
    envvar="BURSAR_USER",
    help="The name under which the ledger records your acts; your login, if not given.  [env var: BURSAR_USER]",
)
def bursar(by: str | None) -> None:  # bursar.commands.context.get_person reads it
    """Library fines to a campus bursar, and payments back."""


for command in (runs, batches, imports, overpayments, fines, desk, jobs, users, profiles, airflow, ledger, sources):
    bursar.add_command(command)

if __name__ == "__main__":
    bursar(prog_name="bin/bursar")
