"""Builds the files of a batch for the bursar from the frozen lines of the batch.

A file is a pure function of the batch: built again, on any worker, it has the same bytes. What is sent may be
compressed and encrypted: see `sent_file`.
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
from bursar.ledger.batch_files import BatchFile
from bursar.ledger.batches import Batch, BatchState, advance, get_batch
from bursar.money import pluralize
from bursar.work_dir import atomic_write, batch_folder, hold_folder

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ExportFile:
    """A file in the working folder of its batch, checked against the format and against the batch."""

    number: int
    name: str
    path: Path
    size: int
    sha256: str


def build_files(engine: Engine, batch_id: int, work_dir: Path) -> list[ExportFile]:
    """Builds the files of a batch as `build_file` does, in the order of their upload."""
    with engine.connect() as connection:
        batch = get_batch(connection, batch_id)
    _check_buildable(batch)
    return [build_file(engine, batch_id, work_dir, file.number) for file in batch.files]


def build_file(engine: Engine, batch_id: int, work_dir: Path, number: int = 1) -> ExportFile:
    """Builds a file of a batch in its working folder, unless it is there, and records its size and SHA-256.

    The file is written as a draft, checked against the lines while it is written, and renamed at the end: a file under
    its own name is complete. Two workers may build the same file; it has the same bytes.

    Raises:
        BatchError: the batch was released, is empty, has users who were deleted since, or the file differs from its
            lines.
        TransientError: the disk of this machine is full, or the ledger can't be reached.
    """
    with engine.connect() as connection:
        batch = get_batch(connection, batch_id)
        _check_buildable(batch)
        file = batch.get_file(number)
        with hold_folder(batch_folder(work_dir, batch_id)) as folder:
            path = folder / file.name
            if file.sha256 and path.is_file() and get_sha256(path) == file.sha256:
                return ExportFile(number, file.name, path, path.stat().st_size, file.sha256)
            if batch.state in (BatchState.CLOSED, BatchState.DRY_RUN):  # no claim protects their users from deletion
                _check_no_user_was_deleted(connection, batch)
            export_file = _write_file(connection, batch, file, path)
    if file.sha256 is None:
        _record(engine, batch_id, export_file)
    log.info(
        "Built %s: %s, %s, %s.",
        file.name,
        pluralize(file.users, "user"),
        pluralize(file.fines, "fine"),
        pluralize(export_file.size, "byte"),
    )
    return export_file


def get_sha256(path: Path) -> str:
    """Returns the SHA-256 of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_buildable(batch: Batch) -> None:
    if batch.state is BatchState.RELEASED:
        raise BatchError(
            f"Batch {batch.id} was released. To export its fines, run the export again from its first task."
        )
    if not batch.fines:
        raise BatchError(f"Batch {batch.id} is empty; there is no file to build.")


def _write_file(connection: Connection, batch: Batch, file: BatchFile, path: Path) -> ExportFile:
    digest = hashlib.sha256()
    with atomic_write(path) as draft:
        with draft.open("wb") as target:
            if not file.is_done_file:
                _write_content(connection, batch, file, target, digest.update)
            target.flush()
            os.fsync(target.fileno())
        export_file = ExportFile(file.number, file.name, path, draft.stat().st_size, digest.hexdigest())
        _check_same_bytes(batch.id, file, export_file)
    return export_file


def _write_content(
    connection: Connection, batch: Batch, file: BatchFile, target: IO[bytes], digest: Callable[[bytes], None]
) -> None:
    check_file = get_check(connection, batch, file)
    # The generators are closed from the last to the first, even after an error: see `copy_out`.
    with (
        closing(render_file(connection, batch, file)) as blocks,
        closing(_tee_to_file(blocks, target, digest)) as written,
        closing(prefetch(written)) as checked,
    ):
        check_file(checked)


def _check_same_bytes(batch_id: int, file: BatchFile, export_file: ExportFile) -> None:
    """Raises a BatchError if the file was built before with other bytes."""
    if file.sha256 not in (None, export_file.sha256):
        raise BatchError(
            f"{file.name} of batch {batch_id} was built before as {file.sha256}, and now as {export_file.sha256}: "
            "Bursar or the ledger was changed in between. Nothing was sent. Restore what built it, or release the "
            "batch."
        )


def _record(engine: Engine, batch_id: int, export_file: ExportFile) -> None:
    """Records the size and SHA-256 of a built file, unless another worker has recorded the same file meanwhile.

    With the last file of a batch, the batch is built.
    """
    facts = {
        "batch_id": batch_id,
        "number": export_file.number,
        "file_size": export_file.size,
        "sha256": export_file.sha256,
    }
    with engine.begin() as connection:
        batch = get_batch(connection, batch_id, lock=True)
        _check_buildable(batch)
        _check_same_bytes(batch_id, batch.get_file(export_file.number), export_file)
        connection.execute(query("exports/record_built_file"), facts)
        if not batch.is_built and get_batch(connection, batch_id).is_built:
            advance(connection, batch_id, "built", after=batch.state)


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
            f"The file of batch {batch.id} can't be built again: the user of {pluralize(erased, 'fine')} in it has "
            f"been deleted since. The bursar's copy is known by its SHA-256, {_list_checksums(batch)}."
        )


def _list_checksums(batch: Batch) -> str:
    return ", ".join(str(file.bursar_sha256) for file in batch.files if not file.is_done_file)
