"""The DAGs of sources: their structure, their sensor and trigger, and their tasks called alone on a real server."""

import asyncio
import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copy
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.exceptions import AirflowSkipException
from airflow.serialization.serialized_objects import DagSerialization

from bursar.airflow import (
    dag_factory,
    file_sensor,
    profile_store,
    report_task,
    source_file_trigger,
    sync_dag,
)
from bursar.airflow.file_trigger import WaitResult
from bursar.airflow.source_file_sensor import SourceFileSensor
from bursar.airflow.source_file_trigger import SourceFileTrigger
from bursar.airflow.sync_dag import SourceRun
from bursar.airflow.task_failure import TaskFailure, log_known_errors
from bursar.errors import InputFileError
from bursar.ledger.jobs import Job
from bursar.profiles import INCLUDE, yaml_reader
from bursar.profiles.yaml_reader import Source, read_yaml
from bursar.reporting.load_report import add_dry_run
from bursar.sources.csv.model import CsvSource
from bursar.sources.read import load_sources
from bursar.sources.ready_files import SEPARATE_PREVIEWS
from tests.airflow.conftest import Connect
from tests.support.fixtures import Library, make_settings
from tests.support.reports import make_report
from tests.support.source_inbox import USERS, SourceInbox, make_source, set_time, write_fines

PROJECT = Path(__file__).parents[2]
SOURCE = """\
code: LAW
name: Law Library
kind: csv
connection: bursar_files
folder: out
files: {users: users*.csv, fines: fines*.csv}
stable_for_seconds: 0
complete: yes
closes_exported_fines: no
schedule: daily at 02:00
time_zone: America/New_York
"""


