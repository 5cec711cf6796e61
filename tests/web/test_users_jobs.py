"""The jobs over users: forms, lists of fines, and what a dry run offers to do."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bursar.errors import BursarError
from bursar.users.fine_ids import save_fine_list
from bursar.users.waiving import WaiveParams, waive_fines
from tests.support.fixtures import UNLIMITED, Library, make_settings
from tests.web.conftest import Login
from tests.web.test_actions import read_forms


def waive(library: Library, run_id: str = "run 1", **form: Any) -> None:
    waive_fines(
        library.ledger,
        WaiveParams.of_form({"threshold": "100", "reason": "<b>small", **form}),
        make_settings(approval=UNLIMITED),
        run_id=run_id,
        as_of=datetime.now(UTC),
        requested_by="anna",
    )


@pytest.mark.parametrize("path", ["/jobs", "/jobs/purge", "/jobs/waive"])
def test_the_forms_are_for_those_who_may_start_the_jobs(library: Library, login: Login, path: str) -> None:
    for role, status in ((None, 401), ("viewer", 403), ("user", 200), ("op", 200), ("admin", 200)):
        assert login(role).get(path).status_code == status
    assert login("admin").get("/jobs/other").status_code == 422


def test_a_form_starts_a_dry_run_with_pick_lists_of_the_ledger(library: Library, login: Login) -> None:
    library.fine(kind="<i>FEE")
    page = login("user").get("/jobs/waive").text
    (form,) = read_forms(page)
    assert form["send"] == "/bursar/../api/v2/dags/bursar_waive_fines/dagRuns"
    assert form["body"] == {"logical_date": None, "conf": {"dry_run": True}}
    for words in ('value="STUDENT"', 'value="LAW"', "&lt;i&gt;FEE", 'name="fine_list"', "(required)"):
        assert words in page
    assert "<i>FEE" not in page
    assert 'name="dry_run"' not in page
    assert 'value="expiry_date"' in login("user").get("/jobs/purge").text


def test_a_list_of_fines_is_uploaded_once_checked_and_waived_from_the_ledger(library: Library, login: Login) -> None:
    first, second = library.fine(amount="1.00"), library.fine(amount="2.00")
    files = {"file": ('"><script>.txt', f"{first}\r\n\n".encode())}
    for role, status in ((None, 401), ("viewer", 403)):
        assert login(role).post("/jobs/waive/lists", files=files).status_code == status
    forged = login("admin").post("/jobs/waive/lists", files=files, headers={"sec-fetch-site": "cross-site"})
    assert forged.status_code == 403
    answer = login("user").post("/jobs/waive/lists", files=files, follow_redirects=False)
    assert answer.status_code == 303
    page = login("user").get(answer.headers["location"].removeprefix("/bursar")).text
    assert "1 fine, user_person" in page
    assert "<script>." not in page
    assert library.one("SELECT uploaded_by FROM fine_lists") == "user_person"

    waive(library, fine_list=1, dry_run=False)
    assert library.position(first)[1] == 0
    assert library.position(second)[1] == 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "has no fine"),
        (b"x\n", "is no fine id"),
        (b"99\n", "there is no fine 99"),
        (b"1\n1\n", "stands on line 1 already"),
        (b"\xff\n", "not UTF-8"),
        (b"<script>\n", "&lt;script&gt;"),
    ],
)
def test_a_wrong_list_is_not_stored(library: Library, login: Login, content: bytes, words: str) -> None:
    library.fine()
    answer = login("user").post("/jobs/waive/lists", files={"file": ("ids.txt", content)})
    assert answer.status_code == 422
    assert words in answer.text
    assert library.one("SELECT count(*) FROM fine_lists") == 0


def test_a_list_that_is_gone_or_doubled_waives_nothing(library: Library, tmp_path: Path) -> None:
    library.fine()
    with pytest.raises(BursarError, match="There is no list of fines 7"):
        waive(library, fine_list=7)
    with pytest.raises(BursarError, match="not both"):
        waive(library, fine_list=1, fine_ids="ids.txt")
    path = tmp_path / "ids"
    path.write_bytes(b"1\n")
    with path.open("rb") as file:
        assert save_fine_list(library.ledger, file, "ids", by="anna") == 1


def test_the_result_of_a_dry_run_offers_to_do_it_with_the_same_form(library: Library, login: Login) -> None:
    library.fine()
    waive(library, user_groups=["STUDENT"])
    path = "/jobs/waive/runs/run%201"
    for role, status in ((None, 401), ("viewer", 403)):
        assert login(role).get(path).status_code == status
    page = login("user").get(path).text
    (form,) = read_forms(page)
    assert form["body"] == {
        "logical_date": None,
        "conf": {"user_groups": ["STUDENT"], "threshold": "100", "reason": "<b>small", "dry_run": False},
    }
    assert "<b>small" not in page
    assert "1 fine would be waived, 12.50 USD, of 1 user" in page
    assert "anna" in login("user").get("/jobs").text

    waive(library, "run 2", dry_run=False)
    done = login("user").get("/jobs/waive/runs/run%202").text
    assert "1 fine waived" in done
    assert "Do this now" not in done
    assert login("user").get("/jobs/waive/runs/none").status_code == 404
    assert login("user").get("/jobs/purge/runs/run%201").status_code == 404
