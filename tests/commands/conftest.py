"""The surroundings of a command: Airflow's connection to the ledger of the tests, a console, a copy of include/."""

import json
from pathlib import Path
from shutil import copytree

import pytest

from bursar.commands import airflow, context, profiles
from demo.postgres import Postgres

PROJECT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def connection(postgres: Postgres, empty_ledger: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow's connection to the ledger of the tests; the console prints where the runner looks."""
    values = {"conn_type": "postgres", "host": str(postgres.sockets), "login": "bursar", "schema": empty_ledger}
    monkeypatch.setenv("AIRFLOW_CONN_BURSAR_LEDGER", json.dumps(values))
    monkeypatch.setattr(context.console, "_file", None)
    monkeypatch.setattr(context.console, "_width", 200)


@pytest.fixture
def include(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of include/ that a test may change."""
    copy = copytree(PROJECT / "include", tmp_path / "include")
    for module in (airflow, context, profiles):
        monkeypatch.setattr(module, "INCLUDE", copy)
    return copy
