"""The sensor: the trigger that the scheduler starts for it, and the end of the task after the wait."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowSkipException, TaskDeferralError, TaskDeferred
from airflow.sdk.execution_time import macros
from airflow.serialization.serialized_objects import DagSerialization
from sqlalchemy import text

from bursar.airflow import file_sensor, report_task
from bursar.airflow.file_trigger import WaitResult
from bursar.airflow.import_dag import import_dag
from bursar.airflow.inbox_sensor import InboxSensor
from bursar.airflow.inbox_trigger import InboxTrigger
from bursar.airflow.task_failure import TaskFailure, TransientTaskFailure
from bursar.ledger.jobs import Job
from bursar.profiles import Profile
from tests.support.fixtures import Library, make_profile, make_settings

SIX = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)


def make_import_profile(**section: object) -> Profile:
    profile = make_profile()
    section = {"timeout_minutes": 10, **section}
    return profile.model_copy(update={"import_": profile.import_.model_copy(update=section)})


def make_sensor(profile: Profile) -> InboxSensor:
    with DAG("import_of_a_test", schedule=None):
        return InboxSensor(task_id="wait_for_files", profile=profile, job=Job.IMPORT)


def render_deadline(sensor: InboxSensor, run_after: datetime, start_date: datetime | None) -> datetime:
    context: Any = {"dag_run": SimpleNamespace(run_after=run_after, start_date=start_date), "macros": macros}
    sensor.render_template_fields(context)
    return datetime.fromisoformat(sensor.deadline)


@pytest.fixture
def resume(library: Library, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Ends a wait as a worker does, in a run of the profile that was deferred an hour ago."""
    url = library.ledger.url.render_as_string(hide_password=False)
    for module in (file_sensor, report_task):
        monkeypatch.setattr(module, "ledger_url", lambda: url)

    def resume(profile: Profile, event: WaitResult | None, next_method: str = "execute_complete", **more: Any) -> Any:
        ti = SimpleNamespace(map_index=-1, start_date=datetime.now(UTC) - timedelta(hours=1))
        context: Any = {"ti": ti, "run_id": "run"}
        return make_sensor(profile).resume_execution(next_method, {"event": event} if event else more, context)

    return resume


def get_timing(library: Library) -> tuple[float, str | None]:
    """Returns the duration in seconds and the error that are recorded for the task."""
    with library.ledger.connect() as connection:
        row = connection.execute(text("SELECT seconds, error FROM task_timings WHERE task = 'wait_for_files'")).one()
    return float(row.seconds), row.error


def test_the_arguments_of_the_trigger_are_ids_and_times_only() -> None:
    dag = import_dag(make_import_profile(stable_for_seconds=30), make_settings())
    task = DagSerialization.from_dict(DagSerialization.to_dict(dag)).get_task("wait_for_files")
    assert task.start_from_trigger
    assert task.start_trigger_args
    assert task.start_trigger_args.next_method == "execute_complete"
    assert task.start_trigger_args.trigger_cls == "bursar.airflow.inbox_trigger.InboxTrigger"
    assert InboxSensor.__name__ == task.task_type
    sensor = dag.get_task("wait_for_files")
    assert isinstance(sensor, InboxSensor)
    assert sensor.start_trigger_args
    assert sensor.start_trigger_args.trigger_kwargs == {
        "code": "STUDENTS",
        "job": "import",
        "connection_id": "bursar_banner",
        "deadline": sensor.deadline,
        "check_interval_seconds": 30,
    }


@pytest.mark.parametrize(("stable_for", "seconds"), [(0, 5), (5, 5), (30, 30), (60, 60), (3600, 60)])
def test_it_checks_every_five_seconds_to_a_minute(stable_for: int, seconds: int) -> None:
    arguments = make_sensor(make_import_profile(stable_for_seconds=stable_for)).start_trigger_args
    assert arguments
    assert arguments.trigger_kwargs
    assert arguments.trigger_kwargs["check_interval_seconds"] == seconds


