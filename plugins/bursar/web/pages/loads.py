"""The list of loads, and the report of a load with the rows that it rejected, deferred or warned about."""

from typing import Annotated
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from bursar.airflow.dag_ids import dag_id
from bursar.db.queries import query
from bursar.ledger.jobs import Job
from bursar.money import format_money
from bursar.reporting.run_description import format_duration, format_moment
from bursar.sources.load_types import MAX_MESSAGES
from bursar.sources.messages import MessageKind
from bursar.sources.records import COLUMNS, LoadRecord, get_load, list_load_messages
from bursar.sources.refusals import describe_rejected, describe_remedy
from bursar.web import sources
from bursar.web.accesses import record_load_access
from bursar.web.csv_files import send_csv
from bursar.web.pages.reports import Id
from bursar.web.rights import CurrentPerson, Person, require
from bursar.web.runs import MAX_ID
from bursar.web.views import PAGE_LENGTH, address_of, read_ledger, render, settings, write_ledger

router = APIRouter()
FILES = "-"
"""The place of files without a source among the choices of a source: no code has a hyphen."""
MAX_NUMBER = 2**31 - 1


@router.get("/loads", name="show_loads")
def show_loads(
    request: Request,
    person: CurrentPerson,
    source: str = "",
    below: Annotated[int | None, Query(ge=1, le=MAX_ID)] = None,
) -> Response:
    """Shows the loads of one source, or of all that the person may see, newest first, fifty on a page."""
    names = sources.list_source_names(person)
    with read_ledger() as connection:
        codes = sources.list_loaded_codes(connection, person)
        chosen = [code for code in codes if source in ("", code or FILES)]
        loads, older = sources.list_loads(connection, chosen, below)
    path = address_of(request, "show_loads")
    return render(
        request,
        "loads",
        section="show_sources",
        time_zone=settings().time_zone,
        loads=loads,
        source_names=names,
        choices=[(code or FILES, names.get(code, code)) for code in codes],
        chosen=source,
        older=f"{path}?{urlencode({'source': source, 'below': older})}" if older else "",
        newest=f"{path}?{urlencode({'source': source})}" if below else "",
    )


@router.get("/loads/{load}", name="show_load")
def show_load(
    request: Request,
    person: CurrentPerson,
    load: Id,
    kind: MessageKind | None = None,
    after: Annotated[int, Query(ge=0, le=MAX_NUMBER)] = 0,
) -> Response:
    """Shows the report of a load; its rows, with values, to those who may see them. That access is recorded."""
    with read_ledger() as connection:
        found = _get_visible_load(connection, person, load)
        may_see_rows = person.may_see_rows(found.source)
        messages = (
            list_load_messages(connection, load, kind, after=after, limit=PAGE_LENGTH + 1) if may_see_rows else []
        )
    page = messages[:PAGE_LENGTH]
    if page:
        record_load_access(person, load)
    source = sources.find_source(found.source)
    zone = source.time_zone if source else settings().time_zone
    address = address_of(request, "show_load", load=load)
    choice = {"kind": kind} if kind else {}
    return render(
        request,
        "load",
        section="show_sources",
        time_zone=zone,
        load=found,
        refusal=describe_rejected(found) if found.is_refused else "",
        remedy=describe_remedy(found) if found.is_refused else "",
        facts=_describe(found, ZoneInfo(zone)),
        counts=_describe_counts(found),
        entries=[
            (
                one.entry_type.description,
                f"{one.fines:,}",
                format_money(one.balance_change, one.currency),
                format_money(one.outstanding_change, one.currency),
            )
            for one in found.entries
        ],
        rejected=[(code.replace("_", " "), f"{rows:,}") for code, rows in sorted(found.rejected.items())],
        run=(dag_id(Job.SYNC, found.source), found.run_id) if found.source and found.run_id else None,
        may_see_rows=may_see_rows,
        see_fine=person.may_see_all_users(),
        messages=page,
        kinds=list(MessageKind),
        kind=kind,
        after=after,
        limit=MAX_MESSAGES,
        address=address,
        may_mark=may_see_rows and found.seen_at is None and found.has_rows_to_look_at,
        next=f"{address}?{urlencode(choice | {'after': page[-1].number})}" if len(messages) > len(page) else "",
    )


@router.post("/loads/{load}/seen", name="mark_load_seen")
def mark_load_seen(request: Request, person: CurrentPerson, load: Id) -> Response:
    """Marks the rows of a load as seen, under the name of the person, so that they wait no longer; the first stays."""
    with read_ledger() as connection:
        found = _get_visible_load(connection, person, load)
    require(person.may_see_rows(found.source), _name_right(found.source, "trigger"))
    with write_ledger() as connection:
        connection.execute(query("web/mark_load_seen"), {"load": load, "person": person.name})
    return RedirectResponse(address_of(request, "show_load", load=load), 303)


@router.get("/loads/{load}/rows.csv", name="download_rows")
def download_rows(person: CurrentPerson, load: Id) -> Response:
    """Returns the rows that a load rejected, deferred or warned about, as CSV. The access is recorded."""
    with read_ledger() as connection:
        found = _get_visible_load(connection, person, load)
        require(person.may_see_rows(found.source), _name_right(found.source, "trigger"))
        messages = list_load_messages(connection, load)
    record_load_access(person, load)
    rows = ({**vars(message), "fine_id": message.source_id} for message in messages)
    return send_csv(f"rows-of-load-{load}.csv", COLUMNS, ([row[column] for column in COLUMNS] for row in rows))


def _get_visible_load(connection: Connection, person: Person, load: int) -> LoadRecord:
    found = get_load(connection, load)
    require(person.may_see_source(found.source), _name_right(found.source, "read"))
    return found


def _name_right(source: str, verb: str) -> str:
    return f"{verb} the DAG {dag_id(Job.SYNC, source)}" if source else "edit connections"


def _describe(load: LoadRecord, zone: ZoneInfo) -> list[tuple[str, str]]:
    return [
        ("Source", sources.describe_source_name(load.source)),
        ("Started", format_moment(load.started_at, zone)),
        ("Duration", format_duration(load.ended_at - load.started_at)),
        ("Requested by", load.requested_by or ("the schedule" if load.run_id else "")),
        ("The file of fines has all open fines", "yes" if load.is_complete else "no"),
        ("Seen by", f"{load.seen_by}, {format_moment(load.seen_at, zone)}" if load.seen_at else ""),
    ]


def _describe_counts(load: LoadRecord) -> list[tuple[str, str]]:
    counts = load.counts
    numbers = {
        "Rows read": counts.rows,
        "Rows rejected": counts.rejected,
        "Fines added": counts.fines_added,
        "Fines changed": counts.fines_changed,
        "Fines unchanged": counts.fines_unchanged,
        "Fines deferred": counts.fines_deferred,
        "Fines rounded": counts.fines_rounded,
        "Users added": counts.users_added,
        "Users known before": counts.users_updated,
        "Warnings": counts.warnings,
    }
    return [(name, f"{number:,}") for name, number in numbers.items()]
