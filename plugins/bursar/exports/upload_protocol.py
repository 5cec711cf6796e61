"""Upload protocol: a delivery brings one file of a batch once into the bursar's folder, under its final name.

Each attempt writes a part of its own, whose name the ledger has before the first byte is sent. The worker holds the
lock of the batch and confirms it before each step that can't be undone. After a crash, the recorded state of the
delivery and the names on the server decide about the next step:

| recorded      | on the server                     | then                                                         |
| ------------- | --------------------------------- | ------------------------------------------------------------ |
| not started   | the final name                    | an error: it is not ours                                     |
| uploading     | the final name                    | an error: no part was complete, so it is not ours            |
| uploading     | parts of earlier attempts or none | they are removed, and a new attempt begins                   |
| uploading     | no part; its last block was sent  | unclear: the bursar may have it                              |
| part complete | see below                         | see below                                                    |
| unclear       | not asked                         | a person confirms the delivery or releases the batch         |

A rename of a complete part is recorded before its request, and again with the server's answer. It is `none` if it was
not requested, or was rejected and the part was still there. It is `unknown` if it was requested and no answer is
recorded. A part that vanishes without a rename is not delivered: an administrator or a cleanup may have removed it.

| rename   | under the final name  | the part       | then                                                        |
| -------- | --------------------- | -------------- | ----------------------------------------------------------- |
| any      | the whole file        | any            | delivered                                                   |
| none     | none                  | there          | verified again and renamed                                  |
| none     | another file          | there          | an error: it is not ours                                    |
| none     | any but the whole one | gone           | unclear: the part was taken or removed                      |
| unknown  | none                  | there          | verified again and renamed                                  |
| unknown  | a file without a size | there          | unclear                                                     |
| unknown  | another size or bytes | there          | an error: it is not ours                                    |
| unknown  | a file without a size | gone           | delivered                                                   |
| unknown  | another size or bytes | gone           | unclear: changed                                            |
| unknown  | none                  | gone           | unclear; delivered if the server collects immediately       |
| accepted | none                  | gone           | delivered: the bursar was quick                             |
| accepted | none                  | there          | unclear: the server contradicts itself                      |
| accepted | a file without a size | any            | delivered                                                   |
| accepted | another size or bytes | any            | unclear: changed                                            |
| accepted | nobody can look       | nobody can look | delivered                                                  |
| others   | nobody can look       | nobody can look | renamed; unclear if the server rejects that                |

A verified part that has changed is sent again. After a rename that the server rejects, the same table decides with the
names that it then has.

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
from bursar.exports.renames import get_rename, is_renamed, rename_part
from bursar.exports.sent_file import make_sent_file
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
            f"back until this batch is finished, or look for {upload.file_name} by hand and, if the bursar has not "
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
        size = get_delivery(connection, upload.delivery.id).file_size or 0
    log.info("Delivered %s (%s) to %s.", upload.file_name, pluralize(size, "byte"), upload.address)


def _resume_complete_part(upload: Upload, part: str) -> str:
    """Brings a complete part to its final name, whatever has happened to it since; returns the part's name."""
    if part == upload.file_name:
        check_acknowledged(upload)
        return part
    final, there = upload.server.look(upload.file_name), upload.server.look(part)
    if is_renamed(upload, get_rename(upload, part), final, there):
        return part
    if there.finding in (Finding.SHORTER, Finding.DIFFERENT):
        log.warning("%s in %s was changed after its upload (%s).", part, upload.address, there)
        return _send_again(upload)
    if upload.server.is_direct:
        log.info("%s is removed, because the profile now says to upload directly.", part)
        return _send_again(upload)
    check_no_previous_file(upload)
    rename_part(upload, part)
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
    with make_sent_file(upload.batch, upload.file, upload.server.folder.pgp_key) as file:
        sending = replace(upload, file=file, server=replace(upload.server, file=file))
        if upload.server.is_direct:
            _remove_parts(sending, earlier)
            send_directly(sending)
            check_acknowledged(sending)
            return upload.file_name
        part = _send_part(sending, earlier)
        rename_part(sending, part)
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
    """Verifies a part that the server has acknowledged, as far as the server shows it.

    Raises:
        UnclearDeliveryError: it is gone.
        TransientError: it has another size, or other bytes.
    """
    there = upload.server.look(part)
    if there.finding is Finding.MISSING or (there.finding is Finding.UNKNOWN and upload.server.can_look):
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
        begun = get_delivery(connection, upload.delivery.id)
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
