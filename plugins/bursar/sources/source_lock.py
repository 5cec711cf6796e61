"""Locks a source, so that its files are loaded by one worker or command at a time."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import Connection, Engine

from bursar.db.queries import query
from bursar.errors import TransientError


def confirm_lock(lock: Connection) -> None:
    """Raises a TransientError if the lock of a source was lost, so that another worker may have it by now."""
    if lock.invalidated:  # it was noticed before
        raise TransientError("The lock of the source was lost: the connection to the ledger has ended.")
    lock.exec_driver_sql("SELECT")


@contextmanager
def lock_source(engine: Engine, source: str) -> Iterator[Connection]:
    """Locks a source by a connection of its own, and yields it. `bursar.sources.load` says how the locks are related.

    Raises:
        TransientError: another worker or a command loads it.
    """
    connection = engine.connect()
    try:
        if not connection.execute(query("sources/lock_source"), {"source": source, "timeout": "1d"}).scalar_one():
            raise TransientError(f"Another worker or a command is loading the source {source}.")
        yield connection
    finally:
        with suppress(TransientError):  # a connection that has ended holds no lock
            connection.close()
