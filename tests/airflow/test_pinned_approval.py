"""A run waits for an approval by the rules of the revision that it keeps, whatever people save meanwhile."""

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import TaskAwaitingInput

from bursar.airflow import export_approval
from bursar.airflow.export_approval import ExportApprovalOperator
from bursar.airflow.profile_store import load_all_profiles
from bursar.exports.selection import select_fines
from bursar.ledger.jobs import Job
from bursar.ledger.profile_revisions import pin_revision
from bursar.profiles import Profile
from tests.support.fixtures import NOW, Library, make_settings
from tests.support.managed_profiles import ledger_variable, make_fields, save_profile

Requests = list[dict[str, Any]]


@pytest.fixture
def requests(library: Library, monkeypatch: pytest.MonkeyPatch) -> Requests:
    """The requests that Airflow would show, recorded without an Airflow."""
    requests: Requests = []
    url = library.ledger.url.render_as_string(hide_password=False)
    monkeypatch.setattr(export_approval, "ledger_url", lambda: url)
    monkeypatch.setenv("AIRFLOW_CONN_BURSAR_LEDGER", ledger_variable(library.ledger))
    monkeypatch.setattr(
        "airflow.providers.standard.operators.hitl.upsert_hitl_detail", lambda **request: requests.append(request)
    )
    return requests


def save(library: Library, based_on: int, **approval: str) -> Profile:
    """Saves a revision with rules of approval; returns the profile as Airflow parses it from then on."""
    export = make_fields()["export"] | {"time_before_export_days": "0", "libraries": ["MAIN"], "approval": approval}
    save_profile(library.ledger, based_on=based_on, export=export)
    [profile], _ = load_all_profiles(make_settings(), code="LAW")
    return profile


def start_run(library: Library, profile: Profile) -> Any:
    """Starts a run by anna that selects a fine with a revision of the profile; returns its context."""
    library.fine()
    with library.ledger.begin() as connection:
        pin_revision(connection, Job.EXPORT, "LAW", "run", profile.revision or 0)
    batch = select_fines(library.ledger, profile, make_settings(), run_id="run", as_of=NOW, requested_by="anna")
    ti = SimpleNamespace(id="x", map_index=-1, xcom_pull=lambda **_: {"batch_id": batch.id})
    return {"ti": ti, "task_instance": ti, "run_id": "run"}


def make_task(profile: Profile) -> ExportApprovalOperator:
    with DAG("bursar_export__LAW", schedule=None):
        return ExportApprovalOperator(task_id="wait_for_approval", profile=profile, settings=make_settings())


def test_a_save_does_not_let_the_person_who_started_the_run_approve_it(library: Library, requests: Requests) -> None:
    context = start_run(library, save(library, 0, max_fines="0"))
    task = make_task(save(library, 1, max_fines="0", requester_may_approve="yes"))
    with pytest.raises(TaskAwaitingInput):
        task.execute(context)
    answer = {"chosen_options": ["Approve"], "responded_by_user": {"id": "anna", "name": "anna"}}
    with pytest.raises(TaskAwaitingInput):
        task.execute_complete(context, answer)
    assert library.one("SELECT reason FROM rejected_answers") == "requester"
    assert len(requests) == 2


def test_people_are_asked_although_the_limits_were_raised_since(library: Library, requests: Requests) -> None:
    context = start_run(library, save(library, 0, max_fines="0"))
    task = make_task(save(library, 1, max_fines="1000"))
    with pytest.raises(TaskAwaitingInput):
        task.execute(context)
    assert "more than the limit of 0" in requests[0]["body"]


def test_lower_limits_are_those_of_the_next_run(library: Library, requests: Requests) -> None:
    context = start_run(library, save(library, 0, max_fines="1000"))
    make_task(save(library, 1, max_fines="0")).execute(context)
    assert requests == []
