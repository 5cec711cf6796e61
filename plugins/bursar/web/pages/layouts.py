"""The layouts of files: the list, and one layout, which can be tried with invented fines or with those of a batch."""

from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request, Response

from bursar.errors import BursarError
from bursar.layouts.layout import Layout
from bursar.layouts.payments.row_layout import RowLayout
from bursar.profiles import Profile
from bursar.web.accesses import record_access
from bursar.web.layout_sample import MAX_CHARACTERS, MAX_ROWS, Sample, read_sample
from bursar.web.layout_trial import MAX_FINES, LayoutTrial, find_last_batch, list_tried_users, run_trial
from bursar.web.layouts import LayoutStates, read_layout_states
from bursar.web.pages.profiles import visible_profiles
from bursar.web.rights import CurrentPerson, Person, require
from bursar.web.views import PART_TIMEOUT, read_ledger, render, settings

router = APIRouter()


@router.get("/layouts", name="show_layouts")
def show_layouts(request: Request, person: CurrentPerson) -> Response:
    """Shows the layouts with the profiles that use them, and wrong ones with their messages."""
    profiles, _ = visible_profiles(person)
    states = read_layout_states(profiles) if _may_see(person, profiles) else LayoutStates((), ())
    return render(request, "layouts", section="show_layouts", states=states)


@router.get("/layouts/{layout}", name="show_layout")
def show_layout(request: Request, person: CurrentPerson, layout: str) -> Response:
    """Shows a layout, and the file of invented fines in it; of one that is not valid, its problems."""
    profiles, states = _read(person)
    state = states.find(layout)
    if state is None and not states.list_problems(layout):
        raise HTTPException(404)
    trial = None
    if state and isinstance(state.layout, Layout):
        with read_ledger(PART_TIMEOUT) as connection:
            trial = run_trial(connection, state.layout, None)
    return _show(request, layout, states, trial, _list_choices(person, profiles))


@router.post("/layouts/{layout}", name="try_layout")
def try_layout(
    request: Request, person: CurrentPerson, layout: str, profile: Annotated[str, Form(pattern="^[A-Za-z0-9_]{1,30}$")]
) -> Response:
    """Shows the fines of the newest batch of a profile in a layout. The accesses to the names are recorded."""
    profiles, states = _read(person)
    require(person.may_see_names(profile), f"trigger the DAGs of profile {profile}")
    state = states.find(layout)
    if state is None or not isinstance(state.layout, Layout):
        raise HTTPException(404)
    with read_ledger(PART_TIMEOUT) as connection:
        batch = find_last_batch(connection, profile)
        if batch is None:
            raise BursarError(f"The profile {profile} has exported no fine yet. Try the layout with invented fines.")
        trial = run_trial(connection, state.layout, batch)
        users = list_tried_users(connection, batch)
    record_access(person, users)
    return _show(request, layout, states, trial, _list_choices(person, profiles))


@router.post("/layouts/{layout}/sample", name="read_layout_sample")
def read_layout_sample(
    request: Request,
    person: CurrentPerson,
    layout: str,
    sample: Annotated[str, Form(min_length=1, max_length=MAX_CHARACTERS)],
) -> Response:
    """Shows what a job would read in a pasted sample of a file of payments, or of a statement. Nothing is stored."""
    profiles, states = _read(person)
    state = states.find(layout)
    if state is None or not isinstance(state.layout, RowLayout):
        raise HTTPException(404)
    read = read_sample(state.layout, sample.replace("\r\n", "\n"))
    return _show(request, layout, states, None, _list_choices(person, profiles), read)


def _may_see(person: Person, profiles: list[Profile]) -> bool:
    return bool(profiles) or person.may_edit()


def _read(person: Person) -> tuple[list[Profile], LayoutStates]:
    """Returns the profiles that the person may see, and the layouts.

    Raises:
        HTTPException: 403 if the person may see no layout.
    """
    profiles, _ = visible_profiles(person)
    require(_may_see(person, profiles), "read a DAG of a profile")
    return profiles, read_layout_states(profiles)


def _list_choices(person: Person, profiles: list[Profile]) -> list[tuple[str, str]]:
    """Returns the profiles with whose fines the person may try a layout: codes and names."""
    return [(profile.code, profile.name) for profile in profiles if person.may_see_names(profile.code)]


def _show(
    request: Request,
    layout: str,
    states: LayoutStates,
    trial: LayoutTrial | None,
    choices: list[tuple[str, str]],
    sample: Sample | None = None,
) -> Response:
    return render(
        request,
        "layout",
        section="show_layouts",
        time_zone=settings().time_zone,
        name=layout,
        one=states.find(layout),
        problems=states.list_problems(layout),
        tried=trial,
        choices=choices,
        limit=MAX_FINES,
        sample=sample,
        max_characters=MAX_CHARACTERS,
        max_rows=MAX_ROWS,
    )
