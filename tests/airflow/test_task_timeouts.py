"""Each task that opens a server has a time after which it is ended, and retried."""

import time
from datetime import timedelta

import pytest
from airflow.sdk.execution_time.timeout import timeout

from bursar.airflow import report_task
from bursar.airflow.export_dag import export_dag
from bursar.airflow.import_dag import import_dag
from bursar.errors import TransientError
from bursar.ledger.jobs import Job
from bursar.profiles.settings import ServerLimits
from tests.support.fixtures import Library, make_profile, make_settings

SERVER_TASKS = {
    "recover_unfinished_batches",
    "upload_file",
    "import_file.load_file",
    "import_file.archive_file",
}


def test_each_task_with_a_server_has_the_time_of_the_settings() -> None:
    settings = make_settings(server_limits=ServerLimits(max_task_minutes=90))
    profile = make_profile()
    tasks = [*export_dag(profile, settings).tasks, *import_dag(profile, settings).tasks]
    limited = {task.task_id for task in tasks if task.execution_timeout == timedelta(minutes=90)}
    assert limited == SERVER_TASKS


def test_a_task_that_is_ended_by_its_time_is_retried_and_says_why(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_task, "ledger_url", lambda: library.ledger.url.render_as_string(hide_password=False))
    context = {"run_id": "run 1", "ti": type("TaskInstance", (), {"map_index": -1})()}
    with (
        pytest.raises(TransientError, match=r"load_file was ended after the time .*max_task_minutes"),
        timeout(3),  # type: ignore[no-untyped-call]
        report_task.record_task_of_run("load_file", make_profile(), Job.IMPORT, context),  # type: ignore[arg-type]
    ):
        time.sleep(20)
    assert "load_file was ended" in library.one("SELECT error FROM task_timings")
