"""Runs that people start on a real scheduler: their effects, their reports, and their state in Airflow."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, text

from bursar.db.engine import ledger_engine
from bursar.errors import BursarError
from bursar.ledger import desk
from demo.library import SUB_DIRECTORY, Library
from tests.support.fake_bursar import Payment
from tests.support.payment_inbox import xml

PROFILE = """
code: {code}
name: {code}
sftp_connection: {connection}
system: Other
time_zone: America/New_York
export:
  active: yes
  time_before_export_days: 0
  user_identifier_type: userName
  fine_fee_types: [{code}FEE]
  institutional_fine_fee: yes
  output_file_path: {code}
  schedule: daily at {at}
import:
  active: {imports}
  input_file_path: {code}/in
  schedule: daily at 06:00
"""
NEW_YORK = ZoneInfo("America/New_York")
NEXT = datetime.now(NEW_YORK).replace(second=0, microsecond=0) + timedelta(hours=2)
"""The next date of these profiles' schedules. It is hours away, so that no scheduled run joins the backfills."""


@pytest.fixture(scope="module")
def engine(library: Library) -> Iterator[Engine]:
    """The library's ledger."""
    engine = ledger_engine(library.ledger_url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def dags(library: Library) -> dict[str, str]:
    """Adds profiles, each for fines of its own type; returns their export DAGs."""
    servers = {"ASKED": "bursar_banner", "PAID": "bursar_banner", "NOWHERE": "bursar_nowhere"}
    yaml = {code: make_yaml(code, connection=server) for code, server in servers.items()}
    yaml["PAID"] = make_yaml("PAID", imports="yes").rstrip() + "\n  stable_for_seconds: 0\n"
    return {code: add_profile(library, code, yaml[code]) for code in servers}


def make_yaml(code: str, *, connection: str = "bursar_banner", imports: str = "no") -> str:
    """Returns a profile for fines of its own type, whose next date is `NEXT`."""
    return PROFILE.format(code=code, connection=connection, at=f"{NEXT:%H:%M}", imports=imports)


def add_profile(library: Library, code: str, yaml: str) -> str:
    """Adds a profile and waits for its export DAG; returns the id of the DAG."""
    (library.state / "include" / "profiles" / f"{code.lower()}.yaml").write_text(yaml)
    library.airflow.client.wait_for_dags([f"bursar_export__{code}"])
    return f"bursar_export__{code}"


def add_fines(engine: Engine, kind: str, *days_old: int) -> list[int]:
    """Adds fines of 10.00 USD of the institution, created an hour before the schedule's date, so many days ago."""
    with engine.begin() as connection:
        user = connection.scalar(text("SELECT min(user_id) FROM identifiers WHERE type = 'userName'"))
        return [
            desk.add_fine(
                connection,
                user_id=user,
                fine_fee_type=kind,
                amount=Decimal(10),
                currency="USD",
                created_at=NEXT - timedelta(days=days, hours=1),
            )
            for days in days_old
        ]


def get_report(engine: Engine, run_id: str) -> Any:
    with engine.connect() as connection:
        return connection.execute(text("SELECT * FROM run_reports WHERE run_id = :run_id"), {"run_id": run_id}).one()


def get_exported_fines(engine: Engine, profile: str) -> dict[str, list[int]]:
    """Returns the fines that were exported, by run."""
    query = text(
        "SELECT run_id, array_agg(fine_id ORDER BY fine_id) AS fines FROM journal_entries JOIN batches ON batches.id "
        "= batch_id"
        " WHERE profile = :profile GROUP BY run_id"
    )
    with engine.connect() as connection:
        return {row.run_id: row.fines for row in connection.execute(query, {"profile": profile})}


def log(library: Library, dag: str, run_id: str, task: str) -> list[str]:
    """Returns Bursar's lines in the log of a task, as Airflow shows it."""
    reply = library.airflow.client.get(f"dags/{dag}/dagRuns/{run_id}/taskInstances/{task}/logs/1")
    lines = reply.raise_for_status().json()["content"]
    return [line["event"] for line in lines if line.get("logger", "").startswith("bursar.")]


def get_errors(library: Library, dag: str, run_id: str, task: str) -> list[str]:
    """Returns the errors in the log of a task; none may have a stack. Airflow adds that the task has exited."""
    reply = library.airflow.client.get(f"dags/{dag}/dagRuns/{run_id}/taskInstances/{task}/logs/1")
    lines = reply.raise_for_status().json()["content"]
    assert not [line for line in lines if line.get("error_detail") or "Traceback" in line["event"]]
    return [line["event"] for line in lines if line.get("level") == "error" and line["event"] != "Task exited"]


def files(library: Library, code: str) -> list[Path]:
    return sorted((library.folders["banner"] / SUB_DIRECTORY / code).glob("*.xml"))


def test_a_failed_upload_is_a_failed_run_whose_report_says_what_to_do(
    library: Library, engine: Engine, dags: dict[str, str]
) -> None:
    client, dag = library.airflow.client, dags["NOWHERE"]
    add_fines(engine, "NOWHEREFEE", 1, 2)

    run_id = client.trigger(dag)

    assert client.wait(dag, run_id) == "failed"
    assert client.task_states(dag, run_id) == {
        "recover_unfinished_batches": "success",
        "select_fines": "success",
        "build_file": "success",
        "upload_file": "failed",
        "close_fines": "upstream_failed",
        "report_run": "failed",
    }
    report = get_report(engine, run_id)
    assert (report.outcome, report.fines) == ("failed", 0)
    assert list(report.task_timings) == ["recover_unfinished_batches", "select_fines", "build_file", "upload_file"]
    failure, waiting = report.messages
    assert "The upload of the file failed: There is no Airflow connection bursar_nowhere." in failure
    assert "with 2 fines (20.00 USD) is ready to be uploaded, and no other export takes its fines" in waiting
    (note,) = [each["note"] for each in client.runs(dag) if each["dag_run_id"] == run_id]
    assert note.startswith("**The upload of the file failed: There is no Airflow connection bursar_nowhere.")
    assert "\n- Outcome: failed ([job report](" in note
    assert get_errors(library, dag, run_id, "upload_file") == [failure.removeprefix("The upload of the file failed: ")]
    assert get_errors(library, dag, run_id, "report_run") == [
        "The run failed, and its report is recorded. See the tasks before this one."
    ]


@pytest.mark.slow  # tests/airflow/test_tasks.py shows the same task by task
def test_a_manual_run_follows_its_parameters(library: Library, engine: Engine, dags: dict[str, str]) -> None:
    """As of a moment, by the REST API; as a dry run, by the command line; without parameters; as a resend."""
    client, dag = library.airflow.client, dags["ASKED"]
    old, new = add_fines(engine, "ASKEDFEE", 10, 1)

    past = client.trigger(dag, {"as_of": (NEXT - timedelta(days=5)).isoformat()})
    assert client.wait(dag, past) == "success"
    assert get_exported_fines(engine, "ASKED") == {past: [old]}
    assert get_report(engine, past).as_of == NEXT - timedelta(days=5)
    (first,) = files(library, "ASKED")

    library.airflow.command("dags", "trigger", dag, "--run-id", "dry", "--conf", json.dumps({"dry_run": True}))
    assert client.wait(dag, "dry") == "success"
    assert client.task_states(dag, "dry")["upload_file"] == "skipped"
    dry = get_report(engine, "dry")
    assert (dry.dry_run, dry.outcome, dry.fines) == (True, "completed", 1)
    assert files(library, "ASKED") == [first]

    plain = client.trigger(dag)
    assert client.wait(dag, plain) == "success"
    assert get_exported_fines(engine, "ASKED") == {past: [old], plain: [new]}

    content = first.read_bytes()
    first.unlink()
    batch = int(first.name.split("-")[1])
    again = client.trigger(dag, {"resend_batch": batch})
    assert client.wait(dag, again) == "success"
    assert first.read_bytes() == content
    assert f"As a person asked, batch {batch} with 1 fine was sent again" in get_report(engine, again).messages[0]
    assert get_exported_fines(engine, "ASKED") == {past: [old], plain: [new]}
    notes = {each["dag_run_id"]: each["note"] for each in client.runs(dag)}
    assert notes[plain].startswith("Outcome: **completed, 1 fine of 1 user exported, 10.00 USD** ([job report](")
    tasks = ("select_fines", "build_file", "upload_file", "close_fines")
    steps = dict.fromkeys(line.split()[0] for task in tasks for line in log(library, dag, plain, task))
    assert " ".join(steps) == "Selecting Freezing As Skipped: Built Sending Delivered Closing Closed"


def test_an_import_applies_the_payments_of_an_exported_fine(
    library: Library, engine: Engine, dags: dict[str, str]
) -> None:
    client, dag = library.airflow.client, "bursar_import__PAID"
    (fine,) = add_fines(engine, "PAIDFEE", 1)
    assert client.wait(dags["PAID"], client.trigger(dags["PAID"])) == "success"
    with engine.connect() as connection:
        line = text("SELECT transaction_id FROM batch_lines WHERE fine_id = :fine")
        transaction = connection.scalar(line, {"fine": fine})
    folder = library.folders["banner"] / SUB_DIRECTORY / "PAID" / "in"
    folder.mkdir()
    (folder / "paid.xml").write_bytes(xml(Payment(transaction, "6.00")))

    client.wait_for_dags([dag])
    run_id = client.trigger(dag)

    assert client.wait(dag, run_id) == "success"
    with engine.connect() as connection:
        outstanding = text("SELECT outstanding FROM fines WHERE id = :fine")
        assert connection.scalar(outstanding, {"fine": fine}) == Decimal(4)
    assert [path.relative_to(folder).as_posix() for path in folder.rglob("*.xml")] == ["processed/paid.xml"]
    report = get_report(engine, run_id)
    assert (report.outcome, report.messages) == ("completed", [])


@pytest.mark.parametrize("conf", [{"dry_run": "maybe"}, {"resend_batch": "seven"}, {"as_of": "yesterday"}])
def test_the_form_rejects_a_wrong_value(library: Library, dags: dict[str, str], conf: dict[str, Any]) -> None:
    with pytest.raises(BursarError, match="400"):
        library.airflow.client.trigger(dags["ASKED"], conf)


@pytest.mark.slow  # as above
def test_a_resend_of_an_unknown_batch_fails_before_anything_is_done(
    library: Library, engine: Engine, dags: dict[str, str]
) -> None:
    client, dag = library.airflow.client, dags["ASKED"]

    run_id = client.trigger(dag, {"resend_batch": 999_999})

    assert client.wait(dag, run_id) == "failed"
    assert client.task_states(dag, run_id)["select_fines"] == "upstream_failed"
    assert "There is no batch 999999." in get_report(engine, run_id).messages[0]
