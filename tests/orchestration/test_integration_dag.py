"""What is tried again, and what stops at once for a person."""

from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
import sqlalchemy.exc
from airflow.sdk import RetryAction
from sqlalchemy import Engine, text

from bursar.errors import BatchError, BursarError, InputFileError, LedgerError, PassingError, RemoteFolderError
from bursar.ledger.connection import ledger_engine
from bursar.ledger.statements import statement
from bursar.orchestration.export_dag import export_dag
from bursar.orchestration.integration_dag import RETRY_WHAT_CAN_PASS
from bursar.profiles import Problem, ProfileError
from demo.postgres import Postgres
from tests.library import a_profile, the_settings

DOWN = "postgresql://nobody@127.0.0.1:1/nowhere"


def is_tried_again(error: BaseException) -> bool:
    return RETRY_WHAT_CAN_PASS.evaluate(error, try_number=1, max_tries=4).action is not RetryAction.FAIL


@pytest.mark.parametrize(
    "error",
    [
        RemoteFolderError("login, host key, missing folder, a different file in the place of ours"),
        ProfileError([Problem("x.yaml", 1, "code", "is missing")]),
        BatchError("not delivered"),
        LedgerError("unknown fine"),
        InputFileError("not well-formed"),
        BursarError("no such connection"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_needs_a_person_stops_at_once(error: BursarError) -> None:
    assert not is_tried_again(error)


@pytest.mark.parametrize("error", [PassingError("the server is down"), TimeoutError(), ConnectionResetError()])
def test_what_can_pass_is_tried_again(error: Exception) -> None:
    assert is_tried_again(error)


def test_a_ledger_that_is_down_is_tried_again() -> None:
    with pytest.raises(PassingError, match="The ledger failed") as down:
        ledger_engine(DOWN).connect()
    with pytest.raises(psycopg.OperationalError) as driver:
        psycopg.connect(DOWN)

    assert is_tried_again(down.value)
    assert is_tried_again(driver.value)


def test_a_lock_that_somebody_holds_is_tried_again(ledger: Engine) -> None:
    with ledger.begin() as holder, ledger.begin() as other:
        holder.execute(statement("export/freeze_ledger"))
        other.execute(text("SET LOCAL lock_timeout = '50ms'"))
        with pytest.raises(PassingError, match="lock timeout") as held:
            other.execute(statement("export/freeze_ledger"))

    assert is_tried_again(held.value)


def test_transactions_that_cross_are_tried_again(ledger: Engine) -> None:
    def count(connection: sqlalchemy.Connection) -> None:
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"))
        connection.execute(text("SELECT count(*) FROM watched"))
        connection.execute(text("INSERT INTO watched VALUES ('export', gen_random_uuid(), now())"))

    first, second = ledger.connect(), ledger.connect()
    with first, second:
        count(first)
        count(second)
        first.commit()
        with pytest.raises(PassingError, match="serialize") as crossed:
            second.commit()

    assert is_tried_again(crossed.value)


def test_a_ledger_that_restarts_under_a_task_is_tried_again(ledger: Engine) -> None:
    with ledger.connect() as connection, ledger.connect() as administrator:
        number = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        administrator.execute(text("SELECT pg_terminate_backend(:number)"), {"number": number})
        with pytest.raises(PassingError, match="terminating connection") as gone:
            connection.execute(text("SELECT 1"))

    assert is_tried_again(gone.value)


def test_a_ledger_that_is_not_migrated_stops_at_once(postgres: Postgres) -> None:
    postgres.create("unmigrated")
    with (
        ledger_engine(postgres.url("unmigrated")).connect() as connection,
        pytest.raises(sqlalchemy.exc.ProgrammingError) as missing,
    ):
        connection.execute(text("SELECT * FROM batches"))

    assert not is_tried_again(missing.value)


def test_every_task_has_the_policy_and_growing_pauses() -> None:
    limited = a_profile(approval={"fines": 1})
    for task in export_dag(limited, the_settings(staging_folder=Path("staging"))).tasks:
        assert task.retry_policy == RETRY_WHAT_CAN_PASS
        assert (task.retries, task.retry_delay, task.retry_exponential_backoff) == (4, timedelta(minutes=1), 2)
        assert task.max_retry_delay == timedelta(minutes=30)
