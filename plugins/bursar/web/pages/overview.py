"""The overview: sums by week, the age of what is outstanding, what stays and why, and the next runs."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection, Row

from bursar.airflow.dag_ids import dag_id
from bursar.db.queries import query
from bursar.ledger.jobs import Job
from bursar.profiles import Profile
from bursar.reporting.outstanding import AGES, describe_age
from bursar.reporting.run_description import format_minute, sort_reasons
from bursar.sources.model import Source
from bursar.web.integration_dags import list_next_runs
from bursar.web.pages.profiles import visible_profiles
from bursar.web.rights import CurrentPerson
from bursar.web.runs import read_run
from bursar.web.sources import visible_sources
from bursar.web.views import read_ledger, render, settings

router = APIRouter()
WEEKS = 13
"""Weeks that the page shows, this one included."""


@dataclass
class Week:
    """The sums of a week in one currency. `outstanding` is None if nothing was counted in that week."""

    monday: date
    exported: Decimal = Decimal(0)
    paid: Decimal = Decimal(0)
    outstanding: Decimal | None = None


@dataclass(frozen=True)
class Age:
    """What is outstanding of exports of one age, in words."""

    label: str
    fines: int
    amount: Decimal


@dataclass
class CurrencySums:
    """What a currency has in the overview."""

    currency: str
    weeks: dict[date, Week]
    ages: list[Age] = field(default_factory=list)

    @property
    def has_credits(self) -> bool:
        """Whether a sum is below 0, which the page has to explain."""
        sums = [amount for week in self.weeks.values() for amount in (week.exported, week.paid, week.outstanding)]
        return any(amount < 0 for amount in (*sums, *(age.amount for age in self.ages)) if amount)


@dataclass(frozen=True)
class NextRun:
    """A run to come: its moment in words, its job, and the profile or source."""

    moment: str
    job: Job
    owner: Profile | Source


@router.get("/overview", name="show_overview")
def show_overview(request: Request, person: CurrentPerson) -> Response:
    """Shows the sums of the profiles that the person may see; a person who may trigger every DAG sees all sums."""
    profiles, _ = visible_profiles(person)
    sources, _ = visible_sources(person)
    codes = [profile.code for profile in profiles]
    zone = ZoneInfo(settings().time_zone)
    # The money of profiles that have been removed belongs into the sums.
    of_sums = None if person.may_see_all_users() else codes
    with read_ledger() as connection:
        currencies, counted_at = _read_sums(connection, of_sums, zone)
        rows = connection.execute(query("web/list_last_exports"), {"profiles": codes}).mappings()
        exports = [read_run(row) for row in rows]
    return render(
        request,
        "overview",
        section="show_overview",
        time_zone=settings().time_zone,
        currencies=currencies,
        counted_at=counted_at,
        weeks=WEEKS,
        stays=[(run, sort_reasons(run.report.skipped)) for run in exports if run.report.skipped],
        exports=[run for run in exports if not run.report.skipped],
        names={profile.code: profile.name for profile in profiles},
        next_runs=_list_next_runs(profiles, sources, zone),
    )


def _read_sums(
    connection: Connection, codes: Sequence[str] | None, zone: ZoneInfo
) -> tuple[list[CurrencySums], datetime | None]:
    """Returns the sums of each currency, and the moment of the newest count of what is outstanding."""
    today = datetime.now(zone).date()
    mondays = [today - timedelta(days=today.weekday() + 7 * back) for back in reversed(range(WEEKS))]
    since = datetime.combine(mondays[0], datetime.min.time(), zone)
    parameters: dict[str, Any] = {"profiles": codes, "zone": zone.key}
    moved = connection.execute(query("web/list_weekly_sums"), parameters | {"since": since.astimezone(UTC)}).all()
    counts = connection.execute(query("web/list_outstanding"), parameters | {"since": mondays[0]}).all()
    names = {row.currency for row in (*moved, *counts)} - {None}
    currencies = {
        name: CurrencySums(name, {monday: Week(monday) for monday in mondays}) for name in _sort_currencies(names)
    }
    for row in moved:
        if week := currencies[row.currency].weeks.get(row.week):
            week.exported, week.paid = row.exported, row.paid
    for name, sums in currencies.items():
        _add_counts(sums, {row.week for row in counts}, [row for row in counts if row.currency == name])
    return list(currencies.values()), max((row.counted_at for row in counts), default=None)


def _sort_currencies(names: Collection[str]) -> list[str]:
    """Returns the institution's currency first, and the others by their codes."""
    return sorted(names, key=lambda name: (name != settings().default_currency, name))


def _add_counts(sums: CurrencySums, counted: set[date], rows: list[Row[Any]]) -> None:
    """Adds what was outstanding in one currency; `counted` are the weeks with a count, of any currency."""
    for monday in counted & sums.weeks.keys():
        sums.weeks[monday].outstanding = sum((row.amount for row in rows if row.week == monday), Decimal(0))
    newest = {row.days: row for row in rows if row.week == max(counted)}
    for days in AGES:  # also those of which nothing is outstanding, so that the charts of all currencies look alike
        row = newest.get(days)
        sums.ages.append(Age(describe_age(days), row.fines if row else 0, row.amount if row else Decimal(0)))


def _list_next_runs(profiles: Sequence[Profile], sources: Sequence[Source], zone: ZoneInfo) -> list[NextRun]:
    """Returns the next run of each active job whose DAG is not paused, the earliest first."""
    jobs: list[tuple[Job, Profile | Source]] = [
        (job, profile)
        for profile in profiles
        for job, section in (
            (Job.EXPORT, profile.export),
            (Job.IMPORT, profile.import_),
            (Job.STATEMENT, profile.statement),
        )
        if section.active
    ]
    jobs += [(Job.SYNC, source) for source in sources if source.active]
    moments = list_next_runs([dag_id(job, owner.code) for job, owner in jobs])
    found = [(moments[id_], job, owner) for job, owner in jobs if (id_ := dag_id(job, owner.code)) in moments]
    found.sort(key=lambda one: (one[0], one[2].code, one[1]))
    return [NextRun(format_minute(moment, zone), job, owner) for moment, job, owner in found]
