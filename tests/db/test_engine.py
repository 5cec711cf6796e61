"""Sessions with the ledger: every wait is limited, and errors of a ledger that is down or restarts are transient."""

import os
import signal
import subprocess
import sys
import time
import traceback
from contextlib import closing, nullcontext
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from bursar.db import engine as sessions
from bursar.db.bulk_copy import copy_into, copy_out
from bursar.db.engine import ledger_engine, session_name
from bursar.errors import TransientError
from demo.postgres import DAGS_ROLE, Postgres
from tests.support.fixtures import Library

SECRET = "Okonkwo"
FROZEN_WORKER = """
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
def impatient_ledger(postgres: Postgres, ledger: Engine, empty_ledger: str, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Returns an engine of the ledger whose sessions wait 0.2 seconds for a lock."""
    monkeypatch.setitem(sessions.SESSION_OPTIONS, "lock_timeout", "200ms")
    return ledger_engine(postgres.url(empty_ledger, user=DAGS_ROLE))


def test_every_session_has_time_limits(ledger: Engine) -> None:
    limits = {"lock_timeout": "1min", "idle_in_transaction_session_timeout": "1min", "statement_timeout": "30min"}
    with ledger.connect() as connection:
        names = {name: connection.execute(text(f"SHOW {name}")).scalar_one() for name in [*limits, "TimeZone"]}
        parameters = connection.connection.driver_connection.info.get_parameters()  # type: ignore[union-attr]
    assert names == limits | {"TimeZone": "UTC"}
    assert {name: parameters[name] for name in sessions.CONNECTION_PARAMETERS} == sessions.CONNECTION_PARAMETERS


def test_parameters_of_the_url_take_precedence(postgres: Postgres, empty_ledger: str) -> None:
    url = f"{postgres.url(empty_ledger)}&connect_timeout=3&application_name=theirs&options=-c%20lock_timeout%3D7s"
    with ledger_engine(url).connect() as connection:
        assert connection.execute(text("SHOW lock_timeout")).scalar_one() == "7s"
        assert connection.execute(text("SHOW TimeZone")).scalar_one() == "UTC"
        assert connection.execute(text("SHOW application_name")).scalar_one() == "theirs"
        assert connection.connection.driver_connection.info.get_parameters()["connect_timeout"] == "3"  # type: ignore[union-attr]


def test_the_error_of_a_lock_timeout_names_the_holder(
    postgres: Postgres, empty_ledger: str, impatient_ledger: Engine
) -> None:
    token = session_name.set("bursar export STUDENTS select_fines")
    holder = ledger_engine(postgres.url(empty_ledger, user=DAGS_ROLE)).connect()
    session_name.reset(token)
    with holder:
        holder.execute(text("LOCK TABLE fines_lock IN EXCLUSIVE MODE"))
        started = time.monotonic()
        with pytest.raises(TransientError) as raised, impatient_ledger.begin() as waiting:
            waiting.execute(text("LOCK TABLE fines_lock IN EXCLUSIVE MODE"))
    assert time.monotonic() - started < 10
    assert "lock timeout" in str(raised.value)
    assert "bursar export STUDENTS select_fines (process " in str(raised.value)
    assert "Repeat the step when that has ended" in str(raised.value)


def test_a_frozen_worker_blocks_others_for_a_limited_time(
    postgres: Postgres, ledger: Engine, empty_ledger: str, library: Library
) -> None:
    url = postgres.url(empty_ledger, user=DAGS_ROLE)
    with subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", FROZEN_WORKER, url], stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": "plugins"}
    ) as worker:
        assert worker.stdout
        assert worker.stdout.readline() == "holds\n"
        os.kill(worker.pid, signal.SIGSTOP)
        try:
            fine = library.fine()
        finally:
            worker.kill()
    assert library.one("SELECT balance FROM fines WHERE id = :fine", fine=fine) > 0


def use_terminated_connection(ledger: Engine, how: str) -> None:
    """Uses a connection in a transaction after PostgreSQL has terminated it."""
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
def test_a_terminated_connection_is_a_transient_error(ledger: Engine, how: str) -> None:
    with pytest.raises(TransientError, match="PostgreSQL rolls back what was not committed"):
        use_terminated_connection(ledger, how)


def get_process(engine: Engine) -> int:
    """Returns the process that serves a connection of an engine, after a statement that could be prepared by then."""
    with engine.connect() as connection:
        for _ in range(10):
            number: int = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        assert not connection.execute(text("SELECT count(*) FROM pg_prepared_statements")).scalar_one()
    return number


def test_a_pooled_connection_is_used_again_until_it_is_terminated(
    postgres: Postgres, ledger: Engine, empty_ledger: str
) -> None:
    pooled = ledger_engine(postgres.url(empty_ledger, user=DAGS_ROLE), pooled=True)
    first = get_process(pooled)
    assert get_process(pooled) == first
    with ledger.connect() as other:
        assert other.execute(text("SELECT pg_terminate_backend(:number, 5000)"), {"number": first}).scalar_one()
    assert get_process(pooled) != first
    pooled.dispose()


def test_a_ledger_that_is_down_is_a_transient_error(tmp_path: Path) -> None:
    with pytest.raises(TransientError, match="can't be reached .*No such file or directory"):
        ledger_engine(f"postgresql://bursar@/ledger?host={tmp_path}").connect()


def test_an_invalid_statement_is_not_a_transient_error(ledger: Engine) -> None:
    with pytest.raises(DBAPIError, match="does not exist"), ledger.connect() as connection:
        connection.execute(text("SELECT * FROM nowhere"))


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO user_groups (code, name) VALUES (:secret, 'x'), (:secret, 'y')",
        "INSERT INTO users (last_name, user_group) VALUES ('x', :secret)",
        "INSERT INTO user_groups (code, name) VALUES (:secret, NULL)",
        "SELECT CAST(:secret AS numeric)",
        "SELECT CAST(:secret AS date)",
    ],
)
def test_an_error_has_no_values_of_rows(ledger: Engine, statement: str) -> None:
    with ledger.connect() as connection, pytest.raises(DBAPIError) as caught:
        connection.execute(text(statement), {"secret": SECRET})
    chain: BaseException | None = caught.value
    while chain:
        assert SECRET not in "".join(traceback.format_exception(chain))
        chain = chain.__cause__ or chain.__context__


def test_an_error_of_a_copy_has_no_values_of_rows(ledger: Engine) -> None:
    with ledger.begin() as connection:
        connection.exec_driver_sql("CREATE TEMPORARY TABLE numbers (number integer)")
        with pytest.raises(psycopg.Error) as caught, copy_into(connection, "numbers") as copy:
            copy.write_row((SECRET,))
    assert SECRET not in "".join(traceback.format_exception(caught.value))
