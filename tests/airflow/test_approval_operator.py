"""The task that waits for a person: whom it lets pass without asking, and what it refuses to ask about."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import TaskAwaitingInput

from bursar.airflow import approval_operator
from bursar.airflow.approval_operator import ExportApprovalOperator
from bursar.airflow.export_dag import ExportRun, upload_file
from bursar.airflow.run_params import ExportParams
from bursar.errors import BatchError
from bursar.exports import approval
from bursar.exports.approval import ApprovalAnswer
from bursar.exports.close import record_answer
from bursar.exports.selection import select_fines
from bursar.profiles import Profile
from demo.mail import mail_server, mails
from tests.support.fixtures import NOW, Library, make_profile, make_settings, record_delivery


@pytest.fixture
def asked(library: Library, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What Airflow's page was given, in the place of an Airflow that could show it."""
    questions: list[dict[str, Any]] = []
    url = library.ledger.url.render_as_string(hide_password=False)
    monkeypatch.setattr(approval_operator, "ledger_url", lambda: url)
    monkeypatch.setattr(
        "airflow.providers.standard.operators.hitl.upsert_hitl_detail", lambda **asked: questions.append(asked)
    )
    return questions


def limited_profile(limit: int) -> Profile:
    """A profile whose exports of more fines than this wait, and who is notified then."""
    values = make_profile(approval={"max_fines": limit}).model_dump(by_alias=True, mode="json")
    return Profile.model_validate(values | {"notifications": {"completed_with_warnings": ["warnings@library.edu"]}})


def run_task(library: Library, limit: int, batch: int | None = None) -> int:
    """Executes the task for a batch of two fines, or for a batch that is there."""
    profile = limited_profile(limit)
    if batch is None:
        user = library.user()
        library.fine(user)
        library.fine(user)
        batch = select_fines(library.ledger, profile, make_settings(), run_id="today", as_of=NOW).id
    ti = SimpleNamespace(id="x", xcom_pull=lambda **_: {"batch_id": batch})
    context: Any = {"ti": ti, "task_instance": ti}
    the_task(profile).execute(context)
    return batch


def the_task(profile: Profile) -> ExportApprovalOperator:
    """The task of a profile's export that asks for the approval."""
    with DAG("bursar_export__STUDENTS", schedule=None):
        return ExportApprovalOperator(task_id="wait_for_approval", profile=profile)


@pytest.fixture
def mailbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a mail server that Airflow knows."""
    with mail_server(tmp_path / "mail") as port:
        extra = {"from_email": "bursar@library.edu", "disable_ssl": True, "disable_tls": True, "retry_limit": 0}
        connection = {"conn_type": "smtp", "host": "localhost", "port": port, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(connection))
        yield tmp_path / "mail"


def test_within_the_limits_nobody_is_asked(library: Library, asked: list[dict[str, Any]]) -> None:
    run_task(library, 2)
    assert asked == []


def test_beyond_them_the_run_waits_with_the_preview(library: Library, asked: list[dict[str, Any]]) -> None:
    with pytest.raises(TaskAwaitingInput):
        run_task(library, 1)
    [question] = asked
    assert "2 fines: more than the limit of 1." in question["body"]
    assert "| USD | 25.00 USD | 0.00 USD | 25.00 USD |" in question["body"]


def test_a_delivered_batch_is_not_asked_about(library: Library, asked: list[dict[str, Any]]) -> None:
    batch = run_task(library, 2)
    record_delivery(library.ledger, batch)
    run_task(library, 1, batch)
    assert asked == []


def test_an_approved_batch_is_not_asked_about_again(library: Library, asked: list[dict[str, Any]]) -> None:
    batch = run_task(library, 2)
    approval.request_approval(library.ledger, batch, make_profile(approval={"max_fines": 1}).export.approval)
    record_answer(library.ledger, batch, ApprovalAnswer.APPROVED, by="admin")
    run_task(library, 1, batch)
    assert asked == []


def test_a_dry_run_is_not_asked_about(library: Library, asked: list[dict[str, Any]]) -> None:
    library.fine()
    library.fine()
    dry = select_fines(library.ledger, make_profile(), make_settings(), run_id="dry", as_of=NOW, dry_run=True)
    run_task(library, 1, dry.id)
    assert asked == []


def test_what_was_released_or_refused_cannot_be_asked_about(library: Library, asked: list[dict[str, Any]]) -> None:
    batch = run_task(library, 2)
    approval.request_approval(library.ledger, batch, make_profile(approval={"max_fines": 1}).export.approval)
    record_answer(library.ledger, batch, ApprovalAnswer.REFUSED, by="admin")
    with pytest.raises(BatchError, match="has been released, and its fines are open"):
        run_task(library, 1, batch)
    assert asked == []


def test_an_answer_that_airflow_lost_is_asked_for_again_and_people_are_notified_again(
    library: Library, asked: list[dict[str, Any]], mailbox: Path, tmp_path: Path
) -> None:
    """If the DAG can't be parsed when the answer comes, Airflow begins the task anew, and the answer is gone."""
    with pytest.raises(TaskAwaitingInput):
        run_task(library, 1)
    batch = library.one("SELECT id FROM batches")
    with pytest.raises(TaskAwaitingInput):
        run_task(library, 1, batch)

    first, second = mails(mailbox)
    assert first["Subject"] == second["Subject"]
    assert first["Message-ID"] != second["Message-ID"]
    assert ["Please answer again" in question["body"] for question in asked] == [False, True]
    with pytest.raises(BatchError, match="no answer is recorded"):
        upload(library, 1, batch, tmp_path)


def test_a_request_that_the_upload_recorded_is_the_first_to_people(
    library: Library, asked: list[dict[str, Any]], mailbox: Path, tmp_path: Path
) -> None:
    batch = run_task(library, 2)
    with pytest.raises(BatchError, match="nobody was asked to approve it"):
        upload(library, 1, batch, tmp_path)

    with pytest.raises(TaskAwaitingInput):
        run_task(library, 1, batch)

    assert len(mails(mailbox)) == 1
    assert "Please answer again" not in asked[0]["body"]


@pytest.mark.usefixtures("asked")
def test_an_upload_refuses_what_nobody_was_asked_about(library: Library, tmp_path: Path) -> None:
    """The task that asks was marked as successful before it began."""
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
    upload_file(run, {"batch_id": batch, "file_name": "fines.xml", "size": 1, "sha256": ""})
