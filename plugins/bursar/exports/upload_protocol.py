"""Upload protocol: a delivery brings the file of a batch once into the bursar's folder, under its final name.

Each attempt writes a part of its own, whose name the ledger has before the first byte is sent. The worker holds the
lock of the batch and confirms it before each step that can't be undone. After a crash, the recorded state of the
delivery and the names on the server decide about the next step:

| recorded      | on the server                     | then                                                         |
| ------------- | --------------------------------- | ------------------------------------------------------------ |
| not started   | the final name                    | an error: it is not ours                                     |
| uploading     | parts of earlier attempts or none | they are removed, and a new attempt begins                   |
| uploading     | no part; its last block was sent  | unclear: the bursar may have it                              |
| part complete | the part                          | it is verified again and renamed                             |
| part complete | the final name                    | it is delivered, if its size is ours; else an error          |
| part complete | neither                           | the bursar took it already: delivered, and never sent again  |
| unclear       | not asked                         | a person confirms the delivery or releases the batch         |

This module is longer than others, so that the whole protocol can be compared with this table.
"""

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import IO, BinaryIO, cast

from sqlalchemy import Connection, Engine, Row

from bursar.db.queries import query
from bursar.errors import BatchError, RemoteFolderError, TransientError, UnclearDeliveryError
from bursar.exports.build import ExportFile
from bursar.exports.upload_lock import LockLostError, UploadLock
from bursar.ledger.batches import Batch, BatchState, get_batch
from bursar.ledger.deliveries import Delivery, DeliveryKind, DeliveryState, advance_delivery, get_delivery
from bursar.money import pluralize
from bursar.progress import transfer_progress
from bursar.remote_files.base import RemoteFolder, file_exists_error

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Upload:
    """The work on a delivery by the worker that holds the lock; `delivery` is as it was when the work began."""

    engine: Engine
    batch: Batch
    delivery: Delivery
    document: ExportFile
    folder: RemoteFolder
    lock: UploadLock


def resume_upload(upload: Upload) -> None:
    """Completes a delivery, from the step that it has reached; each step is recorded as soon as it is taken."""
    found, folder = upload.batch, upload.folder
    if found.remote_folder not in (None, folder.address):
        raise BatchError(
            f"Batch {found.id} was uploaded to {found.remote_folder}, but connection {found.sftp_connection} now "
            f"leads to {folder.address}. Only the first folder can show whether the file arrived: point the connection "
            f"back until this batch is finished, or look for {found.file_name} by hand and, if the bursar has not "
            "received it, release the batch."
        )
    part = upload.delivery.part_name or ""
    if upload.delivery.state is not DeliveryState.PART_COMPLETE:
        part = _send(upload)
        _rename(upload, part)
    elif not _is_already_uploaded(upload):
        size = folder.size(part)
        if size is None:
            log.warning("%s is gone from %s: the bursar took it.", found.file_name, folder.address)
        elif _is_whole(upload, part, size):
            _rename(upload, part)
        else:
            log.warning("%s in %s was changed after its upload (%s).", part, folder.address, pluralize(size, "byte"))
            part = _send_again(upload)
            _rename(upload, part)
    upload.lock.confirm()
    with upload.engine.begin() as connection:
        _check_unchanged(connection, upload, DeliveryState.PART_COMPLETE, part)
        advance_delivery(connection, upload.delivery, "delivered", after=DeliveryState.PART_COMPLETE)
    log.info("Delivered %s (%s) to %s.", found.file_name, pluralize(upload.document.size, "byte"), folder.address)


def check_not_unclear(found: Batch, delivery: Delivery) -> None:
    """Raises an UnclearDeliveryError if a person has to find out whether a delivery has reached the bursar."""
    if delivery.state is DeliveryState.UNCLEAR:
        raise unclear_delivery(found, delivery.kind)


def unclear_delivery(found: Batch, kind: DeliveryKind = "first") -> UnclearDeliveryError:
    """Returns the error that asks a person whether the bursar has the file of a batch."""
    remedy = {
        "first": f"If it has: `bin/bursar batches confirm-delivered {found.id}`. If it has not: "
        f"`bin/bursar batches release {found.id} --confirm-not-received`.",
        "resend": "If it has not: start another resend.",
    }
    return UnclearDeliveryError(
        f"Batch {found.id} is unclear: the server acknowledged all of {found.file_name} "
        f"({pluralize(found.file_size or 0, 'byte')}), and then had no such file in {found.remote_folder}. It may have "
        "handed the file on to the bursar, so it is not sent again by itself. Ask the bursar whether it has arrived "
        f"(SHA-256 {found.sha256}). {remedy[kind]}"
    )


