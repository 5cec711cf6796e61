"""Batches as commands print them for programs."""

from typing import Any

from sqlalchemy import RowMapping

from bursar.commands.context import get_engine
from bursar.commands.output import plain_counts, plain_totals
from bursar.db.queries import query
from bursar.exports.skip_reason import SkipReason
from bursar.ledger.batches import Batch


def read_fields(batch: int) -> dict[str, Any]:
    """Returns a batch of the ledger, for programs."""
    with get_engine().connect() as connection:
        return get_fields(connection.execute(query("commands/get_batch"), {"batch_id": batch}).mappings().one())


def get_fields(row: RowMapping) -> dict[str, Any]:
    """Returns a row of `commands/get_batch.sql` or `list_batches.sql`, for programs."""
    batch = Batch.from_row(row)
    return {
        "batch": batch.id,
        "profile": batch.profile,
        "run_id": batch.run_id,
        "requested_by": batch.requested_by,
        "released_by": row["released_by"],
        "confirmed_by": row["confirmed_by"],
        "approval_requested_at": row["approval_requested_at"],
        "state": batch.state,
        "dry_run": batch.dry_run,
        "as_of": batch.as_of,
        "selected_at": batch.selected_at,
        "delivered_at": batch.delivered_at,
        "closed_at": batch.closed_at,
        "users": batch.users,
        "fines": batch.fines,
        "totals": plain_totals(batch.totals),
        "skipped": plain_counts(SkipReason.sort(batch.skipped)),
        "file_name": batch.file_name,
        "files": [
            {
                "file_name": file.name,
                "fines": file.fines,
                "size": file.bursar_size,
                "sha256": file.bursar_sha256,
                "state": file.state,
            }
            for file in batch.files
        ],
        "sftp_connection": batch.sftp_connection,
        "remote_folder": batch.remote_folder,
        "resends": row["resends"],
    }
