"""The pages by their names, by which sentences send people to them, and the commands that sentences have beside.

A sentence of Bursar is read in mails, notes, approvals and pages by people who can't run commands, and in a terminal by
people who can. So it names the page, and after that a command in brackets: "Decide under Bursar > Waiting for a person
(`bin/bursar overpayments list`)." Only the command line shows the bracket. It may have an option: (`--despite-file`).
"""

import re
from enum import StrEnum

_COMMAND = re.compile(r" \(`(?:bin/bursar |--)[^`]*`(?: [a-z ]+)?\)")


class Page(StrEnum):
    """A page in the navigation of Bursar; its value is the way to it in Airflow."""

    OVERVIEW = "Bursar > Overview"
    PROFILES = "Bursar > Profiles"
    SOURCES = "Bursar > Sources"
    LAYOUTS = "Bursar > Layouts"
    HISTORY = "Bursar > Job history"
    STATEMENTS = "Bursar > Reconciliation"
    WAITING = "Bursar > Waiting for a person"
    FINES = "Bursar > Fines and users"
    JOBS = "Bursar > Jobs over users"

    @property
    def label(self) -> str:
        """The name of the page in the navigation: `Job history`."""
        return self.removeprefix("Bursar > ")


def without_commands(text: str) -> str:
    """Returns a sentence without the commands that it has in brackets."""
    return _COMMAND.sub("", text)
