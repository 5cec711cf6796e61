"""The job history, and the report of a run."""

from datetime import datetime, timedelta
from typing import Annotated
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from fastapi import APIRouter, HTTPException, Query, Request, Response

from bursar.airflow import dag_ids
from bursar.airflow.profile_store import load_all_profiles
from bursar.db.queries import query
from bursar.ledger.jobs import Job
from bursar.profiles import Profile
from bursar.reporting.run_description import describe_facts, describe_result, format_duration, make_tables
from bursar.reporting.run_report import RunOutcome
from bursar.web.pages.profiles import FOREIGN_DAG, visible_profiles
from bursar.web.rights import CurrentPerson, Person, require
from bursar.web.runs import Filter, Key, Run, list_runs, read_run
from bursar.web.views import read_ledger, render, settings

router = APIRouter()


@router.get("/history", name="show_history")
def show_history(  # one argument for each filter
    request: Request,
    person: CurrentPerson,
    *,
    profile: str = "",
    job: str = "",
    outcome: str = "",
    before: Annotated[datetime | None, Query()] = None,
    before_id: int = 0,
) -> Response:
    """Shows the runs that the person may see, newest first, fifty on a page."""
    codes = [one.code for one in visible_profiles(person)[0]]
    chosen = Filter(
        profiles=[code for code in codes if profile in ("", code)],
        institution=not profile and person.may_see_all_users(),
        job=Job(job) if job in list(Job) else None,
        outcome=outcome if outcome in list(RunOutcome) else None,
    )
    with read_ledger() as connection:
        runs, key = list_runs(connection, chosen, Key(before, before_id) if before else None)
    filters = {"profile": profile, "job": job, "outcome": outcome}
    path = request.scope["root_path"] + request.app.url_path_for("show_history")
    older = f"{path}?{urlencode(filters | {'before': key.started_at.isoformat(), 'before_id': key.id})}" if key else ""
    return render(
        request,
        "history",
        section="show_history",
        runs=runs,
        older=older,
        filters=[
            ("profile", "Profile", codes, profile),
            ("job", "Job", list(Job), job),
            ("outcome", "Outcome", list(RunOutcome), outcome),
        ],
    )


@router.get("/runs/{run}", name="show_run")
def show_run(request: Request, person: CurrentPerson, run: int) -> Response:
    """Shows the report of a run."""
    with read_ledger() as connection:
        row = connection.execute(query("commands/get_run"), {"id": run}).mappings().first()
    if row is None:
        raise HTTPException(404)
    return _show(request, person, read_run(row))


@router.get("/dags/{dag_id}/runs/{run_id}", name="show_dag_run")
def show_dag_run(request: Request, person: CurrentPerson, dag_id: str, run_id: str) -> Response:
    """Shows the report of a run in the tab beside the run's own; other DAGs have one sentence there."""
    owner = dag_ids.parse_dag_id(dag_id)
    if owner is None:
        return render(request, "foreign", title="Job report", text=FOREIGN_DAG)
    job, profile = owner
    _require_visible(person, profile)
    with read_ledger() as connection:
        parameters = {"job": job, "profile": profile, "run_id": run_id}
        row = connection.execute(query("web/get_run"), parameters).mappings().first()
    if row is None:
        text = "This run has no report yet. It is written when the run ends."
        return render(request, "foreign", title="Job report", text=text)
    return _show(request, person, read_run(row))


def _require_visible(person: Person, profile: str | None) -> None:
    if profile is None:
        require(person.may_see_all_users(), "trigger every DAG")
    else:
        require(person.may_see(profile), f"read the DAGs of profile {profile}")


def _show(request: Request, person: Person, run: Run) -> Response:
    report = run.report
    _require_visible(person, report.profile)
    profile = _get_profile(report.profile)
    zone = profile.time_zone if profile else settings().time_zone
    return render(
        request,
        "run",
        section="show_history",
        time_zone=zone,
        title=report.job.display_name(profile.name if profile else report.profile),
        report=report,
        result=describe_result(report),
        facts=list(_describe(run, profile, ZoneInfo(zone)).items()),
        tables=make_tables(report.totals, report.skipped, report.rejects),
        tasks=[(task, format_duration(timedelta(seconds=seconds))) for task, seconds in report.task_timings.items()],
        airflow_path=f"dags/{dag_ids.dag_id(report.job, report.profile)}/runs/{quote(report.run_id, safe='')}",
    )


def _describe(run: Run, profile: Profile | None, zone: ZoneInfo) -> dict[str, str]:
    return describe_facts(run.report, profile.name if profile else None, zone) | {"Duration": run.duration}


def _get_profile(code: str | None) -> Profile | None:
    profiles, _ = load_all_profiles(settings(), code=code) if code else ([], [])
    return profiles[0] if profiles else None
