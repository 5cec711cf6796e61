"""The retry policy: transient errors are retried, errors that need a person are not."""

from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
import sqlalchemy.exc
from airflow.sdk import RetryAction
from sqlalchemy import Engine, text

from bursar.airflow.base_dag import RETRY_POLICY
from bursar.airflow.export_dag import export_dag
from bursar.db.engine import ledger_engine
from bursar.db.queries import query
from bursar.errors import BatchError, BursarError, InputFileError, LedgerError, RemoteFolderError, TransientError
from bursar.profiles import Problem, ProfileError
from demo.postgres import Postgres
from tests.support.fixtures import make_profile, make_settings

DOWN = "postgresql://nobody@127.0.0.1:1/nowhere"


def is_retried(error: BaseException) -> bool:
    return RETRY_POLICY.evaluate(error, try_number=1, max_tries=4).action is not RetryAction.FAIL


@pytest.mark.parametrize(
    "error",
    [
        RemoteFolderError("login, host key, missing folder, a different file under our name"),
        ProfileError([Problem("x.yaml", 1, "code", "is missing")]),
        BatchError("not delivered"),
        LedgerError("unknown fine"),
        InputFileError("not well-formed"),
        BursarError("no such connection"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_that_needs_a_person_is_not_retried(error: BursarError) -> None:
    assert not is_retried(error)


@pytest.mark.parametrize("error", [TransientError("the server is down"), TimeoutError(), ConnectionResetError()])
def test_a_transient_error_is_retried(error: Exception) -> None:
    assert is_retried(error)


def test_a_ledger_that_is_down_is_retried() -> None:
    with pytest.raises(TransientError, match="can't be reached") as down:
        ledger_engine(DOWN).connect()
    with pytest.raises(psycopg.OperationalError) as driver:
        psycopg.connect(DOWN)

    assert is_retried(down.value)
    assert is_retried(driver.value)


def test_a_lock_timeout_is_retried(ledger: Engine) -> None:
    with ledger.begin() as holder, ledger.begin() as other:
        holder.execute(query("ledger/lock_fines_table"))
        other.execute(text("SET LOCAL lock_timeout = '50ms'"))
        with pytest.raises(TransientError, match="lock timeout") as held:
            other.execute(query("ledger/lock_fines_table"))

    assert is_retried(held.value)


def test_a_serialization_failure_is_retried(ledger: Engine) -> None:
    def count(connection: sqlalchemy.Connection) -> None:
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"))
        connection.execute(text("SELECT count(*) FROM monitored_jobs"))
        connection.execute(text("INSERT INTO monitored_jobs VALUES ('export', gen_random_uuid(), now())"))

    first, second = ledger.connect(), ledger.connect()
    with first, second:
        count(first)
        count(second)
        first.commit()
        with pytest.raises(TransientError, match="serialize") as crossed:
            second.commit()

    assert is_retried(crossed.value)


def test_a_ledger_that_restarts_during_a_task_is_retried(ledger: Engine) -> None:
    with ledger.connect() as connection, ledger.connect() as administrator:
        number = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        administrator.execute(text("SELECT pg_terminate_backend(:number)"), {"number": number})
        with pytest.raises(TransientError, match="terminating connection") as gone:
            connection.execute(text("SELECT 1"))

    assert is_retried(gone.value)


def test_a_ledger_that_is_not_migrated_is_not_retried(postgres: Postgres) -> None:
    postgres.create("unmigrated")
    with (
        ledger_engine(postgres.url("unmigrated")).connect() as connection,
        pytest.raises(sqlalchemy.exc.ProgrammingError) as missing,
    ):
        connection.execute(text("SELECT * FROM batches"))

    assert not is_retried(missing.value)


def test_a_value_that_does_not_fit_the_ledger_is_not_tried_again(ledger: Engine) -> None:
    with ledger.connect() as connection, pytest.raises(sqlalchemy.exc.DataError) as raised:
        connection.execute(text("SELECT CAST(:number AS bigint)"), {"number": 10**30})
    assert not is_retried(raised.value)


def test_every_task_has_the_policy_and_exponential_backoff() -> None:
    limited = make_profile(approval={"max_fines": 1})
    for task in export_dag(limited, make_settings(work_dir=Path("staging"))).tasks:
        assert task.retry_policy == RETRY_POLICY
        assert (task.retries, task.retry_delay, task.retry_exponential_backoff) == (4, timedelta(minutes=1), 2)
        assert task.max_retry_delay == timedelta(minutes=30)
