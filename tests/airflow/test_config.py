"""Where tasks run: in the default pool and queue, or where the installation says."""

import pytest
from airflow.sdk import DAG

from bursar.airflow.config import maintenance_placement
from bursar.airflow.export_dag import export_dag
from bursar.airflow.import_dag import import_dag
from tests.support.fixtures import make_profile, make_settings

AT_THE_SERVER = {
    "recover_unfinished_batches",
    "upload_file",
    "import_file.load_file",
    "import_file.archive_file",
}


def dags() -> list[DAG]:
    return [build(make_profile(), make_settings()) for build in (export_dag, import_dag)]


def test_without_a_word_from_the_installation_all_tasks_share_the_default_pool() -> None:
    assert {task.pool for dag in dags() for task in dag.tasks} == {"default_pool"}
    assert maintenance_placement() == {}


def test_tasks_that_open_a_connection_wait_in_the_pool_of_their_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__BURSAR__POOL_PER_CONNECTION", "True")

    pools = {task.task_id: task.pool for dag in dags() for task in dag.tasks}

    assert {task for task, pool in pools.items() if pool == "bursar_banner"} == AT_THE_SERVER
    assert set(pools.values()) == {"bursar_banner", "default_pool"}


def test_the_jobs_over_users_go_to_the_queue_of_the_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__BURSAR__MAINTENANCE_QUEUE", "maintenance")

    assert maintenance_placement() == {"queue": "maintenance"}
