"""Resend: the same file of a batch is delivered to the same folder again, because a person asks for it.

The bursar lost the file, or read half of it. Nothing is selected and nothing closed: the fines were exported before,
and the transaction ids in the file are those that the bursar knows. Each run sends a batch again at most once, whatever
fails on the way, by the steps of `upload`.
"""

import logging
from pathlib import Path

from sqlalchemy import Engine

from bursar.errors import BatchError, RemoteFolderError
from bursar.exports.build import build_file
from bursar.exports.bursar_folder import BursarFolder
from bursar.exports.unclear import check_not_unclear
from bursar.exports.upload import OpenFolder
from bursar.exports.upload_attempts import Upload
from bursar.exports.upload_lock import upload_lock
from bursar.exports.upload_protocol import resume_upload
from bursar.ledger.batches import Batch, BatchState, get_batch
from bursar.ledger.deliveries import DeliveryState, request_delivery
from bursar.money import pluralize
from bursar.page_names import Page
from bursar.profiles.upload import DEFAULT_UPLOAD, UploadSettings
from bursar.work_dir import batch_folder, hold_folder, remove_folder

log = logging.getLogger(__name__)


def get_resendable_batch(engine: Engine, profile: str, batch_id: int) -> Batch:
    """Returns a batch that can be sent again: one of this profile that has fines and was delivered.

    Raises:
        BatchError: there is no such batch, or it can't be sent again; the message says what to do.
    """
    with engine.connect() as connection:
        found = get_batch(connection, batch_id)
    if found.profile != profile:
        raise BatchError(f"Batch {batch_id} belongs to the profile {found.profile}, not to {profile}. Run that export.")
    if found.state is not BatchState.CLOSED or not found.fines:
        what = "empty" if found.state is BatchState.CLOSED else found.state.description
        raise BatchError(
            f"Batch {batch_id} is {what}, and only a closed batch with fines can be sent again. "
            f"{Page.HISTORY} lists what was sent (`bin/bursar batches list --all`)."
        )
    return found


def resend_batch(  # noqa: PLR0913 - the request, and what a worker has at hand
    engine: Engine,
    profile: str,
    batch_id: int,
    *,
    run_id: str,
    requested_by: str | None,
    open_folder: OpenFolder,
    work_dir: Path,
    settings: UploadSettings = DEFAULT_UPLOAD,
) -> Batch:
    """Delivers the file of a closed batch once more and records who asked for it; once in a run.

    Raises:
        TransientError: the server can't be reached, or another worker is sending this batch: try again.
        RemoteFolderError: the server rejects it, or the file is still there.
        UnclearDeliveryError: the server acknowledged the file of this run and then had no such file.
        BatchError: the batch can't be sent again, its file can't be built as it was, the connection leads elsewhere, or
            this run has begun too many uploads.
    """
    found = get_resendable_batch(engine, profile, batch_id)
    with hold_folder(batch_folder(work_dir, batch_id)):
        file = build_file(engine, batch_id, work_dir)
        with upload_lock(engine, batch_id) as lock:
            with engine.begin() as connection:
                delivery = request_delivery(connection, batch_id, "resend", run_id, requested_by)
            if delivery.state is DeliveryState.DELIVERED:
                log.info("This run sent batch %s again before, at %s.", batch_id, delivery.delivered_at)
                return found
            check_not_unclear(found, delivery)
            with open_folder(found) as folder:
                server = BursarFolder(folder=folder, settings=settings, file=file, output_path=found.output_file_path)
                _check_folder(found, server, is_new=delivery.state is DeliveryState.REQUESTED)
                resume_upload(
                    Upload(engine=engine, batch=found, delivery=delivery, file=file, server=server, lock=lock)
                )
    remove_folder(batch_folder(work_dir, batch_id))
    log.info("Sent batch %s again: %s, the same %s.", batch_id, found.file_name, pluralize(file.size, "byte"))
    return found


def _check_folder(found: Batch, server: BursarFolder, *, is_new: bool) -> None:
    address = server.folder.address
    if address != found.remote_folder:
        raise BatchError(
            f"Batch {found.id} was uploaded to {found.remote_folder}, but connection {found.sftp_connection} now leads "
            f"to {address}. It is only sent again to the same folder: point the connection back, or give "
            f"the bursar the file by hand, from the page of the batch (`bin/bursar batches build-file {found.id}`)."
        )
    if is_new and server.is_there(found.file_name):
        raise RemoteFolderError(
            f"{found.file_name} is still in {address}: the bursar has not collected it yet. It was not "
            "sent again. Ask the bursar to collect it, or have it moved away first."
        )
