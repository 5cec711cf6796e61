"""The places where the campaign depends on how Bursar works: waits, partitions, a person's confirmation, files."""

from collections.abc import Iterable
from pathlib import Path

from sqlalchemy import Engine

import bursar.db.engine
import bursar.db.partitions
import bursar.layouts.read
from bursar import work_dir
from bursar.exports import recover, repeat, upload
from bursar.imports.load import remove_loaded_downloads
from bursar.imports.overpayments import reject_overpayment, release_overpayment
from bursar.ledger.batches import get_unfinished_batches
from bursar.profiles.settings import ServerLimits

SERVER_LIMITS = ServerLimits(timeout_seconds=2)
"""The limits of a stage, which does not wait long for a server that does not answer."""

ONE_TRANSACTION = bursar.db.partitions.PARTITION_THRESHOLD

LEDGER_SECONDS = 3
"""The time for which it waits for a lock in the ledger, and that a session may be idle in a transaction."""


def shorten_waits() -> None:
    """Shortens the time limits of the ledger, so that a campaign reaches them; waits without a limit stay so."""
    for name in ("lock_timeout", "idle_in_transaction_session_timeout"):
        bursar.db.engine.SESSION_OPTIONS[name] = f"{LEDGER_SECONDS}s"


def set_partitioned(*, partitioned: bool) -> None:
    """Has the few fines of a campaign closed and paid in several partitions, or in one transaction."""
    bursar.db.partitions.PARTITION_THRESHOLD = 1 if partitioned else ONE_TRANSACTION


def sweep(engine: Engine, folders: Iterable[Path]) -> None:
    """Removes the working files that no running stage owns, as imports and the monitoring DAG do.

    The name of each folder is the code of its profile.
    """
    with engine.connect() as connection:
        unfinished = {batch.id for batch in get_unfinished_batches(connection)}
    for folder in folders:
        work_dir.sweep(folder, unfinished)
        remove_loaded_downloads(engine, folder.name, folder)


def confirm_delivered(engine: Engine, batch_id: int) -> None:
    """Confirms, as a person, that the bursar has the file of a batch."""
    upload.confirm_delivered(engine, batch_id, by="campaign")


def release(engine: Engine, batch_id: int) -> None:
    """Confirms, as a person, that the bursar has not received the file of a batch, and releases it."""
    recover.release_batch(engine, batch_id, confirmed_not_received=True)


def repeat_upload(engine: Engine, batch_id: int) -> None:
    """Confirms, as a person, that the bursar does not have the unclear files of a batch; the next upload sends them."""
    repeat.repeat_upload(engine, batch_id, by="campaign")


def use_layouts(folder: Path) -> None:
    """Has layouts read from the folder `layouts` of another folder."""
    bursar.layouts.read.INCLUDE = folder  # type: ignore[attr-defined]


def decide_overpayment(engine: Engine, file_id: int, record: int, *, is_released: bool) -> str | None:
    """Releases or rejects, as a person, an overpayment beyond the limit; returns the decision."""
    decide = release_overpayment if is_released else reject_overpayment
    return decide(engine, file_id, record, by="campaign").decision
