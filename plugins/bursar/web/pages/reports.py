"""The job report: what a run did, what stayed and why, its files, its tasks, and what to do."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from fastapi import APIRouter, HTTPException, Path, Query, Request, Response
from sqlalchemy import Connection

from bursar.airflow import dag_ids
from bursar.airflow.profile_store import load_all_profiles
from bursar.db.queries import query
from bursar.ledger.batches import Batch
from bursar.ledger.import_files import APPLIED_OUTCOMES, PaymentOutcome
from bursar.ledger.jobs import Job
from bursar.ledger.totals import Skipped, read_outcomes
from bursar.money import format_totals
from bursar.profiles import Profile
from bursar.profiles.job_owner import JobOwner
from bursar.reporting.run_description import (
    describe_facts,
    describe_reason,
    describe_result,
    format_duration,
    make_report_tables,
    make_tables,
    sort_reasons,
)
from bursar.reporting.run_report import RunReport
from bursar.reporting.task_names import describe_task
from bursar.sources.records import LoadRecord
from bursar.sources.system_model import describe_job
from bursar.statements.records import Statement, list_statements_of_run
from bursar.users.maintenance_job import MaintenanceJob, get_job_of_run
from bursar.web import views
from bursar.web.accesses import record_access
from bursar.web.pages.profiles import FOREIGN_DAG
from bursar.web.rights import CurrentPerson, Person, require
from bursar.web.runs import MAX_ID, Run, read_run
from bursar.web.sources import find_source
from bursar.web.views import PAGE_LENGTH, address_of, read_ledger, render, settings

router = APIRouter()
Id = Annotated[int, Path(ge=1, le=MAX_ID)]
From = Annotated[int, Query(ge=0, le=MAX_ID)]
Below = Annotated[int | None, Query(ge=1, le=MAX_ID)]


@dataclass(frozen=True)
class SkippedRow:
    """The fines or users that stayed for one reason; `address` is that of their list, empty if there is none."""

    reason: str
    fines: str
    users: str
    net: str
    address: str


@router.get("/runs/{run}", name="show_run")
def show_run(request: Request, person: CurrentPerson, run: Id) -> Response:
    """Shows the report of a run."""
    return _show(request, person, _get_run(run))


@router.get("/dags/{dag_id}/runs/{run_id}", name="show_dag_run")
def show_dag_run(request: Request, person: CurrentPerson, dag_id: str, run_id: str) -> Response:
    """Shows the report of a run in the tab beside the run's own; other DAGs have one sentence there."""
    owner = dag_ids.parse_dag_id(dag_id)
    if owner is None:
        return render(request, "foreign", title="Job report", text=FOREIGN_DAG)
    require_visible_runs(person, *owner)
    with read_ledger() as connection:
        parameters = {"job": owner.job, "profile": owner.code, "run_id": run_id}
        row = connection.execute(query("web/get_run"), parameters).mappings().first()
    if row is None:
        text = "This run has no report yet. It is written when the run ends."
        return render(request, "foreign", title="Job report", text=text)
    return _show(request, person, read_run(row))


@router.get("/runs/{run}/results", name="show_results")
def show_results(
    request: Request, person: CurrentPerson, run: Id, reason: str = "", user: From = 0, fine: From = 0
) -> Response:
    """Lists the users and fines that a maintenance job purged or waived, or those that it kept for a reason."""
    report = _get_run(run).report
    require_visible_runs(person, report.job, report.profile)
    require(person.may_see_all_users(), "trigger every DAG")
    with read_ledger() as connection:
        job = _get_maintenance_job(connection, report.job, report.run_id)
        if job is None:
            raise HTTPException(404)
        parameters = {"job_id": job.id, "reason": reason, "after_user": user, "after_fine": fine}
        rows = connection.execute(query("web/list_job_results"), parameters | {"limit": PAGE_LENGTH + 1}).all()
    page = rows[:PAGE_LENGTH]
    record_access(person, (row.user_id for row in page))
    verb = {Job.PURGE: "Purged", Job.WAIVE: "Waived"}[job.job]
    older = f"?reason={quote(reason)}&user={page[-1].user_id}&fine={page[-1].fine_key}" if len(rows) > len(page) else ""
    return render(
        request,
        "results",
        section="show_history",
        run=run,
        title=f"{report.job.display_name()}: " + (describe_reason(reason) if reason else verb.lower()),
        dry_run=report.dry_run,
        rows=page,
        next=older and address_of(request, "show_results", run=run) + older,
    )


def require_visible(person: Person, profile: str) -> None:
    """Raises 403 unless the person may see the runs of a profile."""
    require(person.may_see(profile), f"read the DAGs of profile {profile}")


def require_visible_runs(person: Person, job: Job, owner: str | None) -> None:
    """Raises 403 unless the person may see the runs of a job of a profile or source, or (None) of the institution."""
    if owner is None:
        require(person.may_see_all_users(), "trigger every DAG")
    elif job is Job.SYNC:
        require(person.may_see_source(owner), f"read the DAG {dag_ids.dag_id(job, owner)}")
    else:
        require_visible(person, owner)


def find_profile(code: str | None) -> Profile | None:
    """Returns the profile with a code; None if it has been removed or is not valid."""
    profiles, _ = load_all_profiles(settings(), code=code, get_engine=views.engine) if code else ([], [])
    return profiles[0] if profiles else None


