"""Finds Airflow's connections, and explains why one is not found."""

import json
import os
import sys
from typing import Any

from airflow.sdk import BaseHook, Connection
from airflow.sdk.exceptions import AirflowNotFoundException, AirflowRuntimeError, ErrorType
from airflow.sdk.execution_time.comms import ErrorResponse, GetConnection

from bursar.errors import BursarError, TransientError


class MissingConnectionError(BursarError):
    """Airflow has no connection of this id."""


class AirflowUnreachableError(BursarError):
    """Airflow's own database can't be read."""


def find_connection(connection_id: str) -> Connection:
    """Returns a connection from where Airflow looks for it: secrets backends, variables, Airflow's database.

    Tasks ask Airflow's API for those in the database. The server and `bin/bursar` read them there, if the environment
    has _AIRFLOW_PROCESS_CONTEXT=server.

    Raises:
        MissingConnectionError: there is no such connection.
        AirflowUnreachableError: Airflow's database can't be read.
        TransientError: the task's request to Airflow's API has failed.
        BursarError: the connection is malformed.
    """
    try:
        connection = BaseHook.get_connection(connection_id)
        dict(json.loads(connection.extra or "{}"))  # Airflow ignores a malformed extra
    except AirflowNotFoundException as error:
        raise _missing_error(connection_id) from error
    except (ValueError, TypeError) as error:
        raise BursarError(_malformed(f"The Airflow connection {connection_id}")) from error
    return connection


def _missing_error(connection_id: str) -> BursarError:
    """Returns the error for a connection that Airflow does not give; Airflow itself only logs the cause."""
    variable = f"AIRFLOW_CONN_{connection_id.upper()}"
    if os.environ.get(variable):
        return BursarError(_malformed(f"The variable {variable}"))
    missing = MissingConnectionError(
        f"There is no Airflow connection {connection_id}. Create it in Airflow (Admin, Connections) or as the variable "
        f"{variable}, or correct the id in the profile or source."
    )
    supervisor = _get_supervisor()
    if supervisor is not None and not _is_missing(connection_id, supervisor):
        return TransientError(
            f"Airflow's API has not answered a request for the connection {connection_id}. The task is retried. If "
            "this error stays, look into the log of Airflow's API server."
        )
    if supervisor is not None or os.environ.get("_AIRFLOW_PROCESS_CONTEXT") != "server":
        return missing
    # Imported here: the model is slow to load.
    from airflow.models.connection import Connection as StoredConnection  # noqa: PLC0415
    from airflow.utils.session import create_session  # noqa: PLC0415
    from sqlalchemy import select  # noqa: PLC0415
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    try:
        with create_session() as session:
            is_stored = session.scalar(select(StoredConnection.id).where(StoredConnection.conn_id == connection_id))
    except SQLAlchemyError as error:
        return AirflowUnreachableError(
            f"The Airflow connection {connection_id} is not found, because the variable {variable} is not set. "
            f"{airflow_database_error(error)} Or set the variable."
        )
    if is_stored is not None:
        return BursarError(
            f"The Airflow connection {connection_id} is in Airflow's database, but can't be read. Run the command with "
            "the AIRFLOW__CORE__FERNET_KEY of Airflow, or enter the connection again."
        )
    return missing


def _get_supervisor() -> Any:  # noqa: ANN401  Airflow has several
    """Returns the channel of this task or triggerer to its supervisor; None in a server and in commands.

    Such a process may not read Airflow's database, even if the LocalExecutor has started it and it inherits the
    variable of the scheduler.
    """
    runner = sys.modules.get("airflow.sdk.execution_time.task_runner")
    return getattr(runner, "SUPERVISOR_COMMS", None)


def _is_missing(connection_id: str, supervisor: Any) -> bool:  # noqa: ANN401
    """Returns whether Airflow's API says that there is no such connection.

    The backend of Airflow's tasks asks the same, but returns "not found" if the API fails, too.
    """
    try:
        answer = supervisor.send(GetConnection(conn_id=connection_id))
    except AirflowRuntimeError as error:
        answer = error.error
    return isinstance(answer, ErrorResponse) and answer.error is ErrorType.CONNECTION_NOT_FOUND


def airflow_database_error(error: Exception) -> str:
    """Returns a sentence about an error of Airflow's own database, and one with its remedy."""
    reason = str(getattr(error, "orig", error)).strip().partition("\n")[0]
    return (
        f"Airflow's database can't be read ({reason}). Run the command with Airflow's own settings (AIRFLOW_HOME, "
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN, AIRFLOW__CORE__FERNET_KEY), while that database runs and is migrated."
    )


def _malformed(subject: str) -> str:
    # Without the reason of the parser, which may quote a part of the password.
    return (
        f"{subject} is malformed. Write it as JSON, as in "
        '{"conn_type": "postgres", "host": "db.library.example", "login": "bursar", "password": "...", '
        '"schema": "ledger"}, or enter it in Airflow (Admin, Connections).'
    )
