"""Builds the file of a batch for the bursar from the frozen lines of the batch.

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
from bursar.layouts.files import get_check, render_file
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
    """Builds the file of a batch in its working folder, unless it is there, and records its size and SHA-256.

    The file is written as a draft, checked against the lines while it is written, and renamed at the end: a file under
    its own name is complete. Two workers may build the same file; it has the same bytes.

    Raises:
        BatchError: the batch was released, is empty, has users who were deleted since, or the file differs from its
            lines.
        TransientError: the disk of this machine is full, or the ledger can't be reached.
    """
    with engine.connect() as connection:
        batch = get_batch(connection, batch_id)
        if batch.state is BatchState.RELEASED:
            raise BatchError(
                f"Batch {batch_id} was released. To export its fines, run the export again from its first task."
            )
        if not batch.fines:
            raise BatchError(f"Batch {batch_id} is empty; there is no file to build.")
        with hold_folder(batch_folder(work_dir, batch_id)) as folder:
            path = folder / batch.file_name
            if batch.sha256 and path.is_file() and _sha256(path) == batch.sha256:
                return ExportFile(path, path.stat().st_size, batch.sha256)
            if batch.state in (BatchState.CLOSED, BatchState.DRY_RUN):  # no claim protects their users from deletion
                _check_no_user_was_deleted(connection, batch)
            export_file = _write_file(connection, batch, path)
    if batch.sha256 is None:
        _record(engine, batch, export_file)
    log.info(
        "Built %s: %s, %s, %s.",
        batch.file_name,
        pluralize(batch.users, "user"),
        pluralize(batch.fines, "fine"),
        pluralize(export_file.size, "byte"),
    )
    return export_file


def _write_file(connection: Connection, batch: Batch, path: Path) -> ExportFile:
    digest = hashlib.sha256()
    check_file = get_check(connection, batch)
    with atomic_write(path) as draft:
        # The generators are closed from the last to the first, even after an error: see `copy_out`.
        with (
            draft.open("wb") as file,
            closing(render_file(connection, batch)) as blocks,
            closing(_tee_to_file(blocks, file, digest.update)) as written,
            closing(prefetch(written)) as checked,
        ):
            check_file(checked)
            file.flush()
            os.fsync(file.fileno())
        export_file = ExportFile(path, draft.stat().st_size, digest.hexdigest())
        _check_same_bytes(batch, export_file)
    return export_file


def _check_same_bytes(batch: Batch, export_file: ExportFile) -> None:
    """Raises a BatchError if the batch was built before with other bytes."""
    if batch.sha256 not in (None, export_file.sha256):
        raise BatchError(
            f"Batch {batch.id} was built before as {batch.sha256}, and now as {export_file.sha256}: Bursar or the "
            "ledger was changed in between. Nothing was sent. Restore what built it, or release the batch."
        )


def _record(engine: Engine, batch: Batch, export_file: ExportFile) -> None:
    """Records the size and SHA-256 of a built file, unless another worker has recorded the same file meanwhile."""
    try:
        with engine.begin() as connection:
            advance(
                connection,
                batch.id,
                "built",
                after=batch.state,
                file_size=export_file.size,
                sha256=export_file.sha256,
            )
    except BatchError:
        with engine.connect() as connection:
            current = get_batch(connection, batch.id)
        if current.sha256 is None or current.state is BatchState.RELEASED:
            raise
        _check_same_bytes(current, export_file)


def _tee_to_file(blocks: Iterator[bytes], file: IO[bytes], digest: Callable[[bytes], None]) -> Generator[bytes]:
    """Yields the blocks after writing each to the file and adding it to the digest."""
    for block in blocks:
        file.write(block)
        digest(block)
        yield block


def _check_no_user_was_deleted(connection: Connection, batch: Batch) -> None:
    erased = connection.execute(query("exports/count_erased_lines"), {"batch_id": batch.id}).scalar_one()
    if erased:
        raise BatchError(
            f"The file of batch {batch.id} can't be built again: the user of {pluralize(erased, 'fine')} in "
            f"it has been deleted since. The bursar's copy is known by its SHA-256, {batch.sha256}."
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
