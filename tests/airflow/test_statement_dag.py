"""The DAG of statements: its structure, its sensor, its tasks on a real server, and the report of its run."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copy
from types import ModuleType
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.exceptions import AirflowSkipException
from airflow.serialization.serialized_objects import DagSerialization

from bursar.airflow import dag_factory, file_sensor, inbox_trigger, profile_store, report_task, statement_dag
from bursar.airflow.inbox_sensor import InboxSensor
from bursar.airflow.inbox_trigger import InboxTrigger
from bursar.airflow.statement_dag import ComparisonRun
from bursar.errors import InputFileError, TransientError
from bursar.ledger.jobs import Job
from bursar.notifications.alerts import find_alerts
from bursar.profiles import INCLUDE
from bursar.profiles.monitoring import Alerts, Notifications
from bursar.reporting.run_report import RunOutcome
from bursar.reporting.statement_report import build_statement_report
from tests.airflow.conftest import Connect
from tests.support.fake_bursar import FakeBursar
from tests.support.fixtures import make_settings
from tests.support.statement_inbox import StatementInbox

PROJECT = Path(__file__).parents[2]
SECTION = """
statement:
  active: yes
  layout: office
  input_file_path: students/statements
  schedule: weekly on Monday at 06:00
"""
EARLIER = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def include(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder `include` with the profile STUDENTS, whose statements are compared."""
    folder = tmp_path / "profiles_include"
    (folder / "profiles").mkdir(parents=True)
    copy(INCLUDE / "bursar.yaml", folder)
    profile = (INCLUDE / "profiles.examples" / "students.yaml").read_text(encoding="utf-8")
    (folder / "profiles" / "students.yaml").write_text(profile + SECTION, encoding="utf-8")
    for module in (dag_factory, profile_store, inbox_trigger, file_sensor):
        monkeypatch.setattr(module, "INCLUDE", folder)
    return folder


@pytest.fixture
def run(statements: StatementInbox, connect: Connect) -> ComparisonRun:
    """A run of the profile, whose server is a connection of Airflow."""
    connection = connect(statements.remote.connection)
    statements.profile = statements.profile.model_copy(update={"sftp_connection": connection})
    return make_run(statements)


def make_run(statements: StatementInbox, run_id: str = "run 1") -> ComparisonRun:
    return ComparisonRun(
        profile=statements.profile,
        settings=make_settings(work_dir=statements.staging),
        engine=statements.library.ledger,
        run_id=run_id,
    )


