"""Batches: the durable record of each export, and its steps."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from sqlalchemy import Connection, RowMapping, text

from bursar.db.queries import query
from bursar.described_enum import DescribedEnum
from bursar.errors import BatchError, BatchNotFoundError
from bursar.ledger.batch_files import BatchFile
from bursar.ledger.deliveries import DeliveryState
from bursar.ledger.totals import Skipped, Totals, net_by_currency, read_skipped, read_totals
from bursar.page_names import Page

Step = Literal["built", "closed", "released"]


class BatchState(DescribedEnum):
    """The progress of a batch, derived by the ledger from its steps and from the first deliveries of its files."""

    SELECTED = "SELECTED", "selected"
    BUILT = "BUILT", "ready to be uploaded"
    UPLOADING = "UPLOADING", "being uploaded"
    PART_COMPLETE = "PART_COMPLETE", "uploaded under a temporary name"
    UNCLEAR = "UNCLEAR", "unclear"
    DELIVERED = "DELIVERED", "delivered"
    CLOSED = "CLOSED", "closed"
    RELEASED = "RELEASED", "released"
    DRY_RUN = "DRY_RUN", "a dry run"

    @property
    def may_be_delivered(self) -> bool:
        """Whether a file, or a part of one, may be on the bursar's server: its fines must not be selected again."""
        return self in (
            BatchState.UPLOADING,
            BatchState.PART_COMPLETE,
            BatchState.UNCLEAR,
            BatchState.DELIVERED,
            BatchState.CLOSED,
        )


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One export of one profile: its fines, amounts and files.

    `file_name` has the names of its files, divided by commas if there are several; a batch without fines has none.
    `totals` has the sums of its lines by currency, `skipped` the fines that the selection skipped, by reason.
    `render_options` has the settings that shape the file besides the lines. `requested_by` is the person who triggered
    the run, None for the schedule. All moments are aware, in UTC.
    """

    id: int
    profile: str
    run_id: str
    requested_by: str | None
    as_of: datetime
    import_active: bool
    dry_run: bool
    render_options: Mapping[str, Any]
    sftp_connection: str
    output_file_path: str
    file_name: str
    files: tuple[BatchFile, ...]
    users: int
    fines: int
    totals: Totals
    skipped: Mapping[str, Skipped]
    remote_folder: str | None
    selected_at: datetime
    delivered_at: datetime | None
    closed_at: datetime | None
    state: BatchState

    @property
    def was_delivered(self) -> bool:
        """Whether the bursar has its files."""
        return self.state in (BatchState.DELIVERED, BatchState.CLOSED)

    @property
    def is_built(self) -> bool:
        """Whether its files have been built, so that their content is known."""
        return bool(self.files) and all(file.sha256 is not None for file in self.files)

    @property
    def has_delivered_files(self) -> bool:
        """Whether some of several files have been delivered, and others have not."""
        return not self.was_delivered and any(file.state is DeliveryState.DELIVERED for file in self.files)

    def get_file(self, number: int) -> BatchFile:
        """Returns the file of a number."""
        return next(file for file in self.files if file.number == number)

    @property
    def net(self) -> dict[str, Decimal]:
        """Charges and credits together, by currency."""
        return net_by_currency(self.totals)

    @classmethod
    def from_row(cls, row: RowMapping) -> "Batch":
        """Makes a batch of a row of the table."""
        values = {field.name: row[field.name] for field in fields(cls)}
        typed = {
            "files": tuple(map(BatchFile.from_json, row["files"])),
            "totals": read_totals(row["totals"]),
            "skipped": read_skipped(row["skipped"]),
            "state": BatchState(row["state"]),
        }
        return cls(**values | typed)


def get_batch_of_run(connection: Connection, profile: str, run_id: str) -> Batch | None:
    """Returns the batch that a run selected; None if it selected none, or the batch was released since."""
    row = (
        connection.execute(query("ledger/get_batch_of_run"), {"profile": profile, "run_id": run_id}).mappings().first()
    )
    return Batch.from_row(row) if row else None


def get_batch(connection: Connection, batch_id: int, *, lock: bool = False) -> Batch:
    """Returns a batch; with `lock` no other transaction can change its state until this one ends.

    Raises:
        BatchError: there is no such batch.
    """
    if lock:  # a statement of its own: see the view batches_with_state
        connection.execute(query("ledger/lock_batch"), {"batch_id": batch_id})
    row = connection.execute(query("ledger/get_batch"), {"batch_id": batch_id}).mappings().first()
    if row is None:
        raise BatchNotFoundError(
            f"There is no batch {batch_id}. {Page.WAITING} lists those that are not finished "
            "(`bin/bursar batches list`)."
        )
    return Batch.from_row(row)


def get_unfinished_batches(connection: Connection, profile: str | None = None) -> list[Batch]:
    """Returns the unfinished batches, which hold fines, oldest first."""
    rows = connection.execute(query("ledger/list_unfinished_batches"), {"profile": profile}).mappings()
    return [Batch.from_row(row) for row in rows]


def advance(connection: Connection, batch_id: int, step: Step, *, after: BatchState, **facts: str | int | None) -> None:
    """Records that a batch took a step now, with the values of other columns that the step determines.

    Raises:
        BatchError: the batch is no longer in the state `after`, which the step follows.
    """
    state = get_batch(connection, batch_id, lock=True).state
    if state is not after:
        raise BatchError(
            f"Batch {batch_id} is {state.description} now and no longer {after.description}; nothing was changed."
        )
    assignments = ", ".join([f"{step}_at = clock_timestamp()", *(f"{name} = :{name}" for name in facts)])
    connection.execute(text(f"UPDATE batches SET {assignments} WHERE id = :batch_id"), {"batch_id": batch_id, **facts})
