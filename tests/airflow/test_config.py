"""The pools and queues of tasks: Airflow's defaults, or those of the configuration."""

import pytest
from airflow.sdk import DAG

from bursar.airflow.config import maintenance_placement
from bursar.airflow.export_dag import export_dag
from bursar.airflow.import_dag import import_dag
from tests.support.fixtures import make_profile, make_settings

OPEN_A_CONNECTION = {
    "recover_unfinished_batches",
    "upload_file",
    "import_file.load_file",
    "import_file.archive_file",
}


def dags() -> list[DAG]:
    return [build(make_profile(), make_settings()) for build in (export_dag, import_dag)]


def test_without_options_all_tasks_use_the_default_pool() -> None:
    assert {task.pool for dag in dags() for task in dag.tasks} == {"default_pool"}
    assert maintenance_placement() == {}


def test_tasks_that_open_a_connection_use_its_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__BURSAR__POOL_PER_CONNECTION", "True")

    pools = {task.task_id: task.pool for dag in dags() for task in dag.tasks}

    assert {task for task, pool in pools.items() if pool == "bursar_banner"} == OPEN_A_CONNECTION
    assert set(pools.values()) == {"bursar_banner", "default_pool"}


def test_the_maintenance_jobs_use_the_configured_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__BURSAR__MAINTENANCE_QUEUE", "maintenance")

    assert maintenance_placement() == {"queue": "maintenance"}
