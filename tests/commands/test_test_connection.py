"""`bin/bursar profiles test-connection`, against real servers of each kind."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bursar.__main__ import bursar
from bursar.commands import connections
from bursar.exports import probe_server
from bursar.profiles.upload import UploadSettings
from tests.support.fixtures import make_profile
from tests.support.servers import USER, RemoteServer


@pytest.fixture
def server(
    remote: RemoteServer, certificate: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> RemoteServer:
    """Returns the server of the connection of the profile STUDENTS, with its folder for payments."""
    caplog.set_level("WARNING", logger="asyncssh")  # the server runs in this process and would log into the output
    profile = make_profile()
    monkeypatch.setattr(connections, "get_profile", lambda _code: profile)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv(f"AIRFLOW_CONN_{profile.sftp_connection.upper()}", json.dumps(remote.connection))
    (remote.disk / "in" / "a folder").mkdir(parents=True)
    (remote.disk / "in" / "paid.xml").touch()
    return remote


def run_test(*options: str, exit_code: int = 0) -> str:
    result = CliRunner().invoke(bursar, ["profiles", "test-connection", "STUDENTS", *options])
    assert result.exit_code == exit_code, result.output
    return result.output


def test_both_folders_are_opened_and_not_changed(server: RemoteServer) -> None:
    address = f"{server.connection['conn_type']}://{USER}@127.0.0.1:{server.connection['port']}"
    assert run_test() == (
        "STUDENTS reaches the server, but the folder out does not exist, or the account may not enter it. If it does "
        "not exist, the first export creates it.\n"
        f"STUDENTS imports from {address}/in: 1 file.\n"
    )
    assert sorted(path.name for path in server.disk.iterdir()) == ["in"]
    (server.disk / "out").mkdir()
    assert run_test().startswith(
        f"STUDENTS exports to {address}/out: 0 files.\n"
        "  Asked for a missing file, the server answers that there is none.\n"
        "  How it treats uploads was not tested; --test-file does, by a small file.\nSTUDENTS imports"
    )
    assert not any((server.disk / "out").iterdir())


def test_a_test_file_shows_that_the_defaults_suit_the_server_and_is_removed(
    server: RemoteServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    (server.disk / "out").mkdir()
    monkeypatch.setattr(probe_server, "COLLECT_SECONDS", 0)
    output = run_test("--test-file")
    assert "The server renames files." in output
    assert "The profile's settings suit the server." in output
    assert not any((server.disk / "out").iterdir())


@pytest.mark.parametrize("answer", ["y", "n"])
def test_a_terminal_asks_before_it_writes_the_test_file(
    server: RemoteServer, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    (server.disk / "out").mkdir()
    monkeypatch.setattr(probe_server, "COLLECT_SECONDS", 0)
    monkeypatch.setattr(connections, "_is_terminal", lambda: True)
    result = CliRunner().invoke(bursar, ["profiles", "test-connection", "STUDENTS"], input=f"{answer}\n")
    assert "Its name is bursar-connection-test-<random>.tmp" in result.output
    assert ("The server renames files." in result.output) == (answer == "y")
    assert not any((server.disk / "out").iterdir())


@pytest.mark.usefixtures("server")
def test_a_missing_connection_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(f"AIRFLOW_CONN_{make_profile().sftp_connection.upper()}")
    assert run_test(exit_code=1).startswith(f"Error: There is no Airflow connection {make_profile().sftp_connection}.")


def test_a_missing_folder_for_payments_is_an_error(server: RemoteServer) -> None:
    (server.disk / "in").rename(server.disk / "elsewhere")
    assert "in: there is no such folder" in run_test(exit_code=1)


def test_the_result_as_data_has_what_was_found_out_and_sentences_are_remarks(
    server: RemoteServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    (server.disk / "out").mkdir()
    monkeypatch.setattr(probe_server, "COLLECT_SECONDS", 0)
    options = ["profiles", "test-connection", "STUDENTS", "--test-file", "--format", "json"]
    result = CliRunner().invoke(bursar, options)
    export, import_ = json.loads(result.stdout)
    assert export["folder"].endswith("/out")
    assert (export["is_upload_tested"], export["is_upload_possible"]) == (True, True)
    assert (export["proposed_settings"], export["left_over"]) == (None, [])
    assert (import_["section"], import_["files"]) == ("import", 1)
    assert "The server renames files." in result.stderr


def test_a_folder_for_temporary_names_is_tested(server: RemoteServer, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = make_profile()
    upload = UploadSettings(method="folder", folder="incoming")
    export = profile.export.model_copy(update={"upload": upload})
    monkeypatch.setattr(connections, "get_profile", lambda _code: profile.model_copy(update={"export": export}))
    monkeypatch.setattr(probe_server, "COLLECT_SECONDS", 0)
    for name in ("out", "incoming"):
        (server.disk / name).mkdir()
    assert "The profile's settings suit the server." in run_test("--test-file")
    (server.disk / "incoming").rmdir()
    output = run_test("--test-file")
    assert "The server rejects the name ../incoming/" in output
    assert "upload:      # blank: the defaults suit" in output
