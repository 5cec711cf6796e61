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

from sqlalchemy import Connection, Engine, text

from bursar.errors import BatchError
from bursar.exporting.checking import NAMESPACE, check_document
from bursar.ledger.batches import Batch, State, batch, record_step
from bursar.ledger.copying import ROWS_AT_ONCE, ahead, copied_out
from bursar.ledger.statements import statement
from bursar.money import many
from bursar.progress import told
from bursar.work_dir import atomic_write, batch_folder, held

log = logging.getLogger(__name__)


OPENING = """\
<?xml version="1.0" encoding="UTF-8"?>
<xb:xml-fragment xmlns:xb="{NAMESPACE}">
\t<xb:userExportedFineFees>
\t\t<xb:exportNumber>{export_number}</xb:exportNumber>
\t</xb:userExportedFineFees>
\t<xb:userExportedFineFees>
\t\t<xb:userExportedList>
"""
CLOSING = """\
\t\t\t\t</xb:finefeeList>
\t\t\t</xb:userExportedFineFeesList>
\t\t</xb:userExportedList>
\t</xb:userExportedFineFees>
</xb:xml-fragment>
"""


@dataclass(frozen=True)
class Document:
    """A file in the working folder of its batch, checked against the format and against the batch."""

    path: Path
    size: int
    sha256: str


def build_document(engine: Engine, batch_id: int, work_dir: Path) -> Document:
    """Builds the file of a batch in the batch's working folder, or finds it there, and records its size and SHA-256.

    The file is written under another name, checked while it is written, compared with the lines, and only then given
    its name: a file under its own name is whole. Two workers may build the same file; it has the same bytes.

    Raises:
        BatchError: the batch was released, is empty, has users who were deleted since, or the file does not say what
            its lines say.
        PassingError: the disk of this machine is full, or the ledger can't be reached.
    """
    with engine.connect() as connection:
        found = batch(connection, batch_id)
        if found.state is State.RELEASED:
            raise BatchError(
                f"Batch {batch_id} was released. To export its fines, run the export again from its first task."
            )
        if not found.fines:
            raise BatchError(f"Batch {batch_id} is empty; there is no file to build.")
        with held(batch_folder(work_dir, batch_id)) as folder:
            path = folder / found.file_name
            if found.sha256 and path.is_file() and _sha256(path) == found.sha256:
                return Document(path, path.stat().st_size, found.sha256)
            if found.state in (State.CLOSED, State.DRY_RUN):  # their fines are held by no claim
                _check_people(connection, found)
            document = _write(connection, found, path)
    if found.sha256 is None:
        _record(engine, found, document)
    log.info(
        "Built %s: %s, %s, %s.",
        found.file_name,
        many(found.users, "user"),
        many(found.fines, "fine"),
        many(document.size, "byte"),
    )
    return document


def _write(connection: Connection, found: Batch, path: Path) -> Document:
    digest = hashlib.sha256()
    with atomic_write(path) as draft:
        # The generators are closed from the last to the first, whatever fails: see `copied_out`.
        with (
            draft.open("wb") as file,
            closing(document_blocks(connection, found)) as blocks,
            closing(_kept(blocks, file, digest.update)) as written,
            closing(ahead(written)) as checked,
        ):
            check_document(found, checked)
            file.flush()
            os.fsync(file.fileno())
        document = Document(path, draft.stat().st_size, digest.hexdigest())
        _check_same(found, document)
    return document


def _check_same(found: Batch, document: Document) -> None:
    """Raises a BatchError if the batch was built before with other bytes."""
    if found.sha256 not in (None, document.sha256):
        raise BatchError(
            f"Batch {found.id} was built before as {found.sha256}, and now as {document.sha256}: Bursar or the "
            "ledger was changed in between. Nothing was sent. Restore what built it, or release the batch."
        )


def _record(engine: Engine, found: Batch, document: Document) -> None:
    """Records a file that was built; another worker may have built the same file meanwhile, and gone on."""
    try:
        with engine.begin() as connection:
            record_step(
                connection,
                found.id,
                "documented",
                after=found.state,
                file_size=document.size,
                sha256=document.sha256,
            )
    except BatchError:
        with engine.connect() as connection:
            now = batch(connection, found.id)
        if now.sha256 is None or now.state is State.RELEASED:
            raise
        _check_same(now, document)


def document_blocks(connection: Connection, batch: Batch) -> Generator[bytes]:
    """The bytes of a batch's file, block by block; memory stays flat.

    PostgreSQL makes the XML, in its own process, and a copy brings it here: nothing is done fine by fine on the way.
    """
    document = batch.document
    connection.execute(text("SELECT set_config('TimeZone', :zone, true)"), {"zone": document["time_zone"]})
    # By the index, in which the lines stand in order: what is known of a table that has just grown would mislead.
    connection.execute(text("SET LOCAL enable_sort = off"))
    lines = statement("export/document").bindparams(
        batch_id=batch.id,
        identifier_type=document["identifier_type"],
        institution_number=document["institution_number"],
        include_internal_id=document["include_internal_id"],
        moment="MM/DD/YYYY HH24:MI:SS" + (" TZ" if document["append_time_zone_abbreviation"] else ""),
    )
    yield OPENING.format(NAMESPACE=NAMESPACE, export_number=batch.id).encode()
    with closing(copied_out(connection, lines)) as rows:
        yield from told(rows, "Wrote fines", batch.fines, each=ROWS_AT_ONCE)
    yield CLOSING.encode()


def _kept(blocks: Iterator[bytes], file: IO[bytes], digest: Callable[[bytes], None]) -> Generator[bytes]:
    """The blocks, each written and digested on its way."""
    for block in blocks:
        file.write(block)
        digest(block)
        yield block


def _check_people(connection: Connection, batch: Batch) -> None:
    nameless = connection.execute(statement("export/nameless_lines"), {"batch_id": batch.id}).scalar_one()
    if nameless:
        raise BatchError(
            f"The file of batch {batch.id} can't be built again: of {many(nameless, 'fine')} in it the user has been "
            f"deleted since. The bursar's copy is known by its SHA-256, {batch.sha256}."
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
