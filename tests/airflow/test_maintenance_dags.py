"""The DAGs over users, as Airflow finds them: their forms, and that the forms fit what the jobs take."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.definitions.param import ParamsDict
from airflow.sdk.exceptions import ParamValidationError

from bursar.users.maintenance_job import JobParams
from bursar.users.purging import PurgeParams
from bursar.users.waiving import WaiveParams

PROJECT = Path(__file__).parents[2]
FILLED: dict[str, dict[str, Any]] = {
    "bursar_purge_users": {},
    "bursar_waive_fines": {"threshold": "10", "reason": "Amnesty"},
}
NAMES = {"bursar_purge_users": "Purge User Records", "bursar_waive_fines": "Bulk Fine Waiving"}


@pytest.fixture(scope="module")
def bag() -> DagBag:
    return DagBag(PROJECT / "dags" / "bursar_maintenance.py")


def filled_form(bag: DagBag, dag_id: str) -> ParamsDict:
    form = deepcopy(bag.dags[dag_id].params)
    form.update(FILLED[dag_id])
    return form


@pytest.mark.parametrize(
    ("dag_id", "choices"), [("bursar_purge_users", PurgeParams), ("bursar_waive_fines", WaiveParams)]
)
def test_a_form_asks_for_just_what_its_job_takes(bag: DagBag, dag_id: str, choices: type[JobParams]) -> None:
    dag = bag.dags[dag_id]
    assert dag.dag_display_name == NAMES[dag_id]
    assert set(dag.params) == set(choices.model_fields)
    filled = filled_form(bag, dag_id)
    assert choices.of_form(filled.validate()).dry_run, "without another word it is a dry run"


@pytest.mark.parametrize("dag_id", NAMES)
def test_the_report_is_the_last_word_whatever_happened(bag: DagBag, dag_id: str) -> None:
    first, last = sorted(bag.dags[dag_id].tasks, key=lambda task: task.is_teardown)
    assert (first.downstream_task_ids, last.task_id, last.is_teardown) == ({"report_run"}, "report_run", True)


@pytest.mark.parametrize(
    ("dag_id", "wrong"),
    [
        ("bursar_purge_users", {"days": -1}),
        ("bursar_purge_users", {"date": "birthday"}),
        ("bursar_purge_users", {"waive_threshold": "1,50"}),
        ("bursar_purge_users", {"waive_threshold": 1.5}),
        ("bursar_waive_fines", {"threshold": ""}),
        ("bursar_waive_fines", {"reason": ""}),
        ("bursar_waive_fines", {"created_from": "yesterday"}),
        ("bursar_waive_fines", {"libraries": "MAIN"}),
    ],
)
def test_the_form_itself_refuses_what_can_not_be_meant(bag: DagBag, dag_id: str, wrong: dict[str, Any]) -> None:
    form = filled_form(bag, dag_id)
    with pytest.raises(ParamValidationError):
        form.update(wrong)
