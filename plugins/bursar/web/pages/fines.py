"""Fines and users."""

from fastapi import APIRouter, Request, Response

from bursar.web.rights import CurrentPerson, require
from bursar.web.views import render

router = APIRouter()


@router.get("/fines", name="search")
def search(request: Request, person: CurrentPerson) -> Response:
    """Shows the search for fines and users."""
    require(person.may_see_all_users(), "trigger every DAG")
    return render(request, "search", section="search", found=None)
