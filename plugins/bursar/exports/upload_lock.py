"""The upload lock: one worker at a time uploads or releases a batch, and notices if it has lost the lock."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import InvalidRequestError

from bursar.errors import TransientError

LOCK_CHECK_SECONDS = 10
"""The time between two confirmations of the lock while a file is sent."""
_LOCK_CLASS = 1_651_864_435  # the first key of our advisory locks; the second is the batch


class LockLostError(TransientError):
    """The lock is lost: another worker may be uploading the batch, so this one stopped."""


class UploadLock:
    """The lock on a batch, held by a connection of its own: no other worker uploads or releases the batch."""

    def __init__(self, connection: Connection, batch_id: int) -> None:
        self._connection = connection
        self._batch_id = batch_id
        self._confirmed_at = time.monotonic()

    def confirm(self) -> None:
        """Confirms that the connection of the lock still holds it.

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
        """Confirms the lock if `LOCK_CHECK_SECONDS` have passed since the last confirmation."""
        if time.monotonic() - self._confirmed_at >= LOCK_CHECK_SECONDS:
            self.confirm()


@contextmanager
def upload_lock(engine: Engine, batch_id: int) -> Iterator[UploadLock]:
    """Locks a batch against uploads and releases by others, as long as the block and the lock's connection last.

    Raises:
        TransientError: somebody else has the lock.
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
