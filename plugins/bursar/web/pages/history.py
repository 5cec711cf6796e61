"""The job history: the runs of all jobs, newest first, by profile, job, outcome and date, also as CSV."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Annotated
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response

from bursar.ledger.jobs import Job
from bursar.reporting.run_report import RunOutcome
from bursar.web.csv_files import send_csv
from bursar.web.pages.profiles import list_profile_names
from bursar.web.rights import CurrentPerson, Person
from bursar.web.runs import (
    CSV_COLUMNS,
    MAX_ID,
    Filter,
    Key,
    list_csv_rows,
    list_profiles_of_runs,
    list_runs,
    list_sources_of_runs,
)
from bursar.web.sources import list_source_names
from bursar.web.views import address_of, read_ledger, render, settings

router = APIRouter()


@dataclass(frozen=True)
class Choice:
    """The values of the filters as the address has them; an empty text stands for all."""

    profile: str = ""
    job: str = ""
    outcome: str = ""
    since: str = ""
    until: str = ""
    source: str = ""


Chosen = Annotated[Choice, Depends(Choice)]


@router.get("/history", name="show_history")
def show_history(
    request: Request,
    person: CurrentPerson,
    choice: Chosen,
    before: Annotated[datetime | None, Query()] = None,
    before_id: Annotated[int, Query(ge=0, le=MAX_ID)] = 0,
) -> Response:
    """Shows the runs that the person may see, newest first, fifty on a page."""
    names, source_names = list_profile_names(person), list_source_names(person)
    codes, source_codes = _list_visible_codes(person, names), _list_visible_sources(person, source_names)
    chosen = _make_filter(person, choice, codes, source_codes)
    with read_ledger() as connection:
        runs, key = list_runs(connection, chosen, Key(before, before_id) if before else None)
    path, csv = address_of(request, "show_history"), address_of(request, "download_history")
    older = {"before": key.started_at.isoformat(), "before_id": str(key.id)} if key else {}
    return render(
        request,
        "history",
        section="show_history",
        time_zone=settings().time_zone,
        runs=runs,
        profile_names=names,
        source_names=source_names,
        no_runs="No run fits these filters." if any(vars(choice).values()) else "No job has run yet.",
        older=f"{path}?{urlencode(vars(choice) | older)}" if key else "",
        newest=f"{path}?{urlencode(vars(choice))}" if before else "",
        csv=f"{csv}?{urlencode(vars(choice))}",
        filters=[
            ("profile", "Profile", [(code, names.get(code, code)) for code in codes], choice.profile),
            ("source", "Source", [(code, source_names.get(code, code)) for code in source_codes], choice.source),
            ("job", "Job", [(job, "load" if job is Job.SYNC else job) for job in Job], choice.job),
            ("outcome", "Outcome", [(one, one) for one in RunOutcome], choice.outcome),
        ],
        dates=[("since", "From", choice.since), ("until", "To", choice.until)],
    )


@router.get("/history.csv", name="download_history")
def download_history(person: CurrentPerson, choice: Chosen) -> Response:
    """Returns all runs that the filters choose, as CSV."""
    codes = _list_visible_codes(person, list_profile_names(person))
    chosen = _make_filter(person, choice, codes, _list_visible_sources(person, list_source_names(person)))
    return send_csv("job-history.csv", CSV_COLUMNS, list_csv_rows(chosen))


def _list_visible_codes(person: Person, names: Mapping[str, str]) -> list[str]:
    """Returns the codes of the profiles that the person may see, also of profiles that are not there any more."""
    with read_ledger() as connection:
        recorded = list_profiles_of_runs(connection)
    return sorted(names.keys() | {code for code in recorded - names.keys() if person.may_see(code)})


def _list_visible_sources(person: Person, names: Mapping[str, str]) -> list[str]:
    """Returns the codes of the sources that the person may see, also of sources that are not there any more."""
    with read_ledger() as connection:
        recorded = list_sources_of_runs(connection)
    known = names.keys() - {""}  # files without a source have no runs
    return sorted(known | {code for code in recorded - known if person.may_see_source(code)})


def _make_filter(person: Person, choice: Choice, codes: list[str], sources: list[str]) -> Filter:
    zone = ZoneInfo(settings().time_zone)
    return Filter(
        profiles=[code for code in codes if choice.profile in ("", code) and not choice.source],
        sources=[code for code in sources if choice.source in ("", code) and not choice.profile],
        institution=not choice.profile and not choice.source and person.may_see_all_users(),
        job=Job(choice.job) if choice.job in list(Job) else None,
        outcome=choice.outcome if choice.outcome in list(RunOutcome) else None,
        since=_start_of_day(choice.since, zone, {}),
        until=_start_of_day(choice.until, zone, {"days": 1}),
    )


def _start_of_day(value: str, zone: ZoneInfo, later: Mapping[str, int]) -> datetime | None:
    """Returns the first moment of a day, or of a day that is `later`, in a time zone; None without a day.

    Raises:
        HTTPException: 422 if the text is not a date.
    """
    if not value:
        return None
    try:
        return datetime.combine(date.fromisoformat(value) + timedelta(**later), time(), zone)
    except (ValueError, OverflowError) as error:
        raise HTTPException(422, "A date is written as 2026-03-31.") from error
