"""The places where the campaign depends on how Bursar does something: waits, a person's word, working files."""

from collections.abc import Iterable
from pathlib import Path

from sqlalchemy import Engine

import bursar.exchange.folder
import bursar.exchange.ftp
import bursar.exchange.sftp
import bursar.ledger.connection
import bursar.orchestration.connections
from bursar import work_dir
from bursar.exporting import closing, delivery
from bursar.ledger.batches import unfinished_batches

SERVER_SECONDS = 2
"""How long a stage of the campaign waits for a server that does not answer."""

LEDGER_SECONDS = 3
"""How long it waits for a lock in the ledger, and how long a session may be idle in a transaction."""


def shorten_waits() -> None:
    """Makes the waits that Bursar bounds short, so that a campaign sees their end; waits without a bound stay so."""
    for module in (
        bursar.exchange.folder,
        bursar.exchange.ftp,
        bursar.exchange.sftp,
        bursar.orchestration.connections,
    ):
        if hasattr(module, "PATIENCE"):
            setattr(module, "PATIENCE", SERVER_SECONDS)  # noqa: B010
    for name in ("lock_timeout", "idle_in_transaction_session_timeout"):
        bursar.ledger.connection.SESSION[name] = f"{LEDGER_SECONDS}s"


def sweep(engine: Engine, folders: Iterable[Path]) -> None:
    """Removes the working files that no running stage owns, as each run and the monitoring DAG do."""
    with engine.connect() as connection:
        unfinished = {batch.id for batch in unfinished_batches(connection)}
    for folder in folders:
        work_dir.sweep(folder, unfinished)


def confirm_delivered(engine: Engine, batch_id: int) -> None:
    """A person's word that the bursar has the file of a batch."""
    delivery.confirm_delivered(engine, batch_id, by="campaign")


def release(engine: Engine, batch_id: int) -> None:
    """A person's word that the bursar has not got the file of a batch."""
    closing.release(engine, batch_id, bursar_has_not_got_it=True)
