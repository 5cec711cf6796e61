"""What commands find around them: the ledger, the institution's settings, the profiles, and a place to print to."""

from unicodedata import bidirectional

from rich.console import Console
from rich.markup import escape
from sqlalchemy import Engine

from bursar.db.engine import ledger_engine
from bursar.errors import BursarError
from bursar.money import pluralize
from bursar.profiles import INCLUDE, Profile, Settings, load_profiles, load_settings

console = Console(highlight=False, emoji=False)


def get_engine() -> Engine:
    """The ledger of the Airflow connection `bursar_ledger`."""
    from bursar.airflow.connections import ledger_url  # noqa: PLC0415  Airflow is slow to load, often for nothing

    return ledger_engine(ledger_url())


def get_settings() -> Settings:
    """The settings in include/bursar.yaml."""
    return load_settings(INCLUDE / "bursar.yaml")


def get_profile(code: str) -> Profile:
    """The good profile with this code.

    Raises:
        BursarError: there is none; the message names those that there are.
    """
    good, problems = load_profiles(INCLUDE / "profiles", get_settings())
    for profile in good:
        if profile.code == code:
            return profile
    more = f" Found: {pluralize(len(problems), 'problem')}; see `bin/bursar profiles check`." if problems else ""
    known = ", ".join(profile.code for profile in good) or "none"
    raise BursarError(f"There is no profile {code}. There are: {known}.{more}")


def sanitize(text: str) -> str:
    """Escapes markup, control characters and bidirectional marks in text that `console` prints."""
    return escape(strip_controls(text))


def strip_controls(text: str) -> str:
    """Returns text from outside as it is printed where there is no markup, as by `click.echo`: see `sanitize`."""
    shown = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
    if any(bidirectional(character) in {"R", "AL"} for character in shown):
        shown += "\N{LEFT-TO-RIGHT MARK}"  # else the numbers of the next column would stand on the wrong side
    return shown
