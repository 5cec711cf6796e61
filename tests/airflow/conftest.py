"""Airflow's connections, made for a test."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Connect = Callable[..., str]


@pytest.fixture
def nobodys_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder .ssh of an account without keys, agent and known hosts, who runs the test."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    folder = tmp_path / ".ssh"
    folder.mkdir()
    return folder


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch, nobodys_keys: Path) -> Connect:
    """Makes an Airflow connection of these fields, and of these changes to them, and returns its id."""

    def connect(fields: dict[str, Any], **changes: object) -> str:
        monkeypatch.setenv("AIRFLOW_CONN_BURSAR_FILES", json.dumps(fields | changes))
        return "bursar_files"

    return connect
