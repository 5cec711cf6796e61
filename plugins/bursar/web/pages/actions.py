"""The actions of a profile: preview, dry run, run, resend, and import; and the progress of a run that was started."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Query, Request, Response

from bursar.airflow.connections import open_folder
from bursar.airflow.dag_ids import dag_id, parse_dag_id
from bursar.db.queries import query
from bursar.errors import BursarError
from bursar.imports.detect import FolderEntry, WatchedFolder, describe_folder
from bursar.ledger.jobs import Job
from bursar.ledger.totals import net_by_currency
from bursar.money import format_money, format_totals
from bursar.profiles import Profile
from bursar.profiles.settings import ServerLimits
from bursar.reporting.run_description import count_fines, describe_reason, make_tables
from bursar.sources.system_model import describe_job
from bursar.web import views
from bursar.web.accesses import record_access
from bursar.web.airflow_runs import find_obstacle, get_run, runs_path
from bursar.web.csv_files import send_csv
from bursar.web.fine_types import describe_fine_type
from bursar.web.pages.profiles import get_visible_profile, list_profile_names
from bursar.web.pages.reports import Below
from bursar.web.preview import COLUMNS, evaluate, list_all, parse_as_of
from bursar.web.rights import CurrentPerson, Person, require
from bursar.web.sources import find_source
from bursar.web.trial import STEP_SECONDS, TRIAL_SECONDS, within
from bursar.web.views import PAGE_LENGTH, address_of, read_ledger, render, settings

router = APIRouter()
Code = Annotated[str, Path(pattern="^[A-Za-z0-9_]{1,30}$")]
AsOf = Annotated[str, Query(max_length=40)]
MAX_FINES = 200
"""Fines of a preview that the page lists for each reason; the CSV has all."""
MAX_ENTRIES = 200
"""Entries of a folder that the page lists."""


@router.get("/profiles/{code}/actions", name="show_actions")
def show_actions(request: Request, person: CurrentPerson, code: Code, below: Below = None) -> Response:
    """Shows the forms that start the export and the import of a profile; each starts the run by Airflow's own API.

    The batches that can be sent again are offered fifty on a page, those below a batch.
    """
    profile = get_visible_profile(person, code)
    export, import_ = dag_id(Job.EXPORT, code), dag_id(Job.IMPORT, code)
    with read_ledger() as connection:
        parameters = {"profile": code, "below": below, "limit": PAGE_LENGTH + 1}
        batches = connection.execute(query("web/list_resendable_batches"), parameters).all()
    return render(
        request,
        "actions",
        section="show_profiles",
        time_zone=profile.time_zone,
        profile=profile,
        batches=[
            (row.id, f"{row.id}: {row.file_name}, {count_fines(row.fines, row.users)}") for row in batches[:PAGE_LENGTH]
        ],
        files=[(row.id, row.file_names) for row in batches[:PAGE_LENGTH] if len(row.file_names) > 1],
        next=batches[PAGE_LENGTH - 1].id if len(batches) > PAGE_LENGTH else None,
        jobs={
            name: {
                "active": section.active,
                "may_act": person.may_act(code, job),
                "obstacle": find_obstacle(dag) if section.active else None,
                "api": runs_path(dag),
                "dag": dag,
            }
            for name, section, job, dag in (
                ("export", profile.export, Job.EXPORT, export),
                ("import", profile.import_, Job.IMPORT, import_),
                ("statement", profile.statement, Job.STATEMENT, dag_id(Job.STATEMENT, code)),
            )
        },
    )


@router.get("/profiles/{code}/preview", name="show_preview")
def show_preview(request: Request, person: CurrentPerson, code: Code, as_of: AsOf = "") -> Response:
    """Shows the form of a preview; its result, which takes longer with many fines, is loaded into the page."""
    profile = _get_exporting_profile(person, code)
    return render(
        request, "preview", section="show_profiles", profile=profile, as_of=as_of, may_see=person.may_see_names(code)
    )


@router.get("/profiles/{code}/preview/result", name="show_preview_result")
def show_preview_result(request: Request, person: CurrentPerson, code: Code, as_of: AsOf = "") -> Response:
    """Returns, as a part of a page, what an export would take and skip now; the fines to those who may see names."""
    profile = _get_exporting_profile(person, code)
    may_see = person.may_see_names(code)
    try:
        with evaluate(views.engine(), profile, parse_as_of(as_of, profile.time_zone)) as evaluation:
            decisions = list(evaluation.list_decisions(person, limit=MAX_FINES))
    except BursarError as error:
        return render(request, "sentences", problem=str(error), sentences=[])
    record_access(person, (one.user_id for one in decisions))
    found = evaluation.summary
    return render(
        request,
        "preview_result",
        summary=f"An export would take {count_fines(found.fines, found.users)}, "
        f"{format_totals(net_by_currency(found.totals))}."
        if found.fines
        else "An export would take no fine.",
        tables=make_tables(found.totals, found.skipped, {}),
        fines=[
            (
                one.patron_name,
                one.identifier or "",
                describe_fine_type(one.fine_fee_type) + (" (reversal)" if one.is_reversal else ""),
                str(one.fine_id),
                f"{one.created_at:%Y-%m-%d}",
                describe_reason(one.reason) if one.reason else "exported",
                format_money(one.amount, one.currency),
            )
            for one in decisions
        ],
        limit=MAX_FINES,
        may_see=may_see,
        may_see_all=person.may_see_all_users(),
        csv=address_of(request, "download_preview", code=code),
        as_of=as_of,
    )


@router.get("/profiles/{code}/preview.csv", name="download_preview")
def download_preview(person: CurrentPerson, code: Code, as_of: AsOf = "") -> Response:
    """Returns the fines that an export would take or skip now, as CSV. The accesses are recorded."""
    profile = _get_exporting_profile(person, code)
    require(person.may_see_names(code), f"trigger the DAGs of profile {code}")
    rows = list_all(views.engine(), profile, parse_as_of(as_of, profile.time_zone), person)
    return send_csv(f"preview-{code.lower()}.csv", COLUMNS, rows, spool_in=settings().work_dir)


@router.get("/profiles/{code}/folder", name="show_folder")
def show_folder(request: Request, person: CurrentPerson, code: Code) -> Response:
    """Returns, as a part of a page, the files in the input folder, and why some are not taken. Changes nothing."""
    profile = get_visible_profile(person, code)
    require(person.may_act(code, Job.IMPORT), f"trigger the DAG {dag_id(Job.IMPORT, code)}")
    try:
        count, entries = within(TRIAL_SECONDS, lambda: _look_into_folder(profile))
    except BursarError as error:
        return render(request, "sentences", problem=str(error), sentences=[])
    return render(request, "folder", time_zone=profile.time_zone, entries=entries, count=count, limit=MAX_ENTRIES)


@router.get("/dags/{dag_id}/runs/{run_id}/progress", name="show_progress")
def show_progress(request: Request, person: CurrentPerson, dag_id: str, run_id: str) -> Response:
    """Shows the state of a run until it ends, and then the way to its report; the page asks every two seconds."""
    owner = parse_dag_id(dag_id)
    if owner is None:
        raise HTTPException(404)
    if owner.code is None:
        require(person.may_act(None, owner.job), f"trigger the DAG {dag_id}")
    else:
        require(person.may_see_runs(owner.job, owner.code), f"read the DAG {dag_id}")
    is_load = owner.job is Job.SYNC
    source = find_source(owner.code or "") if is_load else None
    name = list_profile_names(person).get(owner.code or "", owner.code)
    with read_ledger() as connection:
        facts = {"job": owner.job, "profile": owner.code, "run_id": run_id}
        report = connection.execute(query("web/get_run"), facts).mappings().first()
        approval = connection.execute(query("web/get_open_approval"), facts).scalar()
    return render(
        request,
        "progress",
        section="show_sources" if is_load else "show_profiles" if owner.code else "show_users_jobs",
        dag=dag_id,
        run_id=run_id,
        title=describe_job(owner.job, source) if source else owner.job.display_name(name),
        run=get_run(dag_id, run_id),
        has_report=report is not None,
        approval=approval,
        user_job=owner.job if owner.code is None else None,
    )


def _get_exporting_profile(person: Person, code: str) -> Profile:
    profile = get_visible_profile(person, code)
    if not profile.export.active:
        raise BursarError(f"The export of profile {code} is not active, so there is nothing to preview.")
    return profile


def _look_into_folder(profile: Profile) -> tuple[int, list[FolderEntry]]:
    limits = ServerLimits(timeout_seconds=STEP_SECONDS)
    path = profile.import_.input_file_path
    with open_folder(profile.sftp_connection, path, may_create=False, limits=limits) as folder:
        return describe_folder(views.engine(), WatchedFolder.of_import(profile), folder.files(), limit=MAX_ENTRIES)
