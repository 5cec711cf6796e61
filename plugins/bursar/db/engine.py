"""The engine of the ledger: sessions in which every wait is bounded, migrations and rights.

PostgreSQL ends a statement that waits a minute for a lock, a transaction whose worker does nothing for a minute, and
any statement after half an hour. Both sides close a connection on which the other side answers no keepalives.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, cast

import psycopg.sql
from psycopg import errors
from sqlalchemy import Engine, ExceptionContext, NullPool, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError

from bursar.db.open_errors import check_version, connect_error
from bursar.errors import LedgerError, LedgerNotFoundError, TransientError
from bursar.money import pluralize

SCHEMA = Path(__file__).parents[3] / "include" / "sql" / "schema"

SESSION_OPTIONS = {
    "TimeZone": "UTC",
    "lock_timeout": "60s",
    "idle_in_transaction_session_timeout": "60s",
    "statement_timeout": "30min",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
"""Settings of each session."""
CONNECTION_PARAMETERS = {
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
"""Parameters of each connection, in seconds, the last in milliseconds; those in the URL take precedence."""
POOL_SIZE = 5
POOL_RECYCLE_SECONDS = 300
MAX_SESSION_NAME = 63  # bytes; PostgreSQL cuts longer ones
session_name: ContextVar[str] = ContextVar("session_name", default="bursar")
"""The `application_name` of the sessions of this process, which PostgreSQL lists."""

_TRANSIENT = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    errors.IdleInTransactionSessionTimeout,
    errors.ReadOnlySqlTransaction,  # a server that is a standby now
)
_DATA_EXCEPTIONS = "22"
"""The class of the SQLSTATEs of values that PostgreSQL can't read or compute with."""
_WAITED = (errors.LockNotAvailable, errors.QueryCanceled, errors.DeadlockDetected)


def ledger_engine(url: str, *, pooled: bool = False) -> Engine:
    """Returns an engine for the ledger at a PostgreSQL URL; the driver that the URL names is ignored.

    The time zone of its sessions is UTC, so that no timestamp depends on the machine. A statement raises a
    TransientError if the ledger can't be reached, ends the connection, or makes it wait too long. A PostgreSQL that is
    too old, and a malformed URL, raise a LedgerError. The texts of errors have no values of rows.

    Connections are not pooled by default, since a task opens one and ends. With `pooled`, for a process that goes on,
    some are kept open and tested before each use; the number of connections has no limit.
    """
    address = make_url(url).set(drivername="postgresql+psycopg")
    options = " ".join(f"-c {name}={value}" for name, value in SESSION_OPTIONS.items())
    arguments: dict[str, Any] = {
        name: value for name, value in CONNECTION_PARAMETERS.items() if name not in address.query
    }
    arguments["options"] = f"{options} {address.query.get('options', '')}"
    # A state is read after the lock of its batch, and has to be the newest one, whatever the server's default is.
    pool: dict[str, Any] = {"poolclass": NullPool}
    if pooled:
        pool = {"pool_size": POOL_SIZE, "max_overflow": -1, "pool_pre_ping": True, "pool_recycle": POOL_RECYCLE_SECONDS}
        arguments["prepare_threshold"] = None  # a plan for all values of a prepared statement may read a whole table
    engine = create_engine(
        address, connect_args=arguments, isolation_level="READ COMMITTED", hide_parameters=True, **pool
    )

    def name_session(_dialect: object, _record: object, _arguments: object, parameters: dict[str, Any]) -> None:
        parameters.setdefault("application_name", session_name.get()[:MAX_SESSION_NAME])

    def check(connection: psycopg.Connection[object], _record: object) -> None:
        check_version(address, connection)

    event.listen(engine, "do_connect", name_session)
    event.listen(engine, "connect", check, insert=True)  # before SQLAlchemy's first statement
    event.listen(engine, "handle_error", _handle_error)
    return engine


@contextmanager
def driver_errors(engine: Engine) -> Iterator[None]:
    """Turns errors of psycopg itself, which SQLAlchemy does not see, into those of `ledger_engine`."""
    try:
        yield
    except _TRANSIENT as error:
        raise _transient(engine, error) from error
    except psycopg.Error as error:
        _hide_values(error)
        raise


