"""Airflow connections for the tests."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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
