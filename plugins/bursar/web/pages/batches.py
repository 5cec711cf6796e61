"""A batch, and the decisions of a person about an unfinished one: release, and the confirmation of its delivery."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Form, HTTPException, Path, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection, RowMapping

from bursar.airflow.connections import open_folder
from bursar.airflow.dag_ids import dag_id
from bursar.db.queries import query
from bursar.errors import BatchError, BursarError
from bursar.exports import recover, upload
from bursar.exports.release_check import check_not_on_server
from bursar.exports.unclear import describe_unclear_delivery
from bursar.ledger.approvals import RejectionReason
from bursar.ledger.batches import Batch, BatchState
from bursar.ledger.deliveries import get_delivery
from bursar.ledger.jobs import Job
from bursar.money import format_amount, format_money, pluralize
from bursar.profiles.settings import ServerLimits
from bursar.reporting.run_description import count_fines
from bursar.web import views
from bursar.web.airflow_runs import get_run, run_path
from bursar.web.rights import CurrentPerson, Person, require
from bursar.web.trial import STEP_SECONDS
from bursar.web.views import PAGE_LENGTH, read_ledger, render, settings

router = APIRouter()
BatchId = Annotated[int, Path(ge=1, le=2**31 - 1)]
State = Annotated[str, Form(max_length=20)]
Tick = Annotated[bool, Form()]


@router.get("/batches/{batch}", name="show_batch")
def show_batch(
    request: Request,
    person: CurrentPerson,
    batch: BatchId,
    after: Annotated[int | None, Query(ge=0, le=2**31 - 1)] = None,
) -> Response:
    """Shows a batch: its state, file and amounts, answers and decisions; its fines to those who may see names."""
    with read_ledger() as connection:
        row, found = _get_visible_batch(connection, person, batch)
        sentences = [*_describe_state(connection, found), *_describe_acts(connection, row)]
        lines, next_line = list_lines(connection, person, found, after)
    run = get_run(dag_id(Job.EXPORT, found.profile), found.run_id)
    return render(
        request,
        "batch",
        section="show_waiting",
        time_zone=settings().time_zone,
        batch=found,
        run=run,
        dag=dag_id(Job.EXPORT, found.profile),
        retry=f"{run_path(dag_id(Job.EXPORT, found.profile), found.run_id)}/clear",
        sentences=sentences,
        facts=describe_batch(found),
        totals=make_totals(found.totals),
        lines=lines,
        next_line=next_line,
        may_act=person.may_act(found.profile, Job.EXPORT),
        is_unfinished=_is_unfinished(found),
    )


@router.get("/batches/{batch}/release", name="confirm_release")
def confirm_release(request: Request, person: CurrentPerson, batch: BatchId) -> Response:
    """Says what a release does, and asks for a confirmation; the bursar's server is looked at meanwhile."""
    with read_ledger() as connection:
        _, found = _get_actable_batch(connection, person, batch)
    return _show_release(request, found)


@router.post("/batches/{batch}/release", name="release_batch")
def release_batch(  # one argument for each field
    request: Request,
    person: CurrentPerson,
    batch: BatchId,
    state: State,
    *,
    confirm_not_received: Tick = False,
    despite_file: Tick = False,
) -> Response:
    """Releases a batch under the name of the person; its fines are open again. A repeated request changes nothing."""
    with read_ledger() as connection:
        _, found = _get_actable_batch(connection, person, batch)

    def look(now: Batch) -> None:
        _require_state(now, state)
        check_not_on_server(views.engine(), now, _open_folder, despite_file=despite_file)

    try:
        if found.state is not BatchState.RELEASED:
            _require_state(found, state)
            recover.release_batch(
                views.engine(), batch, confirmed_not_received=confirm_not_received, look=look, by=person.name
            )
    except BursarError as error:
        with read_ledger() as connection:
            _, found = _get_actable_batch(connection, person, batch)
        return _show_release(request, found, str(error))
    return RedirectResponse(_address(request, "show_batch", batch), 303)


