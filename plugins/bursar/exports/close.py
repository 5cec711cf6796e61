"""Closes the fines of a delivered batch, which completes it."""

import logging
from collections.abc import Mapping
from functools import partial

from sqlalchemy import Connection, Engine

from bursar.db.partitions import count_partitions, run_partitioned
from bursar.db.queries import query
from bursar.errors import BatchError
from bursar.ledger.batches import Batch, BatchState, advance, get_batch
from bursar.money import pluralize

log = logging.getLogger(__name__)


def close_fines(engine: Engine, batch_id: int, *, closed_by_run_id: str | None = None) -> Batch:
    """Closes the fines of a delivered batch; a closed batch is left alone.

    A small batch is closed in one transaction, a large one in partitions. The batch holds its fines until all are
    closed, so that no other job changes those that are. `closed_by_run_id` is the run that closes the batch of
    another run, which left it unfinished.

    Raises:
        BatchError: the batch was not delivered, or its lines and its claims don't agree: nothing was changed. Or its
            partitions don't agree with it: it keeps its claims.
    """
    with engine.begin() as connection:
        batch = get_batch(connection, batch_id, lock=True)
        if batch.state is BatchState.CLOSED:
            log.info("Batch %s was closed before, at %s.", batch_id, batch.closed_at)
            return batch
        if batch.state is not BatchState.DELIVERED:
            raise _not_delivered_error(batch)
        parameters = {"batch_id": batch_id}
        counts = connection.execute(query("exports/count_claims"), parameters).one()
        if not counts.lines == counts.claims == batch.fines:
            raise _mismatch_error(batch, f"{pluralize(counts.lines, 'line')} and {pluralize(counts.claims, 'claim')}")
        log.info("Closing the %s of batch %s.", pluralize(batch.fines, "fine"), batch_id)
        earlier = connection.execute(query("exports/count_closed_partitions"), parameters).one()
        run_partitioned(
            connection, earlier.partition_count or count_partitions(batch.fines), partial(close_partition, batch)
        )
        closed = connection.execute(query("exports/count_closed_partitions"), parameters).one()
        released = connection.execute(query("exports/release_claims"), parameters).rowcount
        if closed.uneven or not closed.fines == released == batch.fines:
            raise _mismatch_error(batch, f"{closed.fines} closed in partitions and {released} claims")
        advance(connection, batch_id, "closed", after=BatchState.DELIVERED, closed_by_run_id=closed_by_run_id)
        connection.execute(query("exports/offset_credits"), parameters)
        closed_batch = get_batch(connection, batch_id)
    log.info("Closed the %s of batch %s.", pluralize(closed_batch.fines, "fine"), batch_id)
    return closed_batch


def _not_delivered_error(batch: Batch) -> BatchError:
    if batch.state is BatchState.RELEASED:
        return BatchError(
            f"Batch {batch.id} has been released: its fines are open, and the next export selects them. This run has "
            "nothing left to close."
        )
    return BatchError(
        f"Batch {batch.id} is {batch.state.description}: only a delivered batch can be closed. Repeat its upload first."
    )


def close_partition(batch: Batch, connection: Connection, partition: Mapping[str, int]) -> None:
    """Closes the fines of a partition (see `run_partitioned`), unless it has been closed before.

    Raises:
        BatchError: the batch has been closed or released by another worker, after Airflow gave up on this one. Or
            lines and claims of the partition don't agree. Nothing was changed.
    """
    parameters = {"batch_id": batch.id, **partition}
    fines = connection.execute(query("exports/claim_partition"), parameters).scalar()
    if fines is None:
        return
    connection.execute(query("ledger/lock_batch_for_closing"), parameters)
    if get_batch(connection, batch.id).state is not BatchState.DELIVERED:
        raise BatchError(f"Batch {batch.id} was closed or released meanwhile. Nothing was changed.")
    connection.execute(query("exports/lock_reversed_charges"), parameters)
    entries = connection.execute(query("exports/post_export_entries"), parameters).rowcount
    if entries != fines:
        raise _mismatch_error(
            batch,
            f"{pluralize(entries, 'line')} and {pluralize(fines, 'claim')} in partition "
            f"{partition['partition_number']} of {partition['partition_count']}",
        )


def _mismatch_error(batch: Batch, mismatch: str) -> BatchError:
    return BatchError(
        f"Batch {batch.id} was not closed: it has {pluralize(batch.fines, 'fine')}, but {mismatch}. The ledger was "
        "changed by hand; compare lines, claims and closed_partitions before this task is repeated."
    )
