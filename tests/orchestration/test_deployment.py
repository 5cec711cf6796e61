"""Where tasks run: in the default pool and queue, or where the installation says."""

import pytest
from airflow.sdk import DAG

from bursar.orchestration.deployment import maintenance
from bursar.orchestration.export_dag import export_dag
from bursar.orchestration.import_dag import import_dag
from tests.library import a_profile, the_settings

AT_THE_SERVER = {
    "finish_earlier_batches",
    "upload_file",
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
