"""Runs that people start on a real scheduler: their effects, their reports, and their state in Airflow.

The module is long because all tests share one running Airflow and the helpers for its runs.
"""

import json
import time
from collections.abc import Iterator
from datetime import date, datetime, timedelta
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
    codes = dict.fromkeys(("ASKED", "WEEK", "BACKWARDS"), "bursar_banner") | {"NOWHERE": "bursar_nowhere"}
    yaml = {
        code: PROFILE.format(
            code=code, connection=connection, at=f"{NEXT:%H:%M}", imports="yes" if code == "WEEK" else "no"
        )
        for code, connection in codes.items()
    }
    exports = {code: add_profile(library, code, yaml[code]) for code in codes}
    library.airflow.client.wait_for_dags(["bursar_import__WEEK"])
    return exports


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


@pytest.mark.parametrize("conf", [{"dry_run": "maybe"}, {"resend_batch": "seven"}, {"as_of": "yesterday"}])
def test_the_form_rejects_a_wrong_value(library: Library, dags: dict[str, str], conf: dict[str, Any]) -> None:
    with pytest.raises(BursarError, match="400"):
        library.airflow.client.trigger(dags["ASKED"], conf)


def test_a_resend_of_an_unknown_batch_fails_before_anything_is_done(
    library: Library, engine: Engine, dags: dict[str, str]
) -> None:
    client, dag = library.airflow.client, dags["ASKED"]

    run_id = client.trigger(dag, {"resend_batch": 999_999})

    assert client.wait(dag, run_id) == "failed"
    assert client.task_states(dag, run_id)["select_fines"] == "upstream_failed"
    assert "There is no batch 999999." in get_report(engine, run_id).messages[0]


def test_a_backfill_exports_for_each_day_the_fines_that_were_due_then(
    library: Library, engine: Engine, dags: dict[str, str]
) -> None:
    """Then two days are cleared, which exports nothing again, while a manual run exports a fine added since."""
    client, dag = library.airflow.client, dags["WEEK"]
    first, second, third, last = add_fines(engine, "WEEKFEE", 20, 6, 6, 3)
    days = [NEXT.date() - timedelta(days=days) for days in range(7, 0, -1)]

    _backfill(library, dag, days[0], days[-1], "--max-active-runs", "1")
    beside = client.trigger(dag, {"dry_run": True})
    runs = _wait_for_runs(library, dag, 8)

    assert client.wait(dag, beside) == "success"
    days_of_runs = {each["dag_run_id"]: _day(each) for each in runs if each["run_type"] == "backfill"}
    assert sorted(days_of_runs.values()) == days
    assert {days_of_runs[run_id]: fines for run_id, fines in get_exported_fines(engine, "WEEK").items()} == {
        days[0]: [first],
        days[1]: [second, third],
        days[4]: [last],
    }
    assert (
        get_report(engine, next(run_id for run_id, day in days_of_runs.items() if day == days[2])).outcome
        == "nothing to do"
    )

    already = get_exported_fines(engine, "WEEK")
    (late,) = add_fines(engine, "WEEKFEE", 6)
    _backfill(library, dag, days[0], days[1], "--reprocess-behavior", "completed")
    plain = client.trigger(dag)
    _wait_for_runs(library, dag, 9)
    assert get_exported_fines(engine, "WEEK") == already | {plain: [late]}


