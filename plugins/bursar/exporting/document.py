"""Document: from a batch's frozen lines to the file that the bursar reads.

The file is a pure function of the batch: built again, on any worker, it has the same bytes.
"""

import hashlib
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO

from sqlalchemy import Connection, Engine, text

from bursar.errors import BatchError
from bursar.exporting.checking import NAMESPACE, check_document
from bursar.ledger.batches import Batch, State, batch, record_step
from bursar.ledger.copying import ROWS_AT_ONCE, ahead, copied_out
from bursar.ledger.statements import statement
from bursar.money import many
from bursar.progress import told
from bursar.staging import Folder, put_in_place

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
    """A file that stands in the staging folder, checked against the format and against its batch."""

    path: Folder
    size: int
    sha256: str


def build_document(engine: Engine, batch_id: int, staging: Folder) -> Document:
    """Builds the file of a batch in the staging folder, or finds it there, and records its size and SHA-256.

    Written under another name, validated while it is written, compared with the lines, and only then put in place: what
    stands under the file's name is whole.

    Raises:
        BatchError: the batch was released, is empty, has users who were deleted since, or the file does not say what
            its lines say.
    """
    with engine.connect() as connection:
        found = batch(connection, batch_id)
        if found.state is State.RELEASED:
            raise BatchError(
                f"Batch {batch_id} was released. To export its fines, run the export again from its first task."
            )
        if not found.fines:
            raise BatchError(f"Batch {batch_id} is empty; there is no file to build.")
        path = staging / found.file_name
        if found.sha256 and path.is_file() and _sha256(path) == found.sha256:
            return Document(path, path.stat().st_size, found.sha256)
        if found.state in (State.CLOSED, State.DRY_RUN):  # their fines are held by no claim
            _check_people(connection, found)
        with put_in_place(path) as draft:
            digest = hashlib.sha256()
            with draft.open("wb") as file:
                check_document(found, ahead(_kept(document_blocks(connection, found), file, digest.update)))
                file.flush()
                os.fsync(file.fileno())
            document = Document(path, draft.stat().st_size, digest.hexdigest())
            if found.sha256 and found.sha256 != document.sha256:
                raise BatchError(
                    f"Batch {batch_id} was built before as {found.sha256}, and now as {document.sha256}: Bursar or the "
                    "ledger was changed in between. Nothing was sent. Restore what built it, or release the batch."
                )
    if found.sha256 is None:
        with engine.begin() as connection:
            record_step(
                connection,
                batch_id,
                "documented",
                after=found.state,
                file_size=document.size,
                sha256=document.sha256,
            )
    log.info(
        "Built %s: %s, %s, %s bytes.",
        found.file_name,
        many(found.users, "user"),
        many(found.fines, "fine"),
        f"{document.size:,}",
    )
    return document


def document_blocks(connection: Connection, batch: Batch) -> Iterator[bytes]:
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
    yield from told(copied_out(connection, lines), "Wrote fines", batch.fines, each=ROWS_AT_ONCE)
    yield CLOSING.encode()


def _kept(blocks: Iterator[bytes], file: IO[bytes], digest: Callable[[bytes], None]) -> Iterator[bytes]:
    """The blocks, each written and digested on its way."""
    for block in blocks:
        file.write(block)
        digest(block)
        yield block


def _check_people(connection: Connection, batch: Batch) -> None:
    nameless = connection.execute(statement("export/nameless_lines"), {"batch_id": batch.id}).scalar_one()
    if nameless:
        raise BatchError(
            f"The file of batch {batch.id} can't be built again: {nameless} of its fines are of users who were deleted "
            f"since. The bursar's copy is known by its SHA-256, {batch.sha256}."
        )


def _sha256(path: Folder) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]  # an object store's has readinto
