"""The decisions of a person about an unfinished batch: release, confirmation of its delivery, repetition of its steps.

The module is long because each decision has a page that says what it does, and a check of the state at that moment.
"""

import logging
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Form, Path, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from bursar.airflow.connections import open_folder
from bursar.airflow.dag_ids import dag_id
from bursar.errors import BatchError, BursarError
from bursar.exports import recover, upload
from bursar.exports.release_check import check_not_on_server
from bursar.exports.unclear import describe_unclear_deliveries
from bursar.ledger.batches import Batch, BatchState, get_batch
from bursar.ledger.deliveries import DeliveryState
from bursar.ledger.jobs import Job
from bursar.money import pluralize
from bursar.profiles.settings import ServerLimits
from bursar.reporting.batch_files import describe_files
from bursar.reporting.run_description import count_fines
from bursar.reporting.task_names import describe_task
from bursar.web import views
from bursar.web.airflow_runs import get_run, run_path
from bursar.web.pages.reports import describe_profile
from bursar.web.rights import CurrentPerson, Person, require
from bursar.web.trial import STEP_SECONDS, TRIAL_SECONDS, NoAnswerError, within
from bursar.web.views import address_of, read_ledger, render

log = logging.getLogger(__name__)
router = APIRouter()
BatchId = Annotated[int, Path(ge=1, le=2**31 - 1)]
State = Annotated[str, Form(max_length=30)]
Tick = Annotated[bool, Form()]
_AFTER = " after "


@router.get("/batches/{batch}/decisions", name="show_decisions")
def show_decisions(request: Request, person: CurrentPerson, batch: BatchId) -> Response:
    """Returns, as a part of the page of a batch, what is known about an unfinished one, and what the person can do."""
    with read_ledger() as connection:
        found = _get_batch(connection, person, batch)
        sentences = _describe_state(connection, found)
    dag = dag_id(Job.EXPORT, found.profile)
    return render(
        request,
        "batch_decisions",
        batch=found,
        run=get_run(dag, found.run_id),
        sentences=sentences,
        may_act=person.may_act(found.profile, Job.EXPORT),
        is_unfinished=_is_unfinished(found),
    )


@router.get("/batches/{batch}/repeat", name="confirm_repeat")
def confirm_repeat(request: Request, person: CurrentPerson, batch: BatchId) -> Response:
    """Says what happens if the failed steps of a run are repeated, and asks for a confirmation."""
    found = get_actable_batch(person, batch)
    dag = dag_id(Job.EXPORT, found.profile)
    run = get_run(dag, found.run_id)
    is_possible = run.has_failed and _is_unfinished(found) and found.state is not BatchState.UNCLEAR
    return render(
        request,
        "confirm",
        section="show_waiting",
        title=f"Repeat the failed steps of batch {found.id}?",
        text="Airflow repeats the steps of its run that have failed, and then those that follow. A file that the "
        "bursar does not have yet is sent now, and its fines are closed; nothing is sent or billed twice. If the cause "
        "still exists, the run fails again."
        if is_possible
        else f"The batch is {found.state.description}, and its run {run.words}: there is no failed step to repeat.",
        facts=[*describe_batch(found), ("Failed steps", ", ".join(map(describe_task, run.failed_tasks)))],
        send=f"{run_path(dag, found.run_id)}/clear",
        body={"dry_run": False, "only_failed": True},
        then=address_of(request, "show_progress", dag_id=dag, run_id=found.run_id),
        label="Repeat the failed steps" if is_possible else "",
        cancel=address_of(request, "show_batch", batch=found.id),
    )


@router.get("/batches/{batch}/release", name="confirm_release")
def confirm_release(request: Request, person: CurrentPerson, batch: BatchId) -> Response:
    """Says what a release does, and asks for a confirmation; the bursar's server is looked at meanwhile."""
    found = get_actable_batch(person, batch)
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
    found = get_actable_batch(person, batch)

    def look(now: Batch) -> None:
        require_state(now, state)
        look_for_files(now, despite_file=despite_file, say=lambda sentence: log.warning("%s", sentence))

    try:
        if found.state is not BatchState.RELEASED:
            require_state(found, state)
            recover.release_batch(
                views.engine(), batch, confirmed_not_received=confirm_not_received, look=look, by=person.name
            )
    except BursarError as error:
        found = get_actable_batch(person, batch)
        return _show_release(request, found, str(error))
    return RedirectResponse(address_of(request, "show_batch", batch=batch), 303)


@router.get("/batches/{batch}/server", name="look_at_server")
def look_at_server(request: Request, person: CurrentPerson, batch: BatchId) -> Response:
    """Returns, as a part of a page, whether the file of a batch is on the bursar's server. Changes nothing."""
    found = get_actable_batch(person, batch)
    sentences: list[str] = []
    problem = ""
    try:
        look_for_files(found, say=sentences.append)
    except BursarError as error:
        problem = str(error)
    return render(request, "sentences", sentences=sentences, problem=problem)


@router.get("/batches/{batch}/confirm-delivery", name="confirm_delivery")
def confirm_delivery(request: Request, person: CurrentPerson, batch: BatchId) -> Response:
    """Says what a confirmation of the delivery does, and asks whether the bursar has confirmed it."""
    found = get_actable_batch(person, batch)
    return _show_delivery(request, found)


