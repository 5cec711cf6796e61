"""The context of a command: the ledger, the institution's settings, the profiles and the console."""

import os
from contextvars import ContextVar
from getpass import getuser
from pathlib import Path
from unicodedata import bidirectional

import click
from rich.console import Console
from rich.markup import escape
from sqlalchemy import URL, Engine, ExceptionContext, event

from bursar.db.engine import ledger_engine
from bursar.db.open_errors import LedgerUnreachableError
from bursar.errors import BursarError, NotFoundError
from bursar.escaping import replace_controls
from bursar.money import pluralize
from bursar.profiles import INCLUDE, Profile, Settings, load_profiles, load_settings

console = Console(highlight=False, emoji=False)

MAX_NAME_LENGTH = 100
MAKE_UP = Path(__file__).parents[3] / ".local" / "up"
"""The folder of the library of `make up`."""

_ledger: ContextVar[URL] = ContextVar("ledger")


def get_engine() -> Engine:
    """Returns the engine of the Airflow connection `bursar_ledger`.

    Raises:
        BursarError: there is no such connection, or it is malformed.
    """
    from bursar.airflow.connections import ledger_url  # noqa: PLC0415  Airflow is slow to load, often for nothing

    try:
        engine = ledger_engine(ledger_url())
    except BursarError as error:
        raise BursarError(f"{error}{_advise_make_up()}") from error
    _ledger.set(engine.url)

    def advise(context: ExceptionContext) -> None:
        if isinstance(context.chained_exception, LedgerUnreachableError):
            raise LedgerUnreachableError(f"{context.chained_exception}{_advise_make_up()}")

    event.listen(engine, "handle_error", advise)
    return engine


def ledger_address() -> URL:
    """Returns the URL of the ledger that the command has used."""
    return _ledger.get()


def _advise_make_up() -> str:
    return " If it is the library of `make up`, start that in another terminal." if MAKE_UP.exists() else ""


def get_settings() -> Settings:
    """Returns the settings in include/bursar.yaml."""
    return load_settings(INCLUDE / "bursar.yaml")


def get_profile(code: str) -> Profile:
    """Returns the valid profile with this code.

    Raises:
        BursarError: there is none; the message names the valid profiles.
    """
    good, problems = load_profiles(INCLUDE / "profiles", get_settings())
    for profile in good:
        if profile.code == code:
            return profile
    more = f" Found: {pluralize(len(problems), 'problem')}; see `bin/bursar profiles check`." if problems else ""
    known = ", ".join(profile.code for profile in good) or "none"
    raise NotFoundError(f"There is no profile {code}. Known profiles: {known}.{more}")


def get_person() -> str:
    """Returns the name under which the ledger records the acts of the person who runs the command.

    That is the option `--by` of `bin/bursar` or the variable BURSAR_USER; else the login of the operating system, of
    the person behind `sudo` if there is one.

    Raises:
        BursarError: there is no name, or not one of 1 to 100 printable characters.
    """
    name = click.get_current_context().find_root().params.get("by") or os.environ.get("SUDO_USER") or _get_login()
    if not name.strip() or not name.isprintable() or len(name) > MAX_NAME_LENGTH:
        raise BursarError(
            f"The ledger records who acts, and {name!r} is no name of 1 to {MAX_NAME_LENGTH} printable characters. "
            "Give yours with --by, as in `bin/bursar --by anna desk pay 42`, or in the variable BURSAR_USER."
        )
    return name.strip()


def _get_login() -> str:
    try:
        return getuser()
    except (KeyError, OSError):  # as in a container whose account has no name
        return ""


def sanitize(text: str) -> str:
    """Returns text from outside as `console` prints it: without control characters, and with its markup escaped."""
    return escape(strip_controls(text))


def strip_controls(text: str) -> str:
    """Returns text from outside as `click.echo` prints it: without control characters, its direction ended."""
    shown = replace_controls(text)
    if any(bidirectional(character) in {"R", "AL"} for character in shown):
        shown += "\N{LEFT-TO-RIGHT MARK}"  # else a terminal moves the numbers of the next column
    return shown
