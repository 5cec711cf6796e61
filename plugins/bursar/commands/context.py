"""The context of a command: the ledger, the institution's settings, the profiles and the console."""

import os
import sys
from contextvars import ContextVar
from getpass import getuser
from pathlib import Path
from unicodedata import bidirectional

import click
import psycopg
from rich.console import Console
from rich.markup import escape
from sqlalchemy import URL, Engine
from sqlalchemy.exc import DBAPIError

from bursar.db.engine import ledger_engine
from bursar.db.open_errors import schema_error
from bursar.errors import BursarError, LedgerError, NotFoundError, WrongValueError
from bursar.escaping import replace_controls
from bursar.money import pluralize
from bursar.profiles import INCLUDE, Problem, Profile, ProfileError, Settings, load_settings
from bursar.sources.model import Source
from bursar.sources.read import load_sources

MAX_WIDTH = 10_000
# A pipe and a file have no width, at which lines would break.
console = Console(
    highlight=False, emoji=False, width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else MAX_WIDTH
)

MAX_NAME_LENGTH = 100
ID = click.IntRange(1, 2**63 - 1)
"""An id of the ledger, as an argument."""
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
        raise BursarError(f"{error}{advise_make_up()}") from error
    _ledger.set(engine.url)
    return engine


def find_ledger_error(error: Exception) -> tuple[LedgerError | None, BaseException]:
    """Returns the error with its remedy if an error of the database has a known one, and the cause of the error."""
    cause = (error.orig if isinstance(error, DBAPIError) else error) or error
    return schema_error(ledger_address(), cause) if isinstance(cause, psycopg.Error) else None, cause


def ledger_address() -> URL:
    """Returns the URL of the ledger that the command has used."""
    return _ledger.get()


def advise_make_up() -> str:
    """Returns a sentence on how the ledger of `make up` is started; an empty text if it was never started here."""
    return " If it is the library of `make up`, start that in another terminal." if MAKE_UP.exists() else ""


def get_settings() -> Settings:
    """Returns the settings in include/bursar.yaml."""
    return load_settings(INCLUDE / "bursar.yaml")


def get_profiles() -> tuple[list[Profile], list[Problem]]:
    """Returns the valid profiles, those in files and those managed in the pages, and the problems of the others.

    Raises:
        ProfileError: the settings are wrong, or the folder can't be read and no profile is managed in the pages.
    """
    from bursar.airflow.profile_store import load_all_profiles  # noqa: PLC0415  Airflow is slow to load

    good, problems = load_all_profiles(get_settings())
    if not good and not (INCLUDE / "profiles").is_dir():
        raise ProfileError(problems)
    return good, problems


def get_profile(code: str) -> Profile:
    """Returns the valid profile with this code.

    Raises:
        NotFoundError: there is none; the message names the valid profiles.
        ProfileError: the settings are wrong, or the folder of profiles can't be read.
    """
    good, problems = get_profiles()
    for profile in good:
        if profile.code == code:
            return profile
    more = f" Found: {pluralize(len(problems), 'problem')}; see `bin/bursar profiles check`." if problems else ""
    known = ", ".join(profile.code for profile in good) or "none"
    advice = "" if good else advise_make_up() or " To try Bursar with an invented library, start `make up` first."
    raise NotFoundError(f"There is no profile {code}. Known profiles: {known}.{more}{advice}")


def get_source(code: str) -> Source:
    """Returns the valid source with this code.

    Raises:
        NotFoundError: there is none; the message names the valid sources.
        ProfileError: the settings are wrong.
    """
    good, problems = get_sources()
    for source in good:
        if source.code == code:
            return source
    more = f" Found: {pluralize(len(problems), 'problem')}; see `bin/bursar sources check`." if problems else ""
    known = ", ".join(source.code for source in good) or "none"
    raise NotFoundError(f"There is no source {code}. Known sources: {known}.{more}")


def get_sources() -> tuple[list[Source], list[Problem]]:
    """Returns the valid sources in include/sources, and the problems of the others.

    Raises:
        ProfileError: the settings are wrong.
    """
    settings = get_settings()

    def list_profiles() -> list[Profile]:
        from bursar.airflow.profile_store import load_all_profiles  # noqa: PLC0415  Airflow is slow to load

        return load_all_profiles(settings)[0]

    return load_sources(INCLUDE / "sources", settings, list_profiles=list_profiles)


def get_person() -> str:
    """Returns the name under which the ledger records the acts of the person who runs the command.

    That is the option `--by` of `bin/bursar` or the variable BURSAR_USER; else the login of the operating system, of
    the person behind `sudo` if there is one.

    Raises:
        WrongValueError: there is no name, or not one of 1 to 100 printable characters.
    """
    name = click.get_current_context().find_root().params.get("by") or os.environ.get("SUDO_USER") or _get_login()
    if not name.strip() or not name.isprintable() or len(name) > MAX_NAME_LENGTH:
        raise WrongValueError(
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
