"""Delivery: the file reaches the bursar's folder once, whatever is killed on the way.

The record in the ledger and the two names on the server (`.<name>.part` and `<name>`) decide what is left to do:

| recorded        | on the server           | then                                                         |
| --------------- | ----------------------- | ------------------------------------------------------------ |
| not yet started | the final name          | an error: it is not ours                                     |
| uploading       | a part, or nothing      | the part is written anew                                     |
| part complete   | the part                | it is renamed                                                |
| part complete   | the final name          | it is delivered, if the size is ours; else an error          |
| part complete   | neither                 | the bursar took it already: delivered, and never sent again  |
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from sqlalchemy import Engine, text

from bursar.errors import BatchError, PassingError, RemoteFolderError
from bursar.exchange.folder import RemoteFolder, in_the_way
from bursar.exporting.document import Document, build_document
from bursar.ledger.batches import Batch, State, Step, batch, record_step
from bursar.progress import transfer_told
from bursar.staging import Folder

log = logging.getLogger(__name__)

OpenFolder = Callable[[Batch], AbstractContextManager[RemoteFolder]]
"""Opens the remote folder that a batch goes to."""


class Record(Protocol):
    """Records in the ledger that a file took a step, which follows the state `after`."""

    def __call__(self, step: Step, after: State, **facts: str) -> None:
        """Records it, with what became known by it."""


_DELIVERY_LOCKS = 1_651_864_435  # the first key of our advisory locks; the second is the batch


def deliver(engine: Engine, batch_id: int, open_folder: OpenFolder, staging: Folder) -> Batch:
    """Brings a batch's file into the bursar's folder under its final name, once, and records it as delivered.

    A batch that is delivered already is left alone. A staged file that is missing (another worker built it) is built
    again.

    Raises:
        PassingError: the server can't be reached, or another worker is delivering this batch: try again.
        RemoteFolderError: the server refuses, or a file that is not ours stands in the way; nothing was overwritten.
        BatchError: the batch was released, or the connection leads to another folder than the upload went to.
    """
    with only_one_delivers(engine, batch_id):
        found = _batch(engine, batch_id)
        if found.state in (State.DELIVERED, State.CLOSED):
            log.info("%s was delivered before, at %s.", found.file_name, found.delivered_at)
            return found
        if found.dry_run:
            raise BatchError(f"Batch {batch_id} is a dry run, which never leaves. Run the export itself.")
        document = build_document(engine, batch_id, staging)

        def record(step: Step, after: State, **facts: str) -> None:
            with engine.begin() as connection:
                record_step(connection, batch_id, step, after=after, **facts)

        with open_folder(found) as folder:
            bring(_batch(engine, batch_id), document, folder, record)
        return _batch(engine, batch_id)


def bring(found: Batch, document: Document, folder: RemoteFolder, record: Record) -> None:
    """Does what is left to do for a file to be in the folder once; each step is recorded as soon as it is taken."""
    if found.remote_folder not in (None, folder.address):
        raise BatchError(
            f"The upload of batch {found.id} went to {found.remote_folder}, but connection {found.sftp_connection} now "
            f"leads to {folder.address}. Whether the file arrived can only be seen where it went: point the connection "
            f"back until this batch is finished, or look for {found.file_name} by hand and, if the bursar has not got "
            "it, release the batch."
        )
    part = f".{found.file_name}.part"
    if found.state is not State.PART_COMPLETE:
        _upload(found, document, folder, part, record)
        _rename(found, document, folder, part)
    elif not _reached(found, document, folder):
        if (size := folder.size(part)) is None:
            log.warning("%s is gone from %s: the bursar took it.", found.file_name, folder.address)
        else:
            if size != document.size:
                _write(document, folder, part)
            _rename(found, document, folder, part)
    record("delivered", State.PART_COMPLETE)
    log.info("Delivered %s (%s bytes) to %s.", found.file_name, f"{document.size:,}", folder.address)


def _upload(found: Batch, document: Document, folder: RemoteFolder, part: str, record: Record) -> None:
    if folder.size(found.file_name) is not None:
        raise in_the_way(f"{folder.address}/{found.file_name}")
    if found.state is State.DOCUMENTED:
        record("upload_started", State.DOCUMENTED, remote_folder=folder.address)
    _write(document, folder, part)
    record("part_complete", State.UPLOADING)


def _write(document: Document, folder: RemoteFolder, part: str) -> None:
    name = document.path.name
    log.info("Sending %s (%s bytes) to %s.", name, f"{document.size:,}", folder.address)
    with document.path.open("rb") as file:
        folder.write(part, file, transfer_told(f"Sent {name}", document.size))
    if (size := folder.size(part)) != document.size:
        raise PassingError(
            f"{part} in {folder.address} has {size} bytes after the upload, and {name} has "
            f"{document.size}. The upload starts again; if this repeats, the server's disk or quota may be full."
        )


def _rename(found: Batch, document: Document, folder: RemoteFolder, part: str) -> None:
    folder.rename(part, found.file_name)
    size = folder.size(found.file_name)
    if size not in (None, document.size):  # None: the bursar was quick
        raise RemoteFolderError(
            f"{found.file_name} in {folder.address} has {size} bytes after its renaming, not {document.size}. Look at "
            "it with the bursar before this task is repeated."
        )


def _reached(found: Batch, document: Document, folder: RemoteFolder) -> bool:
    size = folder.size(found.file_name)
    if size not in (None, document.size):
        raise in_the_way(f"{folder.address}/{found.file_name}")
    return size is not None


def _batch(engine: Engine, batch_id: int) -> Batch:
    with engine.connect() as connection:
        return batch(connection, batch_id)


@contextmanager
def only_one_delivers(engine: Engine, batch_id: int) -> Iterator[None]:
    """Keeps all others from delivering or releasing a batch while the block lasts.

    Raises:
        PassingError: somebody else does so now.
    """
    lock = text("SELECT pg_try_advisory_xact_lock(:family, CAST(:batch AS integer))")
    with engine.begin() as connection:
        if not connection.execute(lock, {"family": _DELIVERY_LOCKS, "batch": batch_id}).scalar_one():
            raise PassingError(f"Another worker is delivering batch {batch_id}.")
        yield
