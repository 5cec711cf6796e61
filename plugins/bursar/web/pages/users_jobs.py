"""The jobs over users, Purge User Records and Bulk Fine Waiving: forms, lists of fines, dry runs, and *Do this now*."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from airflow.sdk import Param
from fastapi import APIRouter, HTTPException, Path, Query, Request, Response, UploadFile
from fastapi.responses import RedirectResponse

from bursar.airflow.dag_ids import dag_id
from bursar.airflow.maintenance_forms import PURGE_FORM, WAIVE_FORM
from bursar.db.queries import query
from bursar.errors import BursarError
from bursar.escaping import replace_controls
from bursar.ledger.jobs import Job, UserJob
from bursar.ledger.totals import net_by_currency
from bursar.money import format_totals, pluralize
from bursar.reporting.run_description import make_tables
from bursar.users.fine_ids import save_fine_list
from bursar.users.maintenance_job import MaintenanceJob, get_job_of_run
from bursar.web import views
from bursar.web.airflow_runs import find_obstacle, runs_path
from bursar.web.pages.reports import Below
from bursar.web.pick_lists import list_ledger_choices
from bursar.web.rights import CurrentPerson, Person, require
from bursar.web.views import PAGE_LENGTH, address_of, read_ledger, render, settings

router = APIRouter()
JobName = Annotated[Literal["purge", "waive"], Path()]
FORMS: Mapping[str, dict[str, Param]] = {"purge": PURGE_FORM, "waive": WAIVE_FORM}
MAX_NAME_LENGTH = 100
_HIDDEN = ("dry_run", "fine_ids")
"""Fields that the page does not show: a run from a form is a dry run, and a list is uploaded."""


@dataclass(frozen=True)
class JobField:
    """A field of a form: `kind` is text, long, number, date, choice or list; `choices` are values with their words."""

    name: str
    kind: str
    title: str
    help: str
    default: str
    required: bool
    choices: list[tuple[str, str]]
    pattern: str


@router.get("/jobs", name="show_users_jobs")
def show_users_jobs(request: Request, person: CurrentPerson, below: Below = None) -> Response:
    """Shows the jobs over users, and their results, newest first, fifty on a page."""
    jobs = [job for job in (Job.PURGE, Job.WAIVE) if person.may_act(None, job)]
    require(bool(jobs), f"trigger the DAG {dag_id(Job.PURGE)} or {dag_id(Job.WAIVE)}")
    with read_ledger() as connection:
        parameters = {"jobs": jobs, "below": below, "limit": PAGE_LENGTH + 1}
        rows = connection.execute(query("commands/list_jobs"), parameters).mappings().all()
    results = [(MaintenanceJob.from_row(row), row["approved_by"]) for row in rows[:PAGE_LENGTH]]
    return render(
        request,
        "users_jobs",
        section="show_users_jobs",
        time_zone=settings().time_zone,
        jobs=[(job, job.display_name()) for job in jobs],
        results=[(one, by, _describe_result(one)) for one, by in results],
        names={job: job.display_name() for job in jobs},
        next=rows[PAGE_LENGTH - 1]["id"] if len(rows) > PAGE_LENGTH else None,
    )


@router.get("/jobs/{job}", name="show_job_form")
def show_job_form(
    request: Request,
    person: CurrentPerson,
    job: JobName,
    fine_list: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
) -> Response:
    """Shows the form of a job over users, whose button starts a dry run by Airflow's own API."""
    return _show_form(request, _require_job(person, job), fine_list)


@router.post("/jobs/waive/lists", name="upload_fine_list")
def upload_fine_list(request: Request, person: CurrentPerson, file: UploadFile) -> Response:
    """Stores a list of fines in the ledger, under the name of the person, and offers it in the form."""
    job = _require_job(person, "waive")
    name = replace_controls(file.filename or "")[:MAX_NAME_LENGTH].strip() or "list"
    try:
        number = save_fine_list(views.engine(), file.file, name, by=person.name)
    except BursarError as error:
        return _show_form(request, job, None, str(error))
    address = address_of(request, "show_job_form", job=job)
    return RedirectResponse(f"{address}?fine_list={number}", 303)


