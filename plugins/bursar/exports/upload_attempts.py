"""Upload attempts: what the ledger records of an upload, before and after each step that can't be undone."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any, BinaryIO, Literal, cast

from sqlalchemy import Connection, Engine, Row

from bursar.db.queries import query
from bursar.errors import BatchError, BursarError, TransientError, UnclearDeliveryError
from bursar.exports.build import ExportFile
from bursar.exports.bursar_folder import BursarFolder
from bursar.exports.unclear import unclear_delivery
from bursar.exports.upload_lock import LockLostError, UploadLock
from bursar.ledger.batches import Batch, BatchState, get_batch
from bursar.ledger.deliveries import Delivery, DeliveryState, UnclearReason, advance_delivery, get_delivery
from bursar.money import pluralize
from bursar.progress import transfer_progress

MAX_RESEND_ATTEMPTS = 5
"""Uploads that one resend begins. Then a person looks at the server before another resend."""

Attempt = Row[Any]
"""A row of the table upload_attempts."""
AttemptStep = Literal["last_block", "unsent", "removal", "conflict"]


@dataclass(frozen=True, kw_only=True)
class Upload:
    """The work on a delivery by the worker that holds the lock; `delivery` is as it was when the work began.

    `file` is the file of the delivery. While it is sent, its bytes are those that are sent.
    """

    engine: Engine
    batch: Batch
    delivery: Delivery
    file: ExportFile
    server: BursarFolder
    lock: UploadLock

    @property
    def file_name(self) -> str:
        """The final name of the file."""
        return self.file.name

    @property
    def address(self) -> str:
        """The folder of the upload, in messages."""
        return self.server.folder.address


def begin_attempt(upload: Upload) -> Attempt:
    """Records a new attempt and the bytes that it sends, after which no earlier one can record its part as complete.

    Raises:
        BatchError: a resend has begun too many uploads.
    """
    delivery = upload.delivery
    upload.lock.confirm()
    with upload.engine.begin() as connection:
        check_unchanged(connection, upload, delivery.state, delivery.part_name)
        if delivery.kind == "resend" and len(list_attempts(upload, connection)) >= MAX_RESEND_ATTEMPTS:
            raise BatchError(
                f"This run has begun to send batch {upload.batch.id} again "
                f"{pluralize(MAX_RESEND_ATTEMPTS, 'time')}, and no upload was completed. It does not try again. See "
                f"the errors of its task, have the cause removed, look for {upload.file_name} in {upload.address}, and "
                "start another resend if the bursar still needs the file."
            )
        facts = {"delivery_id": delivery.id, "path": upload.server.name_part(upload.file_name)}
        attempt = connection.execute(query("exports/insert_upload_attempt"), facts).one()
        sent = {"id": delivery.id, "file_size": upload.file.size, "sha256": upload.file.sha256}
        connection.execute(query("exports/record_sent_bytes"), sent)
        if delivery.state is DeliveryState.REQUESTED:
            advance_delivery(connection, delivery, "upload_started", after=delivery.state, remote_folder=upload.address)
    return attempt


def list_attempts(upload: Upload, connection: Connection | None = None) -> Sequence[Attempt]:
    """Returns the attempts of the delivery so far, oldest first."""
    facts = {"delivery_id": upload.delivery.id}
    if connection is not None:
        return connection.execute(query("exports/list_upload_attempts"), facts).all()
    with upload.engine.connect() as own:
        return own.execute(query("exports/list_upload_attempts"), facts).all()


def send_blocks(upload: Upload, attempt: Attempt, *, is_direct: bool) -> None:
    """Sends the file to the path of an attempt, and records its last block before it is sent.

    A direct upload also records its first block, because others may see the file from then on. That is before it is
    opened, because FTP empties an existing file at that moment: a worker that has lost its lock opens nothing.

    Raises:
        LockLostError: another worker has begun an attempt since, or continued the delivery.
    """
    file = upload.file
    progress = transfer_progress(f"Sent {upload.file_name}", file.size)

    def before_last_block() -> None:
        upload.lock.confirm()
        record_step(upload.engine, "last_block", attempt.id)

    def sent(block: bytes) -> None:
        progress(block)
        upload.lock.confirm_regularly()

    with file.path.open("rb") as content:
        source = _AnnouncedFile(content, file.size, upload.lock.confirm, before_last_block)
        try:
            if is_direct:
                _record_first_block(upload, attempt)
                upload.lock.confirm()
            upload.server.folder.write(attempt.part_name, cast("BinaryIO", source), sent, new=is_direct)
        except BursarError:
            if is_direct and not source.was_read:  # the server did not open the file
                with suppress(TransientError):
                    record_step(upload.engine, "unsent", attempt.id)
            raise


def _record_first_block(upload: Upload, attempt: Attempt) -> None:
    upload.lock.confirm()
    with upload.engine.begin() as connection:
        check_newest(connection, upload, attempt.id)
        connection.execute(query("exports/record_first_block"), {"id": attempt.id})


def record_complete(upload: Upload, attempt: Attempt) -> None:
    """Records that the server has all of the file under the path of an attempt.

    Raises:
        LockLostError: another worker has begun an attempt since, or continued the delivery.
    """
    with upload.engine.begin() as connection:
        check_newest(connection, upload, attempt.id)
        advance_delivery(
            connection, upload.delivery, "uploaded", after=DeliveryState.UPLOADING, part_name=attempt.part_name
        )


def check_unchanged(connection: Connection, upload: Upload, state: DeliveryState, part: str | None) -> None:
    """Locks the batch; raises a LockLostError if it was released or another worker has continued this delivery."""
    found = get_batch(connection, upload.batch.id, lock=True)
    now = get_delivery(connection, upload.delivery.id)
    if found.state is BatchState.RELEASED or (now.state, now.part_name) != (state, part):
        raise LockLostError(f"Another worker has continued with batch {upload.batch.id}; this one stopped.")


def check_newest(connection: Connection, upload: Upload, attempt_id: int) -> None:
    """Raises a LockLostError if another worker has begun an attempt since, or continued the delivery."""
    check_unchanged(connection, upload, DeliveryState.UPLOADING, None)
    if max(attempt.id for attempt in list_attempts(upload, connection)) != attempt_id:
        raise LockLostError(f"Another worker has begun to deliver batch {upload.batch.id}; this one stopped.")


def mark_unclear(upload: Upload, reason: UnclearReason) -> UnclearDeliveryError:
    """Records that a person has to find out whether the bursar has the file; returns the error that says so.

    Raises:
        LockLostError: another worker may have removed or renamed the part.
    """
    upload.lock.confirm()
    with upload.engine.begin() as connection:
        found = get_batch(connection, upload.batch.id, lock=True)
        now = get_delivery(connection, upload.delivery.id)
        if found.state is not BatchState.RELEASED and now.state is not DeliveryState.DELIVERED:
            advance_delivery(connection, now, "unclear", after=now.state, unclear_reason=reason)
        now = get_delivery(connection, upload.delivery.id)
    return unclear_delivery(found, now)


def record_step(engine: Engine, step: AttemptStep, attempt_id: int) -> None:
    """Records a step of an attempt."""
    with engine.begin() as connection:
        connection.execute(query(f"exports/record_{step}"), {"id": attempt_id})


class _AnnouncedFile:
    """A file to be sent, which calls functions before it returns its first and its last block."""

    def __init__(
        self,
        file: IO[bytes],
        size: int,
        before_first_block: Callable[[], None],
        before_last_block: Callable[[], None],
    ) -> None:
        self._file = file
        self._left = size
        self._is_at_end = False
        self._before_first_block = before_first_block
        self._before_last_block = before_last_block
        self.was_read = False
        """Whether a block has been asked for, so that the server has opened the file."""

    def read(self, size: int) -> bytes:
        if not self.was_read:
            self.was_read = True
            self._before_first_block()
        block = self._file.read(size)
        if len(block) >= self._left and not self._is_at_end:  # an empty file has one block without bytes
            self._is_at_end = True
            self._before_last_block()
        self._left -= len(block)
        return block
