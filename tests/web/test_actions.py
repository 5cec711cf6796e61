"""The actions of a profile: preview, forms that start runs, files in the folder, and the progress of a run."""

import asyncio
import csv
import json
import re
from collections.abc import Callable
from html import unescape
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from fastapi import Response
from fastapi.responses import StreamingResponse

from bursar.exports.close import close_fines
from bursar.exports.selection import select_fines
from bursar.web.pages import actions, skipped
from bursar.web.rights import Person
from tests.support.fake_bursar import FakeBursar
from tests.support.fixtures import NOW, Library, make_profile, make_settings, record_delivery
from tests.support.servers import RemoteServer
from tests.support.several_files import APART, select_apart
from tests.web.conftest import ROLES, Login
from tests.web.profiles import set_profile


@pytest.fixture(autouse=True)
def _profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    set_profile(monkeypatch)
    monkeypatch.setattr(actions, "settings", lambda: make_settings(work_dir=tmp_path / "pages"), raising=False)


def read_forms(page: str) -> list[dict[str, Any]]:
    """Returns the data of the forms that the page's script sends, with the bodies of their buttons."""
    forms = []
    for form in re.findall(r"<form class=\"send\".*?</form>", page, re.DOTALL):
        data = {name: unescape(value) for name, value in re.findall(r'data-(send|then|method|run-id)="([^"]*)"', form)}
        bodies = re.findall(r"""<button[^>]*data-body=(?:'([^']*)'|"([^"]*)")""", form)
        default = re.search(r'data-body="([^"]*)"', form)
        forms.append(
            data
            | {
                "body": json.loads(unescape(default[1])) if default else None,
                "buttons": [json.loads(unescape(one or other)) for one, other in bodies],
            }
        )
    return forms


def test_runs_are_started_by_airflows_own_api_with_one_id_for_each_form(library: Library, login: Login) -> None:
    FakeBursar(library).export_fine()
    for role in ROLES:
        page = login(role).get("/profiles/STUDENTS/actions").text
        forms = read_forms(page)
        assert len(forms) == (0 if role == "viewer" else 3), role
    export, resend, import_ = forms
    assert export["send"] == "/bursar/../api/v2/dags/bursar_export__STUDENTS/dagRuns"
    assert export["body"] == {"logical_date": None, "conf": {}}
    assert export["buttons"] == [{"logical_date": None, "conf": {"dry_run": True}}]
    assert import_["send"] == "/bursar/../api/v2/dags/bursar_import__STUDENTS/dagRuns"
    assert len({one["run-id"] for one in forms}) == 3
    assert resend["then"].endswith("/progress")
    assert "1: " in page
    assert login(None).get("/profiles/STUDENTS/actions").status_code == 401
    assert login("admin").get("/profiles/NONE/actions").status_code == 404


def test_a_resend_offers_the_files_of_a_batch_with_several(
    library: Library, login: Login, write_layout: Callable[[str], object]
) -> None:
    write_layout(APART)
    library.fine()
    library.fine(amount="-1.00")
    batch = select_apart(library)
    record_delivery(library.ledger, batch.id)
    close_fines(library.ledger, batch.id)
    page = login("admin").get("/profiles/STUDENTS/actions").text
    options = "".join(f"<option>{file.name}</option>" for file in batch.files)
    assert f'<optgroup label="Batch {batch.id}">{options}</optgroup>' in page
    assert 'data-lists="resend_files"' in page


