"""Notifications, alerts and approvals on a real Airflow with a real mail server."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, create_engine, text

from bursar.db.engine import ledger_engine
from demo.airflow import APPROVER
from demo.airflow_client import AirflowClient
from demo.library import SUB_DIRECTORY, Library
from demo.mail import mails
from demo.servers import Account, sftp_server
from tests.system.test_runs import add_fines, add_profile, get_report

pytestmark = pytest.mark.slow

PROFILE = """
code: {code}
name: {code} people
sftp_connection: {connection}
system: Other
export:
  active: yes
  time_before_export_days: 0
  user_identifier_type: userName
  fine_fee_types: [{code}FEE]
  institutional_fine_fee: yes
  output_file_path: {code}
  schedule: monthly on day 1 at 04:00
  approval:
    max_fines: {limit}
import:
  active: no
notifications:
  completed: [completed@library.example]
  completed_with_warnings: [warnings@library.example]
  failed: [failed@library.example]
alerts:
  max_unsent_hours: 1
"""
TIMEOUT_SECONDS = 300


@pytest.fixture(scope="module")
def engine(library: Library) -> Iterator[Engine]:
    """The library's ledger."""
    engine = ledger_engine(library.ledger_url)
    yield engine
    engine.dispose()


def add_export(
    library: Library, engine: Engine, code: str, *, fines: int, limit: str = "2", server: str = "banner"
) -> str:
    """Adds a profile and fines of its own; returns the id of its export DAG."""
    add_fines(engine, f"{code}FEE", *[1] * fines)
    return add_profile(library, code, PROFILE.format(code=code, limit=limit, connection=f"bursar_{server}"))


def start_export(library: Library, engine: Engine, code: str, **more: Any) -> str:
    """Adds a profile and fines of its own, and triggers its export; returns the id of the run."""
    return library.airflow.client.trigger(add_export(library, engine, code, **more))


def wait_until(condition: Callable[[], Any], within: float = TIMEOUT_SECONDS) -> Any:
    """Waits until a condition is true; returns its value."""
    deadline = time.monotonic() + within
    while not (value := condition()):
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.3)
    return value


def mails_about(library: Library, code: str) -> list[EmailMessage]:
    """Returns the mails about a profile."""
    return [mail for mail in mails(library.mails) if f"{code} people" in mail["Subject"]]


def wait_for_request(library: Library, code: str, run_id: str) -> dict[str, Any]:
    """Waits until the run of a profile requests an approval; returns the request as Airflow shows it."""

    def asked() -> list[dict[str, Any]]:
        reply = library.airflow.client.get(
            f"dags/bursar_export__{code}/dagRuns/{run_id}/hitlDetails"
        ).raise_for_status()
        return [one for one in reply.json()["hitl_details"] if one["task_instance"]["state"] == "awaiting_input"]

    [found] = wait_until(asked)
    return dict(found)


def log_in(library: Library, user: str) -> AirflowClient:
    """Logs another user in to Airflow."""
    return AirflowClient(library.airflow.address, user, library.airflow.password)


def answer(library: Library, code: str, run_id: str, option: str) -> None:
    """Answers a request as a second person, and again if Airflow repeats it because a try of the task was lost."""
    path = f"dags/bursar_export__{code}/dagRuns/{run_id}/taskInstances/wait_for_approval/-1/hitlDetails"
    with log_in(library, APPROVER) as client:

        def has_succeeded() -> bool:
            reply = client.patch(path, json={"chosen_options": [option]})
            assert reply.is_success or reply.status_code == httpx.codes.CONFLICT  # answered already
            return client.task_states(f"bursar_export__{code}", run_id)["wait_for_approval"] == "success"

        wait_until(has_succeeded, within=180)


def let_a_day_pass(library: Library, run_id: str) -> None:
    """Moves the timeout of a request, or the next try of a task, into the past, in Airflow's own database."""
    airflow = create_engine(library.postgres.url("airflow"))
    with airflow.begin() as connection:
        connection.execute(
            text(
                "UPDATE task_instance SET trigger_timeout = trigger_timeout - interval '1 day',"
                " end_date = end_date - interval '1 day'"
                " WHERE state IN ('awaiting_input', 'up_for_retry') AND run_id = :run_id"
            ),
            {"run_id": run_id},
        )
    airflow.dispose()


def count_tries(library: Library, code: str, run_id: str) -> int:
    """Returns how often an upload was tried."""
    path = f"dags/bursar_export__{code}/dagRuns/{run_id}/taskInstances/upload_file"
    return int(library.airflow.client.get(path).raise_for_status().json()["try_number"])


def count_claims(engine: Engine, code: str) -> int:
    with engine.connect() as connection:
        count: int = connection.execute(
            text("SELECT count(*) FROM batch_claims JOIN batches ON id = batch_id WHERE profile = :code"),
            {"code": code},
        ).scalar_one()
    return count


