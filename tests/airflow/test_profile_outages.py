"""An outage of the ledger or of the folder of profiles removes no DAG, and leaves no session behind."""

import json
import logging
import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
from sqlalchemy import Engine

from bursar.airflow import profile_store
from bursar.airflow.dag_factory import build_dags
from bursar.airflow.profile_store import SNAPSHOT, load_all_profiles
from bursar.db.engine import ledger_engine
from bursar.profiles import Settings
from tests.profiles.conftest import GOOD
from tests.support.managed_profiles import save_profile

LEDGER = "AIRFLOW_CONN_BURSAR_LEDGER"
DAGS = {"bursar_export__LAW", "bursar_import__LAW"}


@pytest.fixture
def silent_server() -> Iterator[int]:
    """Runs a server that accepts connections and never answers; returns its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def take_ledger_away(monkeypatch: pytest.MonkeyPatch, port: int = 1) -> None:
    fields = {"conn_type": "postgres", "host": "127.0.0.1", "port": port, "schema": "ledger"}
    monkeypatch.setenv(LEDGER, json.dumps(fields))


def list_names(settings: Settings, code: str | None = None) -> list[str]:
    profiles, problems = load_all_profiles(settings, code=code)
    assert problems == []
    return [profile.name for profile in profiles]


def test_without_the_ledger_the_last_snapshot_is_used(
    settings: Settings, ledger: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    save_profile(ledger)
    before = build_dags()
    assert set(before) == DAGS
    take_ledger_away(monkeypatch)
    with caplog.at_level(logging.WARNING):
        assert set(build_dags()) == set(before)
    assert "are those of the last snapshot" in caplog.text
    assert list_names(settings, "LAW") == ["Law Library"]


def test_a_ledger_that_hangs_delays_a_dag_file_by_a_limited_time(
    settings: Settings, ledger: Engine, monkeypatch: pytest.MonkeyPatch, silent_server: int
) -> None:
    assert profile_store.READ_TIMEOUT_SECONDS < 15, "Airflow gives a DAG file 30 seconds"
    save_profile(ledger)
    assert list_names(settings) == ["Law Library"]
    take_ledger_away(monkeypatch, silent_server)
    monkeypatch.setattr(profile_store, "READ_TIMEOUT_SECONDS", 1)
    started = time.monotonic()
    assert list_names(settings) == ["Law Library"]
    assert time.monotonic() - started < 8


def test_the_snapshot_follows_the_ledger(settings: Settings, ledger: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    save_profile(ledger)
    assert list_names(settings) == ["Law Library"]
    save_profile(ledger, based_on=1, name="Second")
    assert list_names(settings) == ["Second"]
    take_ledger_away(monkeypatch)
    assert list_names(settings) == ["Second"]


def test_a_worker_that_only_runs_tasks_has_a_snapshot_of_their_profiles(
    settings: Settings, ledger: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_profile(ledger)
    save_profile(ledger, "ARTS")
    assert list_names(settings, "LAW") == ["Law Library"]
    assert list_names(settings, "ARTS") == ["Arts Library"]
    save_profile(ledger, based_on=1, name="Second")
    assert list_names(settings, "LAW") == ["Second"]
    take_ledger_away(monkeypatch)
    assert list_names(settings, "LAW") == ["Second"]
    assert list_names(settings, "ARTS") == ["Arts Library"]


def test_a_snapshot_that_can_not_be_written_removes_no_profile(settings: Settings, ledger: Engine) -> None:
    save_profile(ledger)
    settings.work_dir.parent.mkdir(parents=True, exist_ok=True)
    settings.work_dir.write_text("a file where the folder should be")
    assert list_names(settings) == ["Law Library"]


@pytest.mark.parametrize("content", [None, "", "{", "[]"])
def test_without_ledger_and_snapshot_the_files_are_loaded(
    folder: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    if content is not None:
        settings.work_dir.mkdir(parents=True)
        (settings.work_dir / SNAPSHOT).write_text(content)
    (folder / "law.yaml").write_text(GOOD)
    take_ledger_away(monkeypatch)
    assert list_names(settings) == ["Law Library"]


def test_a_locked_table_of_revisions_leaves_no_waiting_session(
    settings: Settings, ledger: Engine, owned_ledger: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_profile(ledger)
    assert list_names(settings) == ["Law Library"]
    monkeypatch.setattr(profile_store, "STATEMENT_TIMEOUT", "1s", raising=False)
    with owned_ledger.begin() as connection:
        connection.exec_driver_sql("LOCK TABLE profile_revisions")
        assert list_names(settings) == ["Law Library"]
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'profile_revisions'::regclass"
        assert connection.exec_driver_sql(waiting).scalar_one() == 0


@pytest.mark.parametrize("outage", ["missing", "a file", "no rights"])
def test_a_folder_that_can_not_be_read_is_reported_and_the_managed_profiles_stay(
    folder: Path, settings: Settings, ledger: Engine, outage: str
) -> None:
    save_profile(ledger)
    shutil.rmtree(folder)
    if outage == "a file":
        folder.write_text("")
    if outage == "no rights":
        folder.mkdir(mode=0)
    pooled = ledger_engine(ledger.url.render_as_string(hide_password=False), pooled=True)
    pooled.connect().close()  # stays open: without privileges, the socket of the test's server can't be opened
    with without_privileges() if outage == "no rights" else nullcontext():
        for code in (None, "LAW"):
            [profile], [problem] = load_all_profiles(settings, code=code, get_engine=lambda: pooled)
            assert profile.code == "LAW"
            assert problem.message.startswith("the folder of profiles can't be read: ")
    pooled.dispose()
    assert set(build_dags()) == DAGS


def test_without_the_ledger_and_the_folder_the_snapshot_is_used(
    folder: Path, settings: Settings, ledger: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_profile(ledger)
    assert set(build_dags()) == DAGS
    folder.rmdir()
    take_ledger_away(monkeypatch)
    assert set(build_dags()) == DAGS


@contextmanager
def without_privileges() -> Iterator[None]:
    """Lets the rights of files apply, even if root runs the tests; in this process and its threads."""
    user = os.geteuid()
    os.seteuid(65534 if user == 0 else user)
    try:
        yield
    finally:
        os.seteuid(user)
