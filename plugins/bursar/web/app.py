"""The app of the pages, which Airflow's API server mounts under /bursar."""

import re
from collections.abc import Awaitable, Callable

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from bursar.errors import BursarError, NotFoundError, TransientError
from bursar.users.fine_ids import MAX_FILE_SIZE
from bursar.web.pages import (
    actions,
    approvals,
    batch_decisions,
    batches,
    contested,
    fines,
    history,
    layouts,
    loads,
    outbox,
    overview,
    payment_decisions,
    payment_files,
    profiles,
    reports,
    revisions,
    skipped,
    sources,
    users_jobs,
    waiting,
    wizard,
)
from bursar.web.rights import SAFE_METHODS, get_person, require_login, require_same_origin
from bursar.web.views import FOLDER, render

HEADERS = {
    # Nothing inline and nothing from elsewhere: text that escapes a template still can't run.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'self'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",  # pages show names; a shared computer must not keep them
}
STATIC_CACHE = "public, max-age=3600"
MAX_FORM_SIZE = MAX_FILE_SIZE + 64 * 1024
"""Bytes of a form: the largest list of fines, and what a browser adds to it."""


def create_app() -> FastAPI:
    """Creates the app. Every route needs a login, and every change comes from one of its own pages."""
    app = FastAPI(
        title="Bursar",
        dependencies=[Depends(get_person), Depends(require_same_origin)],
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    app.middleware("http")(_check_form)
    app.middleware("http")(_add_headers)
    app.mount("/static", StaticFiles(directory=FOLDER / "static"), name="static")
    for page in (
        profiles,
        history,
        reports,
        batches,
        skipped,
        payment_files,
        fines,
        overview,
        wizard,
        revisions,
        waiting,
        batch_decisions,
        payment_decisions,
        approvals,
        actions,
        users_jobs,
        sources,
        outbox,
        loads,
        contested,
        layouts,
    ):
        app.include_router(page.router)
    app.add_exception_handler(HTTPException, _show_http_error)
    app.add_exception_handler(RequestValidationError, _show_invalid_request)
    app.add_exception_handler(BursarError, _show_error)
    return app


async def _check_form(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Refuses a form before it is read, if nobody is logged in, or if it is too large or does not give its length."""
    try:
        if request.method not in SAFE_METHODS:
            await require_login(request)
            _require_length(request)
    except HTTPException as error:
        return await _show_http_error(request, error)
    return await call_next(request)


def _require_length(request: Request) -> None:
    length = request.headers.get("content-length", "")
    if not re.fullmatch("[0-9]{1,15}", length):
        raise HTTPException(411, "The form does not give its length. Send it from a page of Bursar, in a browser.")
    if int(length) > MAX_FORM_SIZE:
        raise HTTPException(
            413, f"The form is too large: a file may have {MAX_FILE_SIZE // 2**20} MiB. Divide it, and send the parts."
        )


async def _add_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    is_static = request.scope["path"].startswith(f"{request.scope['root_path']}/static/")  # before a mount changes it
    response = await call_next(request)
    response.headers.update(HEADERS)
    if is_static:
        response.headers["Cache-Control"] = STATIC_CACHE
    return response


async def _show_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  registered for it
    texts = {
        401: ("Please log in", "Your login has expired."),
        403: ("You are not allowed to see or do this", "Ask the administrator of Airflow, if you need to."),
        404: ("There is no such page", "It may have been removed, or the address is mistyped."),
    }
    title, advice = texts.get(error.status_code, ("This did not work", ""))
    detail = error.detail if error.status_code not in (401, 404) else ""
    return render(request, "error", status_code=error.status_code, title=title, detail=detail, advice=advice)


async def _show_invalid_request(request: Request, _error: Exception) -> Response:
    return render(
        request,
        "error",
        status_code=422,
        title="This did not work",
        detail="The address or the form has a value that is not valid.",
        advice="Go back, and correct it.",
    )


async def _show_error(request: Request, error: Exception) -> Response:
    transient = isinstance(error, TransientError)
    return render(
        request,
        "error",
        status_code=503 if transient else 404 if isinstance(error, NotFoundError) else 409,
        title="The ledger can't be reached" if transient else "This did not work",
        detail=str(error),
        advice="Try again in a minute." if transient else "",
    )
