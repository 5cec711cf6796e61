"""Unclear deliveries: nobody knows whether the bursar has a file, so a person finds out and decides."""

from collections.abc import Sequence

from sqlalchemy import Connection

from bursar.errors import UnclearDeliveryError
from bursar.ledger.batches import Batch
from bursar.ledger.deliveries import Delivery, DeliveryState, UnclearReason, list_deliveries
from bursar.money import pluralize
from bursar.page_names import Page


def check_not_unclear(found: Batch, deliveries: Sequence[Delivery]) -> None:
    """Raises an UnclearDeliveryError if a person has to find out whether a delivery has reached the bursar."""
    for delivery in _find_unclear(deliveries):
        raise unclear_delivery(found, delivery)


def describe_unclear_batch(connection: Connection, found: Batch) -> str:
    """Returns what is known about the first deliveries of an unclear batch, and what a person can do."""
    unclear = _find_unclear(list_deliveries(connection, found.id, "first", found.run_id))
    return " ".join(str(unclear_delivery(found, delivery)) for delivery in unclear)


def describe_unclear_deliveries(connection: Connection, found: Batch) -> list[str]:
    """Returns what is known about each unclear first delivery of a batch, and the questions to the bursar."""
    unclear = _find_unclear(list_deliveries(connection, found.id, "first", found.run_id))
    return [describe_unclear_delivery(found, delivery) for delivery in unclear]


def _find_unclear(deliveries: Sequence[Delivery]) -> list[Delivery]:
    return [delivery for delivery in deliveries if delivery.state is DeliveryState.UNCLEAR]


def unclear_delivery(found: Batch, delivery: Delivery) -> UnclearDeliveryError:
    """Returns the error that says what is known, and asks a person whether the bursar has the file of a batch."""
    remedy = {
        "first": f"If it has, confirm that under {Page.WAITING} (`bin/bursar batches confirm-delivered {found.id}`). "
        + _describe_remedy(found),
        "resend": "If it has not: start another resend.",
    }
    return UnclearDeliveryError(
        f"Batch {found.id} is unclear. {describe_unclear_delivery(found, delivery)} {remedy[delivery.kind]} If "
        "this repeats, have somebody find out how the server treats uploads "
        f"(`bin/bursar profiles test-connection {found.profile}`)."
    )


def _describe_remedy(found: Batch) -> str:
    """Returns what a person can do if the bursar does not have a file."""
    if found.has_delivered_files:
        return (
            f"If it has not, have it uploaded again (`bin/bursar batches repeat-upload {found.id}`); the other files "
            "are not sent again."
        )
    return (
        f"If it has not, release it there (`bin/bursar batches release {found.id} --confirm-not-received`), or have it "
        f"uploaded again (`bin/bursar batches repeat-upload {found.id}`)."
    )


def describe_unclear_delivery(found: Batch, delivery: Delivery) -> str:
    """Returns what is known about an unclear delivery, and the question to the bursar."""
    known = (delivery.unclear_reason or UnclearReason.GONE).description
    name = found.get_file(delivery.file_number).name
    others = [file.name for file in found.files if file.number != delivery.file_number]
    return (
        f"{known} The server may have handed {name} ({pluralize(delivery.file_size or 0, 'byte')}) in "
        f"{found.remote_folder} on to the bursar, so it is not sent again by itself. Ask the bursar whether it has "
        f"arrived (SHA-256 {delivery.sha256})." + (f" The batch also has {', '.join(others)}." if others else "")
    )