def _send(upload: Upload) -> str:
    """Sends the file as a part of a new attempt, and records it as complete; returns the part's name."""
    if upload.folder.size(upload.batch.file_name) is not None:
        raise file_exists_error(f"{upload.folder.address}/{upload.batch.file_name}")
    earlier = _find_earlier_parts(upload)
    attempt = _begin_attempt(upload)
    part: str = attempt.part_name
    _remove_parts(upload, earlier)
    try:
        _write_part(upload, attempt)
        with upload.engine.begin() as connection:
            _check_newest(connection, upload, attempt.id)
            advance_delivery(connection, upload.delivery, "uploaded", after=DeliveryState.UPLOADING, part_name=part)
    except LockLostError:
        with suppress(RemoteFolderError, TransientError):  # nobody else ever uses this part
            upload.folder.delete(part)
            _execute(upload.engine, "record_removal", attempt.id)
        raise
    return part


def _write_part(upload: Upload, attempt: Row) -> None:  # type: ignore[type-arg]
    """Writes the part of an attempt, and verifies it as far as the server tells."""
    found, document, folder = upload.batch, upload.document, upload.folder
    part: str = attempt.part_name
    log.info("Sending %s (%s) to %s.", found.file_name, pluralize(document.size, "byte"), folder.address)
    progress = transfer_progress(f"Sent {found.file_name}", document.size)

    def before_last_block() -> None:
        upload.lock.confirm()
        _execute(upload.engine, "record_last_block", attempt.id)

    def sent(block: bytes) -> None:
        progress(block)
        upload.lock.confirm_regularly()

    with document.path.open("rb") as file:
        source = _LastBlockAnnounced(file, document.size, before_last_block)
        folder.write(part, cast("BinaryIO", source), sent)
    upload.lock.confirm()
    size = folder.size(part)
    if size is None:
        raise _unclear(upload)
    if not _is_whole(upload, part, size):
        raise TransientError(
            f"{part} in {folder.address} has {pluralize(size, 'byte')} after the upload, and {found.file_name} has "
            f"{document.size:,}, or other bytes. The upload starts again; if this repeats, the server's disk or quota "
            "may be full."
        )
    upload.lock.confirm()


def _send_again(upload: Upload) -> str:
    """Sends the file anew in the place of a part that was complete once, and is not any more."""
    upload.lock.confirm()
    with upload.engine.begin() as connection:
        _check_unchanged(connection, upload, DeliveryState.PART_COMPLETE, upload.delivery.part_name)
        advance_delivery(
            connection,
            upload.delivery,
            "upload_started",
            after=DeliveryState.PART_COMPLETE,
            uploaded_at=None,
            part_name=None,
        )
        begun = get_delivery(connection, upload.batch.id, upload.delivery.kind, upload.delivery.run_id)
    return _send(replace(upload, delivery=begun))


def _find_earlier_parts(upload: Upload) -> list[Row]:  # type: ignore[type-arg]
    """Returns the earlier attempts whose parts are on the server, cut off or still written by a lost worker.

    Raises:
        UnclearDeliveryError: the last block of one had been sent, and the server has it no more.
    """
    there = []
    for attempt in _attempts(upload):
        if upload.folder.size(attempt.part_name) is not None:
            there.append(attempt)
        elif attempt.last_block_at and not attempt.removed_at:
            raise _unclear(upload)
    return there


def _remove_parts(upload: Upload, attempts: Sequence[Row]) -> None:  # type: ignore[type-arg]
    """Removes the parts of earlier attempts. Only a removal that the server confirms is recorded as one.

    Raises:
        UnclearDeliveryError: the last block of one had been sent, and somebody else has removed it meanwhile.
        RemoteFolderError: the server rejects a removal.
    """
    for attempt in attempts:
        upload.lock.confirm()
        try:
            upload.folder.delete(attempt.part_name)
        except RemoteFolderError as error:
            if upload.folder.size(attempt.part_name) is not None:
                raise RemoteFolderError(
                    f"{upload.folder.address}/{attempt.part_name}, a part of an earlier upload, can't be removed. Have "
                    "the server's administrator let the account delete its files, or remove it, then repeat the upload."
                ) from error
            if attempt.last_block_at:
                raise _unclear(upload) from error
        else:
            _execute(upload.engine, "record_removal", attempt.id)


