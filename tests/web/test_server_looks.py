"""The look at the bursar's server before a release: servers that are there, silent, or can't be reached."""

import json
import socket
import time
from collections.abc import Iterator
from threading import BoundedSemaphore

import pytest

from bursar.exports.selection import select_fines
from bursar.web import trial
from bursar.web.pages import batch_decisions
from bursar.web.trial import STEP_SECONDS
from tests.support.fixtures import NOW, Library, make_profile, make_settings, record_delivery
from tests.support.servers import RemoteServer
from tests.web.conftest import Login
from tests.web.profiles import set_profile
from tests.web.test_waiting import add_unclear_batch, state


@pytest.fixture(autouse=True)
def _profile(monkeypatch: pytest.MonkeyPatch) -> None:
    set_profile(monkeypatch)


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the connection lead to a port without a server."""
    monkeypatch.setenv("AIRFLOW_CONN_BURSAR_BANNER", "sftp://nobody@127.0.0.1:1")


def test_the_look_at_the_server_says_why_it_could_not_look(library: Library, login: Login, unreachable: None) -> None:
    batch = add_unclear_batch(library)
    assert login("viewer").get(f"/batches/{batch}/server").status_code == 403
    assert "could not be looked at, so only your word counts" in login("user").get(f"/batches/{batch}/server").text


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Lets the connection lead to a server that accepts connections and never answers; a page waits for a second."""
    monkeypatch.setattr(batch_decisions, "TRIAL_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        fields = {"conn_type": "sftp", "host": "127.0.0.1", "port": server.getsockname()[1], "login": "x"}
        monkeypatch.setenv("AIRFLOW_CONN_BURSAR_BANNER", json.dumps(fields | {"password": "x"}))
        yield


def test_the_look_at_a_silent_server_is_given_up(library: Library, login: Login, silent: None) -> None:
    batch = add_unclear_batch(library)
    page = login("user").get(f"/batches/{batch}/server").text
    assert "so only your word counts. The server has not answered within 1 second." in page


def test_a_silent_server_delays_a_release_for_the_same_time(library: Library, login: Login, silent: None) -> None:
    batch = add_unclear_batch(library)
    form = {"state": "UNCLEAR", "confirm_not_received": "yes"}
    started = time.monotonic()
    answer = login("user").post(f"/batches/{batch}/release", data=form, follow_redirects=False)
    assert time.monotonic() - started < STEP_SECONDS / 2
    assert answer.status_code == 303
    assert state(library, batch) == "RELEASED"


def test_a_release_waits_for_its_turn_to_look(
    library: Library, login: Login, unreachable: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "_trials", BoundedSemaphore(1))
    batch = add_unclear_batch(library)
    with trial._trials:  # noqa: SLF001
        answer = login("user").post(
            f"/batches/{batch}/release", data={"state": "UNCLEAR", "confirm_not_received": "yes"}
        )
    assert answer.status_code == 409
    assert "Try again in a minute." in answer.text
    assert state(library, batch) == "UNCLEAR"


def test_a_file_on_the_server_prevents_a_release_until_the_person_insists(
    library: Library, login: Login, sftp_remote: RemoteServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_BURSAR_BANNER", json.dumps(sftp_remote.connection))
    library.fine()
    batch = select_fines(library.ledger, make_profile(), make_settings(), run_id="run 1", as_of=NOW)
    (sftp_remote.disk / "out").mkdir()
    (sftp_remote.disk / "out" / batch.file_name).write_text("<a/>")
    with batch_decisions._open_folder(batch) as folder:  # noqa: SLF001
        record_delivery(library.ledger, batch.id, "unclear", remote_folder=folder.address)
    user, path = login("user"), f"/batches/{batch.id}/release"
    assert "is still in" in user.get(f"/batches/{batch.id}/server").text
    form = {"state": "UNCLEAR", "confirm_not_received": "yes"}
    refused = user.post(path, data=form)
    assert refused.status_code == 409
    assert "is still in" in refused.text
    assert 'name="despite_file"' in refused.text
    assert state(library, batch.id) == "UNCLEAR"
    assert user.post(path, data={**form, "despite_file": "yes"}, follow_redirects=False).status_code == 303
    assert state(library, batch.id) == "RELEASED"
