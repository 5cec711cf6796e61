"""`bin/bursar users`: deletion by hand."""

import click

from bursar.commands.context import get_engine, get_person, get_settings
from bursar.commands.output import format_option, print_result
from bursar.exports.recover import clear_work_dirs
from bursar.users import deletion


@click.group()
def users() -> None:
    """Users of the library."""


@users.command("delete")
@click.argument("user")
@click.option("--yes", is_flag=True, help="Delete without being asked.")
@format_option
def delete_user(user: str, yes: bool, output_format: str) -> None:  # noqa: FBT001  click passes flags by name
    """Delete a user without active fines. USER is the primary id or the internal id.

    Erases names, identifiers and comments. Fines and journal remain, without a name.
    """
    ledger, settings = get_engine(), get_settings()
    with ledger.connect() as connection:
        user_id = deletion.find_user(connection, user)
    if not yes:
        click.confirm("Names and identifiers are erased and cannot be restored. Delete the user?", abort=True, err=True)
    deletion.delete_user(ledger, user_id, by=get_person())
    clear_work_dirs(ledger, settings.work_dir)
    print_result(
        output_format,
        {"user": user_id, "is_deleted": True},
        f"User {user_id} has been deleted. Fines and journal remain, without a name.",
    )
