"""`bin/bursar batches release --confirm-not-received` looks at the server, whatever a person confirms."""

import json
from pathlib import Path

import pytest

from bursar.airflow.connections import open_folder
from bursar.exports.selection import select_fines
from bursar.exports.upload import upload_file
from bursar.ledger.batches import Batch
from tests.support.cli import run
from tests.support.fixtures import NOW, Library, make_profile, make_settings
from tests.support.servers import RemoteServer


@pytest.fixture
def delivered(
    library: Library,
    sftp_remote: RemoteServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> Batch:
    """A batch whose file was delivered to a server that Airflow has a connection to."""
    caplog.set_level("WARNING", logger="asyncssh")  # the server is in this process, and its log where the output is
    monkeypatch.setenv("AIRFLOW_CONN_BURSAR_BANNER", json.dumps(sftp_remote.connection))
    library.fine()
    found = select_fines(library.ledger, make_profile(), make_settings(), run_id="run 1", as_of=NOW)
    return upload_file(
        library.ledger,
        found.id,
        lambda batch: open_folder(batch.sftp_connection, batch.output_file_path, may_create=True),
        tmp_path / "work",
    )


def release(batch: Batch, *options: str, exit_code: int = 0) -> str:
    command = ("batches", "release", str(batch.id), "--confirm-not-received", *options)
    return " ".join(run(*command, exit_code=exit_code).split())


def test_a_batch_is_not_released_while_its_file_is_on_the_server(
    library: Library, delivered: Batch, sftp_remote: RemoteServer
) -> None:
    output = release(delivered, exit_code=1)
    assert f"{delivered.file_name} is still in {delivered.remote_folder}" in output
    assert "the whole file" in output
    assert library.one("SELECT state FROM batches_with_state") == "DELIVERED"
    (sftp_remote.disk / "out" / delivered.file_name).write_bytes(b"beginning")
    assert "9 bytes; the whole has" in release(delivered, exit_code=1)


def test_it_is_released_once_the_file_is_gone(library: Library, delivered: Batch, sftp_remote: RemoteServer) -> None:
    (sftp_remote.disk / "out" / delivered.file_name).unlink()
    output = release(delivered)
    assert f"In {delivered.remote_folder} there is no {delivered.file_name}." in output
    assert "Open again: 1 fine." in output
    assert library.one("SELECT state FROM batches_with_state") == "RELEASED"


def test_a_person_can_insist(delivered: Batch) -> None:
    output = release(delivered, "--despite-file")
    assert "You say that the bursar will not use it." in output
    assert "has been released" in output


def test_without_a_server_the_word_of_the_person_counts(delivered: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_BURSAR_BANNER")
    output = release(delivered)
    assert "The server could not be looked at, so only your word counts. There is no Airflow connection" in output
    assert "has been released" in output


def test_a_connection_to_elsewhere_proves_nothing(library: Library, delivered: Batch) -> None:
    library._run("UPDATE deliveries SET remote_folder = 'sftp://elsewhere/out'")  # noqa: SLF001
    output = release(delivered)
    assert "The server was not looked at: the connection bursar_banner now leads to" in output


def test_parts_that_are_left_are_named(library: Library, delivered: Batch, sftp_remote: RemoteServer) -> None:
    (file,) = (sftp_remote.disk / "out").iterdir()
    part = library.one("SELECT part_name FROM upload_attempts")
    file.rename(file.with_name(part))
    assert f"there is still {part}, a temporary name of this file" in release(delivered)
