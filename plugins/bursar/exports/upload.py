"""Upload: one worker at a time delivers the file of a batch, once, or a person confirms that it has arrived.

`bursar.exports.upload_protocol` has the protocol with the server.
"""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from sqlalchemy import Engine

from bursar.errors import BatchError, BursarError
from bursar.exports.build import ExportFile, build_file
from bursar.exports.upload_lock import UploadLock, upload_lock
from bursar.exports.upload_protocol import Upload, check_not_unclear, resume_upload
from bursar.ledger.batches import Batch, BatchState, get_batch
from bursar.ledger.deliveries import advance_delivery, request_delivery
from bursar.remote_files.base import RemoteFolder
from bursar.work_dir import batch_folder, hold_folder, remove_folder

log = logging.getLogger(__name__)

OpenFolder = Callable[[Batch], AbstractContextManager[RemoteFolder]]
"""Opens the remote folder that a batch goes to."""


def upload_file(engine: Engine, batch_id: int, open_folder: OpenFolder, work_dir: Path) -> Batch:
    """Uploads a batch's file into the bursar's folder under its final name, once, and records it as delivered.

    A delivered batch is not changed. A file that is missing on this machine is built again. The working folder of the
    batch is removed in the end.

    Raises:
        TransientError: the server or the ledger can't be reached, or another worker uploads this batch: try again.
        RemoteFolderError: the server rejects it, or has another file of that name; nothing was overwritten.
        UnclearDeliveryError: the server acknowledged the file and then had no such file: a person has to find it.
        BatchError: the batch was released, or the connection leads to another folder than the upload went to.
    """
    found = _batch(engine, batch_id)
    if found.was_delivered:
        log.info("%s was delivered before, at %s.", found.file_name, found.delivered_at)
        remove_folder(batch_folder(work_dir, batch_id))
        return found
    if found.dry_run:
        raise BatchError(f"Batch {batch_id} is a dry run, which is never uploaded. Run the export itself.")
    with hold_folder(batch_folder(work_dir, batch_id)):
        document = build_file(engine, batch_id, work_dir)
        with upload_lock(engine, batch_id) as lock:
            found = _batch(engine, batch_id)
            if found.state is BatchState.RELEASED:  # while the file was built; a release needs the same lock
                raise BatchError(
                    f"Batch {batch_id} has been released: its fines are open, and the next export selects them. "
                    "Nothing was uploaded."
                )
            if not found.was_delivered:
                try:
                    _upload(engine, found, document, open_folder, lock)
                except BursarError:
                    if not _batch(engine, batch_id).was_delivered:
                        raise
                    log.info("Another worker has delivered %s meanwhile.", found.file_name)
    remove_folder(batch_folder(work_dir, batch_id))
    return _batch(engine, batch_id)


def confirm_delivered(engine: Engine, batch_id: int, *, by: str) -> Batch:
    """Records that a person confirms that the bursar has the file of a batch.

    The next run of the export, or the upload task of the batch's own run, then closes its fines.

    Raises:
        BatchError: the upload has not begun, or the batch is closed or released.
        TransientError: a worker is delivering the batch at this moment.
    """
    with upload_lock(engine, batch_id), engine.begin() as connection:
        found = get_batch(connection, batch_id, lock=True)
        check_confirmable(found)
        if found.was_delivered:
            return found
        delivery = request_delivery(connection, batch_id, "first", found.run_id)
        advance_delivery(connection, delivery, "delivered", after=delivery.state, confirmed_by=by)
        confirmed = get_batch(connection, batch_id)
    log.info("Batch %s has been delivered, as %s confirms.", batch_id, by)
    return confirmed


def check_confirmable(batch: Batch) -> None:
    """Raises a BatchError if there is no delivery of the batch that a person could confirm."""
    if batch.state is BatchState.CLOSED:
        raise BatchError(
            f"Batch {batch.id} is CLOSED: the bursar has its file, and its fines are exported. There is nothing "
            "left to confirm."
        )
    if not batch.state.may_be_delivered:
        raise BatchError(f"Batch {batch.id} is {batch.state}: its upload has not begun, so the bursar can't have it.")


def _upload(engine: Engine, found: Batch, document: ExportFile, open_folder: OpenFolder, lock: UploadLock) -> None:
    with engine.begin() as connection:
        delivery = request_delivery(connection, found.id, "first", found.run_id)
    check_not_unclear(found, delivery)
    with open_folder(found) as folder:
        resume_upload(
            Upload(engine=engine, batch=found, delivery=delivery, document=document, folder=folder, lock=lock)
        )


def _batch(engine: Engine, batch_id: int) -> Batch:
    with engine.connect() as connection:
        return get_batch(connection, batch_id)
