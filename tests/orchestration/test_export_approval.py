"""The task that waits for a person: whom it lets pass without asking, and what it refuses to ask about."""

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import TaskAwaitingInput
from sqlalchemy import text

from bursar.errors import BatchError
from bursar.exporting import approval
from bursar.exporting.selection import select_fines
from bursar.orchestration import export_approval
from bursar.orchestration.export_approval import ExportApproval
from tests.library import NOW, Library, a_profile, the_settings


@pytest.fixture
def asked(library: Library, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What Airflow's page was given, in the place of an Airflow that could show it."""
    questions: list[dict[str, Any]] = []
    url = library.ledger.url.render_as_string(hide_password=False)
    monkeypatch.setattr(export_approval, "ledger_url", lambda: url)
    monkeypatch.setattr(
        "airflow.providers.standard.operators.hitl.upsert_hitl_detail", lambda **asked: questions.append(asked)
    )
    return questions


def run_task(library: Library, limit: int, batch: int | None = None) -> int:
    """Executes the task for a batch of two fines, or for a batch that is there."""
    profile = a_profile(approval={"fines": limit})
    if batch is None:
        user = library.user()
        library.fine(user)
        library.fine(user)
        batch = select_fines(library.ledger, profile, the_settings(), run="today", as_of=NOW).id
    ti = SimpleNamespace(id="x", xcom_pull=lambda **_: {"batch": batch})
    context: Any = {"ti": ti, "task_instance": ti}
    with DAG("bursar_export__STUDENTS", schedule=None):
        task = ExportApproval(task_id="approve", profile=profile)
    task.execute(context)
    return batch


def in_state(library: Library, batch: int, moment: str) -> int:
    with library.ledger.begin() as connection:
        connection.execute(text(f"UPDATE batches SET {moment} = now() WHERE id = :id"), {"id": batch})
    return batch


def test_within_the_limits_nobody_is_asked(library: Library, asked: list[dict[str, Any]]) -> None:
    run_task(library, 2)
    assert asked == []


def test_beyond_them_the_run_waits_with_the_preview(library: Library, asked: list[dict[str, Any]]) -> None:
    with pytest.raises(TaskAwaitingInput):
        run_task(library, 1)
    [question] = asked
    assert "2 fines: more than the limit of 1." in question["body"]
    assert "| USD | 25.00 USD | 0.00 USD | 25.00 USD |" in question["body"]


def test_what_was_approved_or_sent_is_not_asked_about_again(library: Library, asked: list[dict[str, Any]]) -> None:
    batch = run_task(library, 2)
    run_task(library, 1, in_state(library, batch, "delivered_at"))
    with library.ledger.begin() as connection:
        connection.execute(text("UPDATE batches SET delivered_at = NULL"))
    approval.ask(library.ledger, batch, a_profile(approval={"fines": 1}).export.approval)
    approval.answer(library.ledger, batch, "approved", by="admin")
    run_task(library, 1, batch)
    assert asked == []


def test_a_dry_run_is_not_asked_about(library: Library, asked: list[dict[str, Any]]) -> None:
    library.fine()
    library.fine()
    dry = select_fines(library.ledger, a_profile(), the_settings(), run="dry", as_of=NOW, dry_run=True)
    run_task(library, 1, dry.id)
    assert asked == []


def test_what_was_released_or_refused_cannot_be_asked_about(library: Library, asked: list[dict[str, Any]]) -> None:
    batch = run_task(library, 2)
    approval.ask(library.ledger, batch, a_profile(approval={"fines": 1}).export.approval)
    approval.answer(library.ledger, batch, "refused", by="admin")
    with pytest.raises(BatchError, match="was released, and its fines are open"):
        run_task(library, 1, batch)
    assert asked == []
