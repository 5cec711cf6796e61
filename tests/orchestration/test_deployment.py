"""Where tasks run: in the default pool and queue, or where the installation says."""

import logging
from pathlib import Path

import pytest
from airflow.sdk import DAG, ObjectStoragePath

from bursar.exporting.document import build_document
from bursar.exporting.selection import select_fines
from bursar.importing.rejects import save_rejects
from bursar.orchestration.deployment import maintenance, staging_folder
from bursar.orchestration.export_dag import export_dag
from bursar.orchestration.import_dag import import_dag
from tests.library import NOW, Library, a_profile, the_settings
from tests.office import Office, Payment

AT_THE_SERVER = {
    "finish_earlier_batches",
    "upload_file",
    "wait_for_files",
    "import_file.read_file",
    "import_file.put_away",
}


def dags() -> list[DAG]:
    return [build(a_profile(), the_settings()) for build in (export_dag, import_dag)]


def test_without_a_word_from_the_installation_all_tasks_share_the_default_pool() -> None:
    assert {task.pool for dag in dags() for task in dag.tasks} == {"default_pool"}
    assert maintenance() == {}


def test_tasks_that_open_a_connection_wait_in_the_pool_of_their_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__BURSAR__POOL_FOR_EACH_SERVER", "True")

    pools = {task.task_id: task.pool for dag in dags() for task in dag.tasks}

    assert {task for task, pool in pools.items() if pool == "bursar_banner"} == AT_THE_SERVER
    assert set(pools.values()) == {"bursar_banner", "default_pool"}


def test_the_jobs_over_users_go_to_the_queue_of_the_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__BURSAR__MAINTENANCE_QUEUE", "maintenance")

    assert maintenance() == {"queue": "maintenance"}


def test_a_folder_of_the_machine_and_an_object_store_get_the_same_bytes(library: Library, tmp_path: Path) -> None:
    library.fine()
    profile = a_profile()
    found = select_fines(library.ledger, profile, the_settings(), run="1", as_of=NOW)
    local = staging_folder(the_settings(staging_folder=tmp_path / "here"), profile)
    shared = staging_folder(the_settings(staging_folder=f"file://{tmp_path}/there"), profile)

    here, there = (build_document(library.ledger, found.id, folder) for folder in (local, shared))

    assert isinstance(shared, ObjectStoragePath)
    assert here.path.read_bytes() == there.path.read_bytes()
    assert (here.size, here.sha256) == (there.size, there.sha256)
    assert [path.name for path in (tmp_path / "there" / profile.code).iterdir()] == [found.file_name]


def test_what_stands_in_the_object_store_is_used_and_what_is_damaged_there_is_built_again(
    library: Library, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    library.fine()
    profile = a_profile()
    found = select_fines(library.ledger, profile, the_settings(), run="1", as_of=NOW)
    shared = staging_folder(the_settings(staging_folder=f"file://{tmp_path}"), profile)
    built = build_document(library.ledger, found.id, shared)
    whole = built.path.read_bytes()
    caplog.clear()

    assert build_document(library.ledger, found.id, shared).sha256 == built.sha256
    assert "Built" not in caplog.text
    built.path.write_bytes(whole[:-1])
    assert build_document(library.ledger, found.id, shared).path.read_bytes() == whole
    assert "Built" in caplog.text


def test_the_report_of_rejects_stands_in_the_object_store(library: Library, tmp_path: Path) -> None:
    office = Office(library)
    office.exported("10.00")
    file = office.file(Payment("404", "1"))
    office.apply(file)
    shared = staging_folder(the_settings(staging_folder=f"file://{tmp_path}"), a_profile())

    report = save_rejects(library.ledger, file, shared / "rejects")

    assert report is not None
    assert "UNMATCHED" in report.read_text(encoding="utf-8-sig")
