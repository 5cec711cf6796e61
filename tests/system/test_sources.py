"""A source on a real Airflow: its DAG waits for the files on a real server, loads them and reports."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text

from bursar.db.engine import ledger_engine
from demo.library import SUB_DIRECTORY, Library
from tests.support.source_inbox import FINES_HEADING
from tests.system.test_monitoring import wait_until
from tests.system.test_runs import get_errors, get_report, log

pytestmark = pytest.mark.slow

DAG = "bursar_sync__LAW"
SOURCE = """
code: LAW
name: Law Library
kind: csv
connection: bursar_banner
folder: law/out
files: {fines: fines*.csv}
stable_for_seconds: 0
complete: no
closes_exported_fines: no
schedule: monthly on day 1 at 04:00
"""


@pytest.fixture(scope="module")
def engine(library: Library) -> Iterator[Engine]:
    """The library's ledger."""
    engine = ledger_engine(library.ledger_url)
    yield engine
    engine.dispose()


def test_a_source_is_loaded_by_its_dag(library: Library, engine: Engine) -> None:
    client = library.airflow.client
    folder = library.folders["banner"] / SUB_DIRECTORY / "law" / "out"
    folder.mkdir(parents=True)
    sources = library.state / "include" / "sources"
    sources.mkdir(exist_ok=True)
    (sources / "law.yaml").write_text(SOURCE, encoding="utf-8")
    client.wait_for_dags([DAG])
    with engine.connect() as connection:
        user = connection.scalar(text("SELECT min(value) FROM identifiers WHERE type = 'userName'"))

    run_id = client.trigger(DAG)
    wait_until(lambda: client.task_states(DAG, run_id)["wait_for_files"] == "deferred")
    fine = f"LAW1,{user},OVERDUEFINE,12.50,2026-01-01,\n"
    (folder / "fines.csv").write_text(FINES_HEADING + fine + "LAW2,Secret Person,x\n", encoding="utf-8")
    assert client.wait(DAG, run_id) == "success"

    assert [path.relative_to(folder).as_posix() for path in folder.rglob("*.csv")] == ["processed/fines.csv"]
    report = get_report(engine, run_id)
    assert (report.job, report.profile, report.outcome) == ("sync", "LAW", "completed with warnings")
    assert (report.files, report.fines) == (["fines.csv"], 1)
    with engine.connect() as connection:
        loaded = text("SELECT balance FROM fines WHERE source = 'LAW' AND source_id = 'LAW1'")
        assert connection.scalar(loaded) is not None
    note = client.get(f"dags/{DAG}/dagRuns/{run_id}").raise_for_status().json()["note"]
    assert "completed with warnings" in note
    assert "Secret" not in note + " ".join(log(library, DAG, run_id, "load_files"))

    (folder / "fines.csv").write_text("Secret;Person\n", encoding="utf-8")
    run_id = client.trigger(DAG)
    assert client.wait(DAG, run_id) == "failed"
    [error] = get_errors(library, DAG, run_id, "load_files")
    assert "of the source LAW was refused" in error
    assert "Secret" not in error
    assert [task["try_number"] for task in client.tasks(DAG, run_id) if task["task_id"] == "load_files"] == [1]
    assert (folder / "failed" / "fines.csv").exists()
    assert "was refused" in get_report(engine, run_id).messages[0]
