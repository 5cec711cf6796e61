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
    closed, so that nothing else is done with those that are. `closed_by_run_id` is the run that does it for another
    run, which left the batch.

    Raises:
        BatchError: the batch was not delivered, or its lines and its claims don't agree: nothing was changed. Or its
            partitions don't agree with it: its fines stay held.
    """
    with engine.begin() as connection:
        found = get_batch(connection, batch_id, lock=True)
        if found.state is BatchState.CLOSED:
            log.info("Batch %s was closed before, at %s.", batch_id, found.closed_at)
            return found
        if found.state is not BatchState.DELIVERED:
            raise _not_delivered_error(found)
        this = {"batch_id": batch_id}
        held = connection.execute(query("exports/count_claims"), this).one()
        if not held.lines == held.claims == found.fines:
            raise _mismatch_error(found, f"{pluralize(held.lines, 'line')} and {pluralize(held.claims, 'claim')}")
        log.info("Closing the %s of batch %s.", pluralize(found.fines, "fine"), batch_id)
        begun = connection.execute(query("exports/count_closed_partitions"), this).one()
        run_partitioned(
            connection, begun.partition_count or count_partitions(found.fines), partial(close_partition, found)
        )
        closed = connection.execute(query("exports/count_closed_partitions"), this).one()
        released = connection.execute(query("exports/release_claims"), this).rowcount
        if closed.uneven or not closed.fines == released == found.fines:
            raise _mismatch_error(found, f"{closed.fines} closed in partitions and {released} claims")
        advance(connection, batch_id, "closed", after=BatchState.DELIVERED, closed_by_run_id=closed_by_run_id)
        connection.execute(query("exports/offset_credits"), this)
        ended = get_batch(connection, batch_id)
    log.info("Closed the %s of batch %s.", pluralize(ended.fines, "fine"), batch_id)
    return ended


def _not_delivered_error(found: Batch) -> BatchError:
    if found.state is BatchState.RELEASED:
        return BatchError(
            f"Batch {found.id} has been released: its fines are open, and the next export selects them. This run has "
            "nothing left to close."
        )
    return BatchError(
        f"Batch {found.id} is {found.state}: only a delivered batch can be closed. Repeat its upload first."
    )


def close_partition(found: Batch, connection: Connection, partition: Mapping[str, int]) -> None:
    """Closes the fines of a partition (see `run_partitioned`), unless it has been closed before.

    Raises:
        BatchError: the batch has been closed or released by another worker, after Airflow gave up on this one. Or
            lines and claims of the partition don't agree. Nothing was changed.
    """
    this = {"batch_id": found.id, **partition}
    fines = connection.execute(query("exports/claim_partition"), this).scalar()
    if fines is None:
        return
    connection.execute(query("ledger/lock_batch_for_closing"), this)
    if get_batch(connection, found.id).state is not BatchState.DELIVERED:
        raise BatchError(f"Batch {found.id} was closed or released meanwhile; this changed nothing.")
    connection.execute(query("exports/lock_reversed_charges"), this)
    entries = connection.execute(query("exports/post_export_entries"), this).rowcount
    if entries != fines:
        raise _mismatch_error(
            found,
            f"{pluralize(entries, 'line')} and {pluralize(fines, 'claim')} in partition "
            f"{partition['partition_number']} of {partition['partition_count']}",
        )


def _mismatch_error(found: Batch, what: str) -> BatchError:
    return BatchError(
        f"Batch {found.id} was not closed: it has {pluralize(found.fines, 'fine')}, but {what}. The ledger was "
        "changed by hand; compare lines, claims and closed_partitions before this task is repeated."
    )
