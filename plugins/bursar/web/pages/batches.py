"""A batch: its state, its file, its fines, and the bursar's answers."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path as FilePath
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import Connection, RowMapping
from starlette.background import BackgroundTask

from bursar.airflow.dag_ids import dag_id
from bursar.db.queries import query
from bursar.exports.build import build_file
from bursar.exports.sent_file import get_name_of_content
from bursar.ledger.approvals import RejectionReason
from bursar.ledger.batches import Batch, BatchState, get_batch
from bursar.ledger.deliveries import DeliveryState
from bursar.ledger.jobs import Job
from bursar.money import format_money, pluralize
from bursar.reporting.batch_files import describe_files
from bursar.reporting.run_description import format_moment, make_tables
from bursar.web import views
from bursar.web.accesses import record_access, record_download
from bursar.web.pages.reports import From, Id, describe_profile, find_profile, make_skipped_rows, require_visible
from bursar.web.rights import CurrentPerson, Person, require
from bursar.web.views import PAGE_LENGTH, PART_TIMEOUT, address_of, read_ledger, render, settings
from bursar.work_dir import incoming_folder

router = APIRouter()
BLOCK_SIZE = 1 << 20


@router.get("/batches/{batch}", name="show_batch")
def show_batch(request: Request, person: CurrentPerson, batch: Id, after: From = 0) -> Response:
    """Shows a batch, and to those who may see names its fines, fifty on a page. The accesses are recorded."""
    with read_ledger() as connection:
        found = get_visible_batch(connection, person, batch)
        row = connection.execute(query("commands/get_batch"), {"batch_id": batch}).mappings().one()
        resends = connection.execute(query("commands/list_resends_of_batch"), {"batch_id": batch}).all()
        answers = connection.execute(query("commands/list_answers"), {"batch_id": batch}).all()
        names = person.may_see_names(found.profile)
        parameters = {"batch_id": batch, "after": after, "limit": PAGE_LENGTH + 1}
        lines = connection.execute(query("web/list_batch_lines"), parameters).all() if names else []
    page = lines[:PAGE_LENGTH]
    record_access(person, (line.user_id for line in page))
    zone = _zone(found.profile)
    return render(
        request,
        "batch",
        section="show_history",
        dag=dag_id(Job.EXPORT, found.profile),
        time_zone=zone.key,
        batch=found,
        facts=_describe(row, found, zone),
        tables=make_tables(found.totals, {}, {}),
        skipped=make_skipped_rows(request, person, found, dict(found.skipped)),
        answers=[
            (
                format_moment(one.answered_at, zone),
                one.answer,
                one.answered_by or "",
                RejectionReason.describe(one.rejection or ""),
            )
            for one in answers
        ],
        resends=[
            (
                format_moment(one.delivered_at or one.requested_at, zone),
                DeliveryState.describe(one.state),
                one.requested_by or "",
                one.file_name,
            )
            for one in resends
        ],
        names=names,
        can_download=names and _can_download(found),
        lines=page,
        after=after,
        next=f"{address_of(request, 'show_batch', batch=batch)}?after={page[-1].number}"
        if len(lines) > len(page)
        else "",
    )


@router.get("/batches/{batch}/answers", name="show_answers")
def show_answers(request: Request, person: CurrentPerson, batch: Id) -> Response:
    """Shows how many fines of a batch the bursar has reported as paid; a part of the page of the batch."""
    with read_ledger(PART_TIMEOUT) as connection:
        found = get_visible_batch(connection, person, batch)
        sums = connection.execute(query("web/sum_answers"), {"batch_id": batch}).all()
    return render(
        request,
        "answers",
        batch=found,
        rows=[
            (
                one.answer,
                f"{one.fines:,}",
                format_money(one.paid, one.currency),
                format_money(one.outstanding, one.currency),
            )
            for one in sums
        ],
    )


@router.get("/batches/{batch}/file", name="download_file")
def download_file(person: CurrentPerson, batch: Id, number: Annotated[int, Query(ge=1, le=99)] = 1) -> Response:
    """Returns a file of a batch, built again with the same content. The download is recorded."""
    with read_ledger() as connection:
        found = get_visible_batch(connection, person, batch)
    require(person.may_see_names(found.profile), f"trigger the DAGs of profile {found.profile}")
    if not _can_download(found) or number not in {file.number for file in found.files}:
        raise HTTPException(404)
    with ExitStack() as stack:
        folder = stack.enter_context(incoming_folder(settings().work_dir))
        path = build_file(views.engine(), batch, folder, number).path
        record_download(person, batch)
        kept = stack.pop_all()
    headers = {
        "Content-Disposition": f'attachment; filename="{get_name_of_content(found, number)}"',
        "Content-Length": str(path.stat().st_size),
    }
    return StreamingResponse(
        _read(path), media_type="application/octet-stream", headers=headers, background=BackgroundTask(kept.close)
    )


def get_visible_batch(connection: Connection, person: Person, batch: int) -> Batch:
    """Returns a batch.

    Raises:
        HTTPException: 403 if the person may not see the runs of its profile.
        BatchNotFoundError: there is no such batch.
    """
    found = get_batch(connection, batch)
    require_visible(person, found.profile)
    return found


def _can_download(batch: Batch) -> bool:
    """Returns whether a file can be built without a change to the batch: its bytes are known, and it is wanted."""
    return batch.is_built and batch.state is not BatchState.RELEASED


def _read(path: FilePath) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(BLOCK_SIZE):
            yield block


def _zone(profile: str) -> ZoneInfo:
    found = find_profile(profile)
    return ZoneInfo(found.time_zone if found else settings().time_zone)


def _describe(row: RowMapping, batch: Batch, zone: ZoneInfo) -> list[tuple[str, str]]:
    def moment(value: Any) -> str:  # noqa: ANN401  a moment, or None
        return format_moment(value, zone) if value else ""

    facts: Mapping[str, str] = {
        "Profile": describe_profile(batch.profile),
        "State": batch.state.description,
        "Fines": f"{pluralize(batch.fines, 'fine')} of {pluralize(batch.users, 'user')}",
        "As of": moment(batch.as_of),
        "Selected": moment(batch.selected_at),
        "Started by": batch.requested_by or "the schedule",
        "Delivered": moment(batch.delivered_at),
        "Confirmed by": row["confirmed_by"] or "",
        "Closed": moment(batch.closed_at),
        "Released": moment(row["released_at"]),
        "Released by": row["released_by"] or "",
        **dict(describe_files(batch)),
        "Uploaded to": batch.remote_folder or "",
    }
    return list(facts.items())
