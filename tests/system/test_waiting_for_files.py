"""Imports that wait for payment files on a real Airflow, and failures meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, text

from bursar.db.engine import ledger_engine
from demo.library import SUB_DIRECTORY, Library
from tests.support.fake_bursar import Payment
from tests.support.payment_inbox import xml
from tests.system.test_monitoring import wait_until
from tests.system.test_runs import NEXT, PROFILE, get_report, log

pytestmark = pytest.mark.slow

TASK = "wait_for_files"


@pytest.fixture(scope="module")
def engine(library: Library) -> Iterator[Engine]:
    """The library's ledger."""
    engine = ledger_engine(library.ledger_url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def dags(library: Library) -> dict[str, str]:
    """Adds profiles; returns their import DAGs."""
    settings = {
        "PATIENT": ("banner", "stable_for_seconds: 0"),
        "FUTILE": ("banner", "timeout_minutes: 0"),
        "ASTRAY": ("nowhere", "stable_for_seconds: 0"),
    }
    for code, (server, lines) in settings.items():
        (library.folders["banner"] / SUB_DIRECTORY / code / "in").mkdir(parents=True)
        profile = PROFILE.format(code=code, connection=f"bursar_{server}", at=f"{NEXT:%H:%M}", imports="yes")
        path = library.state / "include" / "profiles" / f"{code.lower()}.yaml"
        path.write_text(f"{profile.rstrip()}\n  {lines}\n", encoding="utf-8")
    dags = {code: f"bursar_import__{code}" for code in settings}
    library.airflow.client.wait_for_dags(dags.values())
    return dags


@contextmanager
def no_ledger(library: Library) -> Iterator[None]:
    """Inside the block the ledger accepts no connections; open ones are terminated."""
    with library.postgres.connect() as connection:
        connection.execute("ALTER DATABASE ledger ALLOW_CONNECTIONS false")
        try:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'ledger'")
            yield
        finally:
            connection.execute("ALTER DATABASE ledger ALLOW_CONNECTIONS true")


def test_a_wait_survives_restarts_of_the_ledger_and_of_the_triggerer_and_needs_no_process(
    library: Library, engine: Engine, dags: dict[str, str]
) -> None:
    airflow, client, dag = library.airflow, library.airflow.client, dags["PATIENT"]
    run_id = client.trigger(dag)

    wait_until(lambda: client.task_states(dag, run_id)[TASK] == "deferred")
    wait_until(lambda: any("ready 0" in line for line in log(library, dag, run_id, TASK)))
    with no_ledger(library):
        wait_until(lambda: any("accepts no session now" in line for line in log(library, dag, run_id, TASK)))
        [waiting] = [task for task in client.tasks(dag, run_id) if task["task_id"] == TASK]
        logs = [path.name for path in (library.state / "airflow" / "logs").rglob(f"*run_id={run_id}/*{TASK}/*")]
        airflow.kill("triggerer")
        (library.folders["banner"] / SUB_DIRECTORY / "PATIENT" / "in" / "late.xml").write_bytes(xml(Payment("1", "1")))
    airflow.start("triggerer")

    assert client.wait(dag, run_id) == "success"
    assert (waiting["state"], waiting["pid"], waiting["try_number"]) == ("deferred", None, 1)
    assert logs, "the triggerer's own log"
    assert all(".trigger." in name for name in logs), "a worker had written another one"
    [waited] = [task for task in client.tasks(dag, run_id) if task["task_id"] == TASK]
    assert waited["try_number"] == 1
    report = get_report(engine, run_id)
    assert report.task_timings[TASK] > 15, "the whole wait, in both triggerers"
    with engine.connect() as connection:
        applied = text("SELECT name FROM import_files WHERE profile = 'PATIENT' AND applied_at IS NOT NULL")
        assert connection.execute(applied).scalars().all() == ["late.xml"]
    labels = {
        task["task_id"]: task["rendered_map_index"] for task in client.tasks(dag, run_id) if task["map_index"] == 0
    }
    assert labels == dict.fromkeys(
        ("import_file.load_file", "import_file.apply_payments", "import_file.archive_file"), "late.xml"
    )


def test_a_wait_without_a_file_is_skipped_and_an_error_that_needs_a_person_is_not_retried(
    library: Library, engine: Engine, dags: dict[str, str]
) -> None:
    client = library.airflow.client
    skipped, failed = dags["FUTILE"], dags["ASTRAY"]
    runs = {dag: client.trigger(dag) for dag in (skipped, failed)}

    assert [client.wait(dag, run_id) for dag, run_id in runs.items()] == ["success", "failed"]
    tasks = [task for dag, run_id in runs.items() for task in client.tasks(dag, run_id) if task["task_id"] == TASK]
    assert [(task["state"], task["try_number"]) for task in tasks] == [("skipped", 1), ("failed", 1)]
    assert get_report(engine, runs[skipped]).outcome == "nothing to do"
    assert "There is no Airflow connection bursar_nowhere" in get_report(engine, runs[failed]).messages[0]
