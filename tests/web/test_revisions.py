"""The revisions of a profile: history, comparison, restoring, deactivation, and the download as YAML."""

import re
from html import unescape
from pathlib import Path

import pytest
from sqlalchemy import Engine

from bursar.ledger.profile_revisions import get_revision, list_revisions, save_revision
from bursar.profiles import load_profiles, load_settings
from bursar.profiles.yaml_reader import Source
from bursar.web.rights import Person
from tests.profiles.conftest import GOOD as GOOD_FILE
from tests.support.profile_forms import fill_form
from tests.web.conftest import ROLES, Login

HOSTILE = "'x' # no: \"comment\"\\ \u202e ü \U0001f600 <script>alert(1)</script>"
EDITORS = {"op", "admin"}


@pytest.fixture(autouse=True)
def two_revisions(profiles_folder: Path, login: Login) -> Path:
    """Saves a profile and an edit of it; returns the folder of profiles in files."""
    client = login("op")
    client.post("/wizard", data=fill_form())
    client.post("/wizard/LAW", data=fill_form(based_on=1, name="Second", export__schedule="daily at 03:00"))
    return profiles_folder


def list_changes(ledger: Engine) -> list[tuple[int, str, str]]:
    with ledger.connect() as connection:
        return [(one.revision, one.change, one.changed_by) for one in list_revisions(connection, "LAW", limit=10)]


@pytest.mark.parametrize("role", ROLES)
def test_the_rights_of_each_role(login: Login, ledger: Engine, role: str) -> None:
    client, edits = login(role), role in EDITORS
    for path in ("/profiles/LAW/revisions", "/profiles/LAW/yaml"):
        assert client.get(path).status_code == 200
    for path in ("/profiles/LAW/deactivate", "/profiles/LAW/revisions/1/restore", "/wizard/LAW", "/wizard/LAW/saved"):
        assert client.get(path).status_code == (200 if edits else 403), path
    assert ("Deactivate" in client.get("/profiles/LAW/revisions").text) == edits
    before = list_changes(ledger)
    for path in ("/profiles/LAW/deactivate", "/profiles/LAW/revisions/1/restore"):
        answer = client.post(path, data={"based_on": str(list_changes(ledger)[0][0])}, follow_redirects=False)
        assert answer.status_code == (303 if edits else 403), path
    assert (list_changes(ledger) != before) == edits


@pytest.mark.parametrize("path", ["/profiles/LAW/deactivate", "/profiles/LAW/revisions/1/restore"])
def test_nobody_and_other_sites_change_nothing(login: Login, ledger: Engine, path: str) -> None:
    assert login(None).get(path).status_code == 401
    assert login(None).post(path, data={"based_on": "2"}).status_code == 401
    forged = login("admin").post(path, data={"based_on": "2"}, headers={"sec-fetch-site": "cross-site"})
    assert forged.status_code == 403
    assert len(list_changes(ledger)) == 2


def test_the_history_says_who_changed_what_and_compares_the_last_two(login: Login) -> None:
    page = login("viewer").get("/profiles/LAW/revisions").text
    assert "changed Name, Export: Schedule" in page
    assert "op_person" in page
    assert "From revision 1 to revision 2" in page
    assert "<bdi>daily at 02:00</bdi></td><td><bdi>daily at 03:00</bdi>" in page


def test_any_two_revisions_are_compared(login: Login) -> None:
    client = login("op")
    client.post("/wizard/LAW", data=fill_form(based_on=2, name="Third", export__schedule="daily at 02:00"))
    page = client.get("/profiles/LAW/revisions?old=1&new=3").text
    assert "<bdi>Law Library</bdi></td><td><bdi>Third</bdi>" in page
    assert "<bdi>daily at 02:00</bdi>" not in page
    assert client.get("/profiles/LAW/revisions?old=1&new=9").status_code == 404
    assert client.get("/profiles/LAW/revisions?new=99999999999").status_code == 422


def test_a_restored_revision_is_a_new_one(login: Login, ledger: Engine) -> None:
    client = login("admin")
    page = client.get("/profiles/LAW/revisions/1/restore").text
    assert "<bdi>Second</bdi></td><td><bdi>Law Library</bdi>" in page
    client.post("/profiles/LAW/revisions/1/restore", data={"based_on": "2"})
    assert list_changes(ledger)[0] == (3, "restored revision 1", "admin_person")
    with ledger.connect() as connection:
        newest, first = get_revision(connection, "LAW"), get_revision(connection, "LAW", 1)
    assert newest
    assert first
    assert newest.profile == first.profile


