"""Forms are refused before they are read: of anonymous callers, too large, or of unknown length."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest
from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from fastapi import FastAPI

from bursar.web.app import MAX_FORM_SIZE
from tests.support.fixtures import Library
from tests.web.conftest import PREFIX, Login

FORMS = ["/jobs/waive/lists", "/fines", "/batches/1/release", "/wizard"]
KINDS = ["multipart/form-data; boundary=x", "application/x-www-form-urlencoded"]


def post(pages: FastAPI, path: str, kind: str, *, role: str | None, length: str | None) -> tuple[int, str, int]:
    """Sends the beginning of a form without an end; returns status, answer, and the number of parts that were read."""
    headers = {"host": "testserver", "sec-fetch-site": "same-origin", "content-type": kind}
    headers |= {"content-length": length} if length else {"transfer-encoding": "chunked"}
    if role:
        token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="anna", role=role))
        headers["cookie"] = f"_token={token}"
    scope: dict[str, Any] = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": f"{PREFIX}{path}",
        "raw_path": f"{PREFIX}{path}".encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("testserver", 80),
    }
    reads, sent = [], []

    async def receive() -> dict[str, Any]:
        reads.append(1)
        return {"type": "http.request", "body": b"wanted=x", "more_body": len(reads) < 100}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    asyncio.run(pages(scope, receive, send))
    return sent[0]["status"], b"".join(one.get("body", b"") for one in sent).decode(), len(reads)


@pytest.mark.usefixtures("login")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", FORMS)
def test_no_form_of_an_anonymous_caller_is_read(pages: FastAPI, path: str, kind: str) -> None:
    for length in ("1000", None):
        status, page, reads = post(pages, path, kind, role=None, length=length)
        assert (status, reads) == (401, 0)
        assert "Please log in" in page


@pytest.mark.usefixtures("login")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("length", "status", "words"),
    [
        (str(MAX_FORM_SIZE + 1), 413, "The form is too large: a file may have 64 MiB"),
        ("9" * 5000, 411, "does not give its length"),
        ("-1", 411, "does not give its length"),
        (None, 411, "does not give its length"),
    ],
)
def test_a_form_that_is_too_large_or_of_unknown_length_is_not_read(
    pages: FastAPI, kind: str, length: str | None, status: int, words: str
) -> None:
    found, page, reads = post(pages, "/fines", kind, role="ADMIN", length=length)
    assert (found, reads) == (status, 0)
    assert words in page


def test_the_largest_form_is_read(pages: FastAPI, library: Library, login: Login) -> None:
    assert library
    status, _, reads = post(pages, "/fines", KINDS[1], role="USER", length=str(MAX_FORM_SIZE))
    assert status == 422  # what was sent is longer than a search
    assert reads == 100
    assert login("user").post("/fines", data={"wanted": "x"}).status_code == 200
