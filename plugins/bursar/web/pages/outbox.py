"""What a library's system was informed of: the list of events, one event, and the decisions of a person about it."""

from decimal import Decimal, InvalidOperation
from typing import Annotated
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, HTTPException, Path, Query, Request, Response
from fastapi.responses import RedirectResponse

from bursar.airflow.dag_ids import dag_id
from bursar.db.queries import query
from bursar.errors import BursarError, NotFoundError, WrongValueError
from bursar.ledger.jobs import Job
from bursar.money import format_money
from bursar.reporting.run_description import format_moment
from bursar.sources.outbox_events import (
    WAITING,
    EventState,
    OutboxEvent,
    get_event,
    list_events,
    mark_event_done,
    retry_event,
)
from bursar.web import sources, views
from bursar.web.pages.reports import Below, Id
from bursar.web.rights import CurrentPerson, Person, require
from bursar.web.views import PAGE_LENGTH, address_of, read_ledger, render, settings

router = APIRouter()
_STATES = (*WAITING, *(state for state in EventState if state not in WAITING))
"""The states, first those that wait for a person."""
SourceCode = Annotated[str, Path(pattern="^[A-Za-z0-9_]{1,30}$")]


@router.get("/sources/{code}/outbox", name="show_outbox")
def show_outbox(
    request: Request,
    person: CurrentPerson,
    code: SourceCode,
    state: Annotated[EventState | None, Query()] = None,
    below: Below = None,
) -> Response:
    """Shows the events of a source, the newest first, in one state or in all, and their number by kind and state."""
    require(person.may_see_source(code), f"read the DAG {dag_id(Job.SYNC, code)}")
    states = [state] if state else None
    with read_ledger() as connection:
        counts = connection.execute(query("sources/count_events"), {"source": code}).all()
        events = list_events(connection, source=code, states=states, below=below, limit=PAGE_LENGTH + 1)
    address = address_of(request, "show_outbox", code=code)
    choice = {"state": state.value} if state else {}
    more = urlencode(choice | {"below": events[PAGE_LENGTH - 1].id}) if len(events) > PAGE_LENGTH else ""
    return render(
        request,
        "outbox",
        section="show_sources",
        time_zone=settings().time_zone,
        code=code,
        name=sources.describe_source_name(code),
        counts={one: number for one in _STATES if (number := sum(row.events for row in counts if row.state == one))},
        waiting=WAITING,
        state=state,
        events=events[:PAGE_LENGTH],
        next=f"{address}?{more}" if more else "",
        address=address,
        see_fine=person.may_see_all_users(),
    )


@router.get("/outbox/{event}", name="show_event")
def show_event(request: Request, person: CurrentPerson, event: Id) -> Response:
    """Shows an event with what the library's system said about it, and the forms of the decisions that are left."""
    return _show(request, person, _get_visible(person, event))


@router.post("/outbox/{event}/retry", name="retry_event")
def post_retry(request: Request, person: CurrentPerson, event: Id) -> Response:
    """Has the next run try an event again, under the name of the person."""
    found = _get_visible(person, event)
    require(person.may_act(found.source, Job.SYNC), f"trigger the DAG {dag_id(Job.SYNC, found.source)}")
    try:
        retry_event(views.engine(), event, by=person.name)
    except BursarError as error:
        return _show(request, person, _get_visible(person, event), str(error))
    return RedirectResponse(address_of(request, "show_event", event=event), 303)


@router.post("/outbox/{event}/done", name="mark_event_done")
def post_done(
    request: Request, person: CurrentPerson, event: Id, balance: Annotated[str, Form(max_length=30)] = ""
) -> Response:
    """Marks an event as done, under the name of the person, with the balance that the fine has in the system now."""
    found = _get_visible(person, event)
    require(person.may_act(found.source, Job.SYNC), f"trigger the DAG {dag_id(Job.SYNC, found.source)}")
    try:
        mark_event_done(views.engine(), event, by=person.name, balance=_parse_balance(balance))
    except BursarError as error:
        return _show(request, person, _get_visible(person, event), str(error), balance)
    return RedirectResponse(address_of(request, "show_event", event=event), 303)


def _parse_balance(text: str) -> Decimal | None:
    try:
        return Decimal(text.strip()) if text.strip() else None
    except InvalidOperation:
        raise WrongValueError("The balance is not an amount. Write it as in 12.50, or leave it out.") from None


def _get_visible(person: Person, event: int) -> OutboxEvent:
    try:
        with read_ledger() as connection:
            found = get_event(connection, event)
    except NotFoundError as error:
        require(person.may_see_all_users(), "trigger every DAG")  # others do not learn which numbers exist
        raise HTTPException(404) from error
    require(person.may_see_source(found.source), f"read the DAG {dag_id(Job.SYNC, found.source)}")
    return found


def _show(request: Request, person: Person, event: OutboxEvent, problem: str = "", balance: str = "") -> Response:
    zone = ZoneInfo(settings().time_zone)
    may_act = person.may_act(event.source, Job.SYNC)
    says = [("State", event.state.description), ("The library's system says", event.answer)]
    decided = (
        f"{event.decision} by {event.decided_by}, {format_moment(event.decided_at, zone)}" if event.decided_at else ""
    )
    return render(
        request,
        "event",
        status_code=409 if problem else 200,
        section="show_sources",
        time_zone=settings().time_zone,
        event=event,
        problem=problem,
        balance=balance,
        is_waiting=event.state in WAITING,
        facts=[
            *([] if event.state in WAITING else says),
            ("Source", sources.describe_source_name(event.source)),
            ("Fine in the library's system", event.source_id),
            ("Amount", format_money(event.amount, event.currency)),
            ("Changed there by this event", format_money(event.balance_change, event.currency)),
            ("Entry", f"{event.entry_type.description}, {format_moment(event.posted_at, zone)}"),
            ("Attempts", f"{event.attempts:,}"),
            ("Last attempt", format_moment(event.attempted_at, zone) if event.attempted_at else ""),
            ("Key in the library's system", f"bursar:{event.key}"),
            ("Decided", decided),
        ],
        may_retry=may_act and event.state in (*WAITING, EventState.SHOWN),
        may_mark=may_act and event.state in (*WAITING, EventState.PENDING),
        see_fine=person.may_see_all_users(),
    )