def test_a_reversed_backfill_begins_with_the_newest_day(library: Library, engine: Engine, dags: dict[str, str]) -> None:
    """The newest of three days has been exported; the day before it exports all fines that were due by then."""
    dag = dags["BACKWARDS"]
    days = [NEXT.date() - timedelta(days=days) for days in (3, 2, 1)]
    old, due = add_fines(engine, "BACKWARDSFEE", 20, 1)
    library.airflow.client.backfill(dag, _at(days[-1]), _at(days[-1]))
    (before,) = _wait_for_runs(library, dag, 1)
    late, later, _ = add_fines(engine, "BACKWARDSFEE", 20, 2, 1)

    _backfill(library, dag, days[0], days[-1], "--max-active-runs", "1", "--run-backwards")
    oldest, middle, newest = _wait_for_runs(library, dag, 3)

    assert [_day(run) for run in (oldest, middle, newest)] == days
    assert newest == before
    assert middle["end_date"] < oldest["start_date"]
    assert get_exported_fines(engine, "BACKWARDS") == {
        newest["dag_run_id"]: [old, due],
        middle["dag_run_id"]: [late, later],
    }
    assert get_report(engine, oldest["dag_run_id"]).outcome == "nothing to do"


def test_an_import_allows_no_backfill(library: Library, dags: dict[str, str]) -> None:
    with pytest.raises(BursarError, match="does not allow backfill runs"):
        library.airflow.client.backfill("bursar_import__WEEK", "2026-03-01T00:00:00Z", "2026-03-03T00:00:00Z")


def test_a_run_that_a_person_marks_as_failed_stays_failed(
    library: Library, engine: Engine, dags: dict[str, str]
) -> None:
    """The run of an import that waits for files: its other tasks are skipped, and its report is recorded."""
    client, dag = library.airflow.client, "bursar_import__WEEK"
    (library.folders["banner"] / SUB_DIRECTORY / "WEEK" / "in").mkdir(parents=True)
    run_id = client.trigger(dag)
    deadline = time.monotonic() + 60
    while client.task_states(dag, run_id)["wait_for_files"] != "deferred":
        assert time.monotonic() < deadline, client.task_states(dag, run_id)
        time.sleep(0.5)

    client.patch(f"dags/{dag}/dagRuns/{run_id}", json={"state": "failed"}).raise_for_status()

    assert client.wait(dag, run_id) == "failed"
    assert get_report(engine, run_id).outcome == "failed"


def test_switching_a_section_off_keeps_its_history(library: Library, engine: Engine, dags: dict[str, str]) -> None:
    client, dag = library.airflow.client, dags["NOWHERE"]
    before = client.runs(dag)
    file = library.state / "include" / "profiles" / "nowhere.yaml"
    file.write_text(file.read_text().replace("active: yes", "active: no"))

    deadline = time.monotonic() + 180
    while dag in [each["dag_id"] for each in client.dags()] and time.monotonic() < deadline:
        time.sleep(0.5)

    assert dag not in [each["dag_id"] for each in client.dags()]
    assert client.runs(dag) == before
    assert get_report(engine, before[0]["dag_run_id"]).profile == "NOWHERE"


def _day(run: dict[str, Any]) -> date:
    return datetime.fromisoformat(run["run_after"]).astimezone(NEW_YORK).date()


def _at(day: date) -> str:
    """Returns the date of the schedule on a day."""
    return f"{day}T{NEXT:%H:%M:00%z}"


def _backfill(library: Library, dag: str, first: date, last: date, *options: str) -> None:
    dates = (f"--from-date={_at(first)}", f"--to-date={_at(last)}")
    deadline = time.monotonic() + 60
    while True:
        try:
            library.airflow.command("backfill", "create", "--dag-id", dag, *dates, *options)
        except BursarError as error:  # Airflow notices the end of the earlier one a little later
            if "Another backfill is running" not in str(error) or time.monotonic() > deadline:
                raise
        else:
            return


def _wait_for_runs(library: Library, dag: str, count: int, within: float = 180) -> list[dict[str, Any]]:
    """Waits until a DAG has so many runs and all have succeeded; returns them."""
    deadline = time.monotonic() + within
    time.sleep(2)  # a backfill that clears runs queues them again within its command
    while True:
        runs = library.airflow.client.runs(dag)
        if len(runs) == count and {run["state"] for run in runs} == {"success"}:
            return runs
        assert time.monotonic() < deadline, [(run["dag_run_id"], run["state"]) for run in runs]
        time.sleep(0.5)
