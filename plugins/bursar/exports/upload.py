"""Upload: one worker at a time delivers the files of a batch, once, or a person confirms that they have arrived.

`bursar.exports.upload_protocol` has the protocol with the server.
"""

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from sqlalchemy import Engine

from bursar.errors import BatchError, BursarError, UploadConflictError
from bursar.exports.build import ExportFile, build_files
from bursar.exports.deliver import deliver_files
from bursar.exports.unclear import check_not_unclear
from bursar.exports.upload_lock import UploadLock, upload_lock
from bursar.ledger.batches import Batch, BatchState, get_batch
from bursar.ledger.deliveries import DeliveryState, advance_delivery, list_deliveries, request_deliveries
from bursar.profiles.upload import DEFAULT_UPLOAD, UploadSettings
from bursar.remote_files.base import RemoteFolder
from bursar.work_dir import batch_folder, hold_folder, remove_folder

log = logging.getLogger(__name__)

OpenFolder = Callable[[Batch], AbstractContextManager[RemoteFolder]]
"""Opens the remote folder to which a batch is uploaded."""


def upload_file(
    engine: Engine,
    batch_id: int,
    open_folder: OpenFolder,
    work_dir: Path,
    settings: UploadSettings = DEFAULT_UPLOAD,
) -> Batch:
    """Uploads a batch's files into the bursar's folder under their final names, each once, and records that.

    The batch is delivered with its last file. A delivered batch or file is not changed. A file that is missing on this
    machine is built again. Finally, the working folder of the batch is removed. `settings` say how the bursar's server
    treats uploads.

    Raises:
        TransientError: the server or the ledger can't be reached, another worker uploads this batch, or a file of an
            earlier export is still there and the profile waits for it: try again.
        RemoteFolderError: the server rejects it, or has another file of that name; nothing was overwritten.
        PreviousFileError: a file of an earlier export is still there, and the profile does not allow two.
        UnclearDeliveryError: the server acknowledged the file, but does not have it: a person has to look for it.
        UploadConflictError: another worker delivered the file, and this one may have damaged it: a person has to look.
        BatchError: the batch was released, or the connection opens another folder than when its upload began.
    """
    batch = _read_batch(engine, batch_id)
    if batch.was_delivered:
        log.info("%s was delivered before, at %s.", batch.file_name, batch.delivered_at)
        remove_folder(batch_folder(work_dir, batch_id))
        return batch
    if batch.dry_run:
        raise BatchError(f"Batch {batch_id} is a dry run, which is never uploaded. Run the export itself.")
    with hold_folder(batch_folder(work_dir, batch_id)):
        files = build_files(engine, batch_id, work_dir)
        with upload_lock(engine, batch_id) as lock:
            batch = _read_batch(engine, batch_id)
            if batch.state is BatchState.RELEASED:  # while the file was built; a release needs the same lock
                raise BatchError(
                    f"Batch {batch_id} has been released: its fines are open, and the next export selects them. "
                    "Nothing was uploaded."
                )
            if not batch.was_delivered:
                try:
                    _upload(engine, batch, files, open_folder, lock, settings)
                except UploadConflictError:
                    raise  # the other worker has delivered the file, and this one may have damaged it
                except BursarError:
                    if not _read_batch(engine, batch_id).was_delivered:
                        raise
                    log.info("Another worker has delivered %s meanwhile.", batch.file_name)
    remove_folder(batch_folder(work_dir, batch_id))
    return _read_batch(engine, batch_id)


def confirm_delivered(
    engine: Engine, batch_id: int, *, look: Callable[[Batch], None] = lambda _batch: None, by: str
) -> Batch:
    """Records that a person confirms that the bursar has those files of a batch whose upload has begun.

    The next run of the export, or the upload task of the batch's own run, then uploads the others and closes the fines.
    `look` may raise a BatchError if the batch is not as the person has seen it.

    Raises:
        BatchError: the upload has not begun, or the batch is closed or released.
        TransientError: another worker is delivering the batch.
    """
    with upload_lock(engine, batch_id), engine.begin() as connection:
        batch = get_batch(connection, batch_id, lock=True)
        check_confirmable(batch)
        look(batch)
        for delivery in list_deliveries(connection, batch_id, "first", batch.run_id):
            if delivery.state in CONFIRMABLE_STATES:
                advance_delivery(connection, delivery, "delivered", after=delivery.state, confirmed_by=by)
        confirmed = get_batch(connection, batch_id)
    log.info("Batch %s is %s now, as a person confirms.", batch_id, confirmed.state.description)
    return confirmed


CONFIRMABLE_STATES = (DeliveryState.UPLOADING, DeliveryState.PART_COMPLETE, DeliveryState.UNCLEAR)
"""The states of deliveries that a person can confirm: a file, or a part of it, may be on the server."""


def list_confirmable_files(batch: Batch) -> list[str]:
    """Returns the names of the files of a batch whose delivery a person could confirm."""
    return [file.name for file in batch.files if file.state in CONFIRMABLE_STATES]


def check_confirmable(batch: Batch) -> None:
    """Raises a BatchError if the batch has no delivery that a person could confirm."""
    if batch.state is BatchState.CLOSED:
        raise BatchError(
            f"Batch {batch.id} is CLOSED: the bursar has its file, and its fines are exported. There is nothing "
            "left to confirm."
        )
    if not batch.state.may_be_delivered:
        raise BatchError(
            f"Batch {batch.id} is {batch.state.description}: its upload has not begun, so the bursar can't have it."
        )
    if not batch.was_delivered and not list_confirmable_files(batch):
        raise BatchError(
            f"Batch {batch.id} has nothing to confirm: some of its files have been delivered, and the upload of the "
            "others has not begun. Repeat the upload."
        )


def _upload(
    engine: Engine,
    batch: Batch,
    files: Sequence[ExportFile],
    open_folder: OpenFolder,
    lock: UploadLock,
    settings: UploadSettings,
) -> None:
    with engine.begin() as connection:
        deliveries = request_deliveries(connection, batch.id, "first", batch.run_id)
    check_not_unclear(batch, deliveries)
    with open_folder(batch) as folder:
        deliver_files(engine, batch, deliveries, files, folder, lock, settings)


def _read_batch(engine: Engine, batch_id: int) -> Batch:
    with engine.connect() as connection:
        return get_batch(connection, batch_id)
