"""A look at the bursar's server before a person releases a batch whose file may be there."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager

from sqlalchemy import Engine

from bursar.db.queries import query
from bursar.errors import BatchError, BursarError
from bursar.ledger.batches import Batch, BatchState
from bursar.ledger.deliveries import get_delivery
from bursar.money import pluralize
from bursar.remote_files.base import RemoteFolder

log = logging.getLogger(__name__)


def check_not_on_server(
    engine: Engine,
    batch: Batch,
    open_folder: Callable[[Batch], AbstractContextManager[RemoteFolder]],
    *,
    despite_file: bool,
    say: Callable[[str], None] = log.warning,
) -> None:
    """Looks for the file of a batch and for its parts on the bursar's server, and says what is there.

    A server that can't be reached does not prevent the release: then the person's word counts alone, and `say` gets
    the reason. `despite_file` is the person's word that the file that is there will not be collected.

    Raises:
        BatchError: the file is there.
    """
    if batch.state not in (
        BatchState.UPLOADING,
        BatchState.PART_COMPLETE,
        BatchState.UNCLEAR,
        BatchState.DELIVERED,
    ):
        return
    with engine.connect() as connection:
        delivery = get_delivery(connection, batch.id, "first", batch.run_id)
        attempts = connection.execute(query("exports/list_upload_attempts"), {"delivery_id": delivery.id}).all()
    parts = [
        attempt.part_name for attempt in attempts if not attempt.removed_at and attempt.part_name != batch.file_name
    ]
    try:
        with open_folder(batch) as folder:
            if batch.remote_folder not in (None, folder.address):
                say(
                    f"The server was not looked at: the connection {batch.sftp_connection} now leads to "
                    f"{folder.address}, and {batch.file_name} was uploaded to {batch.remote_folder}."
                )
                return
            size = folder.size(batch.file_name)
            left = [part for part in parts if folder.exists(part)]
    except BursarError as error:
        say(f"The server could not be looked at, so only your word counts. {error}")
        return
    if left:
        say(
            f"In {batch.remote_folder} there is still {', '.join(left)}, a temporary name of this file. Remove it, so "
            "that nobody takes it for an export."
        )
    if size is None:
        say(f"In {batch.remote_folder} there is no {batch.file_name}.")
        return
    whole = "the whole file" if size == batch.file_size else f"the whole has {pluralize(batch.file_size or 0, 'byte')}"
    there = f"{batch.file_name} is still in {batch.remote_folder} ({pluralize(size, 'byte')}; {whole})"
    if not despite_file:
        raise BatchError(
            f"Batch {batch.id} was not released: {there}. The bursar may still collect it, and its fines could be "
            "billed twice. Remove the file from the server first. If it can't be removed and the bursar has confirmed "
            "not to use it, release the batch despite the file (`--despite-file`)."
        )
    say(f"{there}. You say that the bursar will not use it.")
