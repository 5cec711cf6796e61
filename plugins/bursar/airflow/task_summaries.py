"""The values that tasks return: input of the next task, and shown to every user of Airflow as XComs.

They hold ids, counts, totals, names of files and checksums, all JSON; no personal data. Amounts are text.
"""

from collections.abc import Mapping
from typing import Any, TypedDict

Totals = Mapping[str, Mapping[str, str]]
"""Charges and credits by currency, in the stored form of `bursar.ledger.totals`."""


class RecoveredBatch(TypedDict):
    """A batch of an earlier run that has been closed or released."""

    batch_id: int
    state: str
    fines: int


class SelectedBatch(TypedDict):
    """A batch whose fines have been selected; `skipped` is as in `Batch`."""

    batch_id: int
    users: int
    fines: int
    totals: Totals
    skipped: Mapping[str, Mapping[str, Any]]


class BuiltFile(TypedDict):
    """The file of a batch, on the machine that built it; `size` is in bytes."""

    batch_id: int
    file_name: str
    size: int
    sha256: str


class UploadedFile(TypedDict):
    """The file of a batch in the bursar's folder."""

    batch_id: int
    file_name: str
    remote_folder: str | None


class ClosedBatch(TypedDict):
    """A batch whose fines have been closed."""

    batch_id: int
    fines: int
    totals: Totals


class LoadedFile(TypedDict):
    """A payment file whose records are in the ledger; `size` is in bytes, `totals` as in `ImportFile`."""

    file_id: int
    file_name: str
    size: int
    sha256: str
    records: int | None
    totals: Mapping[str, str]


class AppliedFile(TypedDict):
    """A payment file whose payments have been applied; `outcomes` is as in `ImportFile`."""

    file_id: int
    file_name: str
    outcomes: Mapping[str, Any]


class ArchivedFile(TypedDict):
    """A payment file that has been moved; `archived_path` is None if it has not."""

    file_id: int
    file_name: str
    archived_path: str | None


class LoadedSet(TypedDict):
    """The files of a source that were loaded together; `load_id` is None in a dry run, `counts` as in `LoadCounts`."""

    load_id: int | None
    files: list[str]
    counts: Mapping[str, int]
    rejected: Mapping[str, int]


class WrittenEvents(TypedDict):
    """How many events a library's system has, refused, may have, and how many wait, as in `WriteCounts`."""

    done: int
    refused: int
    unknown: int
    held: int


class MaintenanceResult(TypedDict):
    """The result of a purge or of a bulk waiving; `skipped` is as in `MaintenanceJob`."""

    job_id: int
    dry_run: bool
    users: int
    fines: int
    totals: Totals
    skipped: Mapping[str, Mapping[str, Any]]


class ActiveAlert(TypedDict):
    """An alert about a job of a profile or source, whose code is `profile`; `summary` is a sentence."""

    profile: str
    job: str
    summary: str


class ReportedRun(TypedDict):
    """A run whose report is recorded."""

    outcome: str
