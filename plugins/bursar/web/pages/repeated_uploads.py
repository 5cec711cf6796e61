"""Repeated uploads: an unclear file that has not arrived is uploaded again, as a person decides."""

import logging

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from bursar.errors import BatchError, BursarError
from bursar.exports import repeat
from bursar.ledger.batches import Batch, BatchState
from bursar.ledger.deliveries import DeliveryState
from bursar.web import views
from bursar.web.pages.batch_decisions import (
    BatchId,
    State,
    Tick,
    describe_batch,
    get_actable_batch,
    look_for_files,
    name_state,
    require_state,
)
from bursar.web.rights import CurrentPerson
from bursar.web.views import address_of, render

log = logging.getLogger(__name__)
router = APIRouter()


@router.get("/batches/{batch}/repeat-upload", name="confirm_repeat_upload")
def confirm_repeat_upload(request: Request, person: CurrentPerson, batch: BatchId) -> Response:
    """Says what a repeated upload does, and asks whether the bursar has confirmed not to have the file."""
    found = get_actable_batch(person, batch)
    return _show(request, found)


@router.post("/batches/{batch}/repeat-upload", name="repeat_upload")
def repeat_upload(
    request: Request, person: CurrentPerson, batch: BatchId, state: State, *, is_missing: Tick = False
) -> Response:
    """Has the unclear files of a batch uploaded again, under the name of the person."""
    found = get_actable_batch(person, batch)

    def look(now: Batch) -> None:
        require_state(now, state)
        look_for_files(now, only_unclear=True, say=lambda sentence: log.warning("%s", sentence))

    try:
        require_state(found, state)
        if not is_missing:
            raise BatchError("Nothing was changed: say that the bursar has confirmed not to have the file.")
        repeat.repeat_upload(views.engine(), batch, look=look, by=person.name)
    except BursarError as error:
        found = get_actable_batch(person, batch)
        return _show(request, found, str(error))
    return RedirectResponse(address_of(request, "show_batch", batch=batch), 303)


def _show(request: Request, found: Batch, problem: str = "") -> Response:
    is_possible = found.state is BatchState.UNCLEAR
    names = ", ".join(file.name for file in found.files if file.state is DeliveryState.UNCLEAR)
    return render(
        request,
        "confirm",
        status_code=409 if problem else 200,
        section="show_waiting",
        title=f"Upload {names} of batch {found.id} again?" if is_possible else f"Batch {found.id}",
        problem=problem,
        text="The next export run of the profile uploads it again, and then closes the fines of the batch. Files that "
        "have been delivered are not sent again. If the bursar has the file all the same, students are billed twice. "
        "Your name is recorded."
        if is_possible
        else f"The batch is {found.state.description}: there is no unclear file to upload again.",
        facts=describe_batch(found),
        action=address_of(request, "repeat_upload", batch=found.id),
        label="Upload it again" if is_possible else "",
        values={"state": name_state(found)},
        checks=[("is_missing", "I have asked the bursar, who has not received the file.")] if is_possible else [],
        required="is_missing",
        cancel=address_of(request, "show_batch", batch=found.id),
    )
