"""Profiles of both places: no outage of the ledger removes a DAG, a run keeps its revision, and a code exists once."""

import json
import logging
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from bursar.airflow import dag_factory, profile_store
from bursar.airflow.dag_factory import build_dags
from bursar.airflow.profile_store import SNAPSHOT, keep_revision, load_all_profiles
from bursar.ledger.jobs import Job
from bursar.ledger.profile_revisions import pin_revision, save_revision
from bursar.profiles import INCLUDE, Profile, ProfileError, Settings, load_settings
from tests.profiles.conftest import GOOD
from tests.support.managed_profiles import ledger_variable, make_fields, save_profile

LEDGER = "AIRFLOW_CONN_BURSAR_LEDGER"


@pytest.fixture
def folder(tmp_path: Path, ledger: Engine, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Returns an empty folder of profiles; the profiles of the pages are in the test's ledger."""
    include = tmp_path / "include"
    (include / "profiles").mkdir(parents=True)
    shutil.copy(INCLUDE / "bursar.yaml", include)
    for module in (profile_store, dag_factory):
        monkeypatch.setattr(module, "INCLUDE", include)
    monkeypatch.setenv(LEDGER, ledger_variable(ledger))
    return include / "profiles"


@pytest.fixture
def settings(folder: Path) -> Settings:
    """Returns the settings, with the work folder of a machine."""
    return load_settings(folder.parent / "bursar.yaml")


@pytest.fixture
def silent_server() -> Iterator[int]:
    """Runs a server that accepts connections and never answers; returns its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def no_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails the test if the ledger is asked for profiles."""

    def fail(*_: object) -> None:
        pytest.fail("the ledger was asked")

    monkeypatch.setattr(profile_store, "_query_revisions", fail)


def take_ledger_away(monkeypatch: pytest.MonkeyPatch, port: int = 1) -> None:
    fields = {"conn_type": "postgres", "host": "127.0.0.1", "port": port, "schema": "ledger"}
    monkeypatch.setenv(LEDGER, json.dumps(fields))


def list_names(settings: Settings, code: str | None = None) -> list[str]:
    profiles, problems = load_all_profiles(settings, code=code)
    assert problems == []
    return [profile.name for profile in profiles]


def load_one(settings: Settings, code: str = "LAW") -> Profile:
    [profile], problems = load_all_profiles(settings, code=code)
    assert problems == []
    return profile


def test_profiles_of_both_places_are_loaded(folder: Path, settings: Settings, ledger: Engine) -> None:
    (folder / "arts.yaml").write_text(GOOD.replace("LAW", "ARTS").replace("law/", "arts/"))
    save_profile(ledger)
    save_profile(ledger, based_on=1, name="Second")
    profiles, _ = load_all_profiles(settings)
    assert [(one.code, one.name, one.revision) for one in profiles] == [
        ("ARTS", "Law Library", None),
        ("LAW", "Second", 2),
    ]
    assert set(build_dags()) == {f"bursar_{job}__{code}" for job in ("export", "import") for code in ("ARTS", "LAW")}


def test_an_invalid_profile_does_not_affect_the_others(settings: Settings, ledger: Engine) -> None:
    save_profile(ledger)
    save_profile(ledger, "OLD", system="Gone")
    profiles, problems = load_all_profiles(settings)
    assert [one.code for one in profiles] == ["LAW"]
    assert [problem.file for problem in problems] == ["OLD, revision 1 (managed in the pages)"]


def test_without_the_ledger_the_last_snapshot_is_used(
    settings: Settings, ledger: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    save_profile(ledger)
    before = build_dags()
    assert set(before) == {"bursar_export__LAW", "bursar_import__LAW"}
    take_ledger_away(monkeypatch)
    with caplog.at_level(logging.WARNING):
        assert set(build_dags()) == set(before)
    assert "are those of the last snapshot" in caplog.text
    assert load_one(settings).revision == 1


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


@pytest.mark.usefixtures("no_ledger")
def test_a_task_of_a_profile_in_a_file_asks_no_ledger(folder: Path, settings: Settings) -> None:
    (folder / "law.yaml").write_text(GOOD)
    profile = load_one(settings)
    assert profile.revision is None


def test_a_file_with_the_code_of_a_profile_of_the_pages_replaces_it_for_dags_and_tasks(
    folder: Path, settings: Settings, ledger: Engine
) -> None:
    save_profile(ledger)
    (folder / "law.yaml").write_text(GOOD.replace("name: Law Library", "name: In a file"))
    profiles, [problem] = load_all_profiles(settings)
    assert [(one.name, one.revision) for one in profiles] == [("In a file", None)]
    assert problem.message.startswith("the file law.yaml has the code of this profile, and replaces it")
    assert load_one(settings).name == "In a file"

    with ledger.begin() as connection:
        inactive = make_fields() | {"export": {"active": "no"}, "import": {"active": "no"}}
        save_revision(connection, "LAW", inactive, based_on=1, change="deactivated", by="anna")
    profiles, problems = load_all_profiles(settings)
    assert ([one.name for one in profiles], problems) == (["In a file"], [])


def test_a_run_keeps_the_revision_that_it_started_with(settings: Settings, ledger: Engine) -> None:
    save_profile(ledger)
    first = keep_revision(ledger, settings, load_one(settings), Job.EXPORT, "run 1")
    save_profile(ledger, based_on=1, name="Second")
    newer = load_one(settings)
    assert newer.name == "Second"
    kept = keep_revision(ledger, settings, newer, Job.EXPORT, "run 1")
    assert (kept.name, kept.revision) == ("Law Library", 1)
    assert kept == first
    assert keep_revision(ledger, settings, newer, Job.EXPORT, "run 2").name == "Second"
    assert keep_revision(ledger, settings, newer, Job.IMPORT, "run 1").name == "Second"


def test_a_file_that_appears_does_not_replace_the_revision_of_a_run(
    folder: Path, settings: Settings, ledger: Engine
) -> None:
    save_profile(ledger)
    keep_revision(ledger, settings, load_one(settings), Job.EXPORT, "run 1")
    (folder / "law.yaml").write_text(GOOD.replace("name: Law Library", "name: In a file"))
    in_file = load_one(settings)
    kept = keep_revision(ledger, settings, in_file, Job.EXPORT, "run 1")
    assert (kept.name, kept.revision) == ("Law Library", 1)
    save_profile(ledger, based_on=1, name="Second")
    assert keep_revision(ledger, settings, in_file, Job.EXPORT, "run 1") == kept
    assert keep_revision(ledger, settings, in_file, Job.EXPORT, "run 2").name == "In a file"


def test_a_run_whose_revision_is_not_valid_any_more_fails(settings: Settings, ledger: Engine) -> None:
    save_profile(ledger, system="Gone")
    save_profile(ledger, based_on=1)
    with ledger.begin() as connection:
        pin_revision(connection, Job.EXPORT, "LAW", "run 1", 1)
    with pytest.raises(ProfileError, match="'Gone' is not known here"):
        keep_revision(ledger, settings, load_one(settings), Job.EXPORT, "run 1")


def test_a_run_of_a_profile_in_a_file_pins_nothing(folder: Path, settings: Settings, ledger: Engine) -> None:
    (folder / "law.yaml").write_text(GOOD)
    profile = load_one(settings)
    assert keep_revision(ledger, settings, profile, Job.EXPORT, "run 1") is profile
    with ledger.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM run_revisions").scalar_one() == 0
