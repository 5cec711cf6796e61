"""`bin/bursar`: all groups of commands, and how their errors are shown."""

from traceback import format_exc

import click

from bursar import VERSION
from bursar.commands.airflow import airflow
from bursar.commands.batches import batches
from bursar.commands.context import advise_make_up, find_ledger_error, strip_controls
from bursar.commands.desk import desk
from bursar.commands.fines import fines
from bursar.commands.imports import imports
from bursar.commands.jobs import jobs
from bursar.commands.layouts import layouts
from bursar.commands.ledger import ledger
from bursar.commands.overpayments import overpayments
from bursar.commands.profiles import profiles
from bursar.commands.runs import runs
from bursar.commands.sources import sources
from bursar.commands.statements import statements
from bursar.commands.users import users
from bursar.db.engine import session_name
from bursar.db.open_errors import LedgerUnreachableError
from bursar.errors import BursarError, NotFoundError, WrongValueError
from bursar.profiles import ProfileError

FAILED, WRONG_CALL = 1, 2
"""The values of the exit status, other than 0."""


class _WrongCallError(click.ClickException):
    exit_code = WRONG_CALL


class ErrorHandlingGroup(click.Group):
    """Shows each error as sentences, without a traceback: exit status 2 for wrong arguments and files, otherwise 1."""

    def invoke(self, ctx: click.Context) -> object:
        """Runs a command."""
        session_name.set(f"bin/bursar {ctx.invoked_subcommand or ''}")
        try:
            return super().invoke(ctx)
        except click.NoSuchOption as error:
            raise _negative_number(error) or error from error
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except BrokenPipeError:  # as by `| head`: click ends quietly
            raise
        except Exception as error:
            if ctx.params["verbose"]:
                click.echo(_strip_lines(format_exc()), err=True)
            message, status = describe_error(error)
            shown = _WrongCallError if status == WRONG_CALL else click.ClickException
            raise shown(_strip_lines(message)) from error


def describe_error(error: Exception) -> tuple[str, int]:
    """Returns what happened and what to do, and the exit status."""
    match error:
        case NotFoundError() | ProfileError() | WrongValueError():
            return str(error), WRONG_CALL
        case LedgerUnreachableError():
            return f"{error}{advise_make_up()}", FAILED
        case BursarError():
            return str(error), FAILED
        case UnicodeEncodeError(object=value):  # only arguments can have bytes that are no text
            return f"{value!r} is not text in UTF-8. Write it in the encoding of the terminal, or as an id.", WRONG_CALL
        case OSError():
            place = f"{error.filename}: " if error.filename else ""
            return f"{place}{error.strerror or type(error).__name__}.", WRONG_CALL
    known, cause = find_ledger_error(error)
    return str(known or _describe_unexpected(cause)), FAILED


def _describe_unexpected(error: BaseException) -> str:
    reason = str(error).strip().partition("\n")[0]
    return (
        f"An error that Bursar does not know has ended the command ({type(error).__name__}: {reason}). `bin/bursar -v` "
        "before the command shows it in full, for a report to the authors of Bursar."
    )


def _negative_number(error: click.NoSuchOption) -> click.UsageError | None:
    """Returns the error for an argument such as -1, which looks like an option; None for others."""
    if not error.option_name.lstrip("-")[:1].isdigit():
        return None
    return click.UsageError(
        "A number with a minus sign is not allowed here: ids and amounts are above zero. To take money back, use "
        "`desk refund`, `desk reverse` or `desk credit`.",
        error.ctx,
    )


def _strip_lines(text: str) -> str:
    return "\n".join(map(strip_controls, text.split("\n")))


@click.group(cls=ErrorHandlingGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="Bursar")
@click.option(
    "--by",
    metavar="NAME",
    envvar="BURSAR_USER",
    help="The name under which the ledger records your acts; your login, if not given.  [env var: BURSAR_USER]",
)
@click.option("-v", "--verbose", is_flag=True, help="Show the cause of an error in full, with a traceback.")
def bursar(by: str | None, verbose: bool) -> None:  # noqa: FBT001  read where they are needed
    """Library fines to a campus bursar, and payments back."""


for command in (
    *(runs, batches, imports, statements, overpayments, fines, desk, jobs, users),
    *(profiles, layouts, sources, airflow, ledger),
):
    bursar.add_command(command)
