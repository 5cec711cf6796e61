"""The task that waits for an approval: which batches need one, and which can't be approved any more."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import TaskAwaitingInput

from bursar.airflow import export_approval
from bursar.airflow.export_approval import ExportApprovalOperator
from bursar.airflow.export_dag import ExportRun, upload_file
from bursar.airflow.run_params import ExportParams
from bursar.airflow.task_failure import TaskFailure
from bursar.errors import BatchError
from bursar.exports import approval
from bursar.exports.recover import record_answer
from bursar.exports.selection import select_fines
from bursar.ledger.approvals import ApprovalAnswer
from bursar.profiles import Profile
from demo.mail import mail_server, mails
from tests.support.fixtures import NOW, Library, make_profile, make_settings, record_delivery


@pytest.fixture
def requests(library: Library, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The requests that Airflow would show, recorded without an Airflow."""
    requests: list[dict[str, Any]] = []
    url = library.ledger.url.render_as_string(hide_password=False)
    monkeypatch.setattr(export_approval, "ledger_url", lambda: url)
    monkeypatch.setattr(
        "airflow.providers.standard.operators.hitl.upsert_hitl_detail", lambda **request: requests.append(request)
    )
    return requests


def limited_profile(limit: int) -> Profile:
    """Returns a profile whose exports of more fines than this need an approval, and whom it notifies."""
    values = make_profile(approval={"max_fines": limit}).model_dump(by_alias=True, mode="json")
    return Profile.model_validate(values | {"notifications": {"completed_with_warnings": ["warnings@library.edu"]}})


def run_task(library: Library, limit: int, batch: int | None = None) -> int:
    """Executes the task for a new batch of two fines, or for an existing batch."""
    profile = limited_profile(limit)
    if batch is None:
        user = library.user()
        library.fine(user)
        library.fine(user)
        batch = select_fines(library.ledger, profile, make_settings(), run_id="today", as_of=NOW).id
    ti = SimpleNamespace(id="x", xcom_pull=lambda **_: {"batch_id": batch})
    context: Any = {"ti": ti, "task_instance": ti, "run_id": "today"}
    make_task(profile).execute(context)
    return batch


def make_task(profile: Profile) -> ExportApprovalOperator:
    """Returns the task of a profile's export that requests the approval."""
    with DAG("bursar_export__STUDENTS", schedule=None):
        return ExportApprovalOperator(task_id="wait_for_approval", profile=profile, settings=make_settings())


@pytest.fixture
def mailbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder in which the mail server of Airflow's connection stores mails."""
    with mail_server(tmp_path / "mail") as port:
        extra = {"from_email": "bursar@library.edu", "disable_ssl": True, "disable_tls": True, "retry_limit": 0}
        connection = {"conn_type": "smtp", "host": "localhost", "port": port, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(connection))
        yield tmp_path / "mail"


def test_the_task_requests_no_approval_within_the_limits(library: Library, requests: list[dict[str, Any]]) -> None:
    run_task(library, 2)
    assert requests == []


def test_a_batch_beyond_the_limits_waits_with_a_preview(library: Library, requests: list[dict[str, Any]]) -> None:
    with pytest.raises(TaskAwaitingInput):
        run_task(library, 1)
    [request] = requests
    assert "2 fines: more than the limit of 1." in request["body"]
    assert "| USD | 25.00 USD | 0.00 USD | 25.00 USD |" in request["body"]


def test_the_task_requests_no_approval_for_a_delivered_batch(library: Library, requests: list[dict[str, Any]]) -> None:
    batch = run_task(library, 2)
    record_delivery(library.ledger, batch)
    run_task(library, 1, batch)
    assert requests == []


def test_the_task_requests_no_second_approval(library: Library, requests: list[dict[str, Any]]) -> None:
    batch = run_task(library, 2)
    approval.request_approval(library.ledger, batch, make_profile(approval={"max_fines": 1}).export.approval)
    record_answer(library.ledger, batch, ApprovalAnswer.APPROVED, by="admin")
    run_task(library, 1, batch)
    assert requests == []


def test_a_dry_run_needs_no_approval(library: Library, requests: list[dict[str, Any]]) -> None:
    library.fine()
    library.fine()
    dry = select_fines(library.ledger, make_profile(), make_settings(), run_id="dry", as_of=NOW, dry_run=True)
    run_task(library, 1, dry.id)
    assert requests == []


def test_a_released_or_rejected_batch_cannot_be_approved(library: Library, requests: list[dict[str, Any]]) -> None:
    batch = run_task(library, 2)
    approval.request_approval(library.ledger, batch, make_profile(approval={"max_fines": 1}).export.approval)
    record_answer(library.ledger, batch, ApprovalAnswer.REFUSED, by="admin")
    with pytest.raises(TaskFailure, match="has been released, and its fines are open"):
        run_task(library, 1, batch)
    assert requests == []


def test_an_approval_whose_answer_airflow_lost_is_requested_again_and_people_are_notified_again(
    library: Library, requests: list[dict[str, Any]], mailbox: Path, tmp_path: Path
) -> None:
    """If the DAG can't be parsed when the answer comes, Airflow starts the task anew and loses the answer."""
    with pytest.raises(TaskAwaitingInput):
        run_task(library, 1)
    batch = library.one("SELECT id FROM batches")
    with pytest.raises(TaskAwaitingInput):
        run_task(library, 1, batch)

    first, second = mails(mailbox)
    assert first["Subject"] == second["Subject"]
    assert first["Message-ID"] != second["Message-ID"]
    assert ["Please answer again" in request["body"] for request in requests] == [False, True]
    with pytest.raises(BatchError, match="no answer is recorded"):
        upload(library, 1, batch, tmp_path)


def test_a_request_that_the_upload_recorded_is_the_first_that_people_see(
    library: Library, requests: list[dict[str, Any]], mailbox: Path, tmp_path: Path
) -> None:
    batch = run_task(library, 2)
    with pytest.raises(BatchError, match="nobody was asked to approve it"):
        upload(library, 1, batch, tmp_path)

    with pytest.raises(TaskAwaitingInput):
        run_task(library, 1, batch)

    assert len(mails(mailbox)) == 1
    assert "Please answer again" not in requests[0]["body"]


@pytest.mark.usefixtures("requests")
def test_an_upload_rejects_a_batch_whose_approval_was_not_requested(library: Library, tmp_path: Path) -> None:
    """The task that requests it was marked as successful before it started."""
    batch = run_task(library, 2)

    with pytest.raises(BatchError, match="nobody was asked to approve it. 2 fines: more than the limit of 1. Clear"):
        upload(library, 1, batch, tmp_path)


def upload(library: Library, limit: int, batch: int, work_dir: Path) -> None:
    """Calls the task `upload_file`; fails if it opens a connection."""
    run = ExportRun(
        profile=limited_profile(limit),
        settings=make_settings(work_dir=work_dir),
        engine=library.ledger,
        run_id="today",
        params=ExportParams(as_of=NOW, dry_run=False, resend_batch=None),
        requested_by=None,
        is_running=lambda _: False,
    )
    upload_file(run, {"batch_id": batch, "files": []})
