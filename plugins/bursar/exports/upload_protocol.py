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
| part complete | nobody can look                   | it is renamed; unclear, if the server rejects that           |
| unclear       | not asked                         | a person confirms the delivery or releases the batch         |

The profile may say that the server has no use for parts: see `direct_upload`.
"""

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from bursar.errors import BatchError, RemoteFolderError, TransientError
from bursar.exports.bursar_folder import Finding
from bursar.exports.direct_upload import check_acknowledged, is_recovered, list_direct_attempts, send_directly
from bursar.exports.previous_file import check_no_previous_file
from bursar.exports.upload_attempts import (
    Attempt,
    Upload,
    begin_attempt,
    check_unchanged,
    list_attempts,
    mark_unclear,
    record_complete,
    record_step,
    send_blocks,
)
from bursar.exports.upload_lock import LockLostError
from bursar.ledger.deliveries import DeliveryState, UnclearReason, advance_delivery, get_delivery
from bursar.money import pluralize
from bursar.remote_files.base import file_exists_error

log = logging.getLogger(__name__)


def resume_upload(upload: Upload) -> None:
    """Completes a delivery, from the step that it has reached; each step is recorded as soon as it is taken."""
    found = upload.batch
    if found.remote_folder not in (None, upload.address):
        raise BatchError(
            f"Batch {found.id} was uploaded to {found.remote_folder}, but connection {found.sftp_connection} now "
            f"leads to {upload.address}. Only the first folder can show whether the file arrived: point the connection "
            f"back until this batch is finished, or look for {found.file_name} by hand and, if the bursar has not "
            "received it, release the batch."
        )
    if upload.delivery.state is DeliveryState.PART_COMPLETE:
        part = _resume_complete_part(upload, upload.delivery.part_name or "")
    else:
        part = _send(upload)
    upload.lock.confirm()
    with upload.engine.begin() as connection:
        check_unchanged(connection, upload, DeliveryState.PART_COMPLETE, part)
        advance_delivery(connection, upload.delivery, "delivered", after=DeliveryState.PART_COMPLETE)
    log.info("Delivered %s (%s) to %s.", found.file_name, pluralize(upload.file.size, "byte"), upload.address)


def _resume_complete_part(upload: Upload, part: str) -> str:
    """Brings a complete part to its final name, whatever has happened to it since; returns the part's name."""
    if part == upload.file_name:
        check_acknowledged(upload)
        return part
    final = upload.server.look(upload.file_name)
    if final.finding in (Finding.WHOLE, Finding.PRESENT):
        return part
    if final.size is not None:
        raise file_exists_error(f"{upload.address}/{upload.file_name}")
    there = upload.server.look(part)
    if there.finding is Finding.MISSING and final.finding is Finding.MISSING:
        log.warning("%s is gone from %s: the bursar took it.", upload.file_name, upload.address)
        return part
    if there.finding in (Finding.SHORTER, Finding.DIFFERENT):
        log.warning("%s in %s was changed after its upload (%s).", part, upload.address, there)
        return _send_again(upload)
    if upload.server.is_direct:
        log.info("%s is removed, because the profile now says to upload directly.", part)
        return _send_again(upload)
    check_no_previous_file(upload)
    _rename(upload, part)
    return part


def _send(upload: Upload) -> str:
    """Sends the file, and brings it to its final name; returns the name of its part."""
    direct = list_direct_attempts(upload)
    if is_recovered(upload, direct):
        check_acknowledged(upload)
        return upload.file_name
    if upload.server.is_there(upload.file_name):
        raise file_exists_error(f"{upload.address}/{upload.file_name}")
    check_no_previous_file(upload)
    earlier = _find_earlier_parts(upload)
    if upload.server.is_direct:
        _remove_parts(upload, earlier)
        send_directly(upload)
        check_acknowledged(upload)
        return upload.file_name
    part = _send_part(upload, earlier)
    _rename(upload, part)
    return part