@pytest.mark.parametrize(
    ("started", "deadline"),
    [
        (SIX, SIX),
        (None, SIX),
        (SIX - timedelta(hours=1), SIX),
        (SIX + timedelta(hours=3), SIX + timedelta(hours=3)),
    ],
    ids=["on time", "not known", "too early", "late, or cleared after its end"],
)
def test_the_waiting_time_counts_from_the_date_of_the_run_or_its_start(
    started: datetime | None, deadline: datetime
) -> None:
    assert render_deadline(make_sensor(make_import_profile()), SIX, started) == deadline + timedelta(minutes=10)


def test_a_worker_that_starts_the_task_defers_it() -> None:
    """Only Airflow's command `tasks test` starts it there."""
    sensor = make_sensor(make_import_profile())
    deadline = render_deadline(sensor, SIX, SIX)
    with pytest.raises(TaskDeferred) as deferred:
        sensor.execute({})
    assert isinstance(deferred.value.trigger, InboxTrigger)
    assert deferred.value.trigger.deadline == deadline.isoformat()
    assert deferred.value.method_name == "execute_complete"


def test_the_files_are_returned_and_the_wait_is_the_duration_of_the_task(resume: Any, library: Library) -> None:
    assert resume(make_import_profile(), {"files": ["a.xml", "b.xml"]}) == ["a.xml", "b.xml"]
    seconds, error = get_timing(library)
    assert 3600 <= seconds < 3660
    assert error is None


@pytest.mark.parametrize(("on_timeout", "end"), [("skip", AirflowSkipException), ("fail", TaskFailure)])
def test_a_run_without_a_file_ends_as_the_profile_says(
    resume: Any, library: Library, on_timeout: str, end: type[BaseException]
) -> None:
    profile = make_import_profile(on_timeout=on_timeout, done_file_suffix=".done", input_file_path="in")
    message = "with a .done file was ready in in of the connection bursar_banner. Nothing was imported."
    with pytest.raises(end, match=f"^Within 10 minutes no file named .* {message}"):
        resume(profile, {"files": []})
    _, error = get_timing(library)
    assert (error is None) == (on_timeout == "skip")
    assert on_timeout == "skip" or message in str(error)


def test_an_error_that_needs_a_person_fails_the_task_with_its_text(resume: Any, library: Library) -> None:
    """The retry policy of all tasks does not retry it."""
    with pytest.raises(TaskFailure, match=r"^sftp://bursar rejects the login\.$") as failed:
        resume(make_import_profile(), {"failure": "sftp://bursar rejects the login."})
    assert not isinstance(failed.value, TransientTaskFailure)
    assert get_timing(library)[1] == "sftp://bursar rejects the login."


@pytest.mark.parametrize("on_timeout", ["skip", "fail"])
def test_a_folder_whose_last_check_failed_does_not_count_as_empty(
    resume: Any, library: Library, on_timeout: str
) -> None:
    with pytest.raises(
        TransientTaskFailure, match=r"10 minutes has ended, and the last check .* The error was: no route to host"
    ):
        resume(make_import_profile(on_timeout=on_timeout), {"last_error": "no route to host"})
    assert "no route to host" in str(get_timing(library)[1])


def test_the_error_of_a_trigger_is_recorded(resume: Any, library: Library) -> None:
    with pytest.raises(TaskDeferralError):
        resume(make_import_profile(), None, "__fail__", error="Trigger failure", traceback=["ZeroDivisionError"])
    assert get_timing(library)[1] == "it ended with TaskDeferralError; the log of the task says more."


def test_unused_working_folders_are_removed(resume: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    settings = make_settings(work_dir=tmp_path)
    monkeypatch.setattr(file_sensor, "load_settings", lambda _: settings)
    left = tmp_path / "STUDENTS" / "batch-7"
    left.mkdir(parents=True)
    resume(make_import_profile(), {"files": ["a.xml"]})
    assert not left.exists()
