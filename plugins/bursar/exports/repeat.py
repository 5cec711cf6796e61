"""Repeats unclear uploads: the files that have not arrived, as a person confirms, are sent again by the next upload."""

import logging
from collections.abc import Callable

from sqlalchemy import Engine

from bursar.db.queries import query
from bursar.errors import BatchError
from bursar.exports.upload_lock import upload_lock
from bursar.ledger.batches import Batch, BatchState, get_batch
from bursar.ledger.deliveries import DeliveryState, advance_delivery, list_deliveries

log = logging.getLogger(__name__)


def repeat_upload(
    engine: Engine, batch_id: int, *, look: Callable[[Batch], None] = lambda _batch: None, by: str
) -> Batch:
    """Records that a person confirms that the bursar does not have the unclear files of a batch.

    The next run of the export, or the upload task of the batch's own run, then uploads them again. Files that have been
    delivered are not sent again. `look` may look at the server and raise a BatchError, as `release_check` does.

    Raises:
        BatchError: no delivery of the batch is unclear.
        TransientError: another worker is delivering the batch.
    """
    with upload_lock(engine, batch_id):
        with engine.connect() as connection:
            check_repeatable(batch := get_batch(connection, batch_id))
        look(batch)  # nobody can change the delivery meanwhile
        with engine.begin() as connection:
            batch = get_batch(connection, batch_id, lock=True)
            check_repeatable(batch)
            for delivery in list_deliveries(connection, batch_id, "first", batch.run_id):
                if delivery.state is not DeliveryState.UNCLEAR:
                    continue
                advance_delivery(
                    connection,
                    delivery,
                    "upload_started",
                    after=delivery.state,
                    unclear_at=None,
                    unclear_reason=None,
                    uploaded_at=None,
                    part_name=None,
                    repeated_by=by,
                )
                connection.execute(query("exports/close_attempts"), {"delivery_id": delivery.id})
            repeated = get_batch(connection, batch_id)
    log.info("The unclear files of batch %s are uploaded again, as a person confirms that they are missing.", batch_id)
    return repeated


def check_repeatable(batch: Batch) -> None:
    """Raises a BatchError if no delivery of the batch is unclear."""
    if batch.state is not BatchState.UNCLEAR:
        raise BatchError(
            f"Batch {batch.id} is {batch.state.description}, and not unclear: no upload of it can be repeated. Its "
            "next upload continues by itself."
        )
