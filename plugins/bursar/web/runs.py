"""The runs of jobs, as the pages show them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping

from bursar.db.queries import query
from bursar.ledger.jobs import Job
from bursar.reporting.run_description import format_duration
from bursar.reporting.run_report import RunReport
from bursar.web.views import PAGE_LENGTH


@dataclass(frozen=True)
class Run:
    """A recorded run: its number in the ledger, and its report."""

    id: int
    report: RunReport

    @property
    def duration(self) -> str:
        """The time from start to end, in seconds or longer units."""
        return format_duration(self.report.ended_at - self.report.started_at)


@dataclass(frozen=True)
class Filter:
    """A choice of runs: those of some profiles, and (`institution`) of the jobs that belong to none."""

    profiles: Collection[str]
    institution: bool = False
    job: Job | None = None
    outcome: str | None = None


@dataclass(frozen=True)
class Key:
    """The place of a run in the list: a page begins below it."""

    started_at: datetime
    id: int


def read_run(row: RowMapping) -> Run:
    """Returns the run of a row of `run_reports`."""
    return Run(row["id"], RunReport.from_row(row))


def list_runs(connection: Connection, chosen: Filter, below: Key | None = None) -> tuple[list[Run], Key | None]:
    """Returns a page of runs, newest first, and the key of the next page, or None if this one is the last."""
    parameters: Mapping[str, Any] = {
        "profiles": list(chosen.profiles),
        "institution": chosen.institution,
        "job": chosen.job,
        "outcome": chosen.outcome,
        "started_before": below.started_at if below else None,
        "id_before": below.id if below else None,
        "limit": PAGE_LENGTH + 1,
    }
    rows = connection.execute(query("web/list_runs"), parameters).mappings().all()
    runs = [read_run(row) for row in rows[:PAGE_LENGTH]]
    return runs, Key(runs[-1].report.started_at, runs[-1].id) if len(rows) > PAGE_LENGTH else None