def _send_part(upload: Upload, earlier: Sequence[Attempt]) -> str:
    """Sends the file as a part of a new attempt, and records it as complete; returns the part's name."""
    attempt = begin_attempt(upload)
    part: str = attempt.part_name
    _remove_parts(upload, earlier)
    try:
        log.info("Sending %s (%s) to %s.", upload.file_name, pluralize(upload.file.size, "byte"), upload.address)
        send_blocks(upload, attempt, is_direct=False)
        upload.lock.confirm()
        _check_part(upload, part)
        upload.lock.confirm()
        record_complete(upload, attempt)
    except LockLostError:
        with suppress(RemoteFolderError, TransientError):  # nobody else ever uses this part
            upload.server.folder.delete(part)
            record_step(upload.engine, "removal", attempt.id)
        raise
    return part


def _check_part(upload: Upload, part: str) -> None:
    """Verifies a part that the server has acknowledged, as far as the server tells.

    Raises:
        UnclearDeliveryError: it is gone.
        TransientError: it has another size, or other bytes.
    """
    there = upload.server.look(part)
    if there.finding is Finding.MISSING or (there.finding is Finding.UNKNOWN and upload.server.settings.confirm_size):
        raise mark_unclear(upload, UnclearReason.GONE)
    if there.finding in (Finding.SHORTER, Finding.DIFFERENT):
        raise TransientError(
            f"{part} in {upload.address} has {there} after the upload, and {upload.file_name} has "
            f"{upload.file.size:,}, or other bytes. The upload starts again; if this repeats, the server's disk or "
            "quota may be full. If the server encrypts or converts files, write `confirm_size: no` below "
            "`export.upload` in the profile."
        )


def _send_again(upload: Upload) -> str:
    """Sends the file anew in the place of a part that was complete once; returns the name of the new part."""
    upload.lock.confirm()
    with upload.engine.begin() as connection:
        check_unchanged(connection, upload, DeliveryState.PART_COMPLETE, upload.delivery.part_name)
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


def _find_earlier_parts(upload: Upload) -> list[Attempt]:
    """Returns the earlier attempts whose parts are on the server, or may be, if the server does not let us look.

    They were cut off, or a worker that has lost its lock still writes them.

    Raises:
        UnclearDeliveryError: the last block of one had been sent, and the server has it no more.
    """
    there = []
    for attempt in list_attempts(upload):
        if attempt.removed_at or attempt.part_name == upload.file_name:
            continue
        if upload.server.is_there(attempt.part_name) is not False:
            there.append(attempt)
        elif attempt.last_block_at:
            raise mark_unclear(upload, UnclearReason.UNCONFIRMED)
    return there


def _remove_parts(upload: Upload, attempts: Sequence[Attempt]) -> None:
    """Removes the parts of earlier attempts. Only a removal that the server confirms is recorded as one.

    Raises:
        UnclearDeliveryError: the last block of one had been sent, and the server has or shows it no more.
        RemoteFolderError: the server rejects a removal.
    """
    for attempt in attempts:
        upload.lock.confirm()
        try:
            upload.server.folder.delete(attempt.part_name)
        except RemoteFolderError as error:
            if upload.server.is_there(attempt.part_name):
                raise RemoteFolderError(
                    f"{upload.address}/{attempt.part_name}, a part of an earlier upload, can't be removed. Have "
                    "the server's administrator let the account delete its files, or remove it, then repeat the upload."
                ) from error
            if attempt.last_block_at:
                raise mark_unclear(upload, UnclearReason.UNCONFIRMED) from error
        else:
            record_step(upload.engine, "removal", attempt.id)


def _rename(upload: Upload, part: str) -> None:
    upload.lock.confirm()
    server, name = upload.server, upload.file_name
    try:
        server.rename(part, name)
    except RemoteFolderError:
        # A worker that lost its lock may have renamed the same part a moment before.
        final = server.look(name)
        if server.is_there(part):
            raise
        if final.finding is Finding.UNKNOWN and upload.delivery.state is not DeliveryState.PART_COMPLETE:
            raise  # the part was written a moment ago, and nobody can look
        if final.finding in (Finding.MISSING, Finding.UNKNOWN):
            raise mark_unclear(upload, UnclearReason.UNCONFIRMED) from None
        log.info("%s has its name already.", name)
    final = server.look(name)
    if final.finding in (Finding.SHORTER, Finding.DIFFERENT):  # missing: the bursar was quick
        raise RemoteFolderError(
            f"{name} in {upload.address} has {final} after its renaming, not "
            f"{upload.file.size:,}, or other bytes. Look at it with the bursar before this task is repeated."
        )
