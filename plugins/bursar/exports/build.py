"""Document: from a batch's frozen lines to the file that the bursar reads.

The file is a pure function of the batch: built again, on any worker, it has the same bytes.
"""

import hashlib
import logging
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sqlalchemy import Connection, Engine

from bursar.db.bulk_copy import prefetch
from bursar.db.queries import query
from bursar.errors import BatchError
from bursar.layouts.alma_xml.check import check_file
from bursar.layouts.alma_xml.render import render_file
from bursar.ledger.batches import Batch, BatchState, advance, get_batch
from bursar.money import pluralize
from bursar.work_dir import atomic_write, batch_folder, hold_folder

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ExportFile:
    """A file in the working folder of its batch, checked against the format and against the batch."""

    path: Path
    size: int
    sha256: str


def build_file(engine: Engine, batch_id: int, work_dir: Path) -> ExportFile:
    """Builds the file of a batch in the batch's working folder, or finds it there, and records its size and SHA-256.

    The file is written under another name, checked while it is written, compared with the lines, and only then given
    its name: a file under its own name is whole. Two workers may build the same file; it has the same bytes.

    Raises:
        BatchError: the batch was released, is empty, has users who were deleted since, or the file does not say what
            its lines say.
        TransientError: the disk of this machine is full, or the ledger can't be reached.
    """
    with engine.connect() as connection:
        found = get_batch(connection, batch_id)
        if found.state is BatchState.RELEASED:
            raise BatchError(
                f"Batch {batch_id} was released. To export its fines, run the export again from its first task."
            )
        if not found.fines:
            raise BatchError(f"Batch {batch_id} is empty; there is no file to build.")
        with hold_folder(batch_folder(work_dir, batch_id)) as folder:
            path = folder / found.file_name
            if found.sha256 and path.is_file() and _sha256(path) == found.sha256:
                return ExportFile(path, path.stat().st_size, found.sha256)
            if found.state in (BatchState.CLOSED, BatchState.DRY_RUN):  # their fines are held by no claim
                _check_no_user_was_deleted(connection, found)
            document = _write(connection, found, path)
    if found.sha256 is None:
        _record(engine, found, document)
    log.info(
        "Built %s: %s, %s, %s.",
        found.file_name,
        pluralize(found.users, "user"),
        pluralize(found.fines, "fine"),
        pluralize(document.size, "byte"),
    )
    return document


def _write(connection: Connection, found: Batch, path: Path) -> ExportFile:
    digest = hashlib.sha256()
    with atomic_write(path) as draft:
        # The generators are closed from the last to the first, whatever fails: see `copy_out`.
        with (
            draft.open("wb") as file,
            closing(render_file(connection, found)) as blocks,
            closing(_tee_to_file(blocks, file, digest.update)) as written,
            closing(prefetch(written)) as checked,
        ):
            check_file(found, checked)
            file.flush()
            os.fsync(file.fileno())
        document = ExportFile(path, draft.stat().st_size, digest.hexdigest())
        _check_same(found, document)
    return document


def _check_same(found: Batch, document: ExportFile) -> None:
    """Raises a BatchError if the batch was built before with other bytes."""
    if found.sha256 not in (None, document.sha256):
        raise BatchError(
            f"Batch {found.id} was built before as {found.sha256}, and now as {document.sha256}: Bursar or the "
            "ledger was changed in between. Nothing was sent. Restore what built it, or release the batch."
        )


def _record(engine: Engine, found: Batch, document: ExportFile) -> None:
    """Records a file that was built; another worker may have built the same file meanwhile, and gone on."""
    try:
        with engine.begin() as connection:
            advance(
                connection,
                found.id,
                "built",
                after=found.state,
                file_size=document.size,
                sha256=document.sha256,
            )
    except BatchError:
        with engine.connect() as connection:
            now = get_batch(connection, found.id)
        if now.sha256 is None or now.state is BatchState.RELEASED:
            raise
        _check_same(now, document)


def _tee_to_file(blocks: Iterator[bytes], file: IO[bytes], digest: Callable[[bytes], None]) -> Generator[bytes]:
    """The blocks, each written and digested on its way."""
    for block in blocks:
        file.write(block)
        digest(block)
        yield block


def _check_no_user_was_deleted(connection: Connection, batch: Batch) -> None:
    nameless = connection.execute(query("exports/count_erased_lines"), {"batch_id": batch.id}).scalar_one()
    if nameless:
        raise BatchError(
            f"The file of batch {batch.id} can't be built again: of {pluralize(nameless, 'fine')} in it the user has "
            f"been "
            f"deleted since. The bursar's copy is known by its SHA-256, {batch.sha256}."
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
