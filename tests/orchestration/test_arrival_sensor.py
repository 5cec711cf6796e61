"""The sensor in Airflow: it waits without a worker, gives up when its time is over, and takes no trouble for quiet."""

import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from airflow.sdk import timezone
from airflow.sdk.exceptions import AirflowRescheduleException, AirflowSensorTimeout, AirflowSkipException

from bursar.errors import PassingError, RemoteFolderError
from bursar.orchestration import arrival_sensor, job_reporting
from bursar.orchestration.arrival_sensor import ArrivalSensor
from bursar.profiles import Profile
from tests.library import Library, a_profile
from tests.orchestration.conftest import Connect
from tests.remote import Remote


class Run:
    """What a sensor asks of its task instance: since when it has been looking."""

    map_index = -1

    def __init__(self, since: datetime | None = None) -> None:
        self.since = since

    def get_first_reschedule_date(self, _: object) -> datetime | None:
        return self.since


def look(profile: Profile, *, since: datetime | None = None) -> list[str]:
    """One look of the sensor, as a worker of Airflow takes it."""
    context: Any = {"ti": Run(since), "run_id": "run"}
    return ArrivalSensor(task_id="wait_for_files", profile=profile).execute(context)


def importing(connection: str, **section: object) -> Profile:
    profile = a_profile()
    section = {"settle_seconds": 0, "waiting_time_minutes": 10, **section}
    return profile.model_copy(
        update={"sftp_connection": connection, "import_": profile.import_.model_copy(update=section)}
    )


@pytest.fixture
def inbox(library: Library, sftp_remote: Remote, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The input folder, on the server's own disk; the sensor finds the ledger of the test."""
    url = library.ledger.url.render_as_string(hide_password=False)
    for module in (arrival_sensor, job_reporting):
        monkeypatch.setattr(module, "ledger_url", lambda: url)
    folder = sftp_remote.disk / "in"
    folder.mkdir()
    return folder


def test_files_that_are_ready_are_named(inbox: Path, sftp_remote: Remote, connect: Connect) -> None:
    for name in ("a.xml", "b.xml"):
        (inbox / name).write_bytes(b"<a/>")
    assert sorted(look(importing(connect(sftp_remote.connection)))) == ["a.xml", "b.xml"]


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_between_two_looks_no_worker_is_held_whatever_the_zone(
    inbox: Path, sftp_remote: Remote, connect: Connect, monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    """A file that has just come has not settled, and one that has is taken, wherever this machine believes to be."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        profile = importing(connect(sftp_remote.connection), settle_seconds=1)
        (inbox / "a.xml").write_bytes(b"<a/>")
        with pytest.raises(AirflowRescheduleException) as rescheduled:
            look(profile)
        assert timedelta(0) < rescheduled.value.reschedule_date - timezone.utcnow() <= timedelta(seconds=5)
        time.sleep(1.1)
        assert look(profile) == ["a.xml"]
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("without_a_file", "end"), [("skipped", AirflowSkipException), ("failed", AirflowSensorTimeout)]
)
def test_a_run_that_waited_in_vain_ends_as_the_profile_says(
    inbox: Path, sftp_remote: Remote, connect: Connect, without_a_file: str, end: type[Exception]
) -> None:
    profile = importing(connect(sftp_remote.connection), without_a_file=without_a_file, marker=".done")
    with pytest.raises(AirflowRescheduleException):
        look(profile, since=timezone.utcnow() - timedelta(minutes=9))
    with pytest.raises(end, match=r"Within 10 minutes no file was ready in in .* with .done beside it"):
        look(profile, since=timezone.utcnow() - timedelta(minutes=11))


def test_a_file_of_the_last_moment_is_taken(inbox: Path, sftp_remote: Remote, connect: Connect) -> None:
    (inbox / "a.xml").write_bytes(b"<a/>")
    profile = importing(connect(sftp_remote.connection))
    assert look(profile, since=timezone.utcnow() - timedelta(minutes=11)) == ["a.xml"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"password": "wrong"}, "refuses the login"),
        (
            {"extra": {"host_key": asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()}},
            "is not the one that is pinned",
        ),
        ({"extra": {}}, "a host key that nobody has confirmed"),
        ({"conn_type": "http"}, "is of type http"),
    ],
    ids=["a refused login", "a wrong host key", "an unknown host key", "no way to a folder"],
)
def test_what_needs_a_person_fails_at_the_first_look(
    inbox: Path, sftp_remote: Remote, connect: Connect, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(RemoteFolderError, match=message):
        look(importing(connect(sftp_remote.connection, **changes)))


def test_a_missing_folder_fails_at_the_first_look_and_is_not_created(
    inbox: Path, sftp_remote: Remote, connect: Connect
) -> None:
    inbox.rmdir()
    with pytest.raises(RemoteFolderError, match="there is no such folder"):
        look(importing(connect(sftp_remote.connection)))
    assert not inbox.exists()


def test_a_server_that_is_down_is_tried_again(inbox: Path, sftp_remote: Remote, connect: Connect) -> None:
    with pytest.raises(PassingError):
        look(importing(connect(sftp_remote.connection, port=1)))