def describe_profile(code: str) -> str:
    """Returns the name of a profile with its code, or the code of one that has been removed."""
    profile = find_profile(code)
    return f"{profile.name} ({code})" if profile else code


def make_skipped_rows(
    request: Request, person: Person, batch: Batch | None, skipped: dict[str, Skipped]
) -> list[SkippedRow]:
    """Returns the fines that an export skipped, by reason, with the addresses of the lists that the person may see."""
    visible = person.list_visible_reasons(batch.profile) if batch else frozenset()
    return [
        _make_skipped_row(
            reason,
            one,
            address_of(request, "show_skipped", batch=batch.id, reason=reason) if batch and reason in visible else "",
        )
        for reason, one in sort_reasons(skipped).items()
    ]


def _make_skipped_row(reason: str, one: Skipped, address: str) -> SkippedRow:
    return SkippedRow(describe_reason(reason), f"{one.fines:,}", f"{one.users:,}", format_totals(one.net), address)


def _get_run(run: int) -> Run:
    with read_ledger() as connection:
        row = connection.execute(query("commands/get_run"), {"id": run}).mappings().first()
    if row is None:
        raise HTTPException(404)
    return read_run(row)


def _get_maintenance_job(connection: Connection, job: Job, run_id: str) -> MaintenanceJob | None:
    return get_job_of_run(connection, job, run_id) if job is Job.PURGE or job is Job.WAIVE else None


def _show(request: Request, person: Person, run: Run) -> Response:
    report = run.report
    require_visible_runs(person, report.job, report.profile)
    owner = find_source(report.profile or "") if report.job is Job.SYNC else find_profile(report.profile)
    zone = owner.time_zone if owner else settings().time_zone
    of_run = {"profile": report.profile, "run_id": report.run_id}
    batch, files, loads, results = None, [], [], ""
    statements: list[Statement] = []
    with read_ledger() as connection:
        if report.job is Job.EXPORT:
            row = connection.execute(query("reporting/get_batch_of_run"), of_run).mappings().first()
            batch = Batch.from_row(row) if row else _get_resent_batch(connection, of_run)
        elif report.job is Job.IMPORT:
            files = _list_files(connection, of_run)
        elif report.job is Job.STATEMENT:
            statements = list_statements_of_run(connection, report.profile or "", report.run_id)
        elif report.job is Job.SYNC:
            loads = [LoadRecord.of_row(row) for row in connection.execute(query("reporting/list_loads_of_run"), of_run)]
        elif _get_maintenance_job(connection, report.job, report.run_id):
            results = address_of(request, "show_results", run=run.id)
    if report.job is Job.EXPORT:
        skipped = make_skipped_rows(request, person, batch, dict(report.skipped))
    else:
        skipped = [
            _make_skipped_row(reason, one, results and f"{results}?reason={quote(reason)}")
            for reason, one in sort_reasons(report.skipped).items()
        ]
    return render(
        request,
        "run",
        section="show_history",
        time_zone=zone,
        title=describe_job(report.job, owner) if owner else report.job.display_name(report.profile),
        report=report,
        result=describe_result(report),
        facts=list(_describe(run, owner, ZoneInfo(zone)).items()),
        batch=batch,
        files=files,
        loads=loads,
        statements=statements,
        names={report.profile: owner.name if owner else report.profile},
        one_source=True,
        results=results if report.fines or report.users else "",
        skipped=skipped,
        tables=make_report_tables(report)
        if report.job in (Job.STATEMENT, Job.SYNC)
        else make_tables(report.totals, {}, {}),
        rejects=_describe_rejects(report),
        tasks=[
            (describe_task(task), format_duration(timedelta(seconds=seconds)))
            for task, seconds in report.task_timings.items()
        ],
        airflow_path=f"dags/{dag_ids.dag_id(report.job, report.profile)}/runs/{quote(report.run_id, safe='')}",
    )


def _get_resent_batch(connection: Connection, of_run: dict[str, Any]) -> Batch | None:
    resend = connection.execute(query("reporting/get_resend_of_run"), of_run).mappings().first()
    if resend is None:
        return None
    row = connection.execute(query("ledger/get_batch"), {"batch_id": resend["id"]}).mappings().one()
    return Batch.from_row(row)


def _list_files(connection: Connection, of_run: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the payment files of a run of an import, with the number of their records without effect."""
    files = connection.execute(query("web/list_arrivals_of_run"), of_run).mappings()
    return [dict(file) | {"without_effect": _count_without_effect(file["outcomes"])} for file in files]


def _count_without_effect(outcomes: dict[str, Any] | None) -> str:
    if outcomes is None:
        return ""
    count = sum(one.records for name, one in read_outcomes(outcomes).items() if name not in APPLIED_OUTCOMES)
    return f"{count:,}"


def _describe_rejects(report: RunReport) -> list[tuple[str, str, str]]:
    if report.job is not Job.IMPORT:
        return []
    return [
        (PaymentOutcome.describe(name), f"{one.records:,}", format_totals(one.sums))
        for name, one in PaymentOutcome.sort(report.rejects).items()
    ]


def _describe(run: Run, owner: JobOwner | None, zone: ZoneInfo) -> dict[str, str]:
    facts = describe_facts(run.report, owner.name if owner else None, zone)
    del facts["Run"]  # an id of Airflow; the link to the run says more
    return facts | {"Duration": run.duration, "Started by": run.started_by}
