"""A file of payments: its outcomes, and the records that a person has to look at, also as CSV."""

from collections.abc import Iterator
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Connection, Row

from bursar.airflow.dag_ids import dag_id
from bursar.db.queries import query
from bursar.imports.rejects import COLUMNS
from bursar.ledger.import_files import ImportFile, PaymentOutcome, get_import_file
from bursar.ledger.jobs import Job
from bursar.money import format_totals, pluralize
from bursar.reporting.run_description import format_moment
from bursar.web.csv_files import send_csv
from bursar.web.pages.reports import Id, describe_profile, find_profile, require_visible
from bursar.web.rights import CurrentPerson, Person, require
from bursar.web.views import PAGE_LENGTH, address_of, read_ledger, render, settings

router = APIRouter()
ROWS_AT_ONCE = 1_000
MAX_RECORD = 2**31 - 1


@router.get("/payment-files/{file}", name="show_payment_file")
def show_payment_file(
    request: Request, person: CurrentPerson, file: Id, after: Annotated[int, Query(ge=0, le=MAX_RECORD)] = 0
) -> Response:
    """Shows a file of payments, and to those who may see fines the records to look at, fifty on a page."""
    with read_ledger() as connection:
        found = _get_visible_file(connection, person, file)
        names = person.may_see_names(found.profile)
        rejects = _list_rejects(connection, file, after, PAGE_LENGTH + 1) if names else []
    page = rejects[:PAGE_LENGTH]
    profile = find_profile(found.profile)
    zone = profile.time_zone if profile else settings().time_zone
    return render(
        request,
        "payment_file",
        section="show_history",
        dag=dag_id(Job.IMPORT, found.profile),
        time_zone=zone,
        file=found,
        facts=_describe(found, ZoneInfo(zone)),
        outcomes=[
            (PaymentOutcome.describe(name), f"{one.records:,}", format_totals(one.sums), format_totals(one.applied))
            for name, one in PaymentOutcome.sort(found.outcomes or {}).items()
        ],
        names=names,
        see_fine=person.may_see_all_users(),
        rejects=page,
        csv=address_of(request, "download_rejects", file=file),
        next=f"{address_of(request, 'show_payment_file', file=file)}?after={page[-1].record}"
        if len(rejects) > len(page)
        else "",
    )


@router.get("/payment-files/{file}/rejects.csv", name="download_rejects")
def download_rejects(person: CurrentPerson, file: Id) -> Response:
    """Returns the records of a file that a person has to look at, as CSV."""
    with read_ledger() as connection:
        found = _get_visible_file(connection, person, file)
    require(person.may_see_names(found.profile), f"trigger the DAGs of profile {found.profile}")
    return send_csv(f"rejects-of-file-{file}.csv", COLUMNS, _list_all_rejects(found))


def _list_all_rejects(file: ImportFile) -> Iterator[tuple[object, ...]]:
    after = 0
    while True:
        with read_ledger() as connection:
            rows = _list_rejects(connection, file.id, after, ROWS_AT_ONCE)
        for row in rows:
            yield (file.name, *row[: len(COLUMNS) - 1])
        if len(rows) < ROWS_AT_ONCE:
            return
        after = rows[-1].record


def _list_rejects(connection: Connection, file_id: int, after: int, limit: int) -> list[Row[Any]]:
    parameters = {"file_id": file_id, "after": after, "limit": limit}
    return list(connection.execute(query("web/list_rejects"), parameters))


def _get_visible_file(connection: Connection, person: Person, file: int) -> ImportFile:
    found = get_import_file(connection, file)
    require_visible(person, found.profile)
    return found


def _describe(file: ImportFile, zone: ZoneInfo) -> list[tuple[str, str]]:
    facts = {
        "Profile": describe_profile(file.profile),
        "State": file.state.description,
        "Records": f"{file.records:,}" if file.records is not None else "",
        "Size": pluralize(file.size, "byte"),
        "SHA-256": file.sha256,
        "Sums": "new payments" if file.amount_mode == "incremental" else "all payments so far",
        "Applied": format_moment(file.applied_at, zone) if file.applied_at else "",
        "Rejected": format_moment(file.rejected_at, zone) if file.rejected_at else "",
        "Applied again by": file.requested_by or "",
    }
    return list(facts.items())
