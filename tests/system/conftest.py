"""A library with Airflow, started once for all tests of this folder."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from demo.library import Library, embedded_library
from demo.profiles import add_source, write_include

STARTED = ExitStack()


@pytest.fixture(scope="session")
def library() -> Library:
    """A real PostgreSQL with a filled ledger, a real SFTP server of the bursars, and a real Airflow.

    The profiles are in `state / "include"`, copies of the examples; a test may add others.
    """
    return STARTED.enter_context(_run_library())


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> None:
    """Stops the library after the last test of this folder: Airflow takes half a processor from all that follow."""
    if nextitem is None or Path(__file__).parent not in nextitem.path.parents:
        STARTED.close()


@contextmanager
def _run_library() -> Iterator[Library]:
    """Its folder is outside pytest's own, from which another pytest would lock out PostgreSQL's account `nobody`."""
    with TemporaryDirectory(prefix="bursar-test-") as name, pytest.MonkeyPatch.context() as environment:
        folder = Path(name)
        include = write_include(folder / "include")
        add_source(include)
        environment.setenv("BURSAR_INCLUDE", str(include))
        with embedded_library(folder, fines=300, say=lambda _: None) as library:
            yield library
