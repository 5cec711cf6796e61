"""The list of integration profiles, one profile, and the tab of a DAG."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from fastapi import APIRouter, HTTPException, Request, Response
from sqlalchemy import Connection

from bursar.airflow.dag_docs import describe_export, describe_import, describe_statements
from bursar.airflow.dag_ids import dag_id, parse_dag_id
from bursar.airflow.profile_store import load_all_profiles, to_source
from bursar.db.queries import query
from bursar.ledger.jobs import Job, ProfileJob
from bursar.ledger.profile_revisions import list_newest_revisions
from bursar.profiles import Export, Import, Problem, Profile, Statement
from bursar.reporting.run_description import describe_result, format_minute
from bursar.reporting.run_report import RunReport
from bursar.web import views
from bursar.web.integration_dags import list_next_runs
from bursar.web.pages import sources
from bursar.web.rights import CurrentPerson, Person, require
from bursar.web.runs import Filter, Run, list_runs, read_run
from bursar.web.views import read_ledger, render, settings

router = APIRouter()
_JOBS: tuple[ProfileJob, ...] = (Job.EXPORT, Job.IMPORT, Job.STATEMENT)
FOREIGN_DAG = "This DAG does not belong to Bursar."


@dataclass(frozen=True)
class JobState:
    """The state of a job of a profile, in words; `run` and `report` are those of its last run."""

    active: bool
    schedule: str = ""
    next_run: str = ""
    run: int | None = None
    report: RunReport | None = None

    @property
    def result(self) -> str:
        """The last run's counts and sums in a line."""
        return describe_result(self.report) if self.report else ""


@dataclass(frozen=True)
class ProfileState:
    """A profile, and the states of its jobs."""

    profile: Profile
    export: JobState
    import_: JobState
    statement: JobState


def visible_profiles(person: Person) -> tuple[list[Profile], list[Problem]]:
    """Returns the valid profiles that the person may see, and the problems of the others."""
    profiles, problems = load_all_profiles(settings(), get_engine=views.engine)
    return [profile for profile in profiles if person.may_see(profile.code)], problems


def list_profile_names(person: Person) -> dict[str, str]:
    """Returns the names of the profiles that the person may see, by code; a removed profile has none."""
    return {profile.code: profile.name for profile in visible_profiles(person)[0]}


def get_visible_profile(person: Person, code: str) -> Profile:
    """Returns the profile with a code.

    Raises:
        HTTPException: 403 if the person may not see it, 404 if there is none.
    """
    require(person.may_see(code), f"read the DAGs of profile {code}")
    profiles, _ = load_all_profiles(settings(), code=code, get_engine=views.engine)
    if not profiles:
        raise HTTPException(404)
    return profiles[0]


@router.get("/", name="show_profiles")
def show_profiles(request: Request, person: CurrentPerson) -> Response:
    """Shows the profiles with their schedules and last runs, and wrong ones with their messages.

    Problems that belong to no profile that is known are for those who may edit.
    """
    profiles, problems = visible_profiles(person)
    may_edit = person.may_edit()
    with read_ledger() as connection:
        states = _list_states(connection, profiles)
        codes = _list_managed_codes(connection) if problems else {}
    seen = [one for one in problems if may_edit or ((code := _find_code(one, codes)) and person.may_see(code))]
    return render(
        request,
        "profiles",
        section="show_profiles",
        profiles=states,
        problems=seen,
        codes=codes,
        may_edit=may_edit,
    )


@router.get("/profiles/{code}", name="show_profile")
def show_profile(request: Request, person: CurrentPerson, code: str) -> Response:
    """Shows the settings of a profile and its newest runs; of one that is not valid, its problems."""
    return _show_profile(request, person, code)


@router.get("/dags/{dag_id}", name="show_dag")
def show_dag(request: Request, person: CurrentPerson, dag_id: str) -> Response:
    """Shows the profile or source of a DAG in the tab beside the DAG's own; other DAGs have one sentence there."""
    owner = parse_dag_id(dag_id)
    if owner is None or owner.code is None:
        return render(request, "foreign", title="Bursar profile", text=FOREIGN_DAG)
    if owner.job is Job.SYNC:
        return sources.show_page(request, person, owner.code)
    return _show_profile(request, person, owner.code)


def _show_profile(request: Request, person: Person, code: str) -> Response:
    require(person.may_see(code), f"read the DAGs of profile {code}")
    profiles, problems = load_all_profiles(settings(), code=code, get_engine=views.engine)
    if not profiles and not problems:
        raise HTTPException(404)
    with read_ledger() as connection:
        runs, _ = list_runs(connection, Filter([code]))
        if not profiles:
            codes = _list_managed_codes(connection, code)
            return _show_problems(request, person, code, problems, runs, is_managed=code in codes.values())
        [profile] = profiles
        [state] = _list_states(connection, [profile])
    sections = [("Export", list(describe_export(profile).items()))] if profile.export.active else []
    sections += [("Import", list(describe_import(profile).items()))] if profile.import_.active else []
    sections += [("Statements", list(describe_statements(profile).items()))] if profile.statement.active else []
    return render(
        request,
        "profile",
        section="show_profiles",
        time_zone=profile.time_zone,
        one=state,
        may_edit=person.may_edit(),
        sections=sections,
        runs=runs,
        profile_names={profile.code: profile.name},
        older=None,
    )


def _show_problems(
    request: Request, person: Person, code: str, problems: list[Problem], runs: list[Run], *, is_managed: bool
) -> Response:
    return render(
        request,
        "wrong_profile",
        section="show_profiles",
        time_zone=settings().time_zone,
        code=code,
        problems=problems,
        is_managed=is_managed,
        may_edit=person.may_edit(),
        runs=runs,
        older=None,
    )


def _list_managed_codes(connection: Connection, code: str | None = None) -> dict[str, str]:
    """Returns the codes of the profiles that are managed in the pages, by the names that they have in problems."""
    return {to_source(vars(one)).file: one.code for one in list_newest_revisions(connection, code)}


def _find_code(problem: Problem, managed: Mapping[str, str]) -> str | None:
    """Returns the code of the profile that a problem belongs to, from its file's name or `managed`; None if unknown."""
    path = Path(problem.file)
    return managed.get(problem.file) or (path.stem.upper() if path.suffix in {".yaml", ".yml"} else None)


def _list_states(connection: Connection, profiles: Sequence[Profile]) -> list[ProfileState]:
    asked = {"profiles": [profile.code for profile in profiles], "jobs": list(_JOBS)}
    rows = connection.execute(query("web/list_last_runs"), asked).mappings()
    last = {(run.report.profile, run.report.job): run for run in map(read_run, rows)}
    next_runs = list_next_runs([dag_id(job, profile.code) for profile in profiles for job in _JOBS])

    def get_state(profile: Profile, job: ProfileJob) -> JobState:
        sections: dict[Job, Export | Import | Statement] = {
            Job.EXPORT: profile.export,
            Job.IMPORT: profile.import_,
            Job.STATEMENT: profile.statement,
        }
        section = sections[job]
        if not section.active:
            return JobState(active=False)
        run, next_run = last.get((profile.code, job)), next_runs.get(dag_id(job, profile.code))
        return JobState(
            active=True,
            schedule=section.schedule.words,
            next_run=format_minute(next_run, ZoneInfo(profile.time_zone)) if next_run else "",
            run=run.id if run else None,
            report=run.report if run else None,
        )

    return [ProfileState(profile, *(get_state(profile, job) for job in _JOBS)) for profile in profiles]