@router.get("/batches/{batch}/server", name="look_at_server")
def look_at_server(request: Request, person: CurrentPerson, batch: BatchId) -> Response:
    """Returns, as a part of a page, whether the file of a batch is on the bursar's server. Changes nothing."""
    with read_ledger() as connection:
        _, found = _get_actable_batch(connection, person, batch)
    sentences: list[str] = []
    problem = ""
    try:
        check_not_on_server(views.engine(), found, _open_folder, despite_file=False, say=sentences.append)
    except BursarError as error:
        problem = str(error)
    return render(request, "sentences", sentences=sentences, problem=problem)


@router.get("/batches/{batch}/confirm-delivery", name="confirm_delivery")
def confirm_delivery(request: Request, person: CurrentPerson, batch: BatchId) -> Response:
    """Says what a confirmation of the delivery does, and asks whether the bursar has confirmed it."""
    with read_ledger() as connection:
        _, found = _get_actable_batch(connection, person, batch)
    return _show_delivery(request, found)


@router.post("/batches/{batch}/confirm-delivery", name="confirm_delivered")
def confirm_delivered(
    request: Request, person: CurrentPerson, batch: BatchId, state: State, *, arrived: Tick = False
) -> Response:
    """Records under the name of the person that the bursar has the file. A repeated request changes nothing."""
    with read_ledger() as connection:
        _, found = _get_actable_batch(connection, person, batch)
    try:
        if not found.was_delivered:
            _require_state(found, state)
            if not arrived:
                raise BatchError("Nothing was recorded: say that the bursar has confirmed the whole file.")
            upload.confirm_delivered(views.engine(), batch, by=person.name)
    except BursarError as error:
        with read_ledger() as connection:
            _, found = _get_actable_batch(connection, person, batch)
        return _show_delivery(request, found, str(error))
    return RedirectResponse(_address(request, "show_batch", batch), 303)


def describe_batch(found: Batch) -> list[tuple[str, str]]:
    """Returns the facts of a batch for people, without names of users."""
    return [
        ("Profile", found.profile),
        ("Fines", count_fines(found.fines, found.users)),
        ("Triggered by", found.requested_by or "the schedule"),
        ("File", found.file_name if found.file_size is not None else ""),
        ("Size", pluralize(found.file_size, "byte") if found.file_size is not None else ""),
        ("SHA-256", found.sha256 or ""),
        ("Uploaded to", found.remote_folder or ""),
    ]


def make_totals(totals: Any) -> list[tuple[str, ...]]:  # noqa: ANN401  Totals
    """Returns the rows of a table of amounts by currency."""
    return [
        (code, *(format_amount(amount, code) for amount in (one.charges, one.credits, one.net)))
        for code, one in sorted(totals.items())
    ]


def list_lines(
    connection: Connection, person: Person, found: Batch, after: int | None
) -> tuple[list[Sequence[str]] | None, int | None]:
    """Returns a page of the fines of a batch, and the key of the next page; None without the right to see names."""
    if not person.may_see_names(found.profile):
        return None, None
    parameters = {"batch_id": found.id, "after": after, "limit": PAGE_LENGTH + 1}
    rows = connection.execute(query("web/list_batch_lines"), parameters).all()
    lines: list[Sequence[str]] = [
        (
            row.patron_name or "deleted user",
            row.identifier,
            row.fine_fee_type + (" (reversal)" if row.reversal else ""),
            str(row.fine_id),
            format_money(row.amount, row.currency),
        )
        for row in rows[:PAGE_LENGTH]
    ]
    return lines, rows[PAGE_LENGTH - 1].number if len(rows) > PAGE_LENGTH else None


def _get_visible_batch(connection: Connection, person: Person, batch: int) -> tuple[RowMapping, Batch]:
    row = connection.execute(query("commands/get_batch"), {"batch_id": batch}).mappings().first()
    if row is None:
        raise HTTPException(404)
    require(person.may_see(row["profile"]), f"read the DAGs of profile {row['profile']}")
    return row, Batch.from_row(row)


def _get_actable_batch(connection: Connection, person: Person, batch: int) -> tuple[RowMapping, Batch]:
    row, found = _get_visible_batch(connection, person, batch)
    require(person.may_act(found.profile, Job.EXPORT), f"trigger the DAG {dag_id(Job.EXPORT, found.profile)}")
    return row, found


