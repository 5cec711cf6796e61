"""The lock of a delivery: one worker at a time sends or releases a batch, and notices when it has lost the lock."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import InvalidRequestError

from bursar.errors import TransientError

LOCK_CHECK_SECONDS = 10
"""Between two questions to the connection of the lock while a file is sent."""
_LOCK_CLASS = 1_651_864_435  # the first key of our advisory locks; the second is the batch


class LockLostError(TransientError):
    """Another worker may be delivering the batch; this one stopped."""


class UploadLock:
    """The lock that keeps all others from delivering or releasing a batch, held by a connection of its own."""

    def __init__(self, connection: Connection, batch_id: int) -> None:
        self._connection = connection
        self._batch_id = batch_id
        self._confirmed_at = time.monotonic()

    def confirm(self) -> None:
        """Asks the connection of the lock whether it still holds it.

        Raises:
            LockLostError: the connection has ended, and the lock with it.
        """
        try:
            self._connection.execute(text("SELECT 1"))
        except (TransientError, InvalidRequestError) as error:  # the second: it was lost before
            raise LockLostError(
                f"This worker has lost its lock on batch {self._batch_id}, because its connection to the ledger ended. "
                "Another worker may be delivering the batch, so this one stopped. Repeat the upload."
            ) from error
        self._confirmed_at = time.monotonic()

    def confirm_regularly(self) -> None:
        """Confirms the lock if some seconds have passed since the last time."""
        if time.monotonic() - self._confirmed_at >= LOCK_CHECK_SECONDS:
            self.confirm()


@contextmanager
def upload_lock(engine: Engine, batch_id: int) -> Iterator[UploadLock]:
    """Keeps all others from delivering or releasing a batch while the block lasts, and its connection to the ledger.

    Raises:
        TransientError: somebody else does so now.
    """
    connection = engine.connect()
    try:
        # The worker is busy with the server meanwhile; a frozen one loses the lock.
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = '3min'"))
        lock = text("SELECT pg_try_advisory_xact_lock(:family, CAST(:batch AS integer))")
        if not connection.execute(lock, {"family": _LOCK_CLASS, "batch": batch_id}).scalar_one():
            raise TransientError(f"Another worker is delivering batch {batch_id}.")
        yield UploadLock(connection, batch_id)
    finally:
        with suppress(TransientError):  # a connection that has ended holds no lock
            connection.close()
