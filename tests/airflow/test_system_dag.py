"""The DAG of a library's system: its structure, its tasks called alone, its report, and Airflow's connection."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.serialization.serialized_objects import DagSerialization
from sqlalchemy import Engine

from bursar.airflow import notifier, system_dag
from bursar.airflow.library_systems import get_account
from bursar.airflow.system_dag import SystemRun
from bursar.errors import BursarError
from bursar.notifications.messages import Message
from bursar.reporting.load_report import build_load_report
from bursar.reporting.run_report import RunOutcome, RunReport
from tests.support.fixtures import make_settings
from tests.support.memory_system import make_system_source
from tests.support.memory_town import Town


def make_run(town: Town, **changes: Any) -> SystemRun:
    facts: dict[str, Any] = {
        "source": town.source,
        "settings": make_settings(work_dir=town.work_dir),
        "engine": town.library.ledger,
        "run_id": "run 2",
        "requested_by": None,
        "dry_run": False,
    }
    return SystemRun(**facts | changes)


def report(town: Town) -> RunReport:
    started_at = datetime.now(UTC) - timedelta(minutes=1)
    return build_load_report(town.library.ledger, "TOWN", run_id="run 2", started_at=started_at, failed=())


def test_the_dag_writes_then_reads_then_reports() -> None:
    dag: Any = system_dag.system_dag(make_system_source(), make_settings())
    assert (dag.dag_id, dag.dag_display_name) == ("bursar_sync__TOWN", "Synchronize with Town Library")
    assert [task.task_id for task in dag.topological_sort()] == ["write_events", "load_fines", "report_run"]
    assert "handed over, paid at bursar" in dag.doc_md
    again = system_dag.system_dag(make_system_source(), make_settings())
    assert DagSerialization.to_dict(dag) == DagSerialization.to_dict(again)


def test_its_tasks_have_the_pool_of_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__BURSAR__POOL_PER_CONNECTION", "True")
    dag = system_dag.system_dag(make_system_source(), make_settings())
    assert {dag.get_task(name).pool for name in ("write_events", "load_fines")} == {"town_system"}


def test_a_run_closes_what_was_exported_and_loads_what_is_new(registered_town: Town) -> None:
    town = registered_town
    town.system.charge("1", "10.00")
    town.read()
    town.bursar.export()
    town.system.charge("2", "5.00")
    written = system_dag.write_events(make_run(town))
    loaded, _ = system_dag.load_fines(make_run(town))
    assert written == {"done": 1, "refused": 0, "unknown": 0, "held": 0}
    assert loaded["counts"]["fines_added"] == 1
    assert town.system.fines["1"].balance == 0
    assert json.loads(json.dumps(loaded)) == loaded, "Airflow can store it as an XCom"
    built = report(town)
    assert (built.outcome, built.fines) == (RunOutcome.COMPLETED, 1)
    assert "Written: 1 event done." in built.messages


def test_fines_are_read_also_if_no_event_can_be_written(registered_town: Town) -> None:
    town = registered_town
    town.system.charge("1", "10.00")
    town.read()
    town.bursar.export()
    town.system.charge("2", "5.00")
    town.system.missing_name = "There is no transfer account Bursar."
    with pytest.raises(BursarError, match="no transfer account"):
        system_dag.write_events(make_run(town))
    dag: Any = system_dag.system_dag(town.source, make_settings())
    assert dag.get_task("load_fines").trigger_rule == "all_done"
    loaded, _ = system_dag.load_fines(make_run(town))
    assert loaded["counts"]["fines_added"] == 1
    assert town.rows("SELECT balance, outstanding FROM fines ORDER BY id") == [(0, 10), (5, 0)]


def test_a_refused_event_is_a_warning_in_the_report_which_is_mailed(registered_town: Town) -> None:
    town = registered_town
    town.system.charge("1", "10.00")
    town.read()
    town.bursar.export()
    town.system.faults = ["refuse"]
    system_dag.write_events(make_run(town))
    system_dag.load_fines(make_run(town))
    built = report(town)
    assert built.outcome is RunOutcome.WITH_WARNINGS
    assert built.messages[0] == (
        "Of the events for the library's system, 1 event was refused: the fine is closed. Retry them, or mark them "
        "as done, under Bursar > Waiting for a person (`bin/bursar sources outbox list --source TOWN` lists them)."
    )


def test_a_mail_says_that_a_system_is_synchronized(registered_town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    messages: list[Message] = []

    def send(_: Engine, message: Message, *_arguments: object, **_named: object) -> list[str]:
        messages.append(message)
        return []

    monkeypatch.setattr(notifier, "ledger_url", lambda: registered_town.library.ledger.url)
    monkeypatch.setattr(notifier, "send", send)
    notifier.notify(report(registered_town), registered_town.source, None)
    [message] = messages
    assert message.subject == "Nothing to do: Synchronize with Town Library, nothing was changed"


def test_a_dry_run_writes_and_loads_nothing(registered_town: Town) -> None:
    town = registered_town
    town.system.charge("1", "10.00")
    town.read()
    town.bursar.export()
    town.system.charge("2", "5.00")
    run = make_run(town, dry_run=True)
    assert system_dag.write_events(run)["done"] == 0
    loaded, _ = system_dag.load_fines(run)
    assert (loaded["load_id"], loaded["counts"]["fines_added"]) == (None, 1)
    assert (town.system.written, town.rows("SELECT count(*) FROM fines")) == ([], [(1,)])


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({"host": "library.example"}, "https://library.example"),
        ({"host": "https://library.example/", "port": 8443}, "https://library.example:8443"),
        ({"host": "127.0.0.1", "schema": "http", "port": 80}, "http://127.0.0.1:80"),
        ({"host": "library.example", "extra": {"path": "/api/"}}, "https://library.example/api"),
    ],
)
def test_the_address_of_a_system_is_that_of_the_connection(
    fields: dict[str, Any], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_TOWN_SYSTEM", json.dumps({"conn_type": "http"} | fields))
    assert get_account("town_system").url == url


def test_login_and_options_of_a_system_are_those_of_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"timeout_seconds": 20, "ca_file": "/ca.pem", "client_id": "c", "client_secret": "s"}
    fields = {"conn_type": "http", "host": "library.example", "login": "bursar", "password": "p", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_TOWN_SYSTEM", json.dumps(fields))
    account = get_account("town_system")
    assert (account.login, account.password, account.timeout_seconds) == ("bursar", "p", 20)
    assert (account.ca_file, account.client_id, account.client_secret) == (Path("/ca.pem"), "c", "s")
    assert "'p'" not in repr(account)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"conn_type": "sftp", "host": "x"}, "has to be of type http"),
        ({"conn_type": "http"}, "have a host"),
        ({"conn_type": "http", "host": "x", "extra": {"token": "t"}}, "unknown key, token"),
        ({"conn_type": "http", "host": "x", "extra": {"timeout_seconds": "soon"}}, "not a number of seconds"),
    ],
)
def test_a_connection_that_does_not_suit_is_refused(
    fields: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_TOWN_SYSTEM", json.dumps(fields))
    with pytest.raises(BursarError, match=message):
        get_account("town_system")
