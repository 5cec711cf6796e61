"""The wait for payment files, as the triggerer runs it: on real servers, and with a real ledger that fails."""

import asyncio
import json
import logging
import os
import pydoc
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copy
from typing import Any

import asyncssh
import psycopg
import pytest
from psycopg import sql

from bursar.airflow import payment_file_trigger
from bursar.airflow.payment_file_trigger import MAX_THREADS, PaymentFileTrigger, WaitResult
from bursar.profiles import INCLUDE
from demo.postgres import Postgres
from demo.servers import HOST
from tests.airflow.conftest import Connect
from tests.support.fixtures import Library
from tests.support.servers import Faults, RemoteServer

PROFILE = """
code: STUDENTS
name: Student accounts
sftp_connection: bursar_files
system: Banner
export: {active: no}
import:
  active: yes
  input_file_path: in
  stable_for_seconds: 0
  schedule: daily at 06:00
"""
PATIENCE = 20  # seconds


@pytest.fixture
def include(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder `include` with the one profile STUDENTS."""
    folder = tmp_path / "include"
    (folder / "profiles").mkdir(parents=True)
    copy(INCLUDE / "bursar.yaml", folder)
    monkeypatch.setattr(payment_file_trigger, "INCLUDE", folder)
    change_profile(folder)
    return folder


def change_profile(include: Path, old: str = "", new: str = "") -> None:
    (include / "profiles" / "students.yaml").write_text(PROFILE.replace(old, new), encoding="utf-8")


@pytest.fixture
def inbox(
    include: Path, library: Library, sftp_remote: RemoteServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The input folder, on the server's own disk. The connections lead to the server and to the ledger of the test."""
    url = library.ledger.url.render_as_string(hide_password=False)
    monkeypatch.setattr(payment_file_trigger, "ledger_url", lambda: url)
    connect(sftp_remote.connection)
    folder = sftp_remote.disk / "in"
    folder.mkdir()
    return folder


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The moments at which a look has ended, well or not, by `time.monotonic`."""
    ended: list[float] = []
    find_ready_files = payment_file_trigger.find_ready_files

    def counted(profile_code: str) -> list[str]:
        try:
            return find_ready_files(profile_code)
        finally:
            ended.append(time.monotonic())

    monkeypatch.setattr(payment_file_trigger, "find_ready_files", counted)
    return ended


def a_trigger(seconds: float = PATIENCE, *, every: float = 0.1, connection: str = "bursar_files") -> PaymentFileTrigger:
    """A trigger whose deadline is so many seconds from now."""
    return PaymentFileTrigger(
        profile_code="STUDENTS",
        connection_id=connection,
        deadline=(datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(),
        check_interval_seconds=every,
    )


async def result_of(trigger: PaymentFileTrigger) -> WaitResult:
    [event] = [event async for event in trigger.run()]
    found: WaitResult = json.loads(json.dumps(event.payload))  # as Airflow hands it over
    return found


def wait(seconds: float = PATIENCE, **trigger: Any) -> WaitResult:
    """Runs a trigger to its end."""
    return asyncio.run(asyncio.wait_for(result_of(a_trigger(seconds, **trigger)), PATIENCE + 5))


def wait_while(looks: list[float], change: Callable[[], object], seconds: float = PATIENCE) -> WaitResult:
    """Runs a trigger to its end; `change` happens after its first look."""

    async def both() -> WaitResult:
        async with running(a_trigger(seconds)) as waiting:
            await until(lambda: looks)
            await asyncio.to_thread(change)
            return await asyncio.wait_for(waiting, PATIENCE)

    return asyncio.run(both())


@asynccontextmanager
async def running(trigger: PaymentFileTrigger) -> AsyncIterator["asyncio.Task[WaitResult]"]:
    """Runs a trigger beside the block, and cancels it at the end as the triggerer does."""
    task = asyncio.create_task(result_of(trigger))
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not come to this"
        await asyncio.sleep(0.02)


@contextmanager
def silent_server() -> Iterator[tuple[int, list[socket.socket]]]:
    """A server that accepts connections and never answers; its port, and the connections that were opened."""
    opened: list[socket.socket] = []
    with socket.create_server((HOST, 0)) as server:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    opened.append(server.accept()[0])

        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield server.getsockname()[1], opened
        finally:
            server.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for connection in opened:
                connection.close()


def test_the_files_that_are_ready_are_named_oldest_first(inbox: Path) -> None:
    for name, modified in {"a.xml": 2_000_000_000, "b.xml": 1_000_000_000}.items():
        (inbox / name).write_bytes(b"<a/>")
        os.utime(inbox / name, (modified, modified))
    assert wait() == {"files": ["b.xml", "a.xml"]}


def test_it_can_be_created_again_from_what_it_serializes() -> None:
    trigger = a_trigger()
    classpath, arguments = trigger.serialize()
    class_: Any = pydoc.locate(classpath)
    again = class_(**json.loads(json.dumps(arguments)))
    assert again.serialize() == trigger.serialize()
    assert set(arguments) == {"profile_code", "connection_id", "deadline", "check_interval_seconds"}


def test_a_file_that_comes_later_is_found(inbox: Path, looks: list[float]) -> None:
    result = wait_while(looks, lambda: (inbox / "late.xml").write_bytes(b"<a/>"))
    assert result == {"files": ["late.xml"]}


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_a_file_has_to_settle_first_whatever_the_zone_of_the_machine(
    inbox: Path, include: Path, looks: list[float], monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        change_profile(include, "stable_for_seconds: 0", "stable_for_seconds: 1")
        (inbox / "a.xml").write_bytes(b"<a/>")
        assert wait() == {"files": ["a.xml"]}
        assert len(looks) > 1
    finally:
        monkeypatch.undo()
        time.tzset()


def test_it_looks_a_last_time_when_the_deadline_comes(inbox: Path, looks: list[float]) -> None:
    began = time.monotonic()
    assert wait(1, every=PATIENCE) == {"files": []}
    first, last = looks
    assert first - began < 1 <= last - began


def test_after_the_deadline_it_looks_once(inbox: Path, looks: list[float]) -> None:
    assert wait(-3600) == {"files": []}
    (inbox / "a.xml").write_bytes(b"<a/>")
    assert wait(-3600) == {"files": ["a.xml"]}
    assert len(looks) == 2


def test_a_connection_that_breaks_is_opened_again(
    inbox: Path, faults: Faults, caplog: pytest.LogCaptureFixture
) -> None:
    (inbox / "a.xml").write_bytes(b"<a/>")
    for _ in range(3):
        faults.drop("scandir")
    with caplog.at_level(logging.WARNING):
        assert wait() == {"files": ["a.xml"]}
    assert caplog.text.count("It is repeated until the deadline") == 3


def test_a_ledger_that_is_away_is_waited_for(
    inbox: Path, looks: list[float], library: Library, postgres: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = sql.Identifier(library.ledger.url.database or "")
    refuse = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(ledger)
    allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(ledger)
    (inbox / "a.xml").write_bytes(b"<a/>")
    with postgres.connect() as connection:
        connection.execute(refuse)
        try:
            result = wait_while(looks, lambda: connection.execute(allow))
        finally:
            connection.execute(allow)
    assert result == {"files": ["a.xml"]}
    assert "The ledger failed" in caplog.text


def test_the_last_error_is_named_if_the_server_is_still_down_at_the_deadline(
    inbox: Path, sftp_remote: RemoteServer, connect: Connect
) -> None:
    connect(sftp_remote.connection, port=1)
    result = wait(0.5)
    assert not result.keys() & {"files", "failure"}
    assert "the connection to the server failed" in str(result["last_error"])


def test_an_error_that_has_passed_by_the_deadline_is_not_named(inbox: Path, faults: Faults) -> None:
    faults.drop("scandir")
    assert wait(1) == {"files": []}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"password": "wrong"}, "rejects the login"),
        (
            {"extra": {"host_key": asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()}},
            "is not the pinned one",
        ),
        ({"extra": {}}, "a host key that is not confirmed"),
        ({"conn_type": "http"}, "is of type http"),
    ],
    ids=["a rejected login", "a wrong host key", "an unknown host key", "a type that opens no folder"],
)
def test_what_needs_a_person_ends_the_wait_at_the_first_look(
    inbox: Path, sftp_remote: RemoteServer, connect: Connect, looks: list[float], changes: dict[str, Any], message: str
) -> None:
    connect(sftp_remote.connection, **changes)
    assert message in wait()["failure"]
    assert len(looks) == 1


def test_a_missing_folder_ends_the_wait_and_is_not_created(inbox: Path) -> None:
    inbox.rmdir()
    assert "there is no such folder" in wait()["failure"]
    assert not inbox.exists()


def test_a_missing_connection_ends_the_wait(inbox: Path, include: Path) -> None:
    change_profile(include, "bursar_files", "bursar_nowhere")
    assert "There is no Airflow connection bursar_nowhere" in wait()["failure"]


def test_a_ledger_that_is_not_migrated_ends_the_wait(
    inbox: Path, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(payment_file_trigger, "ledger_url", lambda: postgres.url("postgres"))
    assert "The ledger is not migrated" in wait()["failure"]


def test_an_unexpected_error_is_left_to_airflow(inbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends the trigger; then Airflow fails the task, and retries it as it does any other."""

    def broken(_: str) -> list[str]:
        raise ZeroDivisionError

    monkeypatch.setattr(payment_file_trigger, "find_ready_files", broken)
    with pytest.raises(ZeroDivisionError):
        wait()


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("stable_for_seconds: 0", "stable_for_seconds: soon"),
        ("code: STUDENTS", "code: STAFF"),
        ("active: yes", "active: no"),
    ],
    ids=["an error", "another code", "not active"],
)
def test_a_profile_in_the_middle_of_a_change_is_waited_for(
    inbox: Path, include: Path, looks: list[float], caplog: pytest.LogCaptureFixture, right: str, wrong: str
) -> None:
    (inbox / "a.xml").write_bytes(b"<a/>")
    change_profile(include, right, wrong)
    assert wait_while(looks, lambda: change_profile(include)) == {"files": ["a.xml"]}
    assert "The profile STUDENTS has an error or has been removed, or its import is not active" in caplog.text


