"""Unclear deliveries: nobody knows whether the bursar has the file, so a person finds out and decides."""

from sqlalchemy import Connection

from bursar.errors import UnclearDeliveryError
from bursar.ledger.batches import Batch
from bursar.ledger.deliveries import Delivery, DeliveryState, UnclearReason, get_delivery
from bursar.money import pluralize
from bursar.page_names import Page


def check_not_unclear(found: Batch, delivery: Delivery) -> None:
    """Raises an UnclearDeliveryError if a person has to find out whether a delivery has reached the bursar."""
    if delivery.state is DeliveryState.UNCLEAR:
        raise unclear_delivery(found, delivery)


def describe_unclear_batch(connection: Connection, found: Batch) -> str:
    """Returns what is known about the first delivery of an unclear batch, and what a person can do."""
    return str(unclear_delivery(found, get_delivery(connection, found.id, "first", found.run_id)))


def unclear_delivery(found: Batch, delivery: Delivery) -> UnclearDeliveryError:
    """Returns the error that says what is known, and asks a person whether the bursar has the file of a batch."""
    remedy = {
        "first": f"If it has, confirm that under {Page.WAITING} (`bin/bursar batches confirm-delivered {found.id}`). "
        f"If it has not, release it there (`bin/bursar batches release {found.id} --confirm-not-received`).",
        "resend": "If it has not: start another resend.",
    }
    return UnclearDeliveryError(
        f"Batch {found.id} is unclear. {describe_unclear_delivery(found, delivery)} {remedy[delivery.kind]} If "
        "this repeats, have somebody find out how the server treats uploads "
        f"(`bin/bursar profiles test-connection {found.profile}`)."
    )


def describe_unclear_delivery(found: Batch, delivery: Delivery) -> str:
    """Returns what is known about an unclear delivery, and the question to the bursar."""
    known = (delivery.unclear_reason or UnclearReason.GONE).description
    return (
        f"{known} The server may have handed {found.file_name} "
        f"({pluralize(found.file_size or 0, 'byte')}) in {found.remote_folder} on to the bursar, so it is not sent "
        f"again by itself. Ask the bursar whether it has arrived (SHA-256 {found.sha256})."
    )
