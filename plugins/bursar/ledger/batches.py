"""Batches: the durable record of each export, and the steps that it has taken."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal

from sqlalchemy import Connection, RowMapping, text

from bursar.db.queries import query
from bursar.errors import BatchError
from bursar.money import net_by_currency

Step = Literal["built", "upload_started", "uploaded", "unclear", "delivered", "closed", "released"]


class BatchState(StrEnum):
    """How far a batch has come. The ledger derives it from the moments of its steps."""

    SELECTED = "SELECTED"
    BUILT = "BUILT"
    UPLOADING = "UPLOADING"
    PART_COMPLETE = "PART_COMPLETE"
    UNCLEAR = "UNCLEAR"
    DELIVERED = "DELIVERED"
    CLOSED = "CLOSED"
    RELEASED = "RELEASED"
    DRY_RUN = "DRY_RUN"

    @property
    def may_be_delivered(self) -> bool:
        """Whether the file, or a part of it, may be on the bursar's server: then it must not be selected afresh."""
        return self in (
            BatchState.UPLOADING,
            BatchState.PART_COMPLETE,
            BatchState.UNCLEAR,
            BatchState.DELIVERED,
            BatchState.CLOSED,
        )


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One export of one profile: which fines, which amounts, which file.

    `totals` is `{currency: {"charges": text, "credits": text}}`, and where the batch takes back what the bursar holds,
    also "reversals", a part of the credits. `skipped` is `{reason: {"fines": n, "users": n, "net": {currency:
    text}}}`. Amounts are text, never floats.
    `render_options` holds what shapes the file besides the lines. All moments are aware, in UTC.
    """

    id: int
    profile: str
    run_id: str
    as_of: datetime
    import_active: bool
    dry_run: bool
    render_options: Mapping[str, Any]
    sftp_connection: str
    output_file_path: str
    file_name: str
    users: int
    fines: int
    totals: Mapping[str, Mapping[str, str]]
    skipped: Mapping[str, Mapping[str, Any]]
    file_size: int | None
    sha256: str | None
    remote_folder: str | None
    part_name: str | None
    selected_at: datetime
    delivered_at: datetime | None
    closed_at: datetime | None
    state: BatchState

    @property
    def was_delivered(self) -> bool:
        """Whether the bursar has its file."""
        return self.state in (BatchState.DELIVERED, BatchState.CLOSED)

    @property
    def net(self) -> dict[str, Decimal]:
        """Charges and credits together, by currency."""
        return net_by_currency(self.totals)

    @classmethod
    def from_row(cls, row: RowMapping) -> "Batch":
        """Makes a batch of a row of the table."""
        return cls(**{field.name: row[field.name] for field in fields(cls)} | {"state": BatchState(row["state"])})


def get_batch_of_run(connection: Connection, profile: str, run_id: str) -> Batch | None:
    """The batch that a run selected, unless it was released since."""
    row = (
        connection.execute(query("ledger/get_batch_of_run"), {"profile": profile, "run_id": run_id}).mappings().first()
    )
    return Batch.from_row(row) if row else None


def get_batch(connection: Connection, batch_id: int, *, lock: bool = False) -> Batch:
    """One batch; with `lock` no one else can take a step with it until the transaction ends.

    Raises:
        BatchError: there is no such batch.
    """
    one = query("ledger/lock_batch" if lock else "ledger/get_batch")
    row = connection.execute(one, {"batch_id": batch_id}).mappings().first()
    if row is None:
        raise BatchError(f"There is no batch {batch_id}. `bin/bursar batches list` lists those that are not finished.")
    return Batch.from_row(row)


def get_unfinished_batches(connection: Connection, profile: str | None = None) -> list[Batch]:
    """The batches that hold fines, oldest first."""
    rows = connection.execute(query("ledger/list_unfinished_batches"), {"profile": profile}).mappings()
    return [Batch.from_row(row) for row in rows]


def advance(connection: Connection, batch_id: int, step: Step, *, after: BatchState, **facts: str | int | None) -> None:
    """Records that a batch took a step now, with what became known by it: other columns of the batch.

    Raises:
        BatchError: the batch is no longer in the state `after` which the step follows; somebody else moved it.
    """
    assignments = ", ".join([f"{step}_at = clock_timestamp()", *(f"{name} = :{name}" for name in facts)])
    moved = connection.execute(
        text(f"UPDATE batches SET {assignments} WHERE id = :batch_id AND state = :after"),
        {"batch_id": batch_id, "after": after, **facts},
    )
    if not moved.rowcount:
        now = get_batch(connection, batch_id).state
        raise BatchError(f"Batch {batch_id} is {now} by now, not {after} any more; this step stopped without effect.")
