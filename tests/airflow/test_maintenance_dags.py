"""The maintenance DAGs as Airflow loads them: their forms, and that the forms fit the parameters of the jobs."""

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
FORMS: dict[str, dict[str, Any]] = {
    "bursar_purge_users": {},
    "bursar_waive_fines": {"threshold": "10", "reason": "Amnesty"},
}


@pytest.fixture(scope="module")
def bag() -> DagBag:
    return DagBag(PROJECT / "dags" / "bursar_maintenance.py")


def fill_form(bag: DagBag, dag_id: str) -> ParamsDict:
    form = deepcopy(bag.dags[dag_id].params)
    form.update(FORMS[dag_id])
    return form


@pytest.mark.parametrize(
    ("dag_id", "params"), [("bursar_purge_users", PurgeParams), ("bursar_waive_fines", WaiveParams)]
)
def test_a_form_has_the_fields_of_the_parameters_of_its_job(bag: DagBag, dag_id: str, params: type[JobParams]) -> None:
    dag = bag.dags[dag_id]
    assert set(dag.params) == set(params.model_fields)
    filled = fill_form(bag, dag_id)
    assert params.of_form(filled.validate()).dry_run, "a dry run is the default"


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
def test_the_form_rejects_wrong_values(bag: DagBag, dag_id: str, wrong: dict[str, Any]) -> None:
    form = fill_form(bag, dag_id)
    with pytest.raises(ParamValidationError):
        form.update(wrong)
