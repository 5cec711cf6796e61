"""A look at the bursar's server before a person releases a batch whose file may be there."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager

from sqlalchemy import Engine

from bursar.db.queries import query
from bursar.errors import BatchError, BursarError
from bursar.ledger.batches import Batch, BatchState
from bursar.ledger.deliveries import DeliveryState, list_deliveries
from bursar.money import pluralize
from bursar.remote_files.base import RemoteFolder

log = logging.getLogger(__name__)

_DESPITE_FILE = (
    " If it can't be removed and the bursar has confirmed not to use it, release the batch despite the file "
    "(`--despite-file`)."
)


def check_not_on_server(
    engine: Engine,
    batch: Batch,
    open_folder: Callable[[Batch], AbstractContextManager[RemoteFolder]],
    *,
    despite_file: bool = False,
    only_unclear: bool = False,
    say: Callable[[str], None] = log.warning,
) -> None:
    """Looks for the files of a batch and for their parts on the bursar's server, and says what is there.

    A server that can't be reached does not prevent the release: then the person's word counts alone, and `say` gets
    the reason. `despite_file` is the person's word that the file that is there will not be collected. With
    `only_unclear`, only unclear files are looked for, because these are to be uploaded again.

    Raises:
        BatchError: a file is there.
    """
    if batch.state not in (
        BatchState.UPLOADING,
        BatchState.PART_COMPLETE,
        BatchState.UNCLEAR,
        BatchState.DELIVERED,
    ):
        return
    with engine.connect() as connection:
        deliveries = list_deliveries(connection, batch.id, "first", batch.run_id)
        attempts = [
            attempt
            for delivery in deliveries
            for attempt in connection.execute(query("exports/list_upload_attempts"), {"delivery_id": delivery.id})
        ]
    names = [file.name for file in batch.files]
    files = [file for file in batch.files if not only_unclear or file.state is DeliveryState.UNCLEAR]
    parts = [attempt.part_name for attempt in attempts if not attempt.removed_at and attempt.part_name not in names]
    try:
        with open_folder(batch) as folder:
            if batch.remote_folder not in (None, folder.address):
                say(
                    f"The server was not looked at: the connection {batch.sftp_connection} now leads to "
                    f"{folder.address}, and {batch.file_name} was uploaded to {batch.remote_folder}."
                )
                return
            sizes = {file.name: folder.size(file.name) for file in files}
            left = [part for part in parts if folder.exists(part)]
    except BursarError as error:
        say(f"The server could not be looked at, so only your word counts. {error}")
        return
    if left:
        say(
            f"In {batch.remote_folder} there is still {', '.join(left)}, a temporary name of this file. Remove it, so "
            "that nobody takes it for an export."
        )
    there = []
    for file in files:
        size = sizes[file.name]
        if size is None:
            say(f"In {batch.remote_folder} there is no {file.name}.")
            continue
        whole = file.bursar_size or 0
        comparison = "the whole file" if size == whole else f"the whole has {pluralize(whole, 'byte')}"
        there.append(f"{file.name} is still in {batch.remote_folder} ({pluralize(size, 'byte')}; {comparison})")
    if there and not despite_file:
        raise BatchError(
            f"Batch {batch.id} was not {'changed' if only_unclear else 'released'}: {'; '.join(there)}. The bursar may "
            "still collect it, and its fines could be billed twice. Remove the file from the server first."
            + ("" if only_unclear else _DESPITE_FILE)
        )
    for sentence in there:
        say(f"{sentence}. You say that the bursar will not use it.")
