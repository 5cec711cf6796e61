"""A library system for the tests of the CSV files."""

from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.support.library_system import LibrarySystem


@pytest.fixture
def system(ledger: Engine, tmp_path: Path) -> LibrarySystem:
    """A library system whose groups and libraries, and the users u1 and u2, are in the ledger."""
    system = LibrarySystem(ledger, tmp_path)
    counts = system.counts(
        groups=[{"code": "UG", "name": "Undergraduate"}, {"code": "GR", "name": "Graduate"}],
        libraries=[{"code": "MAIN", "id": "111", "name": "Main"}, {"code": "LAW", "id": "112", "name": "Law"}],
        users=[{}, {"primary_id": "u2", "last_name": "Wu"}],
    )
    assert counts == {"users_added": 2}
    return system