@router.get("/jobs/{job}/runs/{run_id}", name="show_job_result")
def show_job_result(request: Request, person: CurrentPerson, job: JobName, run_id: str) -> Response:
    """Shows the result of a run of a job over users; after a dry run, *Do this now* starts it with the same form."""
    user_job = _require_job(person, job)
    with read_ledger() as connection:
        found = get_job_of_run(connection, user_job, run_id)
    if found is None:
        raise HTTPException(404)
    titles = {name: str(param.schema.get("title", name)) for name, param in FORMS[job].items()}
    chosen = {name: value for name, value in found.params.items() if value not in (None, "", []) and name != "dry_run"}
    return render(
        request,
        "job_result",
        section="show_users_jobs",
        time_zone=settings().time_zone,
        found=found,
        title=f"{user_job.display_name()}{' (dry run)' if found.dry_run else ''}",
        summary=_describe_result(found),
        facts=[(titles.get(name, name), _describe(value)) for name, value in chosen.items()],
        tables=make_tables(found.totals, found.skipped, {}),
        dag=dag_id(user_job),
        runs_path=runs_path(dag_id(user_job)),
        obstacle=find_obstacle(dag_id(user_job)),
        body={"logical_date": None, "conf": chosen | {"dry_run": False}},
    )


def _require_job(person: Person, job: str) -> UserJob:
    user_job: UserJob = Job.PURGE if job == "purge" else Job.WAIVE
    require(person.may_act(None, user_job), f"trigger the DAG {dag_id(user_job)}")
    return user_job


def _show_form(request: Request, job: UserJob, fine_list: int | None, problem: str = "") -> Response:
    with read_ledger() as connection:
        choices = list_ledger_choices(connection)
        lists = connection.execute(query("web/list_fine_lists")).all() if job is Job.WAIVE else []
    offered = {
        "user_groups": choices["export.user_groups"],
        "libraries": choices["export.libraries"],
        "fine_fee_types": choices["export.fine_fee_types"],
        "fine_list": [(str(row.id), f"{row.name}, {pluralize(row.fines, 'fine')}, {row.uploaded_by}") for row in lists],
    }
    fields = [
        _make_field(name, param, offered.get(name, [])) for name, param in FORMS[job].items() if name not in _HIDDEN
    ]
    return render(
        request,
        "job_form",
        status_code=422 if problem else 200,
        section="show_users_jobs",
        job=job,
        title=job.display_name(),
        problem=problem,
        fields=fields,
        chosen={"fine_list": str(fine_list)} if fine_list else {},
        dag=dag_id(job),
        runs_path=runs_path(dag_id(job)),
        obstacle=find_obstacle(dag_id(job)),
        lists=" ".join(one.name for one in fields if one.kind == "list"),
        numbers=" ".join(one.name for one in fields if one.kind == "number" or one.name == "fine_list"),
    )


def _make_field(name: str, param: Param, offered: list[tuple[str, str]]) -> JobField:
    schema: Mapping[str, Any] = param.schema
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    words = schema.get("values_display", {})
    default = param.dump().get("value")
    if "array" in types:
        kind = "list"
    elif "enum" in schema or name == "fine_list":
        kind = "choice"
    elif "integer" in types:
        kind = "number"
    elif schema.get("format") == "date":
        kind = "date"
    else:
        kind = "long" if name == "comment" else "text"
    return JobField(
        name=name,
        kind=kind,
        title=schema["title"],
        help=_describe_field(param, is_chosen=bool(offered)),
        default="" if default in (None, []) else str(default),
        required="null" not in types and kind != "list",
        choices=[(value, words.get(value, value)) for value in schema["enum"]] if "enum" in schema else offered,
        pattern=str(schema.get("pattern", "")).removeprefix("^").removesuffix("$"),
    )


def _describe_field(param: Param, *, is_chosen: bool) -> str:
    """Returns the description of a field; Airflow's form asks for codes, one per line, where the page offers them."""
    text = param.description or ""
    return text[text.index("Blank:") :] if is_chosen and "Blank:" in text else text


def _describe_result(found: MaintenanceJob) -> str:
    would = "would be " if found.dry_run else ""
    waived = f"{pluralize(found.fines, 'fine')} {would}waived, {format_totals(net_by_currency(found.totals))}"
    if found.job == Job.PURGE:
        return f"{pluralize(found.users, 'user')} {would}purged, {waived}"
    return f"{waived}, of {pluralize(found.users, 'user')}"


def _describe(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
