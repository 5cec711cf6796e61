"""The reconciliation: what bursars say is open, or was billed, compared with the ledger; also as CSV."""

from collections.abc import Iterator
from typing import Annotated
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Connection

from bursar.airflow.dag_ids import dag_id
from bursar.db.queries import query
from bursar.ledger.jobs import Job
from bursar.money import format_totals, pluralize
from bursar.reporting.run_description import format_moment
from bursar.statements.records import DIFFERENCES, Statement, StatementOutcome, get_statement
from bursar.statements.results import COLUMNS, ROWS_AT_ONCE, list_results, to_csv_row
from bursar.web.accesses import record_access
from bursar.web.csv_files import send_csv
from bursar.web.pages.profiles import list_profile_names
from bursar.web.pages.reports import Id, describe_profile, find_profile, require_visible
from bursar.web.rights import CurrentPerson, Person, require
from bursar.web.runs import MAX_ID
from bursar.web.views import PAGE_LENGTH, address_of, read_ledger, render, settings

router = APIRouter()
MAX_NUMBER = 2**31 - 1
ALL = "ALL"
"""The choice of all outcomes; without a choice, the page shows the differences."""


@router.get("/statements", name="show_statements")
def show_statements(
    request: Request,
    person: CurrentPerson,
    profile: str = "",
    below: Annotated[int, Query(ge=1, le=MAX_ID)] = MAX_ID,
) -> Response:
    """Shows the statements of one profile, or of all that the person may see, newest first, fifty on a page."""
    names = list_profile_names(person)
    chosen = [code for code in names if profile in ("", code)]
    with read_ledger() as connection:
        parameters = {"profiles": chosen, "below": below, "limit": PAGE_LENGTH + 1}
        rows = connection.execute(query("statements/list_statements"), parameters).all()
    found = [Statement.from_row(row) for row in rows[:PAGE_LENGTH]]
    path = address_of(request, "show_statements")
    return render(
        request,
        "statements",
        section="show_statements",
        time_zone=settings().time_zone,
        statements=found,
        names=names,
        chosen=profile,
        older=f"{path}?{urlencode({'profile': profile, 'below': found[-1].id})}" if len(rows) > len(found) else "",
        newest=f"{path}?{urlencode({'profile': profile})}" if below < MAX_ID else "",
    )


@router.get("/statements/{statement}", name="show_statement")
def show_statement(
    request: Request,
    person: CurrentPerson,
    statement: Id,
    outcome: str = "",
    after: Annotated[int, Query(ge=0, le=MAX_NUMBER)] = 0,
) -> Response:
    """Shows how a statement compares with the ledger; the fines to those who may see names. Accesses are recorded."""
    with read_ledger() as connection:
        found = _get_visible(connection, person, statement)
        names = person.may_see_names(found.profile)
        outcomes = _choose(outcome)
        results = list_results(connection, statement, outcomes, after=after, limit=PAGE_LENGTH + 1) if names else []
    page = results[:PAGE_LENGTH]
    record_access(person, (row.user_id for row in page if row.user_id))
    profile = find_profile(found.profile)
    zone = profile.time_zone if profile else settings().time_zone
    address = address_of(request, "show_statement", statement=statement)
    return render(
        request,
        "statement",
        section="show_statements",
        time_zone=zone,
        statement=found,
        dag=dag_id(Job.STATEMENT, found.profile),
        facts=_describe(found, ZoneInfo(zone)),
        outcomes=[
            (
                StatementOutcome.describe(name),
                f"{one.results:,}",
                *(
                    ("", "", "")  # nobody knows their sums
                    if name == StatementOutcome.INVALID
                    else (
                        format_totals(one.theirs),
                        format_totals(one.ours),
                        format_totals(one.difference) if one.difference else "",
                    )
                ),
            )
            for name, one in (found.outcomes or {}).items()
        ],
        choices=[
            ("", f"differences ({found.differences:,})"),
            *(
                (name, f"{StatementOutcome.describe(name)} ({one.results:,})")
                for name, one in (found.outcomes or {}).items()
            ),
            (ALL, f"all ({found.results:,})"),
        ],
        chosen=outcome,
        names=names,
        see_fine=person.may_see_all_users(),
        results=page,
        csv=f"{address_of(request, 'download_results', statement=statement)}?{urlencode({'outcome': outcome})}",
        next=f"{address}?{urlencode({'outcome': outcome, 'after': page[-1].number})}"
        if len(results) > len(page)
        else "",
    )


@router.get("/statements/{statement}/results.csv", name="download_results")
def download_results(person: CurrentPerson, statement: Id, outcome: str = "") -> Response:
    """Returns the results of a statement with the chosen outcome, as CSV. The accesses are recorded."""
    with read_ledger() as connection:
        found = _get_visible(connection, person, statement)
    require(person.may_see_names(found.profile), f"trigger the DAGs of profile {found.profile}")
    return send_csv(f"reconciliation-{statement}.csv", COLUMNS, _list_rows(person, statement, _choose(outcome)))


def _list_rows(person: Person, statement: int, outcomes: tuple[str, ...]) -> Iterator[tuple[object, ...]]:
    after = 0
    while True:
        with read_ledger() as connection:
            rows = list_results(connection, statement, outcomes, after=after)
        record_access(person, (row.user_id for row in rows if row.user_id))
        yield from map(to_csv_row, rows)
        if len(rows) < ROWS_AT_ONCE:
            return
        after = rows[-1].number


def _choose(outcome: str) -> tuple[str, ...]:
    if outcome in list(StatementOutcome):
        return (outcome,)
    return tuple(StatementOutcome) if outcome == ALL else DIFFERENCES


def _get_visible(connection: Connection, person: Person, statement: int) -> Statement:
    found = get_statement(connection, statement)
    require_visible(person, found.profile)
    return found


def _describe(found: Statement, zone: ZoneInfo) -> list[tuple[str, str]]:
    return [
        ("Profile", describe_profile(found.profile)),
        ("The statement lists", f"what is open, by {found.subject}" if found.lists == "open" else "what was billed"),
        ("It counts for", format_moment(found.stated_at, zone)),
        ("Compared", format_moment(found.compared_at, zone) if found.compared_at else ""),
        ("Layout", found.layout),
        ("Lines", f"{found.lines:,}" if found.lines is not None else ""),
        ("Size", pluralize(found.size, "byte")),
        ("SHA-256", found.sha256),
        ("Archived as", found.archived_path or ""),
        ("Warning", found.warning or ""),
    ]
