"""*Try the connection*: real servers, rights, and servers that do not answer."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine

from bursar.web import trial
from bursar.web.rights import Person
from tests.support.profile_forms import fill_form, find_errors
from tests.support.servers import RemoteServer
from tests.web.conftest import ROLES, Login

pytestmark = pytest.mark.usefixtures("profiles_folder")
Connect = Callable[[dict[str, Any]], None]


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Returns a function that creates the Airflow connection `bursar_law`."""
    return lambda fields: monkeypatch.setenv("AIRFLOW_CONN_BURSAR_LAW", json.dumps(fields))


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Runs a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("kind", ["sftp_remote", "ftp_remote"])
def test_the_folders_are_opened_and_their_files_counted(
    login: Login, connect: Connect, request: pytest.FixtureRequest, kind: str
) -> None:
    remote: RemoteServer = request.getfixturevalue(kind)
    connect(remote.connection)
    (remote.disk / "law" / "in").mkdir(parents=True)
    (remote.disk / "law" / "in" / "payments.xml").write_text("x")
    before = sorted(remote.disk.rglob("*"))
    answer = login("op").post("/wizard", data=fill_form("try"))
    assert answer.status_code == 200
    assert "Export to law/out: the server is reached, but the folder does not exist" in answer.text
    assert "the folder is there, with 1 file." in answer.text
    assert sorted(remote.disk.rglob("*")) == before
    assert "open sesame" not in answer.text


def test_a_missing_folder_that_the_export_may_not_create_is_named(
    login: Login, connect: Connect, sftp_remote: RemoteServer
) -> None:
    connect(sftp_remote.connection)
    answer = login("op").post("/wizard", data=fill_form("try", export__create_missing_folder="no"))
    assert answer.text.count("there is no such folder") == 2


def test_a_connection_is_tried_before_the_rest_is_filled_in(
    login: Login, connect: Connect, sftp_remote: RemoteServer
) -> None:
    connect(sftp_remote.connection)
    answer = login("op").post("/wizard", data={"step": "try", "page": "2", "sftp_connection": "bursar_law"})
    assert "After the login," in answer.text
    assert find_errors(answer.text) == []


def test_a_rejected_login_is_explained_and_the_draft_kept(
    login: Login, connect: Connect, sftp_remote: RemoteServer
) -> None:
    connect(sftp_remote.connection | {"password": "wrong"})
    answer = login("op").post("/wizard", data=fill_form("try"))
    assert 'role="alert"' in answer.text
    assert 'value="law/out"' in answer.text
    assert "wrong" not in answer.text


def test_a_server_that_does_not_answer_is_given_up(
    login: Login, connect: Connect, silent_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "TRIAL_SECONDS", 1)
    connect({"conn_type": "sftp", "host": "127.0.0.1", "port": silent_port, "login": "x", "password": "x"})
    started = time.monotonic()
    answer = login("op").post("/wizard", data=fill_form("try"))
    assert time.monotonic() - started < 8
    assert "The server has not answered within 1 second." in answer.text


def test_the_ledger_is_no_server_of_files(login: Login) -> None:
    answer = login("op").post("/wizard", data=fill_form("try", sftp_connection="bursar_ledger"))
    assert "can&#39;t open a folder" in answer.text


@pytest.mark.parametrize("role", ROLES)
def test_only_those_who_may_edit_try_a_connection(login: Login, role: str) -> None:
    status = login(role).post("/wizard", data=fill_form("try")).status_code
    assert (status == 403) == (role in {"viewer", "user"})


def test_a_connection_that_the_person_may_not_see_is_neither_tried_nor_saved(
    login: Login, ledger: Engine, connect: Connect, sftp_remote: RemoteServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(sftp_remote.connection)
    monkeypatch.setattr(Person, "may_see_connection", lambda _person, id_: id_ != "bursar_law")
    client = login("op")
    for step in ("try", "save"):
        answer = client.post("/wizard", data=fill_form(step))
        assert find_errors(answer.text) == ["S/FTP connection: you have no right to this connection: choose another"]
    assert "bursar_law" not in client.get("/wizard").text
    with ledger.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM profile_revisions").scalar_one() == 0
