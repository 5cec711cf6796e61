"""The tasks that wait for an approval: who may answer, and what an answer of the wrong person does."""

import logging
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import TaskAwaitingInput
from sqlalchemy import text

from bursar.airflow import export_approval, maintenance_approval, report_task
from bursar.airflow.export_approval import ExportApprovalOperator
from bursar.airflow.maintenance_approval import MaintenanceApprovalOperator
from bursar.airflow.task_failure import TaskFailure
from bursar.errors import BursarError
from bursar.exports import approval
from bursar.exports.selection import select_fines
from bursar.ledger.jobs import Job
from bursar.users.purging import PurgeParams, purge_users, record_request
from tests.support.fixtures import NOW, Library, make_profile, make_settings

Requests = list[dict[str, Any]]


@pytest.fixture
def requests(library: Library, monkeypatch: pytest.MonkeyPatch) -> Requests:
    """The requests that Airflow would show, recorded without an Airflow."""
    requests: Requests = []
    url = library.ledger.url.render_as_string(hide_password=False)
    for module in (export_approval, maintenance_approval, report_task):
        monkeypatch.setattr(module, "ledger_url", lambda: url)
    monkeypatch.setattr(
        "airflow.providers.standard.operators.hitl.upsert_hitl_detail", lambda **request: requests.append(request)
    )
    return requests


class Export:
    """The task of an export of two fines, triggered by anna, whose limit is one fine."""

    def __init__(self, library: Library, **rules: object) -> None:
        self.profile = make_profile(approval={"max_fines": 1, **rules})
        user = library.user()
        library.fine(user)
        library.fine(user)
        facts = {"run_id": "run", "as_of": NOW, "requested_by": "anna"}
        self.batch = select_fines(library.ledger, self.profile, make_settings(), **facts).id  # type: ignore[arg-type]
        with DAG("bursar_export__STUDENTS", schedule=None):
            self.task = ExportApprovalOperator(
                task_id="wait_for_approval", profile=self.profile, settings=make_settings()
            )
        ti = SimpleNamespace(id="x", map_index=-1, xcom_pull=lambda **_: {"batch_id": self.batch})
        self.context: Any = {"ti": ti, "task_instance": ti, "run_id": "run", "task": self.task}

    def ask(self) -> None:
        with pytest.raises(TaskAwaitingInput):
            self.task.execute(self.context)

    def answer(self, user: dict[str, str] | None) -> object:
        event = {"chosen_options": ["Approve"], "params_input": {}, "responded_at": datetime.now(UTC)}
        return self.task.execute_complete(self.context, event | {"responded_by_user": user})


@pytest.mark.parametrize(
    ("rules", "ids"),
    [
        ({}, []),
        ({"approvers": ["anna", "ben=12", "eva"]}, ["12", "eva"]),
        ({"approvers": ["Anna=7", "ben"]}, ["ben"]),
        ({"approvers": ["anna", "ben"], "requester_may_approve": True}, ["anna", "ben"]),
    ],
)
def test_airflow_gets_the_approvers_without_the_person_who_triggered(
    library: Library, requests: Requests, rules: dict[str, object], ids: list[str]
) -> None:
    Export(library, **rules).ask()
    assert [user["id"] for user in requests[0]["assigned_users"]] == ids
    is_said = "The person who triggered this run may not approve it" in requests[0]["body"]
    assert is_said == ("requester_may_approve" not in rules)


@pytest.mark.parametrize("user", [{"id": "anna", "name": "anna"}, {"id": "7", "name": "Anna"}, None])
def test_an_approval_of_the_wrong_person_is_recorded_and_the_run_waits_on(
    library: Library, requests: Requests, caplog: pytest.LogCaptureFixture, user: dict[str, str] | None
) -> None:
    export = Export(library)
    export.ask()
    with caplog.at_level(logging.INFO), pytest.raises(TaskAwaitingInput):
        export.answer(user)
    assert len(requests) == 2
    assert library.one("SELECT count(*) FROM rejected_answers") == 1
    assert "has no effect" in caplog.text
    with pytest.raises(BursarError, match="no answer is recorded"):
        approval.require_approved(library.ledger, export.batch, export.profile.export.approval)

    assert export.answer({"id": "12", "name": "ben"}) is None, "an XCom would name the person"
    approval.require_approved(library.ledger, export.batch, export.profile.export.approval)
    assert library.one("SELECT answered_by FROM approvals") == "ben"
    assert "anna" not in caplog.text.casefold()
    assert "ben" not in caplog.text.split()


