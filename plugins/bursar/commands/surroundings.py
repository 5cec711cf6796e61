"""What commands find around them: the ledger, the institution's settings, the profiles, and a place to print to."""

from unicodedata import bidirectional

from rich.console import Console
from rich.markup import escape
from sqlalchemy import Engine

from bursar.errors import BursarError
from bursar.ledger.connection import ledger_engine
from bursar.money import many
from bursar.profiles import INCLUDE, Profile, Settings, load_profiles, load_settings

out = Console(highlight=False, emoji=False)


def the_ledger() -> Engine:
    """The ledger of the Airflow connection `bursar_ledger`."""
    from bursar.orchestration.connections import ledger_url  # noqa: PLC0415  Airflow is slow to load, often for nothing

    return ledger_engine(ledger_url())


def the_settings() -> Settings:
    """The settings in include/bursar.yaml."""
    return load_settings(INCLUDE / "bursar.yaml")


def the_profile(code: str) -> Profile:
    """The good profile with this code.

    Raises:
        BursarError: there is none; the message names those that there are.
    """
    good, problems = load_profiles(INCLUDE / "profiles", the_settings())
    for profile in good:
        if profile.code == code:
            return profile
    more = f" Found: {many(len(problems), 'problem')}; see `bin/bursar profiles check`." if problems else ""
    known = ", ".join(profile.code for profile in good) or "none"
    raise BursarError(f"There is no profile {code}. There are: {known}.{more}")


def printable(text: str) -> str:
    """Returns text from outside as it is printed by `out`: it moves no cursor, is no markup, turns no line around."""
    return escape(without_controls(text))


def without_controls(text: str) -> str:
    """Returns text from outside as it is printed where there is no markup, as by `click.echo`: see `printable`."""
    shown = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
    if any(bidirectional(character) in {"R", "AL"} for character in shown):
        shown += "\N{LEFT-TO-RIGHT MARK}"  # else the numbers of the next column would stand on the wrong side
    return shown
