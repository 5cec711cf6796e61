"""The fixture of a FOLIO on loopback; other modules of `tests.support` can start one without pytest."""

from collections.abc import Iterator

import pytest

from tests.support.folio_server import FolioServer, run_folio


@pytest.fixture
def folio() -> Iterator[FolioServer]:
    """Runs a FOLIO with one patron, two owners of fees and no fines."""
    with run_folio() as server:
        yield server
