"""Failures around a run on a real Airflow: a mail server that is down, a task whose process is killed."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text

from bursar.airflow.run_listener import format_note
from bursar.db.engine import ledger_engine
from demo.library import Library
from demo.mail import mail_server
from tests.system.test_monitoring import add_export, mails_about, start_export, wait_until
from tests.system.test_runs import get_exported_fines, get_report

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def engine(library: Library) -> Iterator[Engine]:
    """The library's ledger."""
    engine = ledger_engine(library.ledger_url)
    yield engine
    engine.dispose()


@contextmanager
def no_mail_server(library: Library) -> Iterator[None]:
    """Stops the mail server; another one has the same address after the block."""
    port = json.loads(library.env["AIRFLOW_CONN_SMTP_DEFAULT"])["port"]
    library.mail_server.close()
    try:
        yield
    finally:
        library.mail_server.enter_context(mail_server(library.mails, port=port))


def note(library: Library, dag: str, run_id: str) -> str:
    [note] = [each["note"] for each in library.airflow.client.runs(dag) if each["dag_run_id"] == run_id]
    return str(note)


def test_a_mail_that_is_not_sent_does_not_fail_the_run_and_is_sent_later(library: Library, engine: Engine) -> None:
    client, dag = library.airflow.client, "bursar_export__NOMAIL"
    with no_mail_server(library):
        run_id = start_export(library, engine, "NOMAIL", fines=2)
        assert client.wait(dag, run_id) == "success"

    report = get_report(engine, run_id)
    assert (report.outcome, report.fines) == ("completed", 2)
    [message] = report.messages
    assert message.startswith("The notification to completed@library.example was not sent (connection smtp_default")
    outcome = "Outcome: **completed, 2 fines of 1 user exported, 20.00 USD** ([job report]("
    assert note(library, dag, run_id).startswith(outcome)
    assert format_note("", [message]).partition("\n")[2] in note(library, dag, run_id)
    assert mails_about(library, "NOMAIL") == []
    closed = get_exported_fines(engine, "NOMAIL")
    assert [len(fines) for fines in closed.values()] == [2]

    report_task = {"dag_run_id": run_id, "task_ids": ["report_run"], "only_failed": False, "dry_run": False}
    client.post(f"dags/{dag}/clearTaskInstances", json=report_task).raise_for_status()
    assert client.wait(dag, run_id) == "success"
    assert [mail["To"] for mail in mails_about(library, "NOMAIL")] == ["completed@library.example"]
    assert get_report(engine, run_id).messages == []
    assert note(library, dag, run_id).startswith(outcome)
    assert message not in note(library, dag, run_id)
    assert get_exported_fines(engine, "NOMAIL") == closed


def test_a_killed_task_is_reported_and_the_next_run_completes_its_batch(library: Library, engine: Engine) -> None:
    """It is killed in its last try to close the fines of a delivered batch."""
    client, dag = library.airflow.client, add_export(library, engine, "KILLED", fines=2)

    def is_closing() -> Any:
        [task] = [task for task in client.tasks(dag, run_id) if task["task_id"] == "close_fines"]
        with engine.connect() as connection:
            waits = connection.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted"))
        return waits and task["state"] == "running" and task["pid"]

    with engine.connect() as holder:
        holder.execute(text("LOCK TABLE journal_entries IN SHARE MODE"))
        run_id = client.trigger(dag)
        allow_one_try(library, run_id)
        os.kill(wait_until(is_closing), signal.SIGKILL)
        assert client.wait(dag, run_id) == "failed"
    assert client.task_states(dag, run_id)["close_fines"] == "failed"

    report = get_report(engine, run_id)
    assert (report.outcome, report.fines) == ("failed", 2)
    failure, waiting = report.messages
    assert failure == (
        "The closing of the fines failed: it ended without an error: a person marked it as failed, or its worker died."
    )
    assert "with 2 fines (20.00 USD) is delivered, and no other export takes its fines. Correct the cause" in waiting
    assert failure in note(library, dag, run_id)
    [mail] = mails_about(library, "KILLED")
    assert (mail["To"], mail["Subject"].partition(":")[0]) == ("failed@library.example", "Failed")
    assert failure in mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert get_exported_fines(engine, "KILLED") == {}

    after = client.trigger(dag)
    assert client.wait(dag, after) == "success"
    assert [len(fines) for fines in get_exported_fines(engine, "KILLED").values()] == [2]
    assert f"left unfinished by run {run_id}, was completed" in get_report(engine, after).messages[0]


def allow_one_try(library: Library, run_id: str) -> None:
    """Makes the first try of the task close_fines its last, in Airflow's own database."""
    airflow = create_engine(library.postgres.url("airflow"))

    def change() -> int:
        with airflow.begin() as connection:
            return connection.execute(
                text("UPDATE task_instance SET max_tries = 0 WHERE run_id = :run_id AND task_id = 'close_fines'"),
                {"run_id": run_id},
            ).rowcount

    wait_until(change)
    airflow.dispose()
