"""The sensor that waits for the previous file, on a real server and a real ledger."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowRescheduleException

from bursar.airflow import connections, report_task
from bursar.airflow.export_dag import export_dag
from bursar.airflow.previous_file_sensor import PreviousFileSensor
from bursar.airflow.task_failure import TaskFailure
from bursar.exports.selection import select_fines
from bursar.exports.upload import upload_file
from bursar.profiles import Profile
from bursar.profiles.settings import ServerLimits
from tests.airflow.conftest import Connect
from tests.support.fixtures import NOW, Library, make_profile, make_settings
from tests.support.servers import LIMITS, RemoteServer, make_limits


@pytest.fixture
def profile(sftp_remote: RemoteServer, connect: Connect, library: Library, monkeypatch: pytest.MonkeyPatch) -> Profile:
    """A profile that waits for the previous file, whose connection is that of a real server."""
    url = library.ledger.url.render_as_string(hide_password=False)
    monkeypatch.setattr(connections, "ledger_url", lambda: url)
    monkeypatch.setattr(report_task, "ledger_url", lambda: url)
    upload = {"previous_file": "wait", "previous_file_timeout_minutes": 30}
    found = make_profile(upload=upload)
    return found.model_copy(update={"sftp_connection": connect(sftp_remote.connection)})


def context(batch_id: int, *, waiting_since: datetime | None = None, dry_run: bool = False) -> Context:
    """Airflow's context of the sensor in a run that has built the file of a batch."""
    ti = SimpleNamespace(
        map_index=-1,
        xcom_pull=lambda task_ids: {"batch_id": batch_id},  # noqa: ARG005
        get_first_reschedule_date=lambda _context: waiting_since,
    )
    params = {"as_of": None, "dry_run": dry_run, "resend_batch": None, "resend_files": None}
    dag_run = SimpleNamespace(conf={}, run_type="manual", run_after=NOW)
    return cast("Context", {"ti": ti, "run_id": "run 2", "params": params, "dag_run": dag_run})


@pytest.fixture
def waiting(library: Library, profile: Profile, tmp_path: Path) -> int:
    """A batch that waits, because the file of an earlier one is in the output folder."""
    library.fine()
    earlier = select_fines(library.ledger, profile, make_settings(), run_id="run 1", as_of=NOW)
    upload_file(
        library.ledger,
        earlier.id,
        lambda batch: connections.open_folder(batch.sftp_connection, batch.output_file_path, may_create=True),
        tmp_path,
    )
    library.fine()
    return select_fines(library.ledger, profile, make_settings(), run_id="run 2", as_of=NOW).id


def sensor(profile: Profile, limits: ServerLimits = LIMITS) -> PreviousFileSensor:
    return PreviousFileSensor(task_id="wait_for_previous_file", profile=profile, limits=limits)


def test_it_is_rescheduled_until_the_file_is_collected(
    library: Library, profile: Profile, waiting: int, sftp_remote: RemoteServer
) -> None:
    with pytest.raises(AirflowRescheduleException) as raised:
        sensor(profile).execute(context(waiting))
    pause = raised.value.reschedule_date - datetime.now(UTC)
    assert timedelta(seconds=50) < pause < timedelta(seconds=61)
    for file in (sftp_remote.disk / "out").iterdir():
        file.unlink()
    sensor(profile).execute(context(waiting))
    assert library.one("SELECT count(*) FROM task_timings WHERE task = 'wait_for_previous_file'") == 1


def test_it_fails_after_the_time_in_the_profile_and_says_what_it_waited_for(
    library: Library, profile: Profile, waiting: int
) -> None:
    since = datetime.now(UTC) - timedelta(minutes=31)
    with pytest.raises(TaskFailure, match="Within 30 minutes the bursar has not collected the file of an"):
        sensor(profile).execute(context(waiting, waiting_since=since))
    assert "has not collected the file" in library.one("SELECT error FROM task_timings")


def test_it_respects_the_limits_of_the_settings_and_logs_a_known_error_in_a_sentence(
    profile: Profile, waiting: int, sftp_remote: RemoteServer, caplog: pytest.LogCaptureFixture
) -> None:
    (sftp_remote.disk / "out" / "other.txt").write_bytes(b"")
    with pytest.raises(TaskFailure, match="more than 1 entries"):
        sensor(profile, make_limits(max_listing_entries=1)).execute(context(waiting))
    (record,) = [found for found in caplog.records if "the folder has more than" in found.getMessage()]
    assert record.exc_info is None


def test_a_dry_run_does_not_wait(profile: Profile, waiting: int) -> None:
    assert sensor(profile).poke(context(waiting, dry_run=True))


def test_an_unreachable_server_is_asked_again_and_a_missing_folder_is_empty(
    profile: Profile, waiting: int, connect: Connect, sftp_remote: RemoteServer
) -> None:
    (sftp_remote.disk / "out").rename(sftp_remote.disk / "elsewhere")
    assert sensor(profile).poke(context(waiting))
    connect(sftp_remote.connection, port=1)
    assert not sensor(profile).poke(context(waiting))


@pytest.mark.parametrize(("policy", "exists"), [("ignore", False), ("fail", False), ("wait", True)])
def test_only_an_export_that_waits_has_the_task(policy: str, exists: bool) -> None:
    found: Any = export_dag(make_profile(upload={"previous_file": policy}, approval={"max_fines": 1}), make_settings())
    assert found.has_task("wait_for_previous_file") == exists
    upstream = found.get_task("upload_file").upstream_task_ids
    assert upstream == {"build_file", "wait_for_previous_file" if exists else "wait_for_approval"}
    if exists:
        assert found.get_task("wait_for_previous_file").upstream_task_ids == {"wait_for_approval"}
        assert found.get_task("wait_for_previous_file").reschedule
