"""The wait for payment files, as the triggerer runs it: on real servers, and with a real ledger that fails.

The module is long because all tests share the fixtures that run a trigger in an event loop.
"""

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

from bursar.airflow import inbox_trigger, profile_store
from bursar.airflow.file_trigger import MAX_THREADS, WaitResult
from bursar.airflow.inbox_trigger import InboxTrigger
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
TIMEOUT_SECONDS = 20


@pytest.fixture
def include(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder `include` with the one profile STUDENTS."""
    folder = tmp_path / "include"
    (folder / "profiles").mkdir(parents=True)
    copy(INCLUDE / "bursar.yaml", folder)
    for module in (inbox_trigger, profile_store):
        monkeypatch.setattr(module, "INCLUDE", folder)
    change_profile(folder)
    return folder


def change_profile(include: Path, old: str = "", new: str = "") -> None:
    (include / "profiles" / "students.yaml").write_text(PROFILE.replace(old, new), encoding="utf-8")


@pytest.fixture
def inbox(
    include: Path, library: Library, sftp_remote: RemoteServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The input folder on the disk of the server; Airflow's connections are to this server and the test's ledger."""
    url = library.ledger.url.render_as_string(hide_password=False)
    monkeypatch.setattr(inbox_trigger, "ledger_url", lambda: url)
    connect(sftp_remote.connection)
    folder = sftp_remote.disk / "in"
    folder.mkdir()
    return folder


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The moments at which a check has ended, with or without an error, by `time.monotonic`."""
    ended: list[float] = []
    find_ready_files = InboxTrigger.find_ready_files

    def counted(trigger: InboxTrigger, *, is_last_check: bool) -> list[str]:
        try:
            return find_ready_files(trigger, is_last_check=is_last_check)
        finally:
            ended.append(time.monotonic())

    monkeypatch.setattr(InboxTrigger, "find_ready_files", counted)
    return ended


def make_trigger(
    seconds: float = TIMEOUT_SECONDS, *, every: float = 0.1, connection: str = "bursar_files"
) -> InboxTrigger:
    """Returns a trigger with a deadline in so many seconds."""
    return InboxTrigger(
        code="STUDENTS",
        job="import",
        connection_id=connection,
        deadline=(datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(),
        check_interval_seconds=every,
    )


async def result_of(trigger: InboxTrigger) -> WaitResult:
    [event] = [event async for event in trigger.run()]
    found: WaitResult = json.loads(json.dumps(event.payload))  # as Airflow hands it over
    return found


def wait(seconds: float = TIMEOUT_SECONDS, **trigger: Any) -> WaitResult:
    """Runs a trigger to its end."""
    return asyncio.run(asyncio.wait_for(result_of(make_trigger(seconds, **trigger)), TIMEOUT_SECONDS + 5))


def wait_while(checks: list[float], change: Callable[[], object], seconds: float = TIMEOUT_SECONDS) -> WaitResult:
    """Runs a trigger to its end; `change` is called after its first check."""

    async def both() -> WaitResult:
        async with running(make_trigger(seconds)) as waiting:
            await until(lambda: checks)
            await asyncio.to_thread(change)
            return await asyncio.wait_for(waiting, TIMEOUT_SECONDS)

    return asyncio.run(both())


@asynccontextmanager
async def running(trigger: InboxTrigger) -> AsyncIterator["asyncio.Task[WaitResult]"]:
    """Runs a trigger beside the block, and cancels it at the end as the triggerer does."""
    task = asyncio.create_task(result_of(trigger))
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        await asyncio.sleep(0.02)


@contextmanager
def hanging_server() -> Iterator[tuple[int, list[socket.socket]]]:
    """Yields the port of a server that never answers, and the connections that it has accepted."""
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


def test_its_serialized_form_creates_it_again() -> None:
    trigger = make_trigger()
    classpath, arguments = trigger.serialize()
    class_: Any = pydoc.locate(classpath)
    again = class_(**json.loads(json.dumps(arguments)))
    assert again.serialize() == trigger.serialize()
    assert set(arguments) == {"code", "job", "connection_id", "deadline", "check_interval_seconds"}


def test_a_file_that_arrives_later_is_found(inbox: Path, checks: list[float]) -> None:
    result = wait_while(checks, lambda: (inbox / "late.xml").write_bytes(b"<a/>"))
    assert result == {"files": ["late.xml"]}


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_a_file_has_to_be_stable_first_in_any_time_zone_of_the_machine(
    inbox: Path, include: Path, checks: list[float], monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        change_profile(include, "stable_for_seconds: 0", "stable_for_seconds: 1")
        (inbox / "a.xml").write_bytes(b"<a/>")
        assert wait() == {"files": ["a.xml"]}
        assert len(checks) > 1
    finally:
        monkeypatch.undo()
        time.tzset()


def test_it_checks_a_last_time_at_the_deadline(inbox: Path, checks: list[float]) -> None:
    began = time.monotonic()
    assert wait(3, every=TIMEOUT_SECONDS) == {"files": []}
    first, last = checks
    assert first - began < 3 <= last - began


def test_after_the_deadline_it_checks_once(inbox: Path, checks: list[float]) -> None:
    assert wait(-3600) == {"files": []}
    (inbox / "a.xml").write_bytes(b"<a/>")
    assert wait(-3600) == {"files": ["a.xml"]}
    assert len(checks) == 2


def test_a_connection_that_breaks_is_opened_again(
    inbox: Path, faults: Faults, caplog: pytest.LogCaptureFixture
) -> None:
    (inbox / "a.xml").write_bytes(b"<a/>")
    for _ in range(3):
        faults.drop("scandir")
    with caplog.at_level(logging.WARNING):
        assert wait() == {"files": ["a.xml"]}
    assert caplog.text.count("It is repeated until the deadline") == 3


def test_it_waits_for_a_ledger_that_is_down(
    inbox: Path, checks: list[float], library: Library, postgres: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = sql.Identifier(library.ledger.url.database or "")
    refuse = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(ledger)
    allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(ledger)
    (inbox / "a.xml").write_bytes(b"<a/>")
    with postgres.connect() as connection:
        connection.execute(refuse)
        try:
            result = wait_while(checks, lambda: connection.execute(allow))
        finally:
            connection.execute(allow)
    assert result == {"files": ["a.xml"]}
    assert "accepts no session now" in caplog.text


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
def test_an_error_that_needs_a_person_ends_the_wait_at_the_first_check(
    inbox: Path, sftp_remote: RemoteServer, connect: Connect, checks: list[float], changes: dict[str, Any], message: str
) -> None:
    connect(sftp_remote.connection, **changes)
    assert message in wait()["failure"]
    assert len(checks) == 1


def test_a_missing_folder_ends_the_wait_and_is_not_created(inbox: Path, caplog: pytest.LogCaptureFixture) -> None:
    inbox.rmdir()
    assert "there is no such folder" in wait()["failure"]
    assert not inbox.exists()
    (record,) = [found for found in caplog.records if "the wait ends" in found.getMessage()]
    assert record.exc_info is None, "a known error is one sentence"


def test_a_missing_connection_ends_the_wait(inbox: Path, include: Path) -> None:
    change_profile(include, "bursar_files", "bursar_nowhere")
    assert "There is no Airflow connection bursar_nowhere" in wait()["failure"]


def test_a_ledger_that_is_not_migrated_ends_the_wait(
    inbox: Path, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox_trigger, "ledger_url", lambda: postgres.url("postgres"))
    assert "The ledger is not migrated" in wait()["failure"]


def test_an_unexpected_error_fails_the_task(inbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends the trigger; then Airflow fails the task, and retries it like any other task."""

    def broken(_: InboxTrigger, *, is_last_check: bool) -> list[str]:
        raise ZeroDivisionError

    monkeypatch.setattr(InboxTrigger, "find_ready_files", broken)
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
def test_it_waits_for_a_profile_that_is_being_edited(
    inbox: Path, include: Path, checks: list[float], caplog: pytest.LogCaptureFixture, right: str, wrong: str
) -> None:
    (inbox / "a.xml").write_bytes(b"<a/>")
    change_profile(include, right, wrong)
    assert wait_while(checks, lambda: change_profile(include)) == {"files": ["a.xml"]}
    assert "The profile STUDENTS has an error or has been removed, or its import section is not active" in caplog.text


def test_the_last_error_names_a_profile_that_stays_invalid(inbox: Path, include: Path) -> None:
    change_profile(include, "stable_for_seconds: 0", "stable_for_seconds: soon")
    assert "The profile STUDENTS has an error" in str(wait(0.3)["last_error"])


def test_a_change_of_the_profile_counts_from_the_next_check(inbox: Path, include: Path, checks: list[float]) -> None:
    (inbox / "a.csv").write_bytes(b"<a/>")
    change = "stable_for_seconds: 0\n  file_patterns: ['*.csv']"
    assert wait_while(checks, lambda: change_profile(include, "stable_for_seconds: 0", change)) == {"files": ["a.csv"]}


def test_a_cancelled_trigger_stops_checking(inbox: Path, checks: list[float]) -> None:
    async def cancelled() -> int:
        async with running(make_trigger()):
            await until(lambda: len(checks) > 1)
        before = len(checks)
        await asyncio.sleep(0.5)  # five checks
        return before

    assert asyncio.run(cancelled()) in (len(checks), len(checks) - 1), "at most the check that has begun may end"


def test_a_server_that_does_not_answer_delays_no_other(
    inbox: Path, sftp_remote: RemoteServer, connect: Connect, include: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More triggers wait for the hanging server than there are threads: only one of them checks at a time."""
    (inbox / "a.xml").write_bytes(b"<a/>")
    (include / "profiles" / "staff.yaml").write_text(
        PROFILE.replace("STUDENTS", "STAFF").replace("bursar_files", "bursar_hanging"), encoding="utf-8"
    )
    with hanging_server() as (port, opened):
        monkeypatch.setenv("AIRFLOW_CONN_BURSAR_HANGING", json.dumps(sftp_remote.connection | {"port": port}))

        async def wait_among_hanging() -> WaitResult:
            hanging = [
                asyncio.create_task(
                    result_of(
                        InboxTrigger(
                            code="STAFF",
                            job="import",
                            connection_id="bursar_hanging",
                            deadline=(datetime.now(UTC) + timedelta(hours=1)).isoformat(),
                            check_interval_seconds=0.1,
                        )
                    )
                )
                for _ in range(MAX_THREADS + 1)
            ]
            await until(lambda: opened)
            found = await asyncio.wait_for(result_of(make_trigger()), TIMEOUT_SECONDS)
            cancelled: list[Awaitable[WaitResult]] = []
            for task in hanging:
                task.cancel()
                cancelled.append(task)
            began = time.monotonic()
            await asyncio.gather(*cancelled, return_exceptions=True)
            took = time.monotonic() - began
            assert took < TIMEOUT_SECONDS / 2, "a thread that hangs does not delay the end of its trigger"
            return found

        assert asyncio.run(wait_among_hanging()) == {"files": ["a.xml"]}
        assert len(opened) == 1


def test_the_session_in_the_ledger_has_the_name_of_the_profile(inbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[str] = []
    connect = psycopg.connect

    def noted(*arguments: Any, **parameters: Any) -> Any:
        names.append(parameters["application_name"])
        return connect(*arguments, **parameters)

    monkeypatch.setattr(psycopg, "connect", noted)
    wait(-1)
    assert set(names) == {"bursar import STUDENTS wait_for_files"}
