"""A library with Airflow, started once for all tests of this folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory

import pytest

from bursar.profiles import INCLUDE
from demo.library import Library, embedded_library


@contextmanager
def _folder() -> Iterator[Path]:
    """Yields a folder outside pytest's own, from which another pytest would lock out PostgreSQL's account `nobody`."""
    with TemporaryDirectory(prefix="bursar-test-") as folder:
        yield Path(folder)


@pytest.fixture
def state() -> Iterator[Path]:
    """A folder for a library."""
    with _folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def library() -> Iterator[Library]:
    """A real PostgreSQL with a filled ledger, a real SFTP server of the bursars, and a real Airflow.

    The profiles are in `state / "include"`, a copy of the project's folder; a test may add others.
    """
    with _folder() as folder, pytest.MonkeyPatch.context() as environment:
        environment.setenv("BURSAR_INCLUDE", str(copytree(INCLUDE, folder / "include")))
        with embedded_library(folder, fines=300, say=lambda _: None) as library:
            yield library
