"""The list of sources, and one source: its settings, its loads, and the forms that start a load or a dry run."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Request, Response

from bursar.airflow.dag_docs import describe_source
from bursar.airflow.dag_ids import dag_id
from bursar.airflow.profile_store import load_all_profiles
from bursar.ledger.jobs import Job
from bursar.sources.refusals import describe_rejected
from bursar.web import views
from bursar.web.airflow_runs import find_obstacle, runs_path
from bursar.web.rights import CurrentPerson, Person, require
from bursar.web.sources import list_loads, list_states, read_sources, visible_sources
from bursar.web.views import read_ledger, render, settings

router = APIRouter()


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
    )
