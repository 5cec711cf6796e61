"""The report of a run: what it did, for whom it matters, and what somebody should look at."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import Engine, RowMapping

from bursar.db.queries import query
from bursar.ledger.jobs import Job


class RunOutcome(StrEnum):
    """How a run ended, in the words of the job history."""

    COMPLETED = "completed"
    WITH_WARNINGS = "completed with warnings"
    NOTHING_TO_DO = "nothing to do"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class RunReport:
    """What a run of a job did.

    `totals` and `skipped` are as in `Batch`; for the maintenance jobs `skipped` says why users were kept.
    `rejects` is `{outcome: {"records": n, "sums": {currency: text}}}`, the records of payments without effect. `stages`
    is `{stage: seconds}`, all tries together, in the order in which they began. `messages` are sentences for a
    librarian: what to look at, and what to do. There is nothing about people in it. All moments are aware.
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
    totals: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    skipped: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    rejects: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    task_timings: Mapping[str, float] = field(default_factory=dict)
    messages: tuple[str, ...] = ()

    @classmethod
    def from_row(cls, row: RowMapping) -> "RunReport":
        """Makes a report of a row of the table."""
        values = {field.name: row[field.name] for field in fields(cls)}
        lists = {name: tuple(values[name]) for name in ("files", "messages")}
        return cls(**values | lists | {"job": Job(values["job"]), "outcome": RunOutcome(values["outcome"])})

    @property
    def net(self) -> dict[str, Decimal]:
        """Charges and credits together, by currency."""
        return {code: Decimal(sums["charges"]) + Decimal(sums["credits"]) for code, sums in self.totals.items()}


def record_report(engine: Engine, report: RunReport) -> RunReport:
    """Records the report of a run, in the place of an earlier one of the same run, and returns it as recorded."""
    values = asdict(report)
    for name in ("totals", "skipped", "rejects", "task_timings"):
        values[name] = json.dumps(values[name])
    for name in ("files", "messages"):
        values[name] = list(values[name])
    with engine.begin() as connection:
        row = connection.execute(query("reporting/upsert_report"), values).mappings().one()
    return RunReport.from_row(row)


def delete_reports_before(engine: Engine, *, before: datetime) -> int:
    """Deletes the reports of runs that ended before a moment, with their stages, and returns how many there were.

    Of each job and profile, the newest of these and the newest successful one stay: alerts look at them.
    """
    with engine.begin() as connection:
        deleted: int = connection.execute(query("reporting/delete_reports"), {"before": before}).scalar_one()
    return deleted
