"""Profiles that are not valid: what is wrong with them, and the way to mend them."""

from pathlib import Path

import pytest
from sqlalchemy import Engine

from bursar.ledger.profile_revisions import save_revision
from bursar.web.rights import Person
from tests.profiles.conftest import GOOD as GOOD_FILE
from tests.support.profile_forms import fill_form
from tests.web.conftest import ROLES, Login

EDITORS = {"op", "admin"}
pytestmark = pytest.mark.usefixtures("profiles_folder")


@pytest.fixture
def wrong_profile(ledger: Engine) -> str:
    """A profile that is managed in the pages, and is not valid any more after an upgrade; returns its code."""
    with ledger.begin() as connection:
        old = {"code": "OLD", "gone": "<script>alert(1)</script>"}
        save_revision(connection, "OLD", old, based_on=0, change="created", by="anna")
    return "OLD"


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("path", ["/profiles/OLD", "/dags/bursar_export__OLD"])
def test_its_page_says_what_is_wrong_and_leads_those_who_may_edit_to_the_form(
    login: Login, wrong_profile: str, role: str, path: str
) -> None:
    answer = login(role).get(path)
    assert answer.status_code == 200
    assert "OLD is not valid" in answer.text
    assert "gone: " in answer.text
    assert "sftp_connection: " in answer.text
    assert "<script>alert" not in answer.text
    assert ('href="/bursar/wizard/OLD"' in answer.text) == (role in EDITORS)
    assert ('href="/bursar/profiles/OLD/deactivate"' in answer.text) == (role in EDITORS)


def test_the_list_leads_to_the_form_which_mends_it(login: Login, wrong_profile: str) -> None:
    client = login("op")
    page = client.get("/").text
    assert 'href="/bursar/wizard/OLD"' in page
    assert "gone: " in page
    assert client.get("/wizard/OLD").status_code == 200
    client.post("/wizard/OLD", data=fill_form(based_on=1, code="OLD", name="Mended"))
    assert "is not valid" not in client.get("/profiles/OLD").text
    assert 'role="alert"' not in client.get("/").text


def test_the_list_shows_its_messages_to_those_who_may_see_the_profile(
    login: Login, wrong_profile: str, profiles_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (profiles_folder / "law.yaml").write_text(GOOD_FILE.replace("sftp_connection:", "gone:"))
    page = login("viewer").get("/").text
    assert page.count('role="alert"') == 2
    assert 'href="/bursar/profiles/OLD/revisions"' in page
    assert "/wizard/" not in page
    monkeypatch.setattr(Person, "may_see", lambda _person, code: code == "LAW")
    page = login("viewer").get("/").text
    assert "law.yaml:" in page
    assert wrong_profile not in page


def test_problems_of_no_known_profile_are_for_those_who_may_edit(login: Login, profiles_folder: Path) -> None:
    profiles_folder.rmdir()
    for role in ROLES:
        assert ("the folder of profiles can&#39;t be read" in login(role).get("/").text) == (role in EDITORS)


def test_a_wrong_file_has_no_form(login: Login, profiles_folder: Path) -> None:
    (profiles_folder / "law.yaml").write_text(GOOD_FILE.replace("sftp_connection:", "gone:"))
    for path in ("/", "/profiles/LAW"):
        page = login("op").get(path).text
        assert "law.yaml:" in page
        assert "/wizard/LAW" not in page
    assert "correct the file" in page


def test_a_profile_that_a_file_replaces_can_be_deactivated(login: Login, profiles_folder: Path) -> None:
    client = login("op")
    client.post("/wizard", data=fill_form())
    (profiles_folder / "law.yaml").write_text(GOOD_FILE)
    assert 'href="/bursar/profiles/LAW/revisions"' in client.get("/").text
    assert 'href="/bursar/profiles/LAW/deactivate"' in client.get("/profiles/LAW/revisions").text
    client.post("/profiles/LAW/deactivate", data={"based_on": "1"})
    assert 'role="alert"' not in client.get("/").text
