"""The runs of jobs, as the pages show them."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args

from sqlalchemy import Connection, RowMapping

from bursar.db.queries import query
from bursar.ledger.jobs import Job, ProfileJob
from bursar.reporting.run_description import format_duration
from bursar.reporting.run_report import RunReport
from bursar.web.views import PAGE_LENGTH, read_ledger

MAX_ID = 2**63 - 1
RUNS_AT_ONCE = 500
CSV_COLUMNS = (
    *("run", "job", "profile", "outcome", "dry_run", "trigger", "requested_by", "as_of", "started_at", "ended_at"),
    *("seconds", "files", "users", "fines", "currency", "charges", "credits", "net"),
)
_PROFILE_JOBS: tuple[ProfileJob, ...] = get_args(ProfileJob)


@dataclass(frozen=True)
class Run:
    """A recorded run: its number in the ledger, and its report."""

    id: int
    report: RunReport

    @property
    def duration(self) -> str:
        """The time from start to end, in seconds or longer units."""
        return format_duration(self.report.ended_at - self.report.started_at)

    @property
    def started_by(self) -> str:
        """How the run was started, and by whom: `manual, anna`; an empty text if that was not recorded."""
        return ", ".join(filter(None, (self.report.trigger, self.report.requested_by)))


@dataclass(frozen=True)
class Filter:
    """A choice of runs: those of some profiles and sources, and (`institution`) of the jobs that belong to none.

    They started at `since` or later, and before `until`; both are aware, or None.
    """

    profiles: Collection[str]
    institution: bool = False
    job: Job | None = None
    outcome: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    sources: Collection[str] = ()


@dataclass(frozen=True)
class Key:
    """The place of a run in the list: a page begins below it."""

    started_at: datetime
    id: int


def read_run(row: RowMapping) -> Run:
    """Returns the run of a row of `run_reports`."""
    return Run(row["id"], RunReport.from_row(row))


def list_profiles_of_runs(connection: Connection) -> set[str]:
    """Returns the codes of the profiles that have recorded runs; some may not exist any more."""
    statement = query("web/list_profiles_of_runs")
    return {code for job in _PROFILE_JOBS for code in connection.execute(statement, {"job": job}).scalars()}


def list_sources_of_runs(connection: Connection) -> set[str]:
    """Returns the codes of the sources that have recorded runs; some may not exist any more."""
    return set(connection.execute(query("web/list_profiles_of_runs"), {"job": Job.SYNC}).scalars())


def list_runs(
    connection: Connection, chosen: Filter, below: Key | None = None, *, limit: int = PAGE_LENGTH
) -> tuple[list[Run], Key | None]:
    """Returns a page of runs, newest first, and the key of the next page, or None if this one is the last."""
    parameters: dict[str, Any] = {
        "profiles": list(chosen.profiles),
        "sources": list(chosen.sources),
        "institution": chosen.institution,
        "jobs": [chosen.job] if chosen.job else list(Job),
        "outcome": chosen.outcome,
        "since": chosen.since or "-infinity",
        "until": chosen.until or "infinity",
        "started_before": below.started_at if below else "infinity",
        "id_before": below.id if below else MAX_ID,
        "limit": limit + 1,
    }
    rows = connection.execute(query("web/list_runs"), parameters).mappings().all()
    runs = [read_run(row) for row in rows[:limit]]
    return runs, Key(runs[-1].report.started_at, runs[-1].id) if len(rows) > limit else None


def list_csv_rows(chosen: Filter) -> Iterator[tuple[object, ...]]:
    """Yields the rows of all chosen runs, newest first, in CSV_COLUMNS: one for each run and currency.

    The counts are in the first row of a run only, so that a column can be summed up. No transaction is open while a
    slow browser takes the rows.
    """
    key: Key | None = None
    while True:
        with read_ledger() as connection:
            runs, key = list_runs(connection, chosen, key, limit=RUNS_AT_ONCE)
        for run in runs:
            yield from _make_csv_rows(run)
        if key is None:
            return


def _make_csv_rows(run: Run) -> Iterator[tuple[object, ...]]:
    report = run.report
    facts: tuple[object, ...] = (
        *(run.id, report.job, report.profile, report.outcome, "yes" if report.dry_run else "no"),
        *(report.trigger, report.requested_by, _format(report.as_of)),
        *(_format(report.started_at), _format(report.ended_at)),
    )
    counts: tuple[object, ...] = (
        round((report.ended_at - report.started_at).total_seconds(), 1),
        " ".join(report.files),
        report.users,
        report.fines,
    )
    totals = sorted(report.totals.items())
    if not totals:
        yield (*facts, *counts, "", "", "", "")
    for place, (currency, sums) in enumerate(totals):
        amounts = (f"{amount:f}" for amount in (sums.charges, sums.credits, sums.net))
        yield (*facts, *(counts if not place else ("",) * len(counts)), currency, *amounts)


def _format(moment: datetime | None) -> str:
    return moment.isoformat(timespec="seconds") if moment else ""
