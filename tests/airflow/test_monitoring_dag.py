"""The monitoring DAG: its task is repeated by the next run, and can't prevent it."""

from datetime import timedelta

from bursar.airflow.monitoring_dag import monitoring_dag

SCHEDULE_INTERVAL = timedelta(minutes=15)


def test_a_failed_or_hanging_task_is_repeated_by_the_next_run() -> None:
    task = monitoring_dag().get_task("send_alerts")
    assert task.retries == 0
    assert task.execution_timeout
    assert task.execution_timeout < SCHEDULE_INTERVAL
