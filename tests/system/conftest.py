"""A whole library, started once for all tests of this folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from demo.library import Library, embedded_library


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder outside pytest's own: the start of another pytest closes that to `nobody`, root's PostgreSQL."""
    with TemporaryDirectory(prefix="bursar-test-") as folder:
        yield Path(folder)


@pytest.fixture
def state() -> Iterator[Path]:
    """A folder for a library."""
    with _folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def library() -> Iterator[Library]:
    """PostgreSQL with a filled ledger, the bursars' SFTP server, and Airflow, all of them real."""
    with _folder() as folder, embedded_library(folder, fines=300, say=lambda _: None) as library:
        yield library
