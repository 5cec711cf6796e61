"""A Koha with patrons and a saved report, and Bursar's access to it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bursar.sources.koha.system import KohaSystem
from tests.support.fixtures import Library
from tests.support.koha_library import fill_koha, open_system
from tests.support.koha_server import KohaServer, serve_koha
from tests.support.koha_town import KohaTown


@pytest.fixture
def koha() -> Iterator[KohaServer]:
    """Runs a Koha with three patrons, and no account lines."""
    with serve_koha() as koha:
        fill_koha(koha)
        yield koha


@pytest.fixture
def system(koha: KohaServer) -> Iterator[KohaSystem]:
    """Opens the Koha with OAuth2."""
    with open_system(koha) as system:
        yield system


@pytest.fixture
def town(koha: KohaServer, library: Library, tmp_path: Path) -> KohaTown:
    """Returns the Koha, a ledger that has read it once, when it had no fine, and a bursar."""
    town = KohaTown(koha, library, tmp_path)
    town.read()
    return town
