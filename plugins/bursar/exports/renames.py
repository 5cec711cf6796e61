"""Renames: a complete part gets its final name once, and each request for that is recorded before it is made.

`bursar.exports.upload_protocol` has the table of the decisions.
"""

import logging
from enum import Enum, auto

from bursar.db.queries import query
from bursar.errors import RemoteFolderError
from bursar.exports.bursar_folder import Finding, Look
from bursar.exports.upload_attempts import Upload, check_unchanged, list_attempts, mark_unclear
from bursar.ledger.deliveries import DeliveryState, UnclearReason
from bursar.remote_files.base import file_exists_error

log = logging.getLogger(__name__)


class Rename(Enum):
    """The progress of the renaming of a complete part, as the ledger has recorded it."""

    NONE = auto()
    """It has not been requested, or the server has rejected it and still had the part."""
    UNKNOWN = auto()
    """It has been requested, and the server's answer is not recorded."""
    ACCEPTED = auto()
    """The server has acknowledged it."""


_INTERRUPTED = {
    Rename.NONE: UnclearReason.PART_GONE,
    Rename.UNKNOWN: UnclearReason.RENAME_UNKNOWN,
    Rename.ACCEPTED: UnclearReason.RENAME_UNKNOWN,
}


def get_rename(upload: Upload, part: str) -> Rename:
    """Returns what the ledger has recorded about the renaming of a part."""
    for attempt in list_attempts(upload):
        if attempt.part_name == part and attempt.rename_requested_at and attempt.rename_accepted is not False:
            return Rename.ACCEPTED if attempt.rename_accepted else Rename.UNKNOWN
    return Rename.NONE


def is_renamed(upload: Upload, rename: Rename, final: Look, part: Look) -> bool:
    """Returns whether a complete part has got its final name; otherwise the part still waits for it.

    `final` and `part` are the looks at the two names.

    Raises:
        UnclearDeliveryError: the names on the server and the recorded renaming do not show it.
        RemoteFolderError: the file under the final name is not ours.
    """
    if final.finding is Finding.WHOLE:
        return True
    is_final_there, is_part_there = _is_there(final), _is_there(part)
    if rename is Rename.ACCEPTED and not is_final_there and not is_part_there:
        log.info("The server acknowledged the renaming of %s and has it no more: it was collected.", upload.file_name)
        return True
    if final.finding is Finding.PRESENT and (
        rename is Rename.ACCEPTED or (rename is Rename.UNKNOWN and not is_part_there)
    ):
        return True
    if rename is not Rename.ACCEPTED and is_part_there:
        if not is_final_there:
            return False
        if final.finding is not Finding.PRESENT or rename is Rename.NONE:
            raise file_exists_error(f"{upload.address}/{upload.file_name}")
    if not is_final_there and not is_part_there:
        if Finding.UNKNOWN in (final.finding, part.finding):
            return False  # the server's answer to a rename will show it
        if rename is Rename.UNKNOWN and upload.server.settings.collected_immediately:
            log.warning("%s is gone from %s, which collects immediately.", upload.file_name, upload.address)
            return True
    log.warning("In %s there is under %s: %s.", upload.address, upload.file_name, final)
    is_changed = rename is not Rename.NONE and final.finding in (Finding.SHORTER, Finding.DIFFERENT)
    raise mark_unclear(upload, UnclearReason.CHANGED if is_changed else _INTERRUPTED[rename])


def rename_part(upload: Upload, part: str) -> None:
    """Brings a complete part to its final name.

    Raises:
        RemoteFolderError: the server rejects it, or has a file of that name.
        UnclearDeliveryError: nobody can see whether the bursar has the file, or it has other bytes now.
        LockLostError: another worker may be renaming it.
    """
    server, name = upload.server, upload.file_name
    request = _record_request(upload, part)
    upload.lock.confirm()
    try:
        server.rename(part, name)
    except RemoteFolderError:
        final, there = server.look(name), server.look(part)
        if _is_there(there):
            _record_answer(upload, request, is_accepted=False)
            raise
        if final.finding is there.finding is Finding.UNKNOWN and not _was_complete_before(upload):
            raise  # the part was written a moment ago, and nobody can look
        # A worker that lost its lock may have renamed the same part a moment before.
        if not is_renamed(upload, Rename.UNKNOWN, final, there):
            raise mark_unclear(upload, UnclearReason.RENAME_UNKNOWN) from None
        log.info("%s has its name already.", name)
        return
    _record_answer(upload, request, is_accepted=True)
    is_renamed(upload, Rename.ACCEPTED, server.look(name), Look(Finding.UNKNOWN))


def _is_there(look: Look) -> bool:
    return look.finding not in (Finding.MISSING, Finding.UNKNOWN)


def _was_complete_before(upload: Upload) -> bool:
    return upload.delivery.state is DeliveryState.PART_COMPLETE


def _record_request(upload: Upload, part: str) -> dict[str, object]:
    """Records that a part is about to be renamed; returns the facts that its answer is recorded with.

    Raises:
        LockLostError: another worker has continued this delivery.
    """
    upload.lock.confirm()
    with upload.engine.begin() as connection:
        check_unchanged(connection, upload, DeliveryState.PART_COMPLETE, part)
        facts = {"delivery_id": upload.delivery.id, "part_name": part}
        row = connection.execute(query("exports/record_rename_request"), facts).one()
    return {"id": row.id, "requested_at": row.rename_requested_at}


def _record_answer(upload: Upload, request: dict[str, object], *, is_accepted: bool) -> None:
    with upload.engine.begin() as connection:
        connection.execute(query("exports/record_rename_answer"), request | {"is_accepted": is_accepted})
