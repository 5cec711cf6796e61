"""The fines that the export of a batch skipped for a reason, as a list and as CSV."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Request, Response

from bursar.airflow.profile_store import get_pinned_profile
from bursar.exports.skip_reason import SkipReason
from bursar.ledger.batches import Batch
from bursar.ledger.jobs import Job
from bursar.money import pluralize
from bursar.profiles import Profile, ProfileError
from bursar.reporting.run_description import describe_reason
from bursar.web.accesses import record_access
from bursar.web.csv_files import send_csv
from bursar.web.pages.batches import get_visible_batch
from bursar.web.pages.reports import From, Id, find_profile
from bursar.web.rights import CurrentPerson, Person, require
from bursar.web.skipped_fines import Place, list_skipped
from bursar.web.views import PAGE_LENGTH, address_of, read_ledger, render, settings

router = APIRouter()
Reason = Annotated[SkipReason, Path()]
COLUMNS = ("fine", "user", "name", "identifier", "type", "created_at", "currency", "amount")
ROWS_AT_ONCE = 1_000


@router.get("/batches/{batch}/skipped/{reason}", name="show_skipped")
def show_skipped(
    request: Request,
    person: CurrentPerson,
    batch: Id,
    reason: Reason,
    user: From = 0,
    fine: From = 0,
    found: From = 0,
) -> Response:
    """Lists the fines that the rules of an export skip for a reason. The accesses are recorded.

    A request takes a moment; the page asks for the rest itself, until it has fifty fines.
    """
    export, profile = _get_skipping_export(person, batch, reason)
    wanted = max(PAGE_LENGTH - found, 1)
    rows, place = list_skipped(profile, export.as_of, reason, Place(user, fine), limit=wanted)
    record_access(person, (row.user_id for row in rows))
    found += len(rows)
    is_full = found >= PAGE_LENGTH
    address = address_of(request, "show_skipped", batch=batch, reason=reason)
    is_part = "hx-request" in request.headers
    counted = export.skipped.get(reason)
    return render(
        request,
        "skipped_rows" if is_part else "skipped",
        section="show_history",
        time_zone=profile.time_zone,
        batch=export,
        reason=describe_reason(reason),
        counted=counted and pluralize(counted.fines, "fine"),
        profile=profile,
        rows=rows,
        any=found > 0,
        see_fine=person.may_see_all_users(),
        next=f"{address}?user={place.user}&fine={place.fine}&found={0 if is_full else found}" if place else "",
        is_full=is_full,
        csv=address_of(request, "download_skipped", batch=batch, reason=reason),
    )


@router.get("/batches/{batch}/skipped/{reason}/csv", name="download_skipped")
def download_skipped(person: CurrentPerson, batch: Id, reason: Reason) -> Response:
    """Returns all fines that the rules of an export skip for a reason, as CSV. The accesses are recorded."""
    export, profile = _get_skipping_export(person, batch, reason)
    name = f"batch-{batch}-{reason.replace('_', '-')}.csv"
    return send_csv(name, COLUMNS, _list_all_skipped(person, profile, export.as_of, reason))


def _list_all_skipped(person: Person, profile: Profile, as_of: datetime, reason: str) -> Iterator[tuple[object, ...]]:
    place: Place | None = Place()
    while place:
        rows, place = list_skipped(profile, as_of, reason, place, limit=ROWS_AT_ONCE)
        record_access(person, (row.user_id for row in rows))
        for row in rows:
            yield (
                *(row.fine_id, row.user_id, row.patron_name, row.identifier, row.fine_fee_type),
                *(row.created_at.isoformat(), row.currency, f"{row.amount:f}"),
            )


def _get_skipping_export(person: Person, batch: int, reason: SkipReason) -> tuple[Batch, Profile]:
    """Returns a batch, and the profile as it was when its run started, or as it is now if it is in a file.

    Raises:
        HTTPException: 403 if the person may not see the names, 404 if there is no such profile any more.
    """
    with read_ledger() as connection:
        found = get_visible_batch(connection, person, batch)
        require(person.may_see_names(found.profile), f"trigger the DAGs of profile {found.profile}")
        require(reason in person.list_visible_reasons(found.profile), "trigger every DAG")
        try:
            profile = get_pinned_profile(connection, settings(), found.profile, Job.EXPORT, found.run_id)
        except ProfileError:
            profile = None
    profile = profile or find_profile(found.profile)
    if profile is None:
        raise HTTPException(404)
    return found, profile
