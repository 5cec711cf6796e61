"""Explains why the ledger can't be opened: its address, login, database, version or tables."""

import psycopg
from psycopg import errors
from sqlalchemy import URL

from bursar.errors import BursarError, LedgerError, TransientError

MIN_POSTGRES = 17

_LOGIN = ("authentication failed", "no password supplied", "role ", "pg_hba.conf", "permission denied for database")
_MALFORMED = ("invalid connection option", "invalid integer value", "invalid port number", "invalid sslmode value")
_NOT_READY = (
    "starting up",
    "shutting down",
    "not currently accepting connections",
    "too many clients",
    "remaining connection slots",
    "recovery mode",
)
_SCHEMA = (
    errors.UndefinedTable,
    errors.UndefinedColumn,
    errors.UndefinedFunction,
    errors.UndefinedObject,
    errors.InvalidSchemaName,
)


class LedgerUnreachableError(TransientError):
    """No session could be opened at the ledger's PostgreSQL."""


def connect_error(url: URL, error: psycopg.Error) -> BursarError:
    """Returns the error for a session that could not be opened, with its remedy.

    PostgreSQL reports no SQLSTATE before a session is open, so the cause is recognised by its text. An unknown text, as
    of a server in another language, is reported as a server that can't be reached.
    """
    reason = " ".join(str(error).split()).removeprefix("connection failed: ") or type(error).__name__
    server = f"The ledger's PostgreSQL at {_address(url)}"
    if any(text in reason for text in _MALFORMED):
        return LedgerError(
            f"The Airflow connection bursar_ledger is malformed ({reason}). Correct its fields and its extra."
        )
    if "database " in reason and "does not exist" in reason:
        return LedgerUnreachableError(
            f"{server} has no database {_parameter(url, 'dbname')}. Correct the schema of the Airflow connection "
            "bursar_ledger, or create the database."
        )
    if any(text in reason for text in _LOGIN):
        return LedgerUnreachableError(
            f"{server} rejects the login {_parameter(url, 'user')} ({reason}). Correct login and password of the "
            "Airflow connection bursar_ledger, or let the administrator of PostgreSQL admit the login."
        )
    if any(text in reason for text in _NOT_READY):
        return LedgerUnreachableError(f"{server} accepts no session now ({reason}). Try again in a minute.")
    return LedgerUnreachableError(
        f"{server} can't be reached ({reason}). Start it, or correct host and port of the Airflow connection "
        "bursar_ledger."
    )


def check_version(url: URL, connection: psycopg.Connection[object]) -> None:
    """Raises a LedgerError, and closes the connection, if PostgreSQL is older than Bursar's tables need."""
    version = connection.info.server_version
    if version < MIN_POSTGRES * 10_000:
        connection.close()
        raise LedgerError(
            f"The ledger needs PostgreSQL {MIN_POSTGRES} or later, but {_address(url)} runs version "
            f"{version // 10_000}.{version % 10_000}. Upgrade it (pg_upgrade keeps the data), or choose another server "
            "in the Airflow connection bursar_ledger. Nothing was changed."
        )


def schema_error(url: URL, error: psycopg.Error) -> LedgerError | None:
    """Returns the error for a ledger without the tables or rights that a statement needs; None for other causes."""
    reason = error.diag.message_primary or type(error).__name__
    database, login = _parameter(url, "dbname"), _parameter(url, "user")
    if isinstance(error, _SCHEMA):
        return LedgerError(
            f"The database {database} is not migrated to this version of Bursar ({reason}). Run `bin/bursar ledger "
            "migrate` in the role of the ledger's owner, or correct the Airflow connection bursar_ledger."
        )
    if isinstance(error, errors.InsufficientPrivilege):
        return LedgerError(
            f"The login {login} lacks a right in the database {database} ({reason}). `bin/bursar ledger migrate` needs "
            f"the role of the ledger's owner; with `--grant-to {login}` it gives the rights that all else needs."
        )
    return None


def _parameter(url: URL, name: str) -> str:
    value = {"dbname": url.database, "user": url.username, "host": url.host, "port": url.port}[name]
    return str(url.query.get(name) or value or "")


def _address(url: URL) -> str:
    host = _parameter(url, "host") or "this machine"
    port = _parameter(url, "port")
    return f"{host}:{port}" if port else host
