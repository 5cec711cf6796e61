"""A Koha as a library's system: the interface of bursar.sources.system."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from bursar.sources.http_client import HttpClient
from bursar.sources.koha.check import check_koha
from bursar.sources.koha.client import KohaClient
from bursar.sources.koha.model import KohaSource
from bursar.sources.koha.read import read_files
from bursar.sources.koha.write import find_event, write_event
from bursar.sources.system import Answer, Confirm, Event, Finding, Reading, confirm_alone
from bursar.sources.system_account import SystemAccount


class KohaSystem:
    """A Koha; see `LibrarySystem`."""

    def __init__(self, source: KohaSource, client: KohaClient) -> None:
        self.source, self.client = source, client

    def read(self, since: datetime | None, folder: Path) -> Reading:
        """Reads the fines that changed since a moment, or all that are open, and the users whom they name."""
        return read_files(self.client, self.source, since, folder)

    def check_names(self) -> None:
        """Checks nothing: Koha itself refuses a credit type that it does not have."""

    def find(self, event: Event) -> Answer | None:
        """Returns what became of an event that may have been written before; None if it never arrived."""
        return find_event(self.client, self.source, event)

    def write(self, event: Event, confirm: Confirm = confirm_alone) -> Answer:
        """Writes an event that `find` has not found, and checks what became of it."""
        return write_event(self.client, self.source, event, confirm)

    def check(self) -> list[Finding]:
        """Compares version, permissions, settings and maps with what is needed. Changes nothing."""
        return check_koha(self.client, self.source)


@contextmanager
def open_koha(source: KohaSource, account: SystemAccount) -> Iterator[KohaSystem]:
    """Yields the Koha of a source; nothing is sent before it is asked for something."""
    with HttpClient(account) as http:
        yield KohaSystem(source, KohaClient(http))
