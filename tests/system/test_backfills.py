"""Backfills on a real scheduler; runs that a person ends, and sections that a person switches off."""

import time
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from bursar.db.engine import ledger_engine
from bursar.errors import BursarError
from demo.library import SUB_DIRECTORY, Library
from tests.system.test_monitoring import TIMEOUT_SECONDS, wait_until
from tests.system.test_runs import (
    NEW_YORK,
    NEXT,
    add_fines,
    add_profile,
    get_exported_fines,
    get_report,
    make_yaml,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def engine(library: Library) -> Iterator[Engine]:
    """The library's ledger."""
    engine = ledger_engine(library.ledger_url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def dags(library: Library) -> dict[str, str]:
    """Adds profiles, each for fines of its own type; returns their export DAGs."""
    imports = {"WEEK": "yes", "BACKWARDS": "no", "ENDED": "no"}
    exports = {code: add_profile(library, code, make_yaml(code, imports=active)) for code, active in imports.items()}
    library.airflow.client.wait_for_dags(["bursar_import__WEEK"])
    return exports


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
    wait_until(lambda: client.task_states(dag, run_id)["wait_for_files"] == "deferred")

    client.patch(f"dags/{dag}/dagRuns/{run_id}", json={"state": "failed"}).raise_for_status()

    assert client.wait(dag, run_id) == "failed"
    assert get_report(engine, run_id).outcome == "failed"


def test_switching_a_section_off_keeps_its_history(library: Library, engine: Engine, dags: dict[str, str]) -> None:
    client, dag = library.airflow.client, dags["ENDED"]
    assert client.wait(dag, client.trigger(dag)) == "success"
    before = client.runs(dag)
    file = library.state / "include" / "profiles" / "ended.yaml"
    file.write_text(file.read_text().replace("active: yes", "active: no"))

    wait_until(lambda: dag not in [each["dag_id"] for each in client.dags()])
    assert client.runs(dag) == before
    assert get_report(engine, before[0]["dag_run_id"]).profile == "ENDED"


def _day(run: dict[str, Any]) -> date:
    return datetime.fromisoformat(run["run_after"]).astimezone(NEW_YORK).date()


def _at(day: date) -> str:
    """Returns the date of the schedule on a day."""
    return f"{day}T{NEXT:%H:%M:00%z}"


def _backfill(library: Library, dag: str, first: date, last: date, *options: str) -> None:
    dates = (f"--from-date={_at(first)}", f"--to-date={_at(last)}")
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while True:
        try:
            library.airflow.command("backfill", "create", "--dag-id", dag, *dates, *options)
        except BursarError as error:  # Airflow notices the end of the earlier one a little later
            if "Another backfill is running" not in str(error) or time.monotonic() > deadline:
                raise
        else:
            return


def _wait_for_runs(library: Library, dag: str, count: int) -> list[dict[str, Any]]:
    """Waits until a DAG has so many runs and all have succeeded; returns them."""
    deadline = time.monotonic() + count * TIMEOUT_SECONDS / 2
    time.sleep(2)  # a backfill that clears runs queues them again within its command
    while True:
        runs = library.airflow.client.runs(dag)
        if len(runs) == count and {run["state"] for run in runs} == {"success"}:
            return runs
        assert time.monotonic() < deadline, [(run["dag_run_id"], run["state"]) for run in runs]
        time.sleep(0.5)
