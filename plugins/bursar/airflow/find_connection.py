"""Finds Airflow's connections, and explains why one is not found."""

import json
import os

from airflow.sdk import BaseHook, Connection
from airflow.sdk.exceptions import AirflowNotFoundException

from bursar.errors import BursarError


def find_connection(connection_id: str) -> Connection:
    """Returns a connection from where Airflow looks for it: secrets backends, variables, Airflow's database.

    Tasks ask Airflow's API for those in the database. The server and `bin/bursar` read them there, if the environment
    has _AIRFLOW_PROCESS_CONTEXT=server.

    Raises:
        BursarError: there is no such connection, it is malformed, or Airflow's database can't be read.
    """
    try:
        connection = BaseHook.get_connection(connection_id)
        dict(json.loads(connection.extra or "{}"))  # Airflow ignores a malformed extra
    except AirflowNotFoundException as error:
        raise BursarError(_explain_missing(connection_id)) from error
    except (ValueError, TypeError) as error:
        raise BursarError(_malformed(f"The Airflow connection {connection_id}")) from error
    return connection


def _explain_missing(connection_id: str) -> str:
    """Returns the reason why Airflow does not give a connection; Airflow itself only logs it."""
    variable = f"AIRFLOW_CONN_{connection_id.upper()}"
    if os.environ.get(variable):
        return _malformed(f"The variable {variable}")
    missing = (
        f"There is no Airflow connection {connection_id}. Create it in Airflow (Admin, Connections) or as the variable "
        f"{variable}, or correct the id in the profile."
    )
    if os.environ.get("_AIRFLOW_PROCESS_CONTEXT") != "server":
        return missing
    # Tasks have no access to the database, and its model is slow to load.
    from airflow.models.connection import Connection as StoredConnection  # noqa: PLC0415
    from airflow.utils.session import create_session  # noqa: PLC0415
    from sqlalchemy import select  # noqa: PLC0415
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    try:
        with create_session() as session:
            is_stored = session.scalar(select(StoredConnection.id).where(StoredConnection.conn_id == connection_id))
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", error)).strip().partition("\n")[0]
        return (
            f"The Airflow connection {connection_id} is not found: the variable {variable} is not set, and Airflow's "
            f"database can't be read ({reason}). Set the variable, or run the command with Airflow's own settings "
            "(AIRFLOW_HOME, AIRFLOW__DATABASE__SQL_ALCHEMY_CONN, AIRFLOW__CORE__FERNET_KEY), while its database runs."
        )
    if is_stored is not None:
        return (
            f"The Airflow connection {connection_id} is in Airflow's database, but can't be read. Run the command with "
            "the AIRFLOW__CORE__FERNET_KEY of Airflow, or enter the connection again."
        )
    return missing


def _malformed(subject: str) -> str:
    # Without the reason of the parser, which may quote a part of the password.
    return (
        f"{subject} is malformed. Write it as JSON, as in "
        '{"conn_type": "postgres", "host": "db.library.example", "login": "bursar", "password": "...", '
        '"schema": "ledger"}, or enter it in Airflow (Admin, Connections).'
    )
