"""The users whose identifiers other users claim, too."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from bursar.db.queries import query
from bursar.web.accesses import record_access
from bursar.web.rights import CurrentPerson, require
from bursar.web.runs import MAX_ID
from bursar.web.views import PAGE_LENGTH, address_of, read_ledger, render

router = APIRouter()
MAX_OTHERS = 5
"""Other users that a row names."""


@router.get("/contested-identifiers", name="show_contested")
def show_contested(
    request: Request, person: CurrentPerson, after: Annotated[int, Query(ge=0, le=MAX_ID)] = 0
) -> Response:
    """Shows users with contested identifiers, and who else claims them; fifty users on a page, by their internal ids.

    Addresses have no identifier: they are kept in logs and histories. The accesses to the names are recorded.
    """
    require(person.may_see_all_users(), "trigger every DAG")
    parameters = {"after": after, "limit": PAGE_LENGTH + 1, "others": MAX_OTHERS + 1}
    with read_ledger() as connection:
        rows = connection.execute(query("web/list_contested_identifiers"), parameters).all()
    users = sorted({row.user_id for row in rows})
    seen = users[:PAGE_LENGTH]
    record_access(person, seen)
    address = address_of(request, "show_contested")
    return render(
        request,
        "contested",
        section="show_waiting",
        rows=[row for row in rows if row.user_id in set(seen)],
        max_others=MAX_OTHERS,
        next=f"{address}?after={seen[-1]}" if len(users) > len(seen) else "",
    )
