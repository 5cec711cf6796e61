"""`bin/bursar users`: deletion by hand."""

import click

from bursar.commands.context import get_engine, get_person, get_settings
from bursar.exports.recover import clear_work_dirs
from bursar.users import deletion


@click.group()
def users() -> None:
    """Users of the library."""


@users.command("delete")
@click.argument("user")
@click.confirmation_option(prompt="Names and identifiers are erased and cannot be restored. Delete the user?")
def delete_user(user: str) -> None:
    """Delete a user without active fines. USER is the primary id or the internal id.

    Erases names, identifiers and comments. Fines and journal remain, without a name.
    """
    ledger, settings = get_engine(), get_settings()
    with ledger.connect() as connection:
        user_id = deletion.find_user(connection, user)
    deletion.delete_user(ledger, user_id, by=get_person())
    clear_work_dirs(ledger, settings.work_dir)
    click.echo(f"User {user_id} has been deleted. Fines and journal remain, without a name.")
