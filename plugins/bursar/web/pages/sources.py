"""The list of sources, and one source: its settings, its loads, and the forms that start a load or a dry run."""

import json
from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Request, Response

from bursar.airflow.dag_docs import describe_source
from bursar.airflow.dag_ids import dag_id
from bursar.airflow.library_systems import open_library_system
from bursar.airflow.profile_store import load_all_profiles
from bursar.db.queries import query
from bursar.errors import BursarError
from bursar.ledger.jobs import Job
from bursar.sources.refusals import describe_rejected
from bursar.sources.system import EventKind, Finding
from bursar.sources.system_model import SystemSource
from bursar.web import views
from bursar.web.airflow_runs import find_obstacle, runs_path
from bursar.web.rights import CurrentPerson, Person, require
from bursar.web.sources import find_source, list_loads, list_states, read_sources, visible_sources
from bursar.web.views import read_ledger, render, settings

router = APIRouter()
MAPS = {"owner_library": "owners", "fine_fee_type": "fine_fee_types"}
"""The maps of a source by the fields of fines that they are applied to."""


@router.get("/sources", name="show_sources")
def show_sources(request: Request, person: CurrentPerson) -> Response:
    """Shows the sources with their schedules and newest loads, and wrong ones with their messages."""
    sources, problems = visible_sources(person, lambda: load_all_profiles(settings(), get_engine=views.engine)[0])
    with read_ledger() as connection:
        states = list_states(connection, sources)
    return render(
        request,
        "sources",
        section="show_sources",
        time_zone=settings().time_zone,
        sources=states,
        problems=problems,
        describe_rejected=describe_rejected,
    )


@router.get("/sources/{code}", name="show_source")
def show_source(
    request: Request, person: CurrentPerson, code: Annotated[str, Path(pattern="^[A-Za-z0-9_]{1,30}$")]
) -> Response:
    """Shows the settings of a source and its newest loads; of one that is not valid, its problems."""
    return show_page(request, person, code)


def show_page(request: Request, person: Person, code: str) -> Response:
    """Shows the page of a source, also in the tab of its DAG.

    Raises:
        HTTPException: 403 if the person may not see it, 404 if there is none.
    """
    dag = dag_id(Job.SYNC, code)
    require(person.may_see_source(code), f"read the DAG {dag}")
    sources, problems = read_sources(code)
    with read_ledger() as connection:
        loads, _ = list_loads(connection, [code])
        states = list_states(connection, sources)
        events = connection.execute(query("sources/count_events"), {"source": code}).all()
        unmapped = connection.execute(query("web/list_unmapped_values"), {"source": code}).all()
    if not sources and not problems and not loads:
        raise HTTPException(404)
    state = states[0] if states else None
    source = state.source if state else None
    return render(
        request,
        "source",
        section="show_sources",
        time_zone=source.time_zone if source else settings().time_zone,
        code=code,
        one=state,
        problems=problems,
        facts=[(name, str(value)) for name, value in describe_source(source).items()] if source else [],
        may_act=person.may_act(code, Job.SYNC),
        obstacle=find_obstacle(dag) if source and source.active else None,
        dag=dag,
        runs=runs_path(dag),
        loads=loads,
        one_source=True,
        is_system=isinstance(source, SystemSource),
        events=[(EventKind.describe(row.kind), row.state, f"{row.events:,}") for row in events],
        unmapped=[(MAPS[row.field], json.dumps(row.value, ensure_ascii=False), f"{row.fines:,}") for row in unmapped],
    )


@router.get("/sources/{code}/check", name="check_source")
def check_source(
    request: Request, person: CurrentPerson, code: Annotated[str, Path(pattern="^[A-Za-z0-9_]{1,30}$")]
) -> Response:
    """Asks the library's system of a source for what it needs, and shows what was found. Changes nothing."""
    require(person.may_act(code, Job.SYNC), f"trigger the DAG {dag_id(Job.SYNC, code)}")
    source = find_source(code)
    if not isinstance(source, SystemSource):
        raise HTTPException(404)
    findings: list[Finding] = []
    problem = ""
    try:
        with open_library_system(source) as system:
            findings = system.check()
    except BursarError as error:
        problem = str(error)
    return render(
        request,
        "source_check",
        status_code=502 if problem else 200,
        section="show_sources",
        code=code,
        name=source.name,
        findings=findings,
        problem=problem,
    )