def _begin_attempt(upload: Upload) -> Row:  # type: ignore[type-arg]
    """Records a new attempt, after which no earlier one can record its part as complete."""
    delivery = upload.delivery
    upload.lock.confirm()
    with upload.engine.begin() as connection:
        _check_unchanged(connection, upload, delivery.state, delivery.part_name)
        facts = {"delivery_id": delivery.id, "file_name": upload.batch.file_name}
        attempt = connection.execute(query("exports/insert_upload_attempt"), facts).one()
        if delivery.state is DeliveryState.REQUESTED:
            folder = upload.folder.address
            advance_delivery(connection, delivery, "upload_started", after=delivery.state, remote_folder=folder)
    return attempt


def _check_unchanged(connection: Connection, upload: Upload, state: DeliveryState, part: str | None) -> None:
    """Locks the batch; raises a LockLostError if it was released or another worker has continued this delivery."""
    found = get_batch(connection, upload.batch.id, lock=True)
    now = get_delivery(connection, found.id, upload.delivery.kind, upload.delivery.run_id)
    if found.state is BatchState.RELEASED or (now.state, now.part_name) != (state, part):
        raise LockLostError(f"Another worker has continued with batch {upload.batch.id}; this one stopped.")


def _check_newest(connection: Connection, upload: Upload, attempt_id: int) -> None:
    """Raises a LockLostError if another worker has begun an attempt since, or continued the delivery."""
    _check_unchanged(connection, upload, DeliveryState.UPLOADING, None)
    if max(attempt.id for attempt in _attempts(upload, connection)) != attempt_id:
        raise LockLostError(f"Another worker has begun to deliver batch {upload.batch.id}; this one stopped.")


def _rename(upload: Upload, part: str) -> None:
    found, folder = upload.batch, upload.folder
    upload.lock.confirm()
    try:
        folder.rename(part, found.file_name)
    except RemoteFolderError:
        # A worker that lost its lock may have renamed the same part a moment before.
        size = folder.size(found.file_name)
        if folder.size(part) is not None:
            raise
        if size is None:
            raise _unclear(upload) from None
        log.info("%s has its name already.", found.file_name)
    size = folder.size(found.file_name)
    if size is not None and not _is_whole(upload, found.file_name, size):  # None: the bursar was quick
        raise RemoteFolderError(
            f"{found.file_name} in {folder.address} has {pluralize(size, 'byte')} after its renaming, not "
            f"{upload.document.size:,}, or other bytes. Look at it with the bursar before this task is repeated."
        )


def _is_already_uploaded(upload: Upload) -> bool:
    size = upload.folder.size(upload.batch.file_name)
    if size is not None and not _is_whole(upload, upload.batch.file_name, size):
        raise file_exists_error(f"{upload.folder.address}/{upload.batch.file_name}")
    return size is not None


def _is_whole(upload: Upload, name: str, size: int) -> bool:
    """Whether a file on the server has our size and, if the server can say it, our SHA-256."""
    if size != upload.document.size:
        return False
    return upload.folder.sha256(name) in (None, upload.document.sha256)


def _unclear(upload: Upload) -> UnclearDeliveryError:
    """Records that the server acknowledged a file and then had no such file; returns the error that says so.

    Raises:
        LockLostError: another worker may have removed or renamed the part.
    """
    upload.lock.confirm()
    with upload.engine.begin() as connection:
        found = get_batch(connection, upload.batch.id, lock=True)
        now = get_delivery(connection, found.id, upload.delivery.kind, upload.delivery.run_id)
        if found.state is not BatchState.RELEASED and now.state is not DeliveryState.DELIVERED:
            advance_delivery(connection, now, "unclear", after=now.state)
    return unclear_delivery(found, now.kind)


def _attempts(upload: Upload, connection: Connection | None = None) -> Sequence[Row]:  # type: ignore[type-arg]
    facts = {"delivery_id": upload.delivery.id}
    if connection is not None:
        return connection.execute(query("exports/list_upload_attempts"), facts).all()
    with upload.engine.connect() as own:
        return own.execute(query("exports/list_upload_attempts"), facts).all()


def _execute(engine: Engine, name: str, attempt_id: int) -> None:
    with engine.begin() as connection:
        connection.execute(query(f"exports/{name}"), {"id": attempt_id})


class _LastBlockAnnounced:
    """A file to be sent, which calls a function before it returns its last block."""

    def __init__(self, file: IO[bytes], size: int, before_last_block: Callable[[], None]) -> None:
        self._file = file
        self._left = size
        self._before_last_block = before_last_block

    def read(self, size: int) -> bytes:
        block = self._file.read(size)
        if block and len(block) >= self._left:
            self._before_last_block()
        self._left -= len(block)
        return block
