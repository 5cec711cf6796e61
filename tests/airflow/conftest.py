"""Airflow connections and a folder of profiles for the tests."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from bursar.airflow import dag_factory, profile_store
from bursar.profiles import INCLUDE, Settings, load_settings
from tests.support.managed_profiles import ledger_variable

Connect = Callable[..., str]


@pytest.fixture
def empty_ssh_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The empty folder .ssh of the account that runs the test: no keys, no agent, no known hosts."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    folder = tmp_path / ".ssh"
    folder.mkdir()
    return folder


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch, empty_ssh_folder: Path) -> Connect:
    """Creates an Airflow connection with these fields and changes, and returns its id."""

    def connect(fields: dict[str, Any], **changes: object) -> str:
        monkeypatch.setenv("AIRFLOW_CONN_BURSAR_FILES", json.dumps(fields | changes))
        return "bursar_files"

    return connect


@pytest.fixture
def folder(tmp_path: Path, ledger: Engine, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Returns an empty folder of profiles; the profiles of the pages are in the test's ledger."""
    include = tmp_path / "include"
    (include / "profiles").mkdir(parents=True)
    shutil.copy(INCLUDE / "bursar.yaml", include)
    for module in (profile_store, dag_factory):
        monkeypatch.setattr(module, "INCLUDE", include)
    monkeypatch.setenv("AIRFLOW_CONN_BURSAR_LEDGER", ledger_variable(ledger))
    return include / "profiles"


@pytest.fixture
def settings(folder: Path) -> Settings:
    """Returns the settings, with the work folder of a machine."""
    return load_settings(folder.parent / "bursar.yaml")