def test_a_revision_that_is_not_valid_any_more_is_not_restored(login: Login, ledger: Engine) -> None:
    with ledger.begin() as connection:
        old = {"code": "OLD", "name": "x"}
        save_revision(connection, "OLD", old, based_on=0, change="created", by="anna")
        save_revision(connection, "OLD", old | {"name": "y"}, based_on=1, change="changed Name", by="anna")
    answer = login("op").post("/profiles/OLD/revisions/1/restore", data={"based_on": "2"})
    assert answer.status_code == 409
    assert "Revision 1 can&#39;t be restored" in answer.text
    with ledger.connect() as connection:
        assert len(list_revisions(connection, "OLD", limit=10)) == 2


def test_a_revision_whose_connection_the_person_may_not_see_is_not_restored(
    login: Login, ledger: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = login("op")
    client.post("/wizard/LAW", data=fill_form(based_on=2, sftp_connection="another"))
    monkeypatch.setattr(Person, "may_see_connection", lambda _person, id_: id_ == "another")
    answer = client.post("/profiles/LAW/revisions/2/restore", data={"based_on": "3"})
    assert answer.status_code == 409
    assert "you have no right to this connection" in answer.text
    assert list_changes(ledger)[0][0] == 3


def test_a_deactivated_profile_has_no_active_section(login: Login, ledger: Engine) -> None:
    client = login("op")
    assert "can&#39;t go on" in client.get("/profiles/LAW/deactivate").text
    client.post("/profiles/LAW/deactivate", data={"based_on": "2"})
    assert list_changes(ledger)[0] == (3, "deactivated", "op_person")
    with ledger.connect() as connection:
        newest = get_revision(connection, "LAW")
    assert newest
    assert newest.profile["export"]["active"] == newest.profile["import"]["active"] == "no"
    assert newest.profile["export"]["schedule"] == "daily at 03:00"
    assert "No section is active" in client.get("/wizard/LAW/saved").text


def test_the_downloaded_yaml_gives_the_same_profile(login: Login, ledger: Engine, two_revisions: Path) -> None:
    settings = load_settings(two_revisions.parent / "bursar.yaml")
    client = login("op")
    form = fill_form(
        based_on=2,
        name=HOSTILE,
        description=f"{HOSTILE}\n\n  indented: yes\n- and # more",
        export__libraries=["02", "null", "~", "no", "1.10", "12:30", "2026-01-05", "- x", "[y]", "a, b"],
        export__identifier_pattern=r"\d{8}",
        notifications__failed="fines@library.example\nchat:slack",
        alerts__max_unsent_hours="24",
        export__approval__max_fines="10",
        import__done_file_suffix=".done",
    )
    assert client.post("/wizard/LAW", data=form, follow_redirects=False).status_code == 303
    answer = login("viewer").get("/profiles/LAW/yaml")
    assert answer.headers["content-disposition"] == 'attachment; filename="law.yaml"'
    folder = two_revisions.parent / "downloaded"
    folder.mkdir()
    (folder / "law.yaml").write_bytes(answer.content)
    [from_file], problems = load_profiles(folder, settings)
    assert problems == []
    with ledger.connect() as connection:
        newest = get_revision(connection, "LAW")
    assert newest
    source = Source("LAW", dict(newest.profile), {}, revision=newest.revision)
    [managed], _ = load_profiles(two_revisions, settings, managed=[source])
    assert from_file.model_dump() == managed.model_dump()
    assert from_file.export.libraries[:4] == ("02", "null", "~", "no")


def test_the_yaml_of_a_profile_in_a_file_is_the_file(login: Login, two_revisions: Path) -> None:
    (two_revisions / "arts.yaml").write_text(GOOD_FILE.replace("LAW", "ARTS") + "# a comment\n")
    assert login("viewer").get("/profiles/ARTS/yaml").text.endswith("# a comment\n")


def test_hostile_text_is_shown_as_text(login: Login) -> None:
    client = login("op")
    client.post("/wizard/LAW", data=fill_form(based_on=2, name=HOSTILE))
    for path in ("/profiles/LAW/revisions", "/profiles/LAW/revisions/1/restore", "/profiles/LAW/deactivate"):
        page = client.get(path).text
        assert "<script>alert" not in page
    assert HOSTILE in unescape(re.sub(r"</?td>", " ", client.get("/profiles/LAW/revisions").text))


def test_a_long_history_has_pages(login: Login, ledger: Engine) -> None:
    with ledger.begin() as connection:
        for revision in range(2, 60):
            save_revision(connection, "LAW", {"code": "LAW"}, based_on=revision, change="again", by="anna")
    client = login("viewer")
    first = client.get("/profiles/LAW/revisions").text
    assert "?below=11" in first
    assert "Older" not in client.get("/profiles/LAW/revisions?below=11").text
