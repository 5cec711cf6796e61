"""Upload conflicts: two workers wrote under one final name, because one of them had lost its lock without notice."""

import logging
from dataclasses import replace

from bursar.errors import BursarError, UploadConflictError
from bursar.exports.bursar_folder import Finding, Look
from bursar.exports.upload_attempts import Attempt, Upload, list_attempts, record_step
from bursar.ledger.batches import BatchState, get_batch
from bursar.ledger.deliveries import DeliveryState, get_delivery
from bursar.money import pluralize
from bursar.page_names import Page

log = logging.getLogger(__name__)


def check_no_conflict(upload: Upload, attempt: Attempt) -> None:
    """Checks the file on the server after a worker has lost its lock during a direct upload.

    The next check of `bursar_monitoring` alerts people to a conflict, too, because nobody may wait for this worker.

    Raises:
        UploadConflictError: the batch was delivered by another worker or released meanwhile, and this worker may have
            changed the file.
    """
    if not any(earlier.id == attempt.id and earlier.first_block_at for earlier in list_attempts(upload)):
        return  # this worker did not open the file
    try:
        with upload.engine.connect() as connection:
            sent = get_delivery(connection, upload.delivery.id)
        newest = replace(upload.file, size=sent.file_size or 0, sha256=sent.sha256 or "")
        found = replace(upload.server, file=newest).look(upload.file_name)
    except BursarError as error:  # the connection may have ended with the upload
        log.warning("%s", error)
        found = Look(Finding.UNKNOWN)
    with upload.engine.connect() as connection:  # after the look: an upload that ends later is compared by its worker
        batch = get_batch(connection, upload.batch.id)
        delivery = get_delivery(connection, upload.delivery.id)
    is_released = batch.state is BatchState.RELEASED
    is_complete = delivery.state in (DeliveryState.PART_COMPLETE, DeliveryState.DELIVERED)
    if not is_released and (not is_complete or found.finding is Finding.WHOLE):
        return
    record_step(upload.engine, "conflict", attempt.id)
    raise UploadConflictError(
        describe_conflict(batch.id, upload.file_name, upload.address, is_released=is_released)
        + f" Now the server shows under that name: {found}. The whole file has "
        f"{pluralize(delivery.file_size or 0, 'byte')}. {CONFLICT_ADVICE}"
    )


CONFLICT_ADVICE = (
    f"Ask the bursar which file has arrived, and compare its SHA-256 with that of the batch under {Page.HISTORY} "
    f"(`bin/bursar batches show`). If it is not the whole one, have it removed, and send the batch again: "
    f"{Page.PROFILES}, Run."
)


def describe_conflict(batch_id: int, file_name: str, address: str | None, *, is_released: bool) -> str:
    """Returns the sentences that say what happened."""
    by_others = "a person released the batch" if is_released else "another worker delivered it"
    billed = " Its fines may be in another file, too." if is_released else ""
    return (
        f"A worker that had lost its lock wrote {file_name} of batch {batch_id} into {address} directly, though "
        f"{by_others} meanwhile. The file may be empty or incomplete.{billed}"
    )
