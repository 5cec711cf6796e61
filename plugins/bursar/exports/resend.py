"""Resend: the same files of a batch are delivered to the same folder again, because a person asks for it.

The bursar lost a file, or read half of it. Nothing is selected and nothing closed: the fines were exported before,
and the transaction ids in the files are those that the bursar knows. Each run sends each file again at most once,
whatever fails on the way, by the steps of `upload`. The person can choose some of several files.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Connection, Engine

from bursar.errors import BatchError, RemoteFolderError
from bursar.exports.build import ExportFile, build_file
from bursar.exports.bursar_folder import BursarFolder
from bursar.exports.deliver import deliver_files
from bursar.exports.layout_fit import find_same_file_name
from bursar.exports.unclear import check_not_unclear
from bursar.exports.upload import OpenFolder
from bursar.exports.upload_lock import upload_lock
from bursar.ledger.batch_files import BatchFile
from bursar.ledger.batches import Batch, BatchState, get_batch
from bursar.ledger.deliveries import DeliveryState, request_deliveries
from bursar.page_names import Page
from bursar.profiles.upload import DEFAULT_UPLOAD, UploadSettings
from bursar.remote_files.base import RemoteFolder
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


def choose_files(batch: Batch, names: Sequence[str]) -> list[BatchFile]:
    """Returns the files of a batch with the given names, in the order of the upload; all if there is no name.

    Raises:
        BatchError: the batch has no file of one of the names.
    """
    of_batch = {file.name for file in batch.files}
    if unknown := [name for name in names if name not in of_batch]:
        raise BatchError(
            f"Batch {batch.id} has no file {', '.join(unknown)}. It was sent as {batch.file_name}. Nothing was sent "
            "again. Name some of these files, or none to send all again."
        )
    return [file for file in batch.files if not names or file.name in names]


def resend_batch(  # noqa: PLR0913 - the request, and what a worker has at hand
    engine: Engine,
    profile: str,
    batch_id: int,
    *,
    run_id: str,
    requested_by: str | None,
    open_folder: OpenFolder,
    work_dir: Path,
    file_names: Sequence[str] = (),
    settings: UploadSettings = DEFAULT_UPLOAD,
) -> Batch:
    """Delivers the files of the given names of a closed batch once more, or all; each once in a run.

    Records who asked for it.

    Raises:
        TransientError: the server can't be reached, or another worker is sending this batch: try again.
        RemoteFolderError: the server rejects it, or one of the files is still there.
        UnclearDeliveryError: the server acknowledged a file of this run and then had no such file.
        BatchError: the batch can't be sent again, it has no such file, its file can't be built as it was, the
            connection leads elsewhere, an unfinished batch has a file of that name, or this run has begun too many
            uploads.
    """
    found = get_resendable_batch(engine, profile, batch_id)
    chosen = choose_files(found, file_names)
    names = [file.name for file in chosen]
    with hold_folder(batch_folder(work_dir, batch_id)):
        files = [build_file(engine, batch_id, work_dir, file.number) for file in chosen]
        with upload_lock(engine, batch_id) as lock:
            numbers = [file.number for file in chosen]
            with engine.begin() as connection:
                of_run = request_deliveries(connection, batch_id, "resend", run_id, requested_by, numbers)
            deliveries = [delivery for delivery in of_run if delivery.file_number in numbers]
            if all(delivery.state is DeliveryState.DELIVERED for delivery in deliveries):
                log.info("This run sent batch %s again before, at %s.", batch_id, deliveries[-1].delivered_at)
                return found
            check_not_unclear(found, deliveries)
            with engine.connect() as connection:
                _check_names_are_free(connection, found, names)
            with open_folder(found) as folder:
                is_new = all(delivery.state is DeliveryState.REQUESTED for delivery in deliveries)
                _check_folder(found, folder, settings, files if is_new else ())
                deliver_files(engine, found, deliveries, files, folder, lock, settings)
    remove_folder(batch_folder(work_dir, batch_id))
    log.info("Sent batch %s again: %s.", batch_id, ", ".join(names))
    return found


def _check_names_are_free(connection: Connection, found: Batch, names: Sequence[str]) -> None:
    """Checks that no unfinished batch has a file of these names: the one could be taken for the other."""
    place = {"sftp_connection": found.sftp_connection, "output_file_path": found.output_file_path}
    if other := find_same_file_name(connection, file_names=names, **place):
        raise BatchError(
            f"Batch {found.id} was not sent again: its file {other.file_name} is also that of batch {other.id} of "
            f"{other.profile}, which is not finished. Finish or release that batch first, then start another resend."
        )


def _check_folder(found: Batch, folder: RemoteFolder, settings: UploadSettings, files: Sequence[ExportFile]) -> None:
    """Checks that the folder is that of the first upload, and that none of the files to be sent is there."""
    if folder.address != found.remote_folder:
        raise BatchError(
            f"Batch {found.id} was uploaded to {found.remote_folder}, but connection {found.sftp_connection} now leads "
            f"to {folder.address}. It is only sent again to the same folder: point the connection back, or give "
            f"the bursar the file by hand, from the page of the batch (`bin/bursar batches build-file {found.id}`)."
        )
    for file in files:
        server = BursarFolder(folder=folder, settings=settings, file=file, output_path=found.output_file_path)
        if server.is_there(file.name):
            raise RemoteFolderError(
                f"{file.name} is still in {folder.address}: the bursar has not collected it yet. It was not "
                "sent again. Ask the bursar to collect it, or have it moved away first."
            )