def test_an_export_beyond_its_limits_waits_for_a_person(library: Library, engine: Engine) -> None:
    runs = {code: start_export(library, engine, code, fines=3) for code in ("APPROVED", "REJECTED", "UNANSWERED")}
    client = library.airflow.client

    def ended(code: str) -> str:
        return client.wait(f"bursar_export__{code}", runs[code])

    # They wait with a preview, and nothing is uploaded.
    folder = library.folders["banner"] / SUB_DIRECTORY
    for code in ("APPROVED", "REJECTED", "UNANSWERED"):
        request = wait_for_request(library, code, runs[code])
        assert request["options"] == ["Approve", "Reject"]
        assert request["subject"] == "Approve this export of 3 fines?"
        assert "3 fines: more than the limit of 2." in request["body"]
        assert "| USD | 30.00 USD | 0.00 USD | 30.00 USD |" in request["body"]
        assert "The batch with its fines and its file" in request["body"]
        assert "bin/bursar" not in request["body"]
        [mail] = mails_about(library, code)
        assert mail["Subject"] == (
            f"Waiting for approval: Export to Bursar Using Profile {code} people, 3 fines of 1 user, 30.00 USD"
        )
        assert mail["To"] == "warnings@library.example"
        assert not (folder / code).exists()
        assert count_claims(engine, code) == 3

    answer(library, "APPROVED", runs["APPROVED"], "Approve")
    answer(library, "REJECTED", runs["REJECTED"], "Reject")
    let_a_day_pass(library, runs["UNANSWERED"])

    # After an approval the export continues.
    assert ended("APPROVED") == "success"
    assert len(list((folder / "APPROVED").iterdir())) == 1
    assert (report := get_report(engine, runs["APPROVED"])).outcome == "completed"
    assert report.fines == 3

    # After a rejection nothing is uploaded, and the fines are open again.
    assert ended("REJECTED") == "success"
    report = get_report(engine, runs["REJECTED"])
    assert (report.outcome, report.fines) == ("completed with warnings", 0)
    assert "was refused: nothing of it was sent, and its fines are open again" in report.messages[0]
    assert APPROVER not in " ".join(report.messages)
    assert client.task_states("bursar_export__REJECTED", runs["REJECTED"])["upload_file"] == "skipped"

    # Without an answer the same holds, but the run fails.
    assert ended("UNANSWERED") == "failed"
    report = get_report(engine, runs["UNANSWERED"])
    assert (report.outcome, report.fines) == ("failed", 0)
    assert "The wait for the approval failed: Nobody answered the request to approve batch" in report.messages[0]

    for code, last in (("REJECTED", "Completed with warnings"), ("UNANSWERED", "Failed")):
        assert not (folder / code).exists()
        assert count_claims(engine, code) == 0
        assert mails_about(library, code)[-1]["Subject"].startswith(
            f"{last}: Export to Bursar Using Profile {code} people"
        )


def test_an_upload_is_retried_and_a_batch_within_the_limits_needs_no_approval(
    library: Library, engine: Engine, tmp_path: Path
) -> None:
    client, accounts = library.airflow.client, {"flaky": Account(tmp_path / "flaky", "secret")}
    with sftp_server(accounts, tmp_path / "sftp") as server:
        pass
    connection = {"connection_id": "bursar_flaky", "conn_type": "sftp", "host": server.host, "port": server.port}
    login = {"login": "flaky", "password": "secret", "extra": json.dumps({"host_key": server.host_key})}
    client.post("connections", json=connection | login).raise_for_status()

    run_id = start_export(library, engine, "FLAKY", fines=2, server="flaky")
    wait_until(lambda: client.task_states("bursar_export__FLAKY", run_id)["upload_file"] == "up_for_retry")
    with sftp_server(accounts, tmp_path / "sftp"):
        let_a_day_pass(library, run_id)
        assert client.wait("bursar_export__FLAKY", run_id) == "success"

    assert count_tries(library, "FLAKY", run_id) == 2
    assert len(list((tmp_path / "flaky" / "FLAKY").iterdir())) == 1
    assert [mail["To"] for mail in mails_about(library, "FLAKY")] == ["completed@library.example"]


def test_a_failed_run_and_a_batch_that_stays_unsent_are_notified_once(library: Library, engine: Engine) -> None:
    client = library.airflow.client
    run_id = start_export(library, engine, "UNSENT", fines=1, limit="", server="nowhere")
    assert client.wait("bursar_export__UNSENT", run_id) == "failed"
    assert count_tries(library, "UNSENT", run_id) == 1
    [failed] = mails_about(library, "UNSENT")
    assert failed["To"] == "failed@library.example"
    text_ = failed.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert "The upload of the file failed: There is no Airflow connection bursar_nowhere." in text_
    link = f"{library.airflow.address}/plugin/bursar/bursar/runs/"
    assert link in text_

    with engine.begin() as ledger:
        ledger.execute(
            text("UPDATE batches SET selected_at = selected_at - :time WHERE profile = 'UNSENT'"),
            {"time": timedelta(hours=2)},
        )
    for _ in range(2):
        monitoring = client.trigger("bursar_monitoring")
        assert client.wait("bursar_monitoring", monitoring) == "success"

    [_, alert] = mails_about(library, "UNSENT")
    assert alert["To"] == "failed@library.example"
    assert (
        "was selected more than 1 hour ago and is still ready to be uploaded: 1 fine of 1 user, 10.00 USD"
        in alert["Subject"]
    )