def _require_state(found: Batch, expected: str) -> None:
    if found.state != expected:
        raise BatchError(
            f"Batch {found.id} has changed since this page was opened: it was {expected}, and is {found.state} now. "
            "Nothing was changed. Look at it again."
        )


def _is_unfinished(found: Batch) -> bool:
    return found.state not in (BatchState.CLOSED, BatchState.RELEASED, BatchState.DRY_RUN)


def _describe_state(connection: Connection, found: Batch) -> list[str]:
    if found.state is BatchState.UNCLEAR:
        return [describe_unclear_delivery(found, get_delivery(connection, found.id, "first", found.run_id))]
    if found.state is BatchState.DELIVERED:
        return ["The bursar has the file. The next export run of the profile closes its fines."]
    return []


def _describe_acts(connection: Connection, row: RowMapping) -> list[str]:
    sentences = []
    if row["confirmed_by"]:
        sentences.append(f"{row['confirmed_by']} has confirmed that the bursar has the file.")
    if row["released_by"]:
        sentences.append(f"{row['released_by']} has released it: its fines are open again.")
    elif row["released_at"]:
        sentences.append("A run of the export has released it: its fines are open again.")
    for one in connection.execute(query("commands/list_answers"), {"batch_id": row["id"]}):
        by = f" by {one.answered_by}" if one.answered_by else ""
        reason = f", without effect: {RejectionReason.describe(one.rejection)}" if one.rejection else ""
        sentences.append(f"The request for approval was answered{by}: {one.answer}{reason}.")
    return sentences


def _open_folder(batch: Batch) -> Any:  # noqa: ANN401  a context manager of RemoteFolder
    limits = ServerLimits(timeout_seconds=STEP_SECONDS)
    return open_folder(batch.sftp_connection, batch.output_file_path, may_create=False, limits=limits)


def _show_release(request: Request, found: Batch, problem: str = "") -> Response:
    may_be_there = found.state.may_be_delivered
    checks = []
    if may_be_there:
        checks.append(("confirm_not_received", "I have asked the bursar, who has not received the file."))
    if may_be_there and problem:
        checks.append(("despite_file", "Release it despite the file: the bursar has confirmed not to use it."))
    is_possible = _is_unfinished(found)
    return render(
        request,
        "confirm",
        status_code=409 if problem else 200,
        section="show_waiting",
        title=f"Release batch {found.id} of {found.profile}?",
        problem=problem,
        text=f"{pluralize(found.fines, 'fine').capitalize()} of it will be open again, and the next export sends them. "
        "If the bursar has the file all the same, students are billed twice. Your name is recorded."
        if is_possible
        else f"The batch is {found.state}: there is nothing left to release.",
        facts=describe_batch(found),
        look=_address(request, "look_at_server", found.id) if is_possible and may_be_there and not problem else "",
        action=_address(request, "release_batch", found.id),
        label="Release" if is_possible else "",
        values={"state": found.state},
        checks=checks,
        required="confirm_not_received",
        cancel=_address(request, "show_batch", found.id),
    )


def _show_delivery(request: Request, found: Batch, problem: str = "") -> Response:
    is_possible = found.state.may_be_delivered and not found.was_delivered
    return render(
        request,
        "confirm",
        status_code=409 if problem else 200,
        section="show_waiting",
        title=f"Has the bursar the file of batch {found.id}?",
        problem=problem,
        text="The batch is then delivered: its fines are closed by the next export run of the profile, and are not "
        "sent again. If the bursar does not have the file, students are never billed. Your name is recorded."
        if is_possible
        else f"The batch is {found.state}: there is no delivery to confirm.",
        facts=describe_batch(found),
        action=_address(request, "confirm_delivered", found.id),
        label="Record the delivery" if is_possible else "",
        values={"state": found.state},
        checks=[("arrived", "The bursar has confirmed that the whole file has arrived.")] if is_possible else [],
        required="arrived",
        cancel=_address(request, "show_batch", found.id),
    )


def _address(request: Request, name: str, batch: int) -> str:
    return f"{request.scope['root_path']}{request.app.url_path_for(name, batch=batch)}"
