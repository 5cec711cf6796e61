"""Opens the library's system of a source, by its kind."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from bursar.sources.folio.system import open_folio
from bursar.sources.koha.system import open_koha
from bursar.sources.system import LibrarySystem
from bursar.sources.system_account import SystemAccount
from bursar.sources.system_model import SystemSource

SYSTEMS: dict[str, Callable[[Any, SystemAccount], AbstractContextManager[LibrarySystem]]] = {
    "folio": open_folio,
    "koha": open_koha,
}
"""What opens the system of a source of a kind, given the source and the account."""


def open_system(source: SystemSource, account: SystemAccount) -> AbstractContextManager[LibrarySystem]:
    """Opens the system of a source. It is asked nothing before one of its methods is called."""
    return SYSTEMS[source.kind](source, account)