def _hide_values(error: psycopg.Error) -> None:
    """Removes the values of rows from the text of an error: they name people, and the text gets into logs.

    PostgreSQL writes them into the detail of a constraint, the context of a copy, and the message of a malformed value.
    """
    message = error.diag.message_primary
    if message:
        is_of_value = (error.sqlstate or "").startswith(_DATA_EXCEPTIONS)
        error.args = (f"{type(error).__name__} (SQLSTATE {error.sqlstate})" if is_of_value else message,)


def _handle_error(context: ExceptionContext) -> None:
    if context.is_pre_ping:  # the pool opens another connection
        return
    if context.connection is None and context.engine and isinstance(context.original_exception, psycopg.Error):
        raise connect_error(context.engine.url, context.original_exception)
    if isinstance(context.original_exception, _TRANSIENT):
        raise _transient(context.engine, context.original_exception)
    if isinstance(context.original_exception, psycopg.Error) and context.sqlalchemy_exception:
        _hide_values(context.original_exception)
        context.sqlalchemy_exception.args = context.original_exception.args


def _transient(engine: Engine | None, error: BaseException) -> TransientError:
    reason = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, _WAITED):
        return TransientError(
            f"The ledger made this step wait too long, and PostgreSQL ended it ({reason}). Nothing was changed. "
            f"{_longest_transactions(engine)} Repeat the step when that has ended; if a worker hangs, end it."
        )
    return TransientError(
        f"The ledger failed ({reason}). PostgreSQL rolls back what was not committed, so the step can "
        "be repeated. If it keeps failing, ask the administrator of the ledger's PostgreSQL."
    )


def _longest_transactions(engine: Engine | None) -> str:
    """The transactions that have been open longest, which most likely hold the lock; a sentence."""
    query = """
        SELECT application_name, pid, coalesce(extract(epoch FROM clock_timestamp() - xact_start), 0)::int
        FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
            AND pid IN (SELECT pid FROM pg_locks WHERE granted AND locktype IN ('relation', 'transactionid'))
        ORDER BY xact_start LIMIT 3"""
    try:
        if engine is None:
            raise psycopg.OperationalError
        parameters = dict(engine.dialect.create_connect_args(engine.url)[1])
        with psycopg.connect(**parameters | {"connect_timeout": 5}, autocommit=True) as connection:
            holders = connection.execute(query).fetchall()
    except psycopg.Error:
        return "Which transaction holds it can't be found out."
    if not holders:
        return "No other transaction is open any more."
    listed = ", ".join(
        f"{name or 'unnamed'} (process {pid}, for {pluralize(seconds, 'second')})" for name, pid, seconds in holders
    )
    return f"These transactions have been open longest: {listed}."


def migrate(engine: Engine, revision: str = "head") -> str | None:
    """Upgrades the ledger's schema to a revision, by default the newest, and returns the revision that it has then.

    A ledger that has it is not changed.
    """
    from alembic import command  # noqa: PLC0415  7 MB that no task needs
    from alembic.config import Config  # noqa: PLC0415
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(SCHEMA))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        return MigrationContext.configure(connection).get_current_revision()


def grant(engine: Engine, role: str) -> None:
    """Grants the role of the DAGs the rights that the statements need, and revokes all others.

    `engine` is that of the ledger's owner. The role must exist; PostgreSQL must be 17 or later.

    Raises:
        LedgerError: PostgreSQL rejects it, or the role has wider rights from elsewhere. No right was changed.
    """
    rights = psycopg.sql.SQL((SCHEMA / "rights.sql").read_text(encoding="utf-8"))
    excess_rights = psycopg.sql.SQL((SCHEMA / "excess_rights.sql").read_text(encoding="utf-8"))
    try:
        with engine.begin() as connection:
            driver = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
            driver.execute(rights.format(role=psycopg.sql.Identifier(role)))
            excess = driver.execute(excess_rights, {"role": role}).fetchone()
            if excess:
                reason, remedy = excess
                raise LedgerError(
                    f"The rights of {role} can't be limited to what the DAGs need: {reason}. {remedy}. "
                    "No right was changed."
                )
    except errors.UndefinedObject as error:
        raise LedgerNotFoundError(f"PostgreSQL has no role {role}. Create it, or correct the name.") from error
    except (DBAPIError, psycopg.Error) as error:
        raise LedgerError(f"The rights of {role} can't be set: {error}. No right was changed.") from error
