"""Document: from a batch's frozen lines to the file that the bursar reads.

The file is a pure function of the batch: built again, on any worker, it has the same bytes.
"""

import hashlib
import logging
import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

from lxml import etree
from sqlalchemy import Connection, Engine, Row

from bursar.errors import BatchError
from bursar.exporting.fragments import NAMESPACE, Fragments
from bursar.ledger.batches import Batch, State, batch, record_step
from bursar.ledger.statements import statement

log = logging.getLogger(__name__)

XSD = Path(__file__).parents[3] / "include" / "xsd" / "user-exported-fine-fees.xsd"
PROGRESS_EVERY = 100_000


@dataclass(frozen=True)
class Document:
    """A file that stands in the staging folder, checked against the format and against its batch."""

    path: Path
    size: int
    sha256: str


def build_document(engine: Engine, batch_id: int, staging: Path) -> Document:
    """Builds the file of a batch in the staging folder, or finds it there, and records its size and SHA-256.

    Written under another name, validated as a stream, compared with the lines, and only then put in place: what stands
    under the file's name is whole.

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
        _check_people(connection, found)
        staging.mkdir(mode=0o700, parents=True, exist_ok=True)  # who owes what is nobody else's business
        draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
        try:
            with draft.open("wb") as file:
                lines = connection.execution_options(yield_per=2_000).execute(
                    statement("export/lines"), {"batch_id": batch_id}
                )
                write_document(found, lines, file)
                file.flush()
                os.fsync(file.fileno())
            check_document(found, draft)
            document = Document(path, draft.stat().st_size, _sha256(draft))
            if found.sha256 and found.sha256 != document.sha256:
                raise BatchError(
                    f"Batch {batch_id} was built before as {found.sha256}, and now as {document.sha256}: Bursar or the "
                    "ledger was changed in between. Nothing was sent. Restore what built it, or release the batch."
                )
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    if found.state is State.SELECTED:
        with engine.begin() as connection:
            record_step(
                connection,
                batch_id,
                "documented",
                after=State.SELECTED,
                file_size=document.size,
                sha256=document.sha256,
            )
    log.info("Built %s: %s users, %s fines, %s bytes.", found.file_name, found.users, found.fines, document.size)
    return document


def write_document(batch: Batch, lines: Iterable[Row[Any]], file: BinaryIO) -> None:
    """Writes the lines, which come user by user, as the bursar's file; memory stays flat."""
    fragments = Fragments(batch.document)
    file.write(fragments.opening(batch.id).encode())
    user = None
    for number, line in enumerate(lines, start=1):
        if line.user_id != user:
            if user is not None:
                file.write(fragments.user_closing().encode())
            file.write(fragments.user_opening(line).encode())
            user = line.user_id
        file.write(fragments.fine(line).encode())
        if number % PROGRESS_EVERY == 0:
            log.info("Wrote %s of %s fines.", number, batch.fines)
    file.write((fragments.user_closing() + fragments.closing()).encode())


def check_document(batch: Batch, path: Path) -> None:
    """Reads a written file back: valid against the XSD, and the users, fines and sums of its batch.

    Raises:
        BatchError: it is not; the file must not leave.
    """
    users = fines = 0
    charges: dict[str, Decimal] = defaultdict(Decimal)
    returns: dict[str, Decimal] = defaultdict(Decimal)
    currency = ""
    tags = [f"{{{NAMESPACE}}}{name}" for name in ("currency", "sum", "userExportedFineFeesList")]
    currency_tag, sum_tag, _ = tags
    try:
        with path.open("rb") as file:
            # No other options: with resolve_entities=False beside a schema, lxml passes over a missing end.
            for _, element in etree.iterparse(file, tag=tags, schema=etree.XMLSchema(file=str(XSD))):
                if element.tag == currency_tag:
                    currency = element.text or ""
                elif element.tag == sum_tag:
                    fines += 1
                    sum_ = Decimal(element.text or "")
                    (charges if sum_ > 0 else returns)[currency] += sum_
                else:
                    users += 1
                    element.clear()
                    while element.getprevious() is not None:
                        del element.getparent()[0]
    except etree.XMLSyntaxError as error:
        raise BatchError(
            f"The file of batch {batch.id} does not keep to the format and was not sent: {error}"
        ) from error
    wanted = {code: (Decimal(sums["charges"]), Decimal(sums["credits"])) for code, sums in batch.totals.items()}
    written = {code: (charges[code], returns[code]) for code in charges.keys() | returns.keys()}
    if (users, fines, written) != (batch.users, batch.fines, wanted):
        raise BatchError(
            f"The file of batch {batch.id} was not sent: it shows {users} users, {fines} fines and {written}, "
            f"its lines {batch.users} users, {batch.fines} fines and {wanted}."
        )


def _check_people(connection: Connection, batch: Batch) -> None:
    nameless = connection.execute(statement("export/nameless_lines"), {"batch_id": batch.id}).scalar_one()
    if nameless:
        raise BatchError(
            f"The file of batch {batch.id} can't be built again: {nameless} of its fines are of users who were deleted "
            f"since. The bursar's copy is known by its SHA-256, {batch.sha256}."
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
