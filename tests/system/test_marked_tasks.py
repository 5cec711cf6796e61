"""Approvals on a real Airflow: tasks and runs that people mark or clear, and answers that Airflow loses."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text

from bursar.db.engine import ledger_engine
from demo.library import SUB_DIRECTORY, Library
from tests.system.test_monitoring import (
    add_export,
    answer,
    count_claims,
    mails_about,
    start_export,
    wait_for_request,
    wait_until,
)
from tests.system.test_runs import get_report

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def engine(library: Library) -> Iterator[Engine]:
    """The library's ledger."""
    engine = ledger_engine(library.ledger_url)
    yield engine
    engine.dispose()


def mark_task(library: Library, code: str, run_id: str, task: str) -> None:
    """Marks a task as successful, as a person does in the user interface."""
    path = f"dags/bursar_export__{code}/dagRuns/{run_id}/taskInstances/{task}"
    library.airflow.client.patch(path, json={"new_state": "success"}).raise_for_status()


def clear(library: Library, code: str, run_id: str, task: str) -> None:
    """Clears a task of a run and the tasks that follow it."""
    chosen = {
        "dag_run_id": run_id,
        "task_ids": [task],
        "include_downstream": True,
        "only_failed": False,
        "dry_run": False,
    }
    path = f"dags/bursar_export__{code}/clearTaskInstances"
    library.airflow.client.post(path, json=chosen).raise_for_status()


def answers(engine: Engine, code: str) -> list[str | None]:
    """Returns the recorded answers for the batches of a profile; None for a request without an answer."""
    query = "SELECT answer FROM approvals JOIN batches ON batches.id = batch_id WHERE profile = :code"
    with engine.connect() as connection:
        return list(connection.execute(text(query), {"code": code}).scalars())


def files(library: Library, code: str) -> list[Path]:
    """Returns the files of a profile on the bursar's server, complete or not."""
    return sorted((library.folders["banner"] / SUB_DIRECTORY / code).glob("**/*"))


def test_marking_a_task_or_a_run_approves_nothing(library: Library, engine: Engine) -> None:
    client = library.airflow.client

    # Before the task starts: the DAG is paused, so the run stays queued.
    early = add_export(library, engine, "EARLY", fines=3)
    client.patch(f"dags/{early}", json={"is_paused": True}).raise_for_status()
    runs = {"EARLY": client.trigger(early)}
    mark_task(library, "EARLY", runs["EARLY"], "wait_for_approval")
    client.unpause(early)

    # While it waits: the task of one run, and another run as a whole.
    for code in ("PARKED", "WHOLE"):
        runs[code] = start_export(library, engine, code, fines=3)
    for code in ("PARKED", "WHOLE"):
        wait_for_request(library, code, runs[code])
    mark_task(library, "PARKED", runs["PARKED"], "wait_for_approval")
    path = f"dags/bursar_export__WHOLE/dagRuns/{runs['WHOLE']}"
    client.patch(path, json={"state": "success"}).raise_for_status()

    for code, run_id in runs.items():
        assert client.wait(f"bursar_export__{code}", run_id) == "failed"
    states = client.task_states("bursar_export__WHOLE", runs["WHOLE"])
    assert (states["wait_for_approval"], states["upload_file"]) == ("success", "skipped")
    for code, why in (("EARLY", "nobody was asked to approve it"), ("PARKED", "no answer is recorded")):
        states = client.task_states(f"bursar_export__{code}", runs[code])
        assert (states["wait_for_approval"], states["upload_file"]) == ("success", "failed")
        failed = get_report(engine, runs[code]).messages[0]
        assert f"was not uploaded: it is beyond the limits of its profile, and {why}. 3 fines: more than" in failed
        assert f"Clear the task wait_for_approval of run {runs[code]}" in failed

    # Airflow still accepts an answer to the request of a marked task, without any effect.
    late = f"dags/bursar_export__PARKED/dagRuns/{runs['PARKED']}/taskInstances/wait_for_approval/-1/hitlDetails"
    client.patch(late, json={"chosen_options": ["Approve"]}).raise_for_status()
    for code in runs:
        assert files(library, code) == []
        assert answers(engine, code) == [None]
        assert count_claims(engine, code) == 3

    # After it is cleared the task requests the approval; after the answer each batch is uploaded once.
    for code, run_id in runs.items():
        clear(library, code, run_id, "wait_for_approval")
    for code, run_id in runs.items():
        wait_for_request(library, code, run_id)
        assert files(library, code) == []
    time.sleep(6)  # an answer in the first seconds fails the try
    for code, run_id in runs.items():
        answer(library, code, run_id, "Approve")
    for code, run_id in runs.items():
        assert client.wait(f"bursar_export__{code}", run_id) == "success"
        assert len(files(library, code)) == 1
        assert answers(engine, code) == ["approved"]
        assert get_report(engine, run_id).fines == 3


def test_an_approval_whose_answer_airflow_loses_is_requested_again(library: Library, engine: Engine) -> None:
    """If the DAG can't be parsed when the answer comes, Airflow starts the task anew and loses the answer."""
    client = library.airflow.client
    run_id = start_export(library, engine, "LOST", fines=3)
    wait_for_request(library, "LOST", run_id)
    time.sleep(6)  # as above
    profile = library.state / "include" / "profiles" / "lost.yaml"
    content = profile.read_text()

    profile.write_text("{")
    path = f"dags/bursar_export__LOST/dagRuns/{run_id}/taskInstances/wait_for_approval/-1/hitlDetails"
    client.patch(path, json={"chosen_options": ["Approve"]}).raise_for_status()
    wait_until(lambda: client.task_states("bursar_export__LOST", run_id)["wait_for_approval"] == "up_for_reschedule")
    profile.write_text(content)
    client.wait_for_dags(["bursar_export__LOST"])
    end_reschedule(library, run_id)

    wait_for_request(library, "LOST", run_id)
    assert answers(engine, "LOST") == [None]
    assert files(library, "LOST") == []
    first, second = mails_about(library, "LOST")
    assert first["Subject"] == second["Subject"]
    assert "Please answer again" in second.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    time.sleep(6)  # as above
    answer(library, "LOST", run_id, "Approve")
    assert client.wait("bursar_export__LOST", run_id) == "success"
    assert len(files(library, "LOST")) == 1


def end_reschedule(library: Library, run_id: str) -> None:
    """Moves the next start of a rescheduled task to now, in Airflow's own database."""
    airflow = create_engine(library.postgres.url("airflow"))
    with airflow.begin() as connection:
        connection.execute(
            text(
                "UPDATE task_reschedule SET reschedule_date = now() WHERE ti_id IN"
                " (SELECT id FROM task_instance WHERE run_id = :run_id)"
            ),
            {"run_id": run_id},
        )
    airflow.dispose()
