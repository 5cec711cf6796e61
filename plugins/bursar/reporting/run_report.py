"""The report of a run, and its record in the ledger."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from sqlalchemy import Engine, RowMapping

from bursar.db.queries import query
from bursar.ledger.jobs import Job
from bursar.ledger.totals import (
    OutcomeTotals,
    Skipped,
    Totals,
    net_by_currency,
    read_outcomes,
    read_skipped,
    read_totals,
    to_json,
)


class RunOutcome(StrEnum):
    """The outcome of a run."""

    COMPLETED = "completed"
    WITH_WARNINGS = "completed with warnings"
    NOTHING_TO_DO = "nothing to do"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class RunReport:
    """The result of a run of a job.

    `totals` has sums by currency. `skipped` has the fines that stay by `SkipReason`, for the jobs over users the users
    who were kept by `KeepReason`. `rejects` has the payment records without effect by `PaymentOutcome`, for a load the
    rejected rows by the code of their reason, for a comparison with statements all results by `StatementOutcome`,
    with the differences of the sums. `profile` is the code of the profile, for a load that of the source. A
    load counts the fines that it added or changed, and the users that it added; its totals are the changes of balances
    up (charges) and down (credits). `task_timings`
    has the seconds of each task, all its tries together, in the order in which the tasks began. `messages` are
    sentences for a librarian: what to look at, and what to do. `trigger` says how Airflow started the run: `scheduled`,
    `manual`, `backfill`; `requested_by` is the person who triggered it, None for the schedule. Apart from that a report
    names no person, and that name is shown in the pages only. `id` is its number in the ledger, once it is recorded.
    All moments are aware.
    """

    job: Job
    profile: str | None
    run_id: str
    dry_run: bool = False
    as_of: datetime | None = None
    started_at: datetime
    ended_at: datetime
    outcome: RunOutcome
    files: tuple[str, ...] = ()
    users: int = 0
    fines: int = 0
    totals: Totals = field(default_factory=dict)
    skipped: Mapping[str, Skipped] = field(default_factory=dict)
    rejects: Mapping[str, OutcomeTotals] = field(default_factory=dict)
    task_timings: Mapping[str, float] = field(default_factory=dict)
    messages: tuple[str, ...] = ()
    trigger: str | None = None
    requested_by: str | None = None
    id: int | None = None

    @classmethod
    def from_row(cls, row: RowMapping) -> "RunReport":
        """Makes a report of a row of the table."""
        values = {field.name: row[field.name] for field in fields(cls)}
        typed = {
            "job": Job(row["job"]),
            "outcome": RunOutcome(row["outcome"]),
            "files": tuple(row["files"]),
            "totals": read_totals(row["totals"]),
            "skipped": read_skipped(row["skipped"]),
            "rejects": read_outcomes(row["rejects"]),
            "messages": tuple(row["messages"]),
        }
        return cls(**values | typed)

    @property
    def net(self) -> dict[str, Decimal]:
        """Charges and credits together, by currency."""
        return net_by_currency(self.totals)


def record_report(engine: Engine, report: RunReport) -> RunReport:
    """Records the report of a run, in the place of an earlier one of the same run, and returns it as recorded."""
    stored = {
        "files": list(report.files),
        "totals": json.dumps(to_json(report.totals)),
        "skipped": json.dumps(to_json(report.skipped)),
        "rejects": json.dumps(to_json(report.rejects)),
        "task_timings": json.dumps(report.task_timings),
        "messages": list(report.messages),
    }
    values = {field.name: getattr(report, field.name) for field in fields(report)} | stored
    with engine.begin() as connection:
        row = connection.execute(query("reporting/upsert_report"), values).mappings().one()
    return RunReport.from_row(row)


def delete_reports_before(engine: Engine, *, before: datetime) -> int:
    """Deletes the reports of runs that ended before a moment, with their task timings, and returns their number.

    The records of loads are deleted with them. Of each job and profile, the newest report and the newest successful one
    stay, and of each source the newest load: alerts look at them.
    """
    with engine.begin() as connection:
        deleted: int = connection.execute(query("reporting/delete_reports"), {"before": before}).scalar_one()
    return deleted
