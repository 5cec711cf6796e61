"""Prints the file of a DAG that has the shape of an export DAG, and tasks that do nothing.

PYTHONPATH=plugins .venv/bin/python -m bench.empty_dag bursar_export__BENCH bench_empty

The shape: task ids, pools, dependencies and teardown. A run of it takes what Airflow itself takes.
"""

import sys

from airflow.sdk import DAG  # noqa: TID251  it renders one

from bursar.airflow.dag_factory import build_dags

HEAD = '''"""An Airflow DAG whose tasks do nothing."""

from airflow.sdk import DAG, task


def nothing() -> None:
    """Does nothing."""


with DAG({dag_id!r}, schedule=None, max_active_runs=1, is_paused_upon_creation=False):
    tasks = {{name: task(task_id=name, pool=pool)(nothing)() for name, pool in {pools!r}.items()}}
'''


def render(dag: DAG, dag_id: str) -> str:
    """Returns the file of a DAG of this id with the shape of another."""
    tasks = sorted(dag.tasks, key=lambda one: one.task_id)
    lines = [HEAD.format(dag_id=dag_id, pools={one.task_id: one.pool for one in tasks})]
    lines += [
        f"    tasks[{one.task_id!r}].as_teardown(on_failure_fail_dagrun=True)\n" for one in tasks if one.is_teardown
    ]
    lines += [
        f"    tasks[{one.task_id!r}] >> tasks[{after!r}]\n"
        for one in tasks
        for after in sorted(one.downstream_task_ids)
    ]
    return "".join(lines)


if __name__ == "__main__":
    print(render(build_dags()[sys.argv[1]], sys.argv[2]), end="")
