"""`bin/bursar`: what an operator does by hand."""

import click

from bursar.commands.context import strip_controls
from bursar.commands.desk import desk
from bursar.commands.exports import batches, preview
from bursar.commands.fines import fine
from bursar.commands.history import history
from bursar.commands.imports import imports
from bursar.commands.ledger import ledger
from bursar.commands.profiles import pools, profiles
from bursar.commands.users import users
from bursar.db.engine import session_name
from bursar.errors import BursarError


class ErrorHandlingGroup(click.Group):
    """Shows what Bursar refuses as one sentence, without a traceback, and exits with 1."""

    def invoke(self, ctx: click.Context) -> object:
        """Runs a command."""
        session_name.set(f"bin/bursar {ctx.invoked_subcommand or ''}")
        try:
            return super().invoke(ctx)
        except BursarError as error:
            lines = map(strip_controls, str(error).split("\n"))
            raise click.ClickException("\n".join(lines)) from error


@click.group(cls=ErrorHandlingGroup)
def bursar() -> None:
    """Library fines out to a campus bursar, payments back in."""


for command in (profiles, pools, ledger, preview, batches, imports, history, fine, desk, users):
    bursar.add_command(command)

if __name__ == "__main__":
    bursar(prog_name="bin/bursar")