def use_ledger(statements: StatementInbox, monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> None:
    url = statements.library.ledger.url.render_as_string(hide_password=False)
    monkeypatch.setattr(module, "ledger_url", lambda: url)


def report(statements: StatementInbox, *failed: str) -> Any:
    return build_statement_report(
        statements.library.ledger, "STUDENTS", run_id="run 1", started_at=EARLIER, failed=failed
    )


@pytest.mark.usefixtures("include")
def test_a_profile_with_an_active_section_has_a_dag() -> None:
    bag = DagBag(PROJECT / "dags" / "bursar_integrations.py")
    assert bag.import_errors == {}
    dag: Any = bag.dags["bursar_statement__STUDENTS"]
    assert dag.dag_display_name.startswith("Compare with Statements of Bursar Using Profile ")
    assert [task.task_id for task in dag.topological_sort()] == [
        "wait_for_files",
        "statement.compare_file",
        "statement.archive_file",
        "report_run",
    ]
    assert (dag.max_active_runs, dag.catchup) == (1, False)
    assert "`*.csv`" in dag.doc_md
    again = DagBag(PROJECT / "dags" / "bursar_integrations.py").dags["bursar_statement__STUDENTS"]
    assert DagSerialization.to_dict(dag) == DagSerialization.to_dict(again)


def test_the_sensor_waits_with_the_trigger_of_the_profile(statements: StatementInbox) -> None:
    sensor = statement_dag.statement_dag(statements.profile, make_settings()).get_task("wait_for_files")
    assert isinstance(sensor, InboxSensor)
    trigger = sensor.make_trigger()
    classpath, arguments = trigger.serialize()
    assert classpath == f"{InboxTrigger.__module__}.InboxTrigger"
    assert (arguments["code"], arguments["job"]) == ("STUDENTS", "statement")
    assert "statements of the connection" in sensor.describe_folder()


@pytest.mark.usefixtures("include")
def test_the_trigger_finds_statements_and_no_other_files(
    statements: StatementInbox, run: ComparisonRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_ledger(statements, monkeypatch, inbox_trigger)
    statements.profile = run.profile
    monkeypatch.setattr(inbox_trigger, "load_all_profiles", lambda *_args, **_kwargs: ([statements.profile], []))
    statements.put("1,10.00,USD")
    (statements.disk / "payments.xml").write_text("<x/>", encoding="utf-8")
    trigger = InboxTrigger(
        code="STUDENTS",
        job="statement",
        connection_id="x",
        deadline=EARLIER.isoformat(),
        check_interval_seconds=1,
    )

    async def collect() -> list[Any]:
        return [event.payload async for event in trigger.run()]

    assert asyncio.run(collect()) == [{"files": ["open.csv"]}]
    inactive = statements.profile.statement.model_copy(update={"active": False})
    statements.profile = statements.profile.model_copy(update={"statement": inactive})
    with pytest.raises(TransientError, match="statement section is not active"):
        trigger.find_ready_files(is_last_check=True)


@pytest.mark.usefixtures("include")
def test_a_run_without_a_statement_is_skipped_in_words(
    statements: StatementInbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_ledger(statements, monkeypatch, file_sensor)
    sensor: Any = InboxSensor(task_id="wait", profile=statements.profile, job=Job.STATEMENT)
    with pytest.raises(AirflowSkipException, match=r"no file named \*\.csv was ready .* Nothing was compared"):
        sensor.execute_complete({}, {"files": []})


def test_the_tasks_compare_and_archive_a_statement_and_the_report_names_the_differences(
    statements: StatementInbox, office: FakeBursar, run: ComparisonRun
) -> None:
    _, agrees = office.export_fine("10.00")
    _, differs = office.export_fine("10.00")
    statements.age()
    statements.put(f"{agrees},10.00,USD", f"{differs},11.00,USD")
    compared = statement_dag.compare_file(run, "open.csv")
    assert compared["outcomes"] == {"DIFFERS": 1, "AGREES": 1}
    assert statement_dag.archive_file(run, compared)["archived_path"] == "processed/open.csv"
    found = report(statements)
    assert found.outcome is RunOutcome.WITH_WARNINGS
    assert (found.files, found.fines, found.users) == (("open.csv",), 2, 2)
    assert found.rejects["DIFFERS"].sums == {"USD": 1}
    difference, sums = found.messages
    assert difference == (
        "1 of 2 fines in open.csv does not agree (1: another sum there than here). Nothing was changed. Bursar > "
        "Reconciliation lists what differs (`bin/bursar statements show 1`). Clarify it with the bursar."
    )
    assert sums == "open.csv: 21.00 USD open there, 20.00 USD outstanding here."


def test_a_statement_that_agrees_is_completed_without_warnings(
    statements: StatementInbox, office: FakeBursar, run: ComparisonRun
) -> None:
    _, agrees = office.export_fine("10.00")
    statements.put(f"{agrees},10.00,USD")
    statement_dag.compare_file(run, "open.csv")
    assert report(statements).outcome is RunOutcome.COMPLETED


def test_a_file_that_is_rejected_is_moved_to_failed_and_the_run_fails(
    statements: StatementInbox, run: ComparisonRun
) -> None:
    (statements.disk / "open.csv").write_bytes(b"%PDF-1.7")
    with pytest.raises(InputFileError, match="PDF"):
        statement_dag.compare_file(run, "open.csv")
    assert (statements.disk / "failed" / "open.csv").exists()
    assert report(statements, "compare_file").outcome is RunOutcome.FAILED


def test_the_report_of_the_run_is_that_of_statements() -> None:
    assert report_task._BUILDERS[Job.STATEMENT] is build_statement_report  # noqa: SLF001


def test_a_profile_is_alerted_when_no_statement_comes(statements: StatementInbox, office: FakeBursar) -> None:
    statements.profile = statements.profile.model_copy(
        update={
            "alerts": Alerts(max_days_without_statement=3),
            "notifications": Notifications(failed=("fines@library.example",)),
        }
    )
    now = datetime.now(UTC)

    def find(days: int) -> list[str]:
        with statements.library.ledger.begin() as connection:
            return [
                alert.summary for alert in find_alerts(connection, [statements.profile], now=now + timedelta(days=days))
            ]

    assert find(0) == []
    assert find(4) == ["no statement has come for more than 3 days"]
    office.export_fine("10.00")
    statements.compare()
    assert find(2) == []
    assert find(5)[0].startswith("no statement has come for more than 3 days; the last one was on ")