@pytest.fixture
def include(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder `include` with the source LAW, and without profiles."""
    folder = tmp_path / "include"
    for name in ("profiles", "sources"):
        (folder / name).mkdir(parents=True)
    copy(INCLUDE / "bursar.yaml", folder)
    write_source(folder, SOURCE)
    for module in (dag_factory, profile_store, source_file_trigger):
        monkeypatch.setattr(module, "INCLUDE", folder)
    return folder


def write_source(include: Path, source: str, name: str = "law") -> None:
    (include / "sources" / f"{name}.yaml").write_text(source, encoding="utf-8")


@pytest.fixture
def inbox(source_inbox: SourceInbox, connect: Connect) -> SourceInbox:
    """The folder of the source on a server, which is a connection of Airflow."""
    assert source_inbox.remote
    source_inbox.change(connection=connect(source_inbox.remote.connection))
    return source_inbox


def make_run(inbox: SourceInbox, **changes: Any) -> SourceRun:
    facts: dict[str, Any] = {
        "source": inbox.source,
        "settings": make_settings(work_dir=inbox.work_dir),
        "engine": inbox.library.ledger,
        "run_id": "run 1",
        "requested_by": None,
    }
    return SourceRun(**facts | changes)


def test_each_active_source_has_a_dag(include: Path) -> None:
    write_source(include, SOURCE.replace("LAW", "OLD").replace("out", "old") + "active: no\n", "old")
    bag = DagBag(PROJECT / "dags")
    assert bag.import_errors == {}
    assert [id_ for id_ in bag.dag_ids if id_.startswith("bursar_sync")] == ["bursar_sync__LAW"]
    dag: Any = bag.dags["bursar_sync__LAW"]
    assert dag.dag_display_name == "Load Fines from Law Library"
    assert [task.task_id for task in dag.topological_sort()] == ["wait_for_files", "load_files", "report_run"]
    assert (dag.max_active_runs, dag.catchup) == (1, False)
    assert "`users*.csv`" in dag.doc_md
    assert DagSerialization.to_dict(dag) == DagSerialization.to_dict(DagBag(PROJECT / "dags").dags["bursar_sync__LAW"])


def test_an_invalid_source_affects_no_other_and_airflow_shows_its_problems(include: Path) -> None:
    wrong = SOURCE.replace("LAW", "MED").replace("out", "med").replace("kind: csv", "kind: excel")
    write_source(include, wrong, "med")
    bag = DagBag(PROJECT / "dags")
    assert "bursar_sync__LAW" in bag.dag_ids
    assert "bursar_sync__MED" not in bag.dag_ids
    ((where, error),) = bag.import_errors.items()
    assert where.endswith("bursar_profile_problems.py")
    assert "med.yaml:3: kind" in error


def test_a_task_reads_only_its_own_source(include: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        write_source(include, SOURCE.replace("LAW", f"S{number}").replace("out", f"s{number}"), f"s{number}")
    seen: list[str] = []

    def reading(path: Path) -> Source:
        seen.append(path.name)
        return read_yaml(path)

    monkeypatch.setattr(yaml_reader, "read_yaml", reading)
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "bursar_sync__S3")
    assert set(dag_factory.build_source_dags()) == {"bursar_sync__S3"}
    assert [name for name in seen if name != "bursar.yaml"] == ["s3.yaml"]
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "bursar_export__LAW")
    assert dag_factory.build_source_dags() == {}


def test_only_a_source_with_a_connection_has_its_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__BURSAR__POOL_PER_CONNECTION", "True")
    dags = [
        sync_dag.sync_dag(source, make_settings())
        for source in (make_source(), make_source(connection=None, folder="/x"))
    ]
    assert [dag.get_task("load_files").pool for dag in dags] == ["law_system", "default_pool"]
    assert all(dag.get_task("load_files").execution_timeout for dag in dags)


def test_the_arguments_of_the_trigger_are_ids_and_times_only() -> None:
    dag = sync_dag.sync_dag(make_source(stable_for_seconds=30), make_settings())
    sensor = dag.get_task("wait_for_files")
    assert isinstance(sensor, SourceFileSensor)
    assert sensor.start_from_trigger
    assert sensor.start_trigger_args
    assert sensor.start_trigger_args.trigger_cls == "bursar.airflow.source_file_trigger.SourceFileTrigger"
    assert sensor.start_trigger_args.trigger_kwargs == {
        "code": "LAW",
        "connection_id": "law_system",
        "deadline": sensor.deadline,
        "check_interval_seconds": 30,
    }


def test_the_tasks_load_and_archive_the_files(inbox: SourceInbox) -> None:
    inbox.put("users.csv", USERS)
    inbox.put("fines.csv", write_fines("12.50", "x"))
    sets = inbox.find_sets()
    [loaded] = sync_dag.load_files(make_run(inbox), sets)
    assert (loaded["load_id"], loaded["files"]) == (1, ["users.csv", "fines.csv"])
    assert (loaded["counts"]["fines_added"], sum(loaded["rejected"].values())) == (1, 1)
    assert json.loads(json.dumps([loaded])) == [loaded], "Airflow can store it as an XCom"
    assert "Okonkwo" not in json.dumps(loaded)
    assert inbox.files() == ["processed/fines.csv", "processed/users.csv"]
    assert sync_dag.load_files(make_run(inbox), sets) == [loaded], "a cleared task does nothing twice"


def test_a_dry_run_changes_nothing(inbox: SourceInbox) -> None:
    inbox.put("fines.csv", write_fines("1"))
    inbox.put("users.csv", USERS)
    [counted] = sync_dag.load_files(make_run(inbox, dry_run=True), inbox.find_sets())
    assert (counted["load_id"], counted["counts"]["fines_added"]) == (None, 1)
    assert (inbox.balances(), inbox.files()) == ({}, ["fines.csv", "users.csv"])


def test_a_dry_run_of_a_wrong_file_names_no_value(inbox: SourceInbox) -> None:
    inbox.put("fines.csv", write_fines(*["x"] * 25, user="Beaver"))
    inbox.put("users.csv", USERS)
    with pytest.raises(InputFileError, match=r"fines\.csv would be refused: its rows have 50 faults") as error:
        sync_dag.load_files(make_run(inbox, dry_run=True), inbox.find_sets())
    assert "Beaver" not in str(error.value)


def test_a_dry_run_of_two_sets_has_the_refusal_and_what_the_other_would_do(inbox: SourceInbox) -> None:
    set_time(inbox.put("fines_a.csv", write_fines(*["x"] * 25, user="Beaver")), 0)
    set_time(inbox.put("users.csv", USERS), 0)
    set_time(inbox.put("fines_b.csv", write_fines("1")), 10)
    with pytest.raises(InputFileError) as error:
        sync_dag.load_files(make_run(inbox, dry_run=True), inbox.find_sets())
    message = str(error.value)
    assert "A load of users.csv, fines_a.csv would be refused: its rows have 50 faults" in message
    assert "A load of fines_b.csv: 1 row read, 1 rejected." in message
    assert "Beaver" not in message


@pytest.mark.parametrize("dry_run", [False, True])
def test_the_stack_of_a_refusal_in_the_log_names_no_value(
    inbox: SourceInbox, caplog: pytest.LogCaptureFixture, *, dry_run: bool
) -> None:
    inbox.put("fines.csv", write_fines(*["x"] * 25, user="Beaver"))
    inbox.put("users.csv", USERS)
    with caplog.at_level(logging.DEBUG), pytest.raises(TaskFailure), log_known_errors():
        sync_dag.load_files(make_run(inbox, dry_run=dry_run), inbox.find_sets())
    assert "The stack of this error" in caplog.text
    assert "Beaver" not in caplog.text


def test_the_report_of_a_dry_run_of_two_sets_says_how_they_were_compared(inbox: SourceInbox) -> None:
    set_time(inbox.put("users.csv", USERS), 0)
    for number in (1, 2):
        set_time(inbox.put(f"fines_{number}.csv", write_fines("1")), number)
    sets = sync_dag.load_files(make_run(inbox, dry_run=True), inbox.find_sets())
    assert [one["counts"]["rejected"] for one in sets] == [0, 1]
    report = make_report(job=Job.SYNC, messages=())
    assert SEPARATE_PREVIEWS in add_dry_run(report, sets).messages
    assert SEPARATE_PREVIEWS not in add_dry_run(report, sets[:1]).messages


@pytest.fixture
def wait(inbox: SourceInbox, include: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], WaitResult]:
    """Runs the trigger of the source to its end, with a deadline in so many seconds."""
    url = inbox.library.ledger.url.render_as_string(hide_password=False)
    monkeypatch.setattr(source_file_trigger, "ledger_url", lambda: url)

    async def result_of(trigger: SourceFileTrigger) -> WaitResult:
        [event] = [event async for event in trigger.run()]
        found: WaitResult = json.loads(json.dumps(event.payload))
        return found

    def wait(seconds: float) -> WaitResult:
        deadline = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
        trigger = SourceFileTrigger(
            code="LAW", connection_id="bursar_files", deadline=deadline, check_interval_seconds=0.1
        )
        return asyncio.run(asyncio.wait_for(result_of(trigger), 60))

    return wait


def test_the_wait_ends_with_all_files_or_at_the_deadline_with_those_that_are_there(
    wait: Callable[[float], WaitResult], inbox: SourceInbox
) -> None:
    assert wait(0) == {"files": []}
    inbox.put("fines.csv", write_fines("1"))
    started = datetime.now(UTC)
    assert wait(2) == {"files": [{"fines": "fines.csv"}]}
    assert datetime.now(UTC) - started >= timedelta(seconds=2)
    inbox.put("users.csv", USERS)
    assert wait(60) == {"files": [{"users": "users.csv", "fines": "fines.csv"}]}


def test_a_source_that_cannot_be_read_is_a_transient_error_and_a_missing_folder_is_not(
    wait: Callable[[float], WaitResult], inbox: SourceInbox, include: Path
) -> None:
    inbox.disk.rmdir()
    assert "there is no such folder" in wait(60)["failure"]
    write_source(include, "code: [")
    assert "The source LAW has an error" in str(wait(0)["last_error"])


@pytest.mark.parametrize(("on_timeout", "end"), [("skip", AirflowSkipException), ("fail", TaskFailure)])
def test_a_run_without_files_ends_as_the_source_says(
    library: Library, monkeypatch: pytest.MonkeyPatch, on_timeout: str, end: type[BaseException]
) -> None:
    url = library.ledger.url.render_as_string(hide_password=False)
    for module in (file_sensor, report_task):
        monkeypatch.setattr(module, "ledger_url", lambda: url)
    sensor: Any = sync_dag.sync_dag(make_source(on_timeout=on_timeout), make_settings()).get_task("wait_for_files")
    ti = SimpleNamespace(map_index=-1, start_date=datetime.now(UTC))
    with pytest.raises(end, match=r"no file named users\*\.csv or fines\*\.csv was ready in out of the connection"):
        sensor.resume_execution("execute_complete", {"event": {"files": []}}, {"ti": ti, "run_id": "run"})


def test_the_examples_are_valid_and_have_dags() -> None:
    sources, problems = load_sources(INCLUDE / "sources.examples", make_settings())
    assert problems == []
    dags = [_build(source) for source in sources if isinstance(source, CsvSource)]
    assert {dag.dag_id for dag in dags} == {"bursar_sync__LIBRARY", "bursar_sync__VIENNA"}


def _build(source: CsvSource) -> Any:
    return sync_dag.sync_dag(source, make_settings())
