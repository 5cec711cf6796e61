"""Approvals on a real Airflow in which tasks and runs are marked by hand, cleared, and lose answers."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text

from bursar.db.engine import ledger_engine
from demo.library import SUB_DIRECTORY, Library
from tests.system.test_monitoring import claims, eventually, letters, prepared, question, say, started
from tests.system.test_runs import report_of

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
    """The answers that the ledger has recorded for the batches of a profile; None where one is missing."""
    query = "SELECT answer FROM approvals JOIN batches ON batches.id = batch_id WHERE profile = :code"
    with engine.connect() as connection:
        return list(connection.execute(text(query), {"code": code}).scalars())


def files(library: Library, code: str) -> list[Path]:
    """The files of a profile that the bursar has received, complete or not."""
    return sorted((library.folders["banner"] / SUB_DIRECTORY / code).glob("**/*"))


def test_marks_in_airflow_approve_nothing(library: Library, engine: Engine) -> None:
    client = library.airflow.client

    # Before it begins: the DAG is paused, so the run waits in the queue meanwhile.
    early = prepared(library, engine, "EARLY", fines=3)
    client.patch(f"dags/{early}", json={"is_paused": True}).raise_for_status()
    runs = {"EARLY": client.trigger(early)}
    mark_task(library, "EARLY", runs["EARLY"], "wait_for_approval")
    client.unpause(early)

    # While it waits: the task, and another run as a whole.
    for code in ("PARKED", "WHOLE"):
        runs[code] = started(library, engine, code, fines=3)
    for code in ("PARKED", "WHOLE"):
        question(library, code, runs[code])
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
        failed = report_of(engine, runs[code]).messages[0]
        assert f"was not uploaded: it is beyond the limits of its profile, and {why}. 3 fines: more than" in failed
        assert f"Clear the task wait_for_approval of run {runs[code]}" in failed

    # Airflow still accepts an answer to the request that was marked, and does nothing with it.
    late = f"dags/bursar_export__PARKED/dagRuns/{runs['PARKED']}/taskInstances/wait_for_approval/-1/hitlDetails"
    client.patch(late, json={"chosen_options": ["Approve"]}).raise_for_status()
    for code in runs:
        assert files(library, code) == []
        assert answers(engine, code) == [None]
        assert claims(engine, code) == 3

    # Cleared, the task asks; answered, each batch goes out once.
    for code, run_id in runs.items():
        clear(library, code, run_id, "wait_for_approval")
    for code, run_id in runs.items():
        question(library, code, run_id)
        assert files(library, code) == []
    time.sleep(6)  # an answer in the first seconds fails the try
    for code, run_id in runs.items():
        say(library, code, run_id, "Approve")
    for code, run_id in runs.items():
        assert client.wait(f"bursar_export__{code}", run_id) == "success"
        assert len(files(library, code)) == 1
        assert answers(engine, code) == ["approved"]
        assert report_of(engine, run_id).fines == 3


def test_an_answer_that_airflow_loses_is_asked_for_again(library: Library, engine: Engine) -> None:
    """The DAG can't be parsed when the answer is to be read; Airflow then forgets it, and begins the task anew."""
    client = library.airflow.client
    run_id = started(library, engine, "LOST", fines=3)
    question(library, "LOST", run_id)
    time.sleep(6)  # as above
    profile = library.state / "include" / "profiles" / "test_lost.yaml"
    content = profile.read_text()

    profile.write_text("{")
    path = f"dags/bursar_export__LOST/dagRuns/{run_id}/taskInstances/wait_for_approval/-1/hitlDetails"
    client.patch(path, json={"chosen_options": ["Approve"]}).raise_for_status()
    eventually(lambda: client.task_states("bursar_export__LOST", run_id)["wait_for_approval"] == "up_for_reschedule")
    profile.write_text(content)
    client.wait_for_dags(["bursar_export__LOST"])
    do_not_wait(library, run_id)

    question(library, "LOST", run_id)
    assert answers(engine, "LOST") == [None]
    assert files(library, "LOST") == []
    first, second = letters(library, "LOST")
    assert first["Subject"] == second["Subject"]
    assert "Please answer again" in second.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    time.sleep(6)  # as above
    say(library, "LOST", run_id, "Approve")
    assert client.wait("bursar_export__LOST", run_id) == "success"
    assert len(files(library, "LOST")) == 1


def do_not_wait(library: Library, run_id: str) -> None:
    """Brings the next look of a rescheduled task before now, in Airflow's own database."""
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