def test_a_preview_and_a_list_without_a_fine_offer_no_csv(
    library: Library, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(skipped, "find_profile", lambda _code: make_profile())
    path, user = "/profiles/STUDENTS/preview/result", login("user")
    page = user.get(path).text
    assert "An export would take no fine." in page
    assert "There is no fine to list." in page
    assert "download" not in page
    batch = select_fines(library.ledger, make_profile(), make_settings(), run_id="run 1", as_of=NOW)
    page = user.get(f"/batches/{batch.id}/skipped/no_identifier").text
    assert "There is no such fine any more." in page
    assert "download" not in page
    library.fine()
    assert "download>" in user.get(path).text


def test_a_preview_has_counts_for_all_and_fines_for_those_who_may_see_names(library: Library, login: Login) -> None:
    library.fine(library.user(last="=cmd()", first="<b>"))
    library.fine(library.user(None), "7.00")
    path = "/profiles/STUDENTS/preview"
    for role in ROLES:
        assert login(role).get(path).status_code == 200
        part = login(role).get(f"{path}/result").text
        assert "1 fine of 1 user, 12.50 USD" in part
        assert "the user has no identifier of the profile&#39;s type" in part
        assert ("=cmd(), &lt;b&gt;" in part) is (role != "viewer")
        assert "<b>" not in part
    assert library.one("SELECT count(*) FROM batches") == 0
    assert login(None).get(f"{path}/result").status_code == 401
    assert login(None).get(f"{path}.csv").status_code == 401
    assert login("viewer").get(f"{path}.csv").status_code == 403
    answer = login("user").get(f"{path}.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(StringIO(answer.text.removeprefix("\ufeff"))))
    assert [(row["fine_id"], row["words"]) for row in rows] == [
        ("1", "exported"),
        ("2", "the user has no identifier of the profile's type"),
    ]
    assert rows[0]["patron_name"] == "'=cmd(), <b>"


def test_a_slow_download_of_a_preview_holds_no_transaction(library: Library, login: Login, tmp_path: Path) -> None:
    library.fines(1_200)
    person = Person(SimpleAuthManagerUser(username="user_person", role="USER"))
    login("user")  # sets the ledger of the pages
    answer = actions.download_preview(person, "STUDENTS")
    open_transactions = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'"
    assert library.one(open_transactions) == 0
    assert list((tmp_path / "pages").iterdir()) == []  # no file with names stays, whatever becomes of the process
    assert b"".join(asyncio.run(read_blocks(answer))).count(b"\n") == 1_201


async def read_blocks(answer: Response) -> list[bytes]:
    assert isinstance(answer, StreamingResponse)
    return [bytes(block) async for block in answer.body_iterator]  # type: ignore[arg-type]


def test_a_preview_has_a_moment_in_the_past(library: Library, login: Login) -> None:
    library.fine()
    path = "/profiles/STUDENTS/preview"
    assert "as_of=2020-01-01T00%3A00" in login("user").get(f"{path}?as_of=2020-01-01T00:00").text
    assert "would take no fine" in login("user").get(f"{path}/result?as_of=2020-01-01T00:00").text
    assert "is in the future" in login("user").get(f"{path}/result?as_of=2999-01-01").text
    assert "is not a moment" in login("user").get(f"{path}/result?as_of=<b>").text
    assert login("user").get(f"{path}.csv?as_of=2999-01-01").status_code == 409


def test_the_progress_of_a_run_leads_to_its_report(library: Library, login: Login) -> None:
    path = "/dags/bursar_export__STUDENTS/runs/manual__2026%3Cb%3E/progress"
    for role in ROLES:
        page = login(role).get(path).text
        assert "is not known to Airflow" in page
        assert "<b>" not in page
    assert login(None).get(path).status_code == 401
    assert login("admin").get("/dags/foreign/runs/x/progress").status_code == 404
    assert login("viewer").get("/dags/bursar_purge_users/runs/x/progress").status_code == 403


def test_the_files_in_the_folder_are_listed_with_reasons(
    library: Library, login: Login, sftp_remote: RemoteServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_BURSAR_BANNER", json.dumps(sftp_remote.connection))
    folder = sftp_remote.disk / "in"
    folder.mkdir()
    (folder / "new.xml").write_text("<a/>")
    (folder / "<i>readme.txt").write_text("hello")
    path = "/profiles/STUDENTS/folder"
    for role, status in ((None, 401), ("viewer", 403)):
        assert login(role).get(path).status_code == status
    part = login("user").get(path).text
    assert "it is taken once it has not changed for 60 seconds" in part
    assert "&lt;i&gt;readme.txt" in part
    assert "its name matches no pattern of the profile" in part
    assert library.one("SELECT (SELECT count(*) FROM observed_files) + (SELECT count(*) FROM skipped_entries)") == 0


def test_a_server_that_can_not_be_reached_is_said(
    library: Library, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_BURSAR_BANNER", "sftp://nobody@127.0.0.1:1")
    assert "127.0.0.1" in login("user").get("/profiles/STUDENTS/folder").text
