"""Tests that start a library with Airflow of their own, beside those of `tests/system`, which share one."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest


@pytest.fixture
def state() -> Iterator[Path]:
    """A folder for a library, outside pytest's own, from which another pytest would lock out PostgreSQL's account."""
    with TemporaryDirectory(prefix="bursar-test-") as folder:
        yield Path(folder)