@router.post("/batches/{batch}/confirm-delivery", name="confirm_delivered")
def confirm_delivered(
    request: Request, person: CurrentPerson, batch: BatchId, state: State, *, arrived: Tick = False
) -> Response:
    """Records under the name of the person that the bursar has the file. A repeated request changes nothing."""
    found = get_actable_batch(person, batch)
    try:
        if not found.was_delivered:
            require_state(found, state)
            if not arrived:
                raise BatchError("Nothing was recorded: say that the bursar has confirmed the whole file.")
            upload.confirm_delivered(views.engine(), batch, look=partial(require_state, expected=state), by=person.name)
    except BursarError as error:
        found = get_actable_batch(person, batch)
        return _show_delivery(request, found, str(error))
    return RedirectResponse(address_of(request, "show_batch", batch=batch), 303)


def describe_batch(found: Batch) -> list[tuple[str, str]]:
    """Returns the facts of a batch for people, without names of users."""
    return [
        ("Profile", describe_profile(found.profile)),
        ("Fines", count_fines(found.fines, found.users)),
        ("Triggered by", found.requested_by or "the schedule"),
        *(describe_files(found) if found.is_built else ()),
        ("Uploaded to", found.remote_folder or ""),
    ]


def _get_batch(connection: Connection, person: Person, batch: int) -> Batch:
    found = get_batch(connection, batch)
    require(person.may_see(found.profile), f"read the DAGs of profile {found.profile}")
    return found


def get_actable_batch(person: Person, batch: int) -> Batch:
    """Returns a batch that a person may decide about.

    Raises:
        HTTPException: 403 if the person may not.
        BatchNotFoundError: there is no such batch.
    """
    with read_ledger() as connection:
        found = _get_batch(connection, person, batch)
    require(person.may_act(found.profile, Job.EXPORT), f"trigger the DAG {dag_id(Job.EXPORT, found.profile)}")
    return found


def require_state(found: Batch, expected: str) -> None:
    """Raises a BatchError if the batch is no longer in the state that the page showed."""
    if name_state(found) != expected:
        raise BatchError(
            f"Batch {found.id} has changed since this page was opened: it was {_describe(expected)}, and is "
            f"{_describe(name_state(found))} now. Nothing was changed. Look at it again."
        )


def name_state(found: Batch) -> str:
    """Returns the state of a batch, with the number of its delivered files if others are left, as `UNCLEAR after 1`.

    Files are delivered in their order, so a decision about one of them is not taken for the next one.
    """
    delivered = sum(file.state is DeliveryState.DELIVERED for file in found.files)
    return f"{found.state}{_AFTER}{delivered}" if found.has_delivered_files else found.state


def _describe(name: str) -> str:
    state, _, delivered = name.partition(_AFTER)
    words = BatchState.describe(state)
    return f"{words} after {pluralize(int(delivered), 'delivered file')}" if delivered.isdigit() else words


def _is_unfinished(found: Batch) -> bool:
    return found.state not in (BatchState.CLOSED, BatchState.RELEASED, BatchState.DRY_RUN)


def _describe_state(connection: Connection, found: Batch) -> list[str]:
    if found.state is BatchState.UNCLEAR:
        return describe_unclear_deliveries(connection, found)
    if found.state is BatchState.DELIVERED:
        return ["The bursar has the file. The next export run of the profile closes its fines."]
    return []


def look_for_files(
    batch: Batch, *, despite_file: bool = False, only_unclear: bool = False, say: Callable[[str], None]
) -> None:
    """Looks for the files of a batch, for a limited time; after it, as if the server could not be reached.

    Raises:
        BatchError: the file is there.
        TransientError: too many looks are under way.
    """

    def look() -> None:
        check_not_on_server(
            views.engine(), batch, _open_folder, despite_file=despite_file, only_unclear=only_unclear, say=say
        )

    try:
        within(TRIAL_SECONDS, look)
    except NoAnswerError as error:
        say(f"The server could not be looked at, so only your word counts. {error}")


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
    is_possible = _is_unfinished(found) and not found.has_delivered_files
    left = "a file of it has been delivered, and its fines would be billed twice"
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
        else f"The batch is {found.state.description}: "
        f"{left if found.has_delivered_files else 'there is nothing left to release'}.",
        facts=describe_batch(found),
        look=address_of(request, "look_at_server", batch=found.id)
        if is_possible and may_be_there and not problem
        else "",
        action=address_of(request, "release_batch", batch=found.id),
        label="Release" if is_possible else "",
        values={"state": name_state(found)},
        checks=checks,
        required="confirm_not_received",
        cancel=address_of(request, "show_batch", batch=found.id),
    )


def _name_files(found: Batch) -> str:
    """Returns the files whose delivery a person can confirm, for a sentence."""
    return ", ".join(upload.list_confirmable_files(found)) if len(found.files) > 1 else "the whole file"


def _show_delivery(request: Request, found: Batch, problem: str = "") -> Response:
    is_possible = bool(upload.list_confirmable_files(found))
    return render(
        request,
        "confirm",
        status_code=409 if problem else 200,
        section="show_waiting",
        title=f"Does the bursar have the file of batch {found.id}?",
        problem=problem,
        text="The batch is then delivered: its fines are closed by the next export run of the profile, and are not "
        "sent again. If the bursar does not have the file, students are never billed. Your name is recorded."
        if is_possible
        else f"The batch is {found.state.description}: there is no delivery to confirm.",
        facts=describe_batch(found),
        action=address_of(request, "confirm_delivered", batch=found.id),
        label="Record the delivery" if is_possible else "",
        values={"state": name_state(found)},
        checks=[("arrived", f"The bursar has confirmed that {_name_files(found)} has arrived.")] if is_possible else [],
        required="arrived",
        cancel=address_of(request, "show_batch", batch=found.id),
    )
