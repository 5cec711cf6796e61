"""Fines and users: the search, the account of a user, and the life of a fine."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Form, HTTPException, Request, Response
from sqlalchemy import Connection, Row

from bursar.db.queries import query
from bursar.ledger.entry_type import FineStatus
from bursar.money import format_money, pluralize
from bursar.reporting.fine_history import describe_pending_reversal, list_events
from bursar.web.accesses import record_access
from bursar.web.fine_types import describe_fine_type
from bursar.web.pages.profiles import list_profile_names
from bursar.web.pages.reports import Below, Id
from bursar.web.rights import CurrentPerson, Person, require
from bursar.web.runs import MAX_ID
from bursar.web.sources import describe_source_name
from bursar.web.views import PAGE_LENGTH, read_ledger, render, settings

router = APIRouter()
MAX_SEARCH_LENGTH = 200


@router.get("/fines", name="search")
def search(request: Request, person: CurrentPerson) -> Response:
    """Shows the search for fines and users."""
    _require_all_users(person)
    return render(request, "search", section="search", wanted="", users=[], fines=[])


@router.post("/fines", name="find")
def find(
    request: Request,
    person: CurrentPerson,
    wanted: Annotated[str, Form(max_length=MAX_SEARCH_LENGTH)] = "",
    after: Annotated[int, Form(ge=0, le=MAX_ID)] = 0,
) -> Response:
    """Shows the users and fines that a text finds, fifty users on a page; a later page has the users after one.

    The text is an identifier, the beginning of a last name, the id of a fine here or in the library system, or that of
    a transaction. It names a person, so it is posted: addresses are kept in logs and histories. The accesses to the
    names are recorded.
    """
    _require_all_users(person)
    wanted = " ".join(wanted.replace("\0", "").split())
    with read_ledger() as connection:
        fines = connection.execute(query("web/find_fines"), {"wanted": wanted}).all() if wanted and not after else []
        parameters = {"wanted": wanted, "after": after, "limit": PAGE_LENGTH + 1}
        users = connection.execute(query("web/find_users"), parameters).all() if wanted else []
    page = [row for row in users if row.place <= PAGE_LENGTH]
    record_access(person, [*(row.user_id for row in fines), *(row.id for row in page)])
    return render(
        request,
        "search",
        section="search",
        wanted=wanted,
        users=page,
        next=next(row.id for row in page if row.place == PAGE_LENGTH) if len(users) > len(page) else None,
        fines=fines,
    )


@router.get("/users/{user}", name="show_user")
def show_user(request: Request, person: CurrentPerson, user: Id, below: Below = None) -> Response:
    """Shows the account of a user: identifiers, debts, and fines, newest first. The access is recorded."""
    _require_all_users(person)
    with read_ledger() as connection:
        found = connection.execute(query("web/get_user"), {"user_id": user}).first()
        if found is None:
            raise HTTPException(404)
        parameters = {"user_id": user, "below": below, "limit": PAGE_LENGTH + 1}
        fines = connection.execute(query("web/list_fines_of_user"), parameters).all()
        owed = connection.execute(query("web/sum_debts"), {"user_id": user}).all()
        held = connection.execute(query("web/list_held_of_user"), {"user_id": user, "fine_id": None}).all()
    record_access(person, [user])
    names = list_profile_names(person)
    return render(
        request,
        "user",
        section="search",
        time_zone=settings().time_zone,
        user=found,
        profile_names=names,
        owed=[
            (
                one.place if one.profile is None else f"{one.place} of {names.get(one.profile, one.profile)}",
                ", ".join(filter(None, (pluralize(one.fines, "fine"), one.note))),
                format_money(one.amount, one.currency),
            )
            for one in owed
        ],
        held=held,
        may_edit=person.may_edit(),
        fines=fines[:PAGE_LENGTH],
        next=fines[PAGE_LENGTH - 1].id if len(fines) > PAGE_LENGTH else None,
    )


@router.get("/fines/{fine}", name="show_fine")
def show_fine(request: Request, person: CurrentPerson, fine: Id) -> Response:
    """Shows the life of a fine as a time line. The access to its user's name is recorded."""
    with read_ledger() as connection:
        found = _get_fine(connection, fine)
        _require_fine(person, found)
        events = list_events(connection, found)
        held = connection.execute(query("web/list_held_of_user"), {"user_id": found.user_id, "fine_id": fine}).all()
    record_access(person, [found.user_id])
    return render(
        request,
        "fine",
        section="search",
        time_zone=settings().time_zone,
        fine=found,
        facts=_describe(found, list_profile_names(person)),
        events=events,
        held=held,
        may_edit=person.may_edit(),
        pending=describe_pending_reversal(found),
        see_user=person.may_see_all_users(),
    )


def _require_all_users(person: Person) -> None:
    require(person.may_see_all_users(), "trigger every DAG")


def _require_fine(person: Person, fine: Row[Any] | None) -> None:
    # A person without the right does not learn which fines exist.
    allowed = person.may_see_all_users() or (fine is not None and fine.sent_by and person.may_see_names(fine.sent_by))
    require(bool(allowed), "trigger the DAG that exported the fine, or every DAG")
    if fine is None:
        raise HTTPException(404)


def _get_fine(connection: Connection, fine: int) -> Any:  # noqa: ANN401  a row, or None
    return connection.execute(query("commands/get_fine"), {"fine_id": fine}).first()


def _describe_last_said(fine: Row[Any]) -> str:
    """Returns what the source of a fine said about it last, which the ledger may have moved on from."""
    said = {"amount": fine.source_amount, "balance": fine.source_balance}
    parts = [f"{name} {format_money(value, fine.currency)}" for name, value in said.items() if value is not None]
    return ", ".join([*parts, *([f"status {fine.source_status}"] if fine.source_status else [])])


def _describe(fine: Row[Any], names: Mapping[str, str]) -> list[tuple[str, str]]:
    facts = {
        "Type": describe_fine_type(fine.fine_fee_type),
        "Status": FineStatus.describe(fine.status),
        "Amount": format_money(fine.amount, fine.currency),
        "Owed at the library": format_money(fine.balance, fine.currency),
        "Outstanding at the bursar": format_money(fine.outstanding, fine.currency),
        "Owner": fine.owner_library or "the institution",
        "Item": f"{fine.title} ({fine.barcode})" if fine.barcode else "",
        "Comment": fine.comment or "",
        "Source": describe_source_name(fine.source) if fine.source_id else "",
        "Id in library system": fine.source_id or "",
        "The source said last": _describe_last_said(fine),
        "Bursar": f"{names.get(fine.sent_by, fine.sent_by)}, transaction {fine.sent_as}" if fine.sent_by else "",
        "Being exported": f"in batch {fine.claimed_by}" if fine.claimed_by else "",
        "Being reversed": f"in batch {fine.reversal_claimed_by}" if fine.reversal_claimed_by else "",
    }
    return list(facts.items())
