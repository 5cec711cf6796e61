"""Direct uploads: the file is written under its final name, for servers that rename nothing or collect immediately.

The bursar can see the file while it grows, so a second upload could be a second file. After a crash, the recorded steps
of the earlier attempts and the file on the server decide:

| recorded                 | under the final name                  | then                                            |
| ------------------------ | ------------------------------------- | ----------------------------------------------- |
| nothing was sent         | no file, or an empty one              | a new attempt begins                            |
| nothing was sent         | another file                          | an error: it is not ours                        |
| nothing was sent         | nobody can look                       | a new attempt begins, and nothing is removed    |
| first block, not last    | a shorter file, or one without a size | it is removed, and a new attempt begins         |
| first block, not last    | the whole file, which is empty        | it is delivered                                 |
| first block, not last    | another whole file, or a larger one   | an error: it is not ours                        |
| first block, not last    | no file, or nobody can look           | removed if the server confirms it; else unclear |
| last block               | the whole file                        | it is delivered                                 |
| last block               | anything else, or nobody can look     | unclear: the bursar may have it                 |
| acknowledged             | the whole file, or not compared       | it is delivered                                 |
| acknowledged             | no file, or the look is denied        | delivered, if the server collects immediately   |
| acknowledged             | no file, denied, or other bytes       | else unclear                                    |

The first block is recorded before the file is opened, and taken back if the server does not open it. A worker that
notices its lost lock later looks whether it may have damaged the file of another: see `upload_conflict`.
"""

import logging
from collections.abc import Sequence

from bursar.errors import RemoteFolderError
from bursar.exports.bursar_folder import Finding
from bursar.exports.upload_attempts import (
    Attempt,
    Upload,
    begin_attempt,
    list_attempts,
    mark_unclear,
    record_complete,
    record_step,
    send_blocks,
)
from bursar.exports.upload_conflict import check_no_conflict
from bursar.exports.upload_lock import LockLostError
from bursar.ledger.deliveries import UnclearReason
from bursar.money import pluralize
from bursar.remote_files.base import file_exists_error

log = logging.getLogger(__name__)


def list_direct_attempts(upload: Upload) -> list[Attempt]:
    """Returns the earlier attempts of the delivery that wrote under the final name, and whose file was not removed."""
    return [
        attempt for attempt in list_attempts(upload) if attempt.part_name == upload.file_name and not attempt.removed_at
    ]


def is_recovered(upload: Upload, earlier: Sequence[Attempt]) -> bool:
    """Returns whether earlier direct attempts have brought the whole file; otherwise it removes what they have left.

    Raises:
        UnclearDeliveryError: the bursar may have the file, or a part of it.
        RemoteFolderError: the file on the server is not ours, or the server rejects its removal.
    """
    if not earlier:
        return False
    found = upload.server.look(upload.file_name)
    if any(attempt.last_block_at for attempt in earlier):
        if found.finding is not Finding.WHOLE:
            log.warning("In %s there is under %s: %s.", upload.address, upload.file_name, found)
            raise mark_unclear(upload, UnclearReason.UNCONFIRMED)
        record_complete(upload, max(earlier, key=lambda attempt: int(attempt.id)))
        return True
    has_sent = any(attempt.first_block_at for attempt in earlier)
    if has_sent and found.finding is Finding.WHOLE and not found.size:  # an empty file is whole as soon as it is there
        record_complete(upload, max(earlier, key=lambda attempt: int(attempt.id)))
        return True
    if found.finding is Finding.MISSING:
        if has_sent:
            raise mark_unclear(upload, UnclearReason.BROKEN_OFF)
        return False
    if found.finding is Finding.UNKNOWN and not has_sent:
        return False  # a file of that name would be another's, and is never removed
    is_beginning = found.finding in (Finding.SHORTER, Finding.PRESENT, Finding.UNKNOWN)
    if is_beginning if has_sent else found.size == 0:
        _remove(upload, earlier)
        return False
    raise file_exists_error(f"{upload.address}/{upload.file_name}")


def send_directly(upload: Upload) -> None:
    """Sends the file under its final name, and records the server's acknowledgement.

    Raises:
        LockLostError: another worker has continued the delivery, and this one has not changed its file.
        UploadConflictError: this worker may have changed the file of another.
    """
    attempt = begin_attempt(upload)
    log.info(
        "Sending %s (%s) to %s, directly under its final name.",
        upload.file_name,
        pluralize(upload.file.size, "byte"),
        upload.address,
    )
    try:
        send_blocks(upload, attempt, is_direct=True)
        record_complete(upload, attempt)
    except LockLostError:
        check_no_conflict(upload, attempt)
        raise


def check_acknowledged(upload: Upload) -> None:
    """Checks what became of a file that the server acknowledged in full.

    Raises:
        UnclearDeliveryError: the file is gone or has other bytes, and the profile does not say that this is delivered.
    """
    settings, found = upload.server.settings, upload.server.look(upload.file_name)
    is_denied = found.finding is Finding.UNKNOWN and upload.server.can_look
    if found.finding is Finding.MISSING or is_denied:
        if not settings.collected_immediately:
            raise mark_unclear(upload, UnclearReason.GONE)
        log.info("The server acknowledged %s and has collected it.", upload.file_name)
    elif found.finding in (Finding.SHORTER, Finding.DIFFERENT):
        log.warning("In %s there is under %s: %s.", upload.address, upload.file_name, found)
        raise mark_unclear(upload, UnclearReason.CHANGED)


def _remove(upload: Upload, earlier: Sequence[Attempt]) -> None:
    """Removes the beginning of a file; only a removal that the server confirms is recorded as one.

    Raises:
        UnclearDeliveryError: the server rejects the removal, and shows no file.
        RemoteFolderError: the server rejects the removal of a file that is there.
    """
    upload.lock.confirm()
    try:
        upload.server.folder.delete(upload.file_name)
    except RemoteFolderError as error:
        if upload.server.is_there(upload.file_name):
            raise RemoteFolderError(
                f"{upload.address}/{upload.file_name}, the beginning of a file whose upload broke off, can't be "
                "removed. Have the server's administrator let the account delete its files, or remove it, then repeat "
                "the upload."
            ) from error
        raise mark_unclear(upload, UnclearReason.BROKEN_OFF) from error
    for attempt in earlier:
        record_step(upload.engine, "removal", attempt.id)
