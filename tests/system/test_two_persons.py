"""On a real Airflow, the person who triggered a run can't approve it, and large purges and waivers wait as well."""

import json
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, text

from bursar.db.engine import ledger_engine
from demo.airflow import APPROVER, USER
from demo.airflow_client import AirflowClient
from demo.library import SUB_DIRECTORY, Library
from tests.system.test_monitoring import PROFILE, log_in, mails_about, wait_for_request, wait_until
from tests.system.test_runs import add_fines, add_profile

pytestmark = pytest.mark.slow

LIMITS = """
approval:
  max_users: 0
notifications:
  completed_with_warnings: [warnings@library.example]
"""
PARKED_SECONDS = 6  # an answer in the first seconds fails the try


@pytest.fixture(scope="module")
def engine(library: Library) -> Iterator[Engine]:
    """The library's ledger."""
    engine = ledger_engine(library.ledger_url)
    yield engine
    engine.dispose()


@pytest.fixture
def approver(library: Library) -> Iterator[AirflowClient]:
    """The second person, logged in."""
    with log_in(library, APPROVER) as client:
        yield client


def start_export(library: Library, engine: Engine, code: str, approval: str = "") -> str:
    """Triggers, as the administrator, an export of three fines beyond its limit."""
    add_fines(engine, f"{code}FEE", 1, 1, 1)
    profile = PROFILE.format(code=code, limit=2, connection="bursar_banner")
    dag = add_profile(library, code, profile.replace("    max_fines: 2\n", f"    max_fines: 2\n{approval}"))
    return library.airflow.client.trigger(dag)


def respond(client: AirflowClient, dag: str, run_id: str, option: str = "Approve") -> httpx.Response:
    """Answers a request once."""
    time.sleep(PARKED_SECONDS)
    path = f"dags/{dag}/dagRuns/{run_id}/taskInstances/wait_for_approval/-1/hitlDetails"
    return client.patch(path, json={"chosen_options": [option]})


def one(engine: Engine, sql: str, **values: Any) -> Any:
    with engine.connect() as connection:
        return connection.execute(text(sql), values).one()


def count_rejected(engine: Engine) -> int:
    return int(one(engine, "SELECT count(*) AS answers FROM rejected_answers").answers)


def files(library: Library, code: str) -> list[Path]:
    return sorted((library.folders["banner"] / SUB_DIRECTORY / code).glob("**/*"))


def texts_of_run(library: Library, dag: str, run_id: str) -> str:
    """Returns the XComs and the logs of a run."""
    client = library.airflow.client
    xcoms = client.get(f"dags/{dag}/dagRuns/{run_id}/taskInstances/~/xcomEntries", params={"limit": 100})
    found = [json.dumps(xcoms.raise_for_status().json())]
    for entry in xcoms.json()["xcom_entries"]:
        path = f"dags/{dag}/dagRuns/{run_id}/taskInstances/{entry['task_id']}/xcomEntries/{entry['key']}"
        found.append(client.get(path).text)
    for task in client.tasks(dag, run_id):
        for number in range(1, (task["try_number"] or 0) + 1):
            path = f"dags/{dag}/dagRuns/{run_id}/taskInstances/{task['task_id']}/logs/{number}"
            found.append(client.get(path, params={"full_content": True}).text)
    return "\n".join(found)


def test_without_a_list_an_approval_by_the_person_who_triggered_is_rejected_and_the_run_waits_on(
    library: Library, engine: Engine, approver: AirflowClient
) -> None:
    dag, client = "bursar_export__FOUREYES", library.airflow.client
    run_id = start_export(library, engine, "FOUREYES")
    request = wait_for_request(library, "FOUREYES", run_id)
    assert "The person who triggered this run may not approve it" in request["body"]

    before = count_rejected(engine)
    respond(client, dag, run_id).raise_for_status()
    wait_until(lambda: count_rejected(engine) == before + 1)
    wait_for_request(library, "FOUREYES", run_id)
    assert files(library, "FOUREYES") == []
    rejected = one(engine, "SELECT * FROM rejected_answers ORDER BY id DESC LIMIT 1")
    assert (rejected.answered_by, rejected.answer, rejected.reason) == (USER, "approved", "requester")
    reply = wait_until(lambda: [mail for mail in mails_about(library, "FOUREYES") if "Still" in mail["Subject"]])
    assert "may not approve it" in reply[0].get_body(("plain",)).get_content()

    respond(approver, dag, run_id).raise_for_status()
    assert client.wait(dag, run_id) == "success"
    assert len(files(library, "FOUREYES")) == 1
    batch = one(engine, "SELECT * FROM batches WHERE run_id = :run_id", run_id=run_id)
    approval = one(engine, "SELECT * FROM approvals WHERE batch_id = :id", id=batch.id)
    assert (batch.requested_by, approval.requested_by, approval.answered_by) == (USER, USER, APPROVER)
    said = texts_of_run(library, dag, run_id)
    assert "has no effect: the person who triggered the run" in said
    assert APPROVER not in said
    assert USER not in said


