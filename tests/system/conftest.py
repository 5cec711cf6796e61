"""A whole library, started once for all tests of this folder."""

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
    """PostgreSQL with a filled ledger, the bursars' SFTP server, and Airflow, all of them real.

    Its profiles are those of `state / "include"`, a copy of the project's to which a test may add.
    """
    with _folder() as folder, pytest.MonkeyPatch.context() as environment:
        environment.setenv("BURSAR_INCLUDE", str(copytree(INCLUDE, folder / "include")))
        with embedded_library(folder, fines=300, say=lambda _: None) as library:
            yield library
