"""Runs on a real scheduler, asked for by people: what they do, what they report, and how Airflow shows it."""

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
"""The next date of these profiles' schedules: no date may come while a backfill ends, or it takes what is left."""


@pytest.fixture(scope="module")
def engine(library: Library) -> Iterator[Engine]:
    """The library's ledger."""
    engine = ledger_engine(library.ledger_url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def dags(library: Library) -> dict[str, str]:
    """Profiles of this module's own, each for fines of its own type; their export DAGs."""
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
    """Gives the library one more profile; returns the id of its export DAG, which Airflow knows by then."""
    (library.state / "include" / "profiles" / f"test_{code.lower()}.yaml").write_text(yaml)
    library.airflow.client.wait_for_dags([f"bursar_export__{code}"])
    return f"bursar_export__{code}"


def add_fines(engine: Engine, kind: str, *days_old: int) -> list[int]:
    """Fines of 10.00 USD that the institution owns, made an hour before the schedule's date that many days ago."""
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


def report_of(engine: Engine, run_id: str) -> Any:
    with engine.connect() as connection:
        return connection.execute(text("SELECT * FROM run_reports WHERE run_id = :run_id"), {"run_id": run_id}).one()


def sent(engine: Engine, profile: str) -> dict[str, list[int]]:
    """The fines of each run that closed some."""
    query = text(
        "SELECT run_id, array_agg(fine_id ORDER BY fine_id) AS fines FROM journal_entries JOIN batches ON batches.id "
        "= batch_id"
        " WHERE profile = :profile GROUP BY run_id"
    )
    with engine.connect() as connection:
        return {row.run_id: row.fines for row in connection.execute(query, {"profile": profile})}


def log(library: Library, dag: str, run_id: str, task: str) -> list[str]:
    """What Bursar says in the log of a task, as Airflow shows it."""
    reply = library.airflow.client.get(f"dags/{dag}/dagRuns/{run_id}/taskInstances/{task}/logs/1")
    lines = reply.raise_for_status().json()["content"]
    return [line["event"] for line in lines if line.get("logger", "").startswith("bursar.")]


def files(library: Library, code: str) -> list[Path]:
    return sorted((library.folders["banner"] / SUB_DIRECTORY / code).glob("*.xml"))


def test_a_failed_upload_is_a_failed_run_with_a_report_that_says_what_to_do(
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
    report = report_of(engine, run_id)
    assert (report.outcome, report.fines) == ("failed", 0)
    assert list(report.task_timings) == ["recover_unfinished_batches", "select_fines", "build_file", "upload_file"]
    failure, waiting = report.messages
    assert "upload_file failed: There is no Airflow connection bursar_nowhere." in failure
    assert "with 2 fines (20.00 USD) is BUILT, and no other export takes its fines" in waiting
    (note,) = [each["note"] for each in client.runs(dag) if each["dag_run_id"] == run_id]
    assert note.startswith("Outcome: **failed**\n- upload_file failed: There is no Airflow connection")


def test_a_manual_run_does_what_it_is_asked_for(library: Library, engine: Engine, dags: dict[str, str]) -> None:
    """As of a moment, by the REST API; as a dry run, by the command line; plainly; and the same file once more."""
    client, dag = library.airflow.client, dags["ASKED"]
    old, new = add_fines(engine, "ASKEDFEE", 10, 1)

    past = client.trigger(dag, {"as_of": (NEXT - timedelta(days=5)).isoformat()})
    assert client.wait(dag, past) == "success"
    assert sent(engine, "ASKED") == {past: [old]}
    assert report_of(engine, past).as_of == NEXT - timedelta(days=5)
    (first,) = files(library, "ASKED")

    library.airflow.command("dags", "trigger", dag, "--run-id", "dry", "--conf", json.dumps({"dry_run": True}))
    assert client.wait(dag, "dry") == "success"
    assert client.task_states(dag, "dry")["upload_file"] == "skipped"
    dry = report_of(engine, "dry")
    assert (dry.dry_run, dry.outcome, dry.fines) == (True, "completed", 1)
    assert files(library, "ASKED") == [first]

    plain = client.trigger(dag)
    assert client.wait(dag, plain) == "success"
    assert sent(engine, "ASKED") == {past: [old], plain: [new]}

    content = first.read_bytes()
    first.unlink()
    batch = int(first.name.split("-")[1])
    again = client.trigger(dag, {"resend_batch": batch})
    assert client.wait(dag, again) == "success"
    assert first.read_bytes() == content
    assert f"As admin asked, batch {batch} with 1 fine was sent again" in report_of(engine, again).messages[0]
    assert sent(engine, "ASKED") == {past: [old], plain: [new]}
    notes = {each["dag_run_id"]: each["note"] for each in client.runs(dag)}
    assert notes[plain] == "Outcome: **completed, 1 fine of 1 user exported, 10.00 USD**"
    tasks = ("select_fines", "build_file", "upload_file", "close_fines")
    story = dict.fromkeys(line.split()[0] for task in tasks for line in log(library, dag, plain, task))
    assert list(story) == ["Selecting", "Freezing", "As", "Left", "Built", "Sending", "Delivered", "Closing", "Closed"]


@pytest.mark.parametrize("conf", [{"dry_run": "maybe"}, {"resend_batch": "seven"}, {"as_of": "yesterday"}])
def test_the_form_refuses_a_bad_value(library: Library, dags: dict[str, str], conf: dict[str, Any]) -> None:
    with pytest.raises(BursarError, match="400"):
        library.airflow.client.trigger(dags["ASKED"], conf)


def test_an_unknown_batch_is_refused_before_anything_happens(
    library: Library, engine: Engine, dags: dict[str, str]
) -> None:
    client, dag = library.airflow.client, dags["ASKED"]

    run_id = client.trigger(dag, {"resend_batch": 999_999})

    assert client.wait(dag, run_id) == "failed"
    assert client.task_states(dag, run_id)["select_fines"] == "upstream_failed"
    assert "There is no batch 999999." in report_of(engine, run_id).messages[0]


def test_a_backfill_gives_each_day_the_fines_that_were_due_then(
    library: Library, engine: Engine, dags: dict[str, str]
) -> None:
    """A week; then two days of it cleared, which sends nothing again, with a run beside it that finds what is new."""
    client, dag = library.airflow.client, dags["WEEK"]
    first, second, third, last = add_fines(engine, "WEEKFEE", 20, 6, 6, 3)
    days = [NEXT.date() - timedelta(days=days) for days in range(7, 0, -1)]

    _backfill(library, dag, days[0], days[-1], "--max-active-runs", "1")
    beside = client.trigger(dag, {"dry_run": True})
    runs = _ended(library, dag, 8)

    assert client.wait(dag, beside) == "success"
    by_day = {each["dag_run_id"]: _day(each) for each in runs if each["run_type"] == "backfill"}
    assert sorted(by_day.values()) == days
    assert {by_day[run_id]: fines for run_id, fines in sent(engine, "WEEK").items()} == {
        days[0]: [first],
        days[1]: [second, third],
        days[4]: [last],
    }
    assert (
        report_of(engine, next(run_id for run_id, day in by_day.items() if day == days[2])).outcome == "nothing to do"
    )

    already = sent(engine, "WEEK")
    (late,) = add_fines(engine, "WEEKFEE", 6)
    _backfill(library, dag, days[0], days[1], "--reprocess-behavior", "completed")
    plain = client.trigger(dag)
    _ended(library, dag, 9)
    assert sent(engine, "WEEK") == already | {plain: [late]}


def test_a_backfill_reversed_begins_with_the_newest_day(library: Library, engine: Engine, dags: dict[str, str]) -> None:
    """The newest of three days was exported before and is left alone; the next takes all that was due until then."""
    dag = dags["BACKWARDS"]
    days = [NEXT.date() - timedelta(days=days) for days in (3, 2, 1)]
    old, due = add_fines(engine, "BACKWARDSFEE", 20, 1)
    library.airflow.client.backfill(dag, _at(days[-1]), _at(days[-1]))
    (before,) = _ended(library, dag, 1)
    late, later, _ = add_fines(engine, "BACKWARDSFEE", 20, 2, 1)

    _backfill(library, dag, days[0], days[-1], "--max-active-runs", "1", "--run-backwards")
    oldest, middle, newest = _ended(library, dag, 3)

    assert [_day(run_id) for run_id in (oldest, middle, newest)] == days
    assert newest == before
    assert middle["end_date"] < oldest["start_date"]
    assert sent(engine, "BACKWARDS") == {newest["dag_run_id"]: [old, due], middle["dag_run_id"]: [late, later]}
    assert report_of(engine, oldest["dag_run_id"]).outcome == "nothing to do"


def test_an_import_refuses_a_backfill(library: Library, dags: dict[str, str]) -> None:
    with pytest.raises(BursarError, match="does not allow backfill runs"):
        library.airflow.client.backfill("bursar_import__WEEK", "2026-03-01T00:00:00Z", "2026-03-03T00:00:00Z")


def test_a_run_that_a_person_marks_as_failed_stays_failed(
    library: Library, engine: Engine, dags: dict[str, str]
) -> None:
    """An import that waits for files: what is left is skipped, and the report is written all the same."""
    client, dag = library.airflow.client, "bursar_import__WEEK"
    (library.folders["banner"] / SUB_DIRECTORY / "WEEK" / "in").mkdir(parents=True)
    run_id = client.trigger(dag)
    deadline = time.monotonic() + 60
    while client.task_states(dag, run_id)["wait_for_files"] != "deferred":
        assert time.monotonic() < deadline, client.task_states(dag, run_id)
        time.sleep(0.5)

    client.patch(f"dags/{dag}/dagRuns/{run_id}", json={"state": "failed"}).raise_for_status()

    assert client.wait(dag, run_id) == "failed"
    assert report_of(engine, run_id).outcome == "failed"


def test_switching_a_section_off_keeps_its_history(library: Library, engine: Engine, dags: dict[str, str]) -> None:
    client, dag = library.airflow.client, dags["NOWHERE"]
    before = client.runs(dag)
    file = library.state / "include" / "profiles" / "test_nowhere.yaml"
    file.write_text(file.read_text().replace("active: yes", "active: no"))

    deadline = time.monotonic() + 180
    while dag in [each["dag_id"] for each in client.dags()] and time.monotonic() < deadline:
        time.sleep(0.5)

    assert dag not in [each["dag_id"] for each in client.dags()]
    assert client.runs(dag) == before
    assert report_of(engine, before[0]["dag_run_id"]).profile == "NOWHERE"


def _day(run_id: dict[str, Any]) -> date:
    return datetime.fromisoformat(run_id["run_after"]).astimezone(NEW_YORK).date()


def _at(day: date) -> str:
    """The date of the schedule on a day."""
    return f"{day}T{NEXT:%H:%M:00%z}"


def _backfill(library: Library, dag: str, first: date, last: date, *options: str) -> None:
    dates = (f"--from-date={_at(first)}", f"--to-date={_at(last)}")
    deadline = time.monotonic() + 60
    while True:
        try:
            library.airflow.command("backfill", "create", "--dag-id", dag, *dates, *options)
        except BursarError as error:  # Airflow takes a little longer to see that the one before has ended
            if "Another backfill is running" not in str(error) or time.monotonic() > deadline:
                raise
        else:
            return


def _ended(library: Library, dag: str, count: int, within: float = 180) -> list[dict[str, Any]]:
    """The runs of a DAG, once there are so many and all have ended well."""
    deadline = time.monotonic() + within
    time.sleep(2)  # a backfill that clears runs queues them again within its command
    while True:
        runs = library.airflow.client.runs(dag)
        if len(runs) == count and {run_id["state"] for run_id in runs} == {"success"}:
            return runs
        assert time.monotonic() < deadline, [(run_id["dag_run_id"], run_id["state"]) for run_id in runs]
        time.sleep(0.5)