def test_a_profile_that_stays_wrong_is_named(inbox: Path, include: Path) -> None:
    change_profile(include, "stable_for_seconds: 0", "stable_for_seconds: soon")
    assert "The profile STUDENTS has an error" in str(wait(0.3)["last_error"])


def test_a_change_of_the_profile_counts_from_the_next_look(inbox: Path, include: Path, looks: list[float]) -> None:
    (inbox / "a.csv").write_bytes(b"<a/>")
    change = "stable_for_seconds: 0\n  file_patterns: ['*.csv']"
    assert wait_while(looks, lambda: change_profile(include, "stable_for_seconds: 0", change)) == {"files": ["a.csv"]}


def test_a_trigger_that_is_cancelled_looks_no_more(inbox: Path, looks: list[float]) -> None:
    async def cancelled() -> int:
        async with running(a_trigger()):
            await until(lambda: len(looks) > 1)
        before = len(looks)
        await asyncio.sleep(1)
        return before

    assert asyncio.run(cancelled()) in (len(looks), len(looks) - 1), "at most the look under way comes to its end"


def test_a_server_that_does_not_answer_delays_no_other(
    inbox: Path, sftp_remote: RemoteServer, connect: Connect, include: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More waits for the silent server than there are threads: one look of theirs is under way, and no more."""
    (inbox / "a.xml").write_bytes(b"<a/>")
    (include / "profiles" / "others.yaml").write_text(
        PROFILE.replace("STUDENTS", "STAFF").replace("bursar_files", "bursar_silent"), encoding="utf-8"
    )
    with silent_server() as (port, opened):
        monkeypatch.setenv("AIRFLOW_CONN_BURSAR_SILENT", json.dumps(sftp_remote.connection | {"port": port}))

        async def among_silent_ones() -> WaitResult:
            silent = [
                asyncio.create_task(
                    result_of(
                        PaymentFileTrigger(
                            profile_code="STAFF",
                            connection_id="bursar_silent",
                            deadline=(datetime.now(UTC) + timedelta(hours=1)).isoformat(),
                            check_interval_seconds=0.1,
                        )
                    )
                )
                for _ in range(MAX_THREADS + 1)
            ]
            await until(lambda: opened)
            found = await asyncio.wait_for(result_of(a_trigger()), PATIENCE)
            cancelled: list[Awaitable[WaitResult]] = []
            for task in silent:
                task.cancel()
                cancelled.append(task)
            began = time.monotonic()
            await asyncio.gather(*cancelled, return_exceptions=True)
            assert time.monotonic() - began < 1, "a thread that hangs does not hold up its trigger's end"
            return found

        assert asyncio.run(among_silent_ones()) == {"files": ["a.xml"]}
        assert len(opened) == 1


def test_the_ledger_sees_which_profile_waits(inbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[str] = []
    connect = psycopg.connect

    def noted(*arguments: Any, **parameters: Any) -> Any:
        names.append(parameters["application_name"])
        return connect(*arguments, **parameters)

    monkeypatch.setattr(psycopg, "connect", noted)
    wait(-1)
    assert set(names) == {"bursar import STUDENTS wait_for_files"}
