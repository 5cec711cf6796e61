"""Sessions with the ledger: every wait ends, and errors of a ledger that is down or restarts can be understood."""

import os
import signal
import subprocess
import sys
import time
from contextlib import closing, nullcontext
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from bursar.db import engine as sessions
from bursar.db.bulk_copy import copy_into, copy_out
from bursar.db.engine import ledger_engine, session_name
from bursar.errors import TransientError
from demo.postgres import DAGS_ROLE, Postgres
from tests.support.fixtures import Library

FROZEN = """
import sys, time
from sqlalchemy import text
from bursar.db import engine as sessions
sessions.SESSION_OPTIONS["idle_in_transaction_session_timeout"] = "500ms"
sessions.session_name.set("bursar export STUDENTS select_fines")
with sessions.ledger_engine(sys.argv[1]).begin() as connection:
    connection.execute(text("LOCK TABLE fines_lock IN EXCLUSIVE MODE"))
    print("holds", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def impatient(postgres: Postgres, ledger: Engine, empty_ledger: str, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """The ledger for a session that waits a fifth of a second for a lock."""
    monkeypatch.setitem(sessions.SESSION_OPTIONS, "lock_timeout", "200ms")
    return ledger_engine(postgres.url(empty_ledger, user=DAGS_ROLE))


def test_every_session_has_bounds(ledger: Engine) -> None:
    wanted = {"lock_timeout": "1min", "idle_in_transaction_session_timeout": "1min", "statement_timeout": "30min"}
    with ledger.connect() as connection:
        names = {name: connection.execute(text(f"SHOW {name}")).scalar_one() for name in [*wanted, "TimeZone"]}
        given = connection.connection.driver_connection.info.get_parameters()  # type: ignore[union-attr]
    assert names == wanted | {"TimeZone": "UTC"}
    assert {name: given[name] for name in sessions.CONNECTION_PARAMETERS} == sessions.CONNECTION_PARAMETERS


def test_parameters_of_the_url_take_precedence(postgres: Postgres, empty_ledger: str) -> None:
    url = f"{postgres.url(empty_ledger)}&connect_timeout=3&application_name=theirs&options=-c%20lock_timeout%3D7s"
    with ledger_engine(url).connect() as connection:
        assert connection.execute(text("SHOW lock_timeout")).scalar_one() == "7s"
        assert connection.execute(text("SHOW TimeZone")).scalar_one() == "UTC"
        assert connection.execute(text("SHOW application_name")).scalar_one() == "theirs"
        assert connection.connection.driver_connection.info.get_parameters()["connect_timeout"] == "3"  # type: ignore[union-attr]


def test_a_wait_for_a_lock_ends_and_names_who_holds_it(ledger: Engine, impatient: Engine) -> None:
    token = session_name.set("bursar export STUDENTS select_fines")
    holder = ledger.connect()
    session_name.reset(token)
    with holder:
        holder.execute(text("LOCK TABLE fines_lock IN EXCLUSIVE MODE"))
        begun = time.monotonic()
        with pytest.raises(TransientError) as raised, impatient.begin() as waiting:
            waiting.execute(text("LOCK TABLE fines_lock IN EXCLUSIVE MODE"))
    assert time.monotonic() - begun < 2
    assert "lock timeout" in str(raised.value)
    assert "bursar export STUDENTS select_fines (process " in str(raised.value)
    assert "Repeat the step when that has ended" in str(raised.value)


def test_a_frozen_worker_holds_nobody_up_for_ever(
    postgres: Postgres, ledger: Engine, empty_ledger: str, library: Library
) -> None:
    url = postgres.url(empty_ledger, user=DAGS_ROLE)
    with subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", FROZEN, url], stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": "plugins"}
    ) as worker:
        assert worker.stdout
        assert worker.stdout.readline() == "holds\n"
        os.kill(worker.pid, signal.SIGSTOP)
        try:
            fine = library.fine()
        finally:
            worker.kill()
    assert library.one("SELECT balance FROM fines WHERE id = :fine", fine=fine) > 0


def broken_off(ledger: Engine, how: str) -> None:
    """Does something in a transaction whose connection PostgreSQL ends."""
    with ledger.begin() as connection, ledger.connect() as other:
        number = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        connection.execute(text("CREATE TEMPORARY TABLE few (number integer)"))
        rows = copy_out(connection, text("SELECT repeat('x', 1000) FROM generate_series(1, 1000000)"))
        copying = copy_into(connection, "few") if how == "copy in" else nullcontext()
        with closing(rows), copying:
            if how == "copy out":
                next(rows)
            other.execute(text("SELECT pg_terminate_backend(:number, 5000)"), {"number": number})
            if how == "copy out":
                list(rows)
            if how == "statement":
                connection.execute(text("SELECT 1"))


@pytest.mark.parametrize("how", ["statement", "commit", "copy out", "copy in"])
def test_a_connection_that_ends_is_a_passing_error_whatever_was_done(ledger: Engine, how: str) -> None:
    with pytest.raises(TransientError, match="PostgreSQL rolls back what was not committed"):
        broken_off(ledger, how)


def test_a_ledger_that_is_down_is_a_passing_error(tmp_path: Path) -> None:
    with pytest.raises(TransientError, match="can't be reached .*No such file or directory"):
        ledger_engine(f"postgresql://bursar@/ledger?host={tmp_path}").connect()


def test_a_statement_that_is_wrong_is_not(ledger: Engine) -> None:
    with pytest.raises(DBAPIError, match="does not exist"), ledger.connect() as connection:
        connection.execute(text("SELECT * FROM nowhere"))