def test_a_rejected_answer_does_not_extend_the_time_for_an_answer(library: Library, requests: Requests) -> None:
    export = Export(library, timeout_hours=2)
    export.ask()
    with library.ledger.begin() as connection:
        connection.execute(text("UPDATE approvals SET requested_at = requested_at - interval '90 minutes'"))
    with pytest.raises(TaskAwaitingInput) as raised:
        export.answer({"id": "anna", "name": "anna"})
    assert timedelta(minutes=29) < raised.value.timeout <= timedelta(minutes=30)
    export.ask()  # the task was repeated: people are asked again, with a new deadline
    with pytest.raises(TaskAwaitingInput) as raised:
        export.answer({"id": "anna", "name": "anna"})
    assert raised.value.timeout > timedelta(minutes=119)
    assert len(requests) == 4


def test_an_answer_of_a_person_who_is_no_approver_has_no_effect(library: Library, requests: Requests) -> None:
    """Airflow refuses such an answer, unless everybody is an administrator there."""
    export = Export(library, approvers=["anna", "ben"])
    export.ask()
    with pytest.raises(TaskAwaitingInput):
        export.answer({"id": "carl", "name": "carl"})
    assert library.one("SELECT reason FROM rejected_answers") == "no_approver"
    assert len(requests) == 2


def test_a_purge_beyond_the_limits_waits_with_its_figures(
    library: Library, requests: Requests, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings(approval={"max_fines": 0, "approvers": ["anna", "ben"]})
    monkeypatch.setattr(maintenance_approval, "load_settings", lambda _: settings)
    library.fine(library.user(purge=NOW.date()), "4.00")
    params = PurgeParams.of_form({"dry_run": False, "waive_threshold": "5"})
    facts: dict[str, Any] = {"run_id": "run", "as_of": NOW, "requested_by": "anna"}
    record_request(library.ledger, params, settings, **facts)
    with DAG("bursar_purge_users", schedule=None):
        task = MaintenanceApprovalOperator(task_id="wait_for_approval", job=Job.PURGE)
    ti = SimpleNamespace(id="x", map_index=-1)
    context: Any = {"ti": ti, "task_instance": ti, "run_id": "run", "task": task}

    with pytest.raises(TaskAwaitingInput):
        task.execute(context)
    [request] = requests
    assert [user["id"] for user in request["assigned_users"]] == ["ben"]
    assert request["subject"] == "Approve this run of Purge User Records?"
    assert "1 user to purge, 1 fine to waive, 4.00 USD" in request["body"]
    event = {"chosen_options": ["Approve"], "params_input": {}, "responded_at": datetime.now(UTC)}
    with pytest.raises(TaskAwaitingInput):
        task.execute_complete(context, event | {"responded_by_user": {"id": "anna", "name": "anna"}})
    task.execute_complete(context, event | {"responded_by_user": {"id": "ben", "name": "ben"}})
    task.execute(context)  # it is approved
    assert purge_users(library.ledger, params, settings, **facts).users == 1


def test_a_purge_that_nobody_answers_is_not_done(
    library: Library, requests: Requests, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings(approval={"max_fines": 0})
    monkeypatch.setattr(maintenance_approval, "load_settings", lambda _: settings)
    library.fine(library.user(purge=NOW.date()), "4.00")
    params = PurgeParams.of_form({"dry_run": False, "waive_threshold": "5"})
    facts: dict[str, Any] = {"run_id": "run", "as_of": NOW, "requested_by": "anna"}
    record_request(library.ledger, params, settings, **facts)
    with DAG("bursar_purge_users", schedule=None):
        task = MaintenanceApprovalOperator(task_id="wait_for_approval", job=Job.PURGE)
    ti = SimpleNamespace(id="x", map_index=-1)
    context: Any = {"ti": ti, "task_instance": ti, "run_id": "run", "task": task}
    with pytest.raises(TaskFailure, match=r"Nobody answered the request to approve this run within 24 hours\. Nothing"):
        task.execute_complete(context, {"error": "x", "error_type": "timeout"})
    with pytest.raises(BursarError, match="nobody answered in time"):
        purge_users(library.ledger, params, settings, **facts)
    assert requests == []
