"""The environment of a command: Airflow's connection to the ledger of the tests, a console, a copy of include/."""

import json
import shutil
from pathlib import Path

import pytest

from bursar.commands import context, layouts, payment_layouts, profiles, schemas, source_files
from demo.postgres import Postgres
from demo.profiles import write_include


@pytest.fixture(autouse=True)
def connection(postgres: Postgres, empty_ledger: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow's connection to the ledger of the tests; the console prints where the runner looks."""
    values = {"conn_type": "postgres", "host": str(postgres.sockets), "login": "bursar", "schema": empty_ledger}
    monkeypatch.setenv("AIRFLOW_CONN_BURSAR_LEDGER", json.dumps(values))
    monkeypatch.setattr(context.console, "_file", None)
    monkeypatch.setattr(context.console, "_width", 200)


@pytest.fixture(autouse=True)
def include(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder include of all commands, with the example profiles and without layouts; a test may change it."""
    copy = write_include(tmp_path_factory.mktemp("commands") / "include")
    shutil.rmtree(copy / "layouts")
    for module in (context, layouts, payment_layouts, profiles, schemas, source_files):
        monkeypatch.setattr(module, "INCLUDE", copy)
    monkeypatch.setattr("bursar.layouts.read.INCLUDE", copy)
    monkeypatch.setattr("bursar.airflow.profile_store.INCLUDE", copy)  # which a test of the pages may have loaded
    return copy
