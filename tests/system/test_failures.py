"""What goes wrong around a run on a real Airflow: a mail server that is down, a task whose process is killed."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text

from bursar.db.engine import ledger_engine
from demo.library import Library
from demo.mail import mail_server
from tests.system.test_monitoring import eventually, letters, prepared, started
from tests.system.test_runs import report_of, sent


@pytest.fixture(scope="module")
def engine(library: Library) -> Iterator[Engine]:
    """The library's ledger."""
    engine = ledger_engine(library.ledger_url)
    yield engine
    engine.dispose()


@contextmanager
def no_mail_server(library: Library) -> Iterator[None]:
    """Ends the mail server; another one stands at its place after the block."""
    port = json.loads(library.env["AIRFLOW_CONN_SMTP_DEFAULT"])["port"]
    library.mail_server.close()
    try:
        yield
    finally:
        library.mail_server.enter_context(mail_server(library.mails, port=port))


def note(library: Library, dag: str, run_id: str) -> str:
    [note] = [each["note"] for each in library.airflow.client.runs(dag) if each["dag_run_id"] == run_id]
    return str(note)


def test_a_mail_that_does_not_go_leaves_the_job_as_it_is_and_goes_later(library: Library, engine: Engine) -> None:
    client, dag = library.airflow.client, "bursar_export__NOMAIL"
    with no_mail_server(library):
        run_id = started(library, engine, "NOMAIL", fines=2)
        assert client.wait(dag, run_id) == "success"

    report = report_of(engine, run_id)
    assert (report.outcome, report.fines) == ("completed", 2)
    [message] = report.messages
    assert message.startswith("The message about this to completed@library.example did not go (connection smtp_default")
    assert note(library, dag, run_id) == f"Outcome: **completed, 2 fines of 1 user exported, 20.00 USD**\n- {message}"
    assert letters(library, "NOMAIL") == []
    closed = sent(engine, "NOMAIL")
    assert [len(fines) for fines in closed.values()] == [2]

    reporting = {"dag_run_id": run_id, "task_ids": ["report_run"], "only_failed": False, "dry_run": False}
    client.post(f"dags/{dag}/clearTaskInstances", json=reporting).raise_for_status()
    assert client.wait(dag, run_id) == "success"
    assert [mail["To"] for mail in letters(library, "NOMAIL")] == ["completed@library.example"]
    assert report_of(engine, run_id).messages == []
    assert note(library, dag, run_id) == "Outcome: **completed, 2 fines of 1 user exported, 20.00 USD**"
    assert sent(engine, "NOMAIL") == closed


def test_a_killed_task_is_reported_and_told_and_the_next_run_ends_what_it_left(
    library: Library, engine: Engine
) -> None:
    """It is killed in its last try to close the fines of a file that the bursar has."""
    client, dag = library.airflow.client, prepared(library, engine, "KILLED", fines=2)

    def closing() -> Any:
        [task] = [task for task in client.tasks(dag, run_id) if task["task_id"] == "close_fines"]
        with engine.connect() as connection:
            waits = connection.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted"))
        return waits and task["state"] == "running" and task["pid"]

    with engine.connect() as holder:
        holder.execute(text("LOCK TABLE journal_entries IN SHARE MODE"))
        run_id = client.trigger(dag)
        no_more_tries(library, run_id)
        os.kill(eventually(closing), signal.SIGKILL)
        assert client.wait(dag, run_id) == "failed"
    assert client.task_states(dag, run_id)["close_fines"] == "failed"

    report = report_of(engine, run_id)
    assert (report.outcome, report.fines) == ("failed", 2)
    failure, waiting = report.messages
    assert failure == "close_fines failed: it ended without an error: a person marked it as failed, or its worker died."
    assert "with 2 fines (20.00 USD) is DELIVERED, and no other export takes its fines. Correct the cause" in waiting
    assert failure in note(library, dag, run_id)
    [mail] = letters(library, "KILLED")
    assert (mail["To"], mail["Subject"].partition(":")[0]) == ("failed@library.example", "Failed")
    assert failure in mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert sent(engine, "KILLED") == {}

    after = client.trigger(dag)
    assert client.wait(dag, after) == "success"
    assert [len(fines) for fines in sent(engine, "KILLED").values()] == [2]
    assert f"left unfinished by run {run_id}, was completed" in report_of(engine, after).messages[0]


def no_more_tries(library: Library, run_id: str) -> None:
    """Makes the first try of each task of a run its last, in Airflow's own database."""
    airflow = create_engine(library.postgres.url("airflow"))

    def made() -> int:
        with airflow.begin() as connection:
            return connection.execute(
                text("UPDATE task_instance SET max_tries = 0 WHERE run_id = :run_id AND task_id = 'close_fines'"),
                {"run_id": run_id},
            ).rowcount

    eventually(made)
    airflow.dispose()