def test_airflow_lets_only_the_approvers_without_the_person_who_triggered_answer(
    library: Library, engine: Engine, approver: AirflowClient
) -> None:
    dag, client = "bursar_export__LISTED", library.airflow.client
    run_id = start_export(library, engine, "LISTED", f"    approvers: [{USER}, {APPROVER}]\n")
    wait_for_request(library, "LISTED", run_id)
    assert respond(client, dag, run_id).status_code == httpx.codes.FORBIDDEN
    assert files(library, "LISTED") == []
    respond(approver, dag, run_id).raise_for_status()
    assert client.wait(dag, run_id) == "success"
    assert len(files(library, "LISTED")) == 1


def test_one_person_is_enough_if_the_profile_says_so(library: Library, engine: Engine) -> None:
    dag, client = "bursar_export__ALONE", library.airflow.client
    run_id = start_export(library, engine, "ALONE", "    requester_may_approve: yes\n")
    wait_for_request(library, "ALONE", run_id)
    respond(client, dag, run_id).raise_for_status()
    assert client.wait(dag, run_id) == "success"


@pytest.fixture
def _strict_settings(library: Library) -> Iterator[None]:
    settings = library.state / "include" / "bursar.yaml"
    content = settings.read_text()
    settings.write_text(content.partition("# Beyond these limits")[0] + LIMITS)
    yield
    settings.write_text(content)


@pytest.mark.usefixtures("_strict_settings")
def test_a_waiving_beyond_the_limits_waits_for_a_second_person(
    library: Library, engine: Engine, approver: AirflowClient
) -> None:
    dag, client = "bursar_waive_fines", library.airflow.client
    add_fines(engine, "AMNESTYFEE", 1)
    form = {"threshold": "9999", "reason": "Amnesty", "fine_fee_types": ["AMNESTYFEE"], "dry_run": False}

    def is_waiting(run_id: str) -> bool:
        return client.task_states(dag, run_id)["wait_for_approval"] == "awaiting_input"

    def balance() -> Decimal:
        return Decimal(one(engine, "SELECT balance FROM fines WHERE fine_fee_type = 'AMNESTYFEE'").balance)

    client.wait_for_dags([dag])
    refused = client.trigger(dag, form)
    wait_until(lambda: is_waiting(refused))
    respond(approver, dag, refused, "Reject").raise_for_status()
    assert client.wait(dag, refused) == "success"
    assert client.task_states(dag, refused)["waive_fines"] == "skipped"
    report = one(engine, "SELECT * FROM run_reports WHERE run_id = :run_id", run_id=refused)
    assert report.outcome == "completed with warnings"
    assert "A person refused this run: nothing was changed." in report.messages[0]
    assert balance() > 0

    # A task that is marked as successful approves nothing.
    marked = client.trigger(dag, form)
    wait_until(lambda: is_waiting(marked))
    path = f"dags/{dag}/dagRuns/{marked}/taskInstances/wait_for_approval"
    client.patch(path, json={"new_state": "success"}).raise_for_status()
    assert client.wait(dag, marked) == "failed"
    assert balance() > 0

    approved = client.trigger(dag, form)
    wait_until(lambda: is_waiting(approved))
    before = count_rejected(engine)
    respond(client, dag, approved).raise_for_status()
    wait_until(lambda: count_rejected(engine) == before + 1)
    wait_until(lambda: is_waiting(approved))
    assert balance() > 0
    respond(approver, dag, approved).raise_for_status()
    assert client.wait(dag, approved) == "success"
    assert balance() == 0
    entry = one(engine, "SELECT posted_by FROM journal_entries WHERE entry_type = 'WAIVED' ORDER BY id DESC LIMIT 1")
    assert entry.posted_by == USER
