"""Deliveries: the durable record of the first upload of each file of a batch, and of each resend."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, RowMapping, text

from bursar.db.queries import query
from bursar.described_enum import DescribedEnum
from bursar.errors import BatchError

DeliveryKind = Literal["first", "resend"]
DeliveryStep = Literal["upload_started", "uploaded", "unclear", "delivered"]


class DeliveryState(DescribedEnum):
    """The progress of a delivery, derived by the ledger from the moments of its steps."""

    REQUESTED = "REQUESTED", "requested"
    UPLOADING = "UPLOADING", "being uploaded"
    PART_COMPLETE = "PART_COMPLETE", "uploaded under a temporary name"
    UNCLEAR = "UNCLEAR", "unclear"
    DELIVERED = "DELIVERED", "delivered"


class UnclearReason(DescribedEnum):
    """What is known about the end of an upload of which nobody knows whether it has reached the bursar."""

    GONE = "GONE", "The server acknowledged the whole file, and then had no such file."
    UNCONFIRMED = (
        "UNCONFIRMED",
        "The last bytes were sent, the server's answer to them is not recorded, and it does not show the whole file.",
    )
    BROKEN_OFF = (
        "BROKEN_OFF",
        "The upload broke off, and the server has no such file: the bursar may have collected the beginning of it.",
    )
    CHANGED = "CHANGED", "The server acknowledged the whole file, and has another size or other bytes under its name."
    PART_GONE = (
        "PART_GONE",
        "The server had the whole file under its temporary name, and has it no more: it was removed or collected.",
    )
    RENAME_UNKNOWN = (
        "RENAME_UNKNOWN",
        "The whole file was to get its final name, and nobody knows whether the server renamed it before it was gone.",
    )


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One delivery of a file of a batch.

    `run_id` is the Airflow run that selected the batch or that resends it, `requested_by` the person who asked for a
    resend, if known. `file_size` and `sha256` are of the bytes that the newest attempt sends, None before the first
    one. `part_name` is the complete part that waits for its renaming; it is the final name if the file was uploaded
    directly. `unclear_reason` is what is known about an unclear delivery. Moments are aware, in UTC.
    """

    id: int
    batch_id: int
    kind: DeliveryKind
    run_id: str
    requested_by: str | None
    file_number: int
    file_size: int | None
    sha256: str | None
    part_name: str | None
    unclear_reason: UnclearReason | None
    delivered_at: datetime | None
    state: DeliveryState

    @classmethod
    def from_row(cls, row: RowMapping) -> "Delivery":
        """Makes a delivery of a row of the table."""
        values = {field.name: row[field.name] for field in fields(cls)}
        reason = row["unclear_reason"] and UnclearReason(row["unclear_reason"])
        return cls(**values | {"state": DeliveryState(row["state"]), "unclear_reason": reason})


def request_deliveries(
    connection: Connection,
    batch_id: int,
    kind: DeliveryKind,
    run_id: str,
    requested_by: str | None = None,
    numbers: Sequence[int] | None = None,
) -> list[Delivery]:
    """Records that a run is to deliver files of a batch, unless it is recorded.

    `numbers` are those of the files, None for all. Returns all deliveries of the run, in the order of the files.
    """
    parameters = {"batch_id": batch_id, "kind": kind, "run_id": run_id, "requested_by": requested_by}
    connection.execute(query("ledger/insert_deliveries"), parameters | {"numbers": numbers})
    return list_deliveries(connection, batch_id, kind, run_id)


def list_deliveries(connection: Connection, batch_id: int, kind: DeliveryKind, run_id: str) -> list[Delivery]:
    """Returns the deliveries of the files of a batch by a run, in the order of the files; none if not requested."""
    facts = {"batch_id": batch_id, "kind": kind, "run_id": run_id}
    rows = connection.execute(query("ledger/list_deliveries"), facts).mappings()
    return [Delivery.from_row(row) for row in rows]


def get_delivery(connection: Connection, delivery_id: int) -> Delivery:
    """Returns a delivery as it is now."""
    return Delivery.from_row(connection.execute(query("ledger/get_delivery"), {"id": delivery_id}).mappings().one())


def advance_delivery(
    connection: Connection, delivery: Delivery, step: DeliveryStep, *, after: DeliveryState, **facts: str | None
) -> None:
    """Records that a delivery took a step now, with the values of other columns that the step determines.

    The caller has locked the batch.

    Raises:
        BatchError: the delivery is no longer in the state `after`, which the step follows.
    """
    assignments = ", ".join([f"{step}_at = clock_timestamp()", *(f"{name} = :{name}" for name in facts)])
    result = connection.execute(
        text(f"UPDATE deliveries SET {assignments} WHERE id = :id AND state = :after"),
        {"id": delivery.id, "after": after, **facts},
    )
    if not result.rowcount:
        raise BatchError(
            f"Another worker has continued the delivery of batch {delivery.batch_id}: it is no longer {after}. "
            "This worker has changed nothing."
        )
