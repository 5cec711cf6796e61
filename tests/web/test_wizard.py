"""The wizard: its two pages, messages at the fields, trials, and saving."""

import re
from pathlib import Path
from typing import Any

import pytest
from lxml import html
from sqlalchemy import Engine

from bursar.ledger.profile_revisions import Revision, get_revision, list_newest_revisions, save_revision
from bursar.profiles.model import Profile
from bursar.web.profile_form import form_fields
from tests.profiles.conftest import GOOD as GOOD_FILE
from tests.support.fixtures import Library
from tests.support.profile_forms import fill_form, find_errors, read_hidden_fields
from tests.web.conftest import ROLES, Login

EDITORS = {"op", "admin"}
pytestmark = pytest.mark.usefixtures("profiles_folder")


def get_newest(ledger: Engine, code: str = "LAW") -> Revision:
    with ledger.connect() as connection:
        newest = get_revision(connection, code)
    assert newest
    return newest


def count_profiles(ledger: Engine) -> int:
    with ledger.connect() as connection:
        return len(list_newest_revisions(connection))


@pytest.mark.parametrize("role", ROLES)
def test_only_those_who_may_edit_connections_add_profiles(login: Login, ledger: Engine, role: str) -> None:
    allowed = role in EDITORS
    assert login(role).get("/wizard").status_code == (200 if allowed else 403)
    answer = login(role).post("/wizard", data=fill_form(), follow_redirects=False)
    assert answer.status_code == (303 if allowed else 403)
    assert count_profiles(ledger) == (1 if allowed else 0)
    assert ("Add external system" in login(role).get("/").text) == allowed


def test_an_anonymous_caller_and_another_site_can_save_nothing(login: Login, ledger: Engine) -> None:
    assert login(None).post("/wizard", data=fill_form()).status_code == 401
    forged = login("admin").post("/wizard", data=fill_form(), headers={"sec-fetch-site": "cross-site"})
    assert forged.status_code == 403
    assert count_profiles(ledger) == 0


def test_the_form_has_every_field_of_the_model(login: Login) -> None:
    client = login("admin")
    first = client.get("/wizard").text
    second = client.post("/wizard", data=fill_form("next", page=1)).text
    for field in form_fields().values():
        assert f'name="{field.name}"' in first + second, field
        assert field.help
    count = sum(len(model.model_fields) for model in (Profile, *_get_sections(Profile)))
    assert len(form_fields()) == count - len(_get_sections(Profile))


def test_a_list_with_one_choice_chooses_nothing_by_itself(login: Login) -> None:
    page: Any = html.fromstring(login("admin").post("/wizard", data=fill_form("next", page=1)).text)
    chosen = dict(page.forms[0].form_values())
    assert (chosen["export.xml.compress"], chosen["export.xml.encrypt"]) == ("", "")


def _get_sections(model: Any) -> list[Any]:
    below = [field.annotation for field in model.model_fields.values() if hasattr(field.annotation, "model_fields")]
    return [*below, *(one for section in below for one in _get_sections(section))]


def test_the_second_page_follows_the_first_and_nothing_typed_is_lost(login: Login) -> None:
    client = login("op")
    second = client.post("/wizard", data=fill_form("next", page=1))
    assert second.status_code == 200
    assert "Page 2 of 2" in second.text
    hidden = read_hidden_fields(second.text)
    assert hidden["description"] == ["For the law students.\nAsk Anna."]
    assert hidden["code"] == ["LAW"]
    first = client.post("/wizard", data=fill_form("back"))
    assert "Page 1 of 2" in first.text
    assert read_hidden_fields(first.text)["export.libraries"] == ["LAW", "MAIN"]
    assert read_hidden_fields(first.text)["import.file_patterns"] == ["*.xml", "*.txt"]


def test_a_wrong_field_of_the_first_page_keeps_that_page(login: Login) -> None:
    answer = login("op").post("/wizard", data=fill_form("next", page=1, code="LAW LIBRARY", system="", name=""))
    assert answer.status_code == 422
    assert "Page 1 of 2" in answer.text
    [code, name, system] = find_errors(answer.text)
    assert code == "Code: 'LAW LIBRARY' is not allowed here: write 1 to 30 letters, digits and underscores"
    assert name.startswith("Name: is missing")
    assert system.startswith("System: is missing")
    assert 'value="LAW LIBRARY"' in answer.text


def test_wrong_fields_are_not_saved_and_named_with_the_models_messages(login: Login, ledger: Engine) -> None:
    form = fill_form(export__time_before_export_days="7.5", export__schedule="nightly")
    answer = login("op").post("/wizard", data=form)
    assert answer.status_code == 422
    [days, schedule] = find_errors(answer.text)
    assert days.startswith("Export: Time before export (days): '7.5' is not a whole number")
    assert schedule.startswith("Export: Schedule: 'nightly' is not a schedule")
    assert 'value="nightly"' in answer.text
    assert count_profiles(ledger) == 0


def test_a_blank_form_names_every_missing_field(login: Login) -> None:
    answer = login("op").post("/wizard", data={"step": "save", "page": "2"})
    assert answer.status_code == 422
    errors = "\n".join(find_errors(answer.text))
    for label in ("Code", "Name", "S/FTP connection", "System", "Export: Active", "Import: Active"):
        assert f"{label}: is missing" in errors


def test_saving_adds_the_profile(login: Login, ledger: Engine) -> None:
    answer = login("op").post("/wizard", data=fill_form(), follow_redirects=False)
    assert answer.headers["location"] == "/bursar/wizard/LAW/saved"
    saved = get_newest(ledger)
    assert (saved.revision, saved.changed_by, saved.change) == (1, "op_person", "created")
    assert saved.profile["export"]["libraries"] == ["LAW", "MAIN"]
    assert "time_zone" not in saved.profile
    page = login("op").get("/wizard/LAW/saved").text
    assert "bursar_export__LAW bursar_import__LAW" in page
    assert "Law Library" in login("viewer").get("/").text


def test_an_edit_names_the_changed_fields(login: Login, ledger: Engine) -> None:
    client = login("op")
    client.post("/wizard", data=fill_form())
    form = client.get("/wizard/LAW").text
    assert "readonly" in form
    based_on = int(read_hidden_fields(form)["based_on"][0])
    client.post("/wizard/LAW", data=fill_form(based_on=based_on, name="Law", export__schedule="daily at 03:00"))
    assert get_newest(ledger).change == "changed Name, Export: Schedule"
    assert get_newest(ledger).revision == 2


def test_an_edit_that_changes_nothing_adds_no_revision(login: Login, ledger: Engine) -> None:
    client = login("op")
    client.post("/wizard", data=fill_form())
    client.post("/wizard/LAW", data=fill_form(based_on=1))
    assert get_newest(ledger).revision == 1


def test_an_edit_can_not_change_the_code(login: Login, ledger: Engine) -> None:
    client = login("op")
    client.post("/wizard", data=fill_form())
    client.post("/wizard/LAW", data=fill_form(based_on=1, code="OTHER", name="Other"))
    assert count_profiles(ledger) == 1
    assert get_newest(ledger).profile["code"] == "LAW"


@pytest.mark.parametrize("code", ["LAW", "law", "Law"])
def test_the_code_of_a_file_is_refused_whatever_its_case(
    login: Login, ledger: Engine, profiles_folder: Path, code: str
) -> None:
    (profiles_folder / "law.yaml").write_text(GOOD_FILE)
    answer = login("op").post("/wizard", data=fill_form(code=code))
    assert answer.status_code == 422
    assert "it is the code of the file include/profiles/law.yaml" in answer.text
    assert count_profiles(ledger) == 0


@pytest.mark.parametrize("code", ["LAW", "law"])
def test_the_code_of_another_profile_of_the_pages_is_refused(login: Login, ledger: Engine, code: str) -> None:
    client = login("op")
    client.post("/wizard", data=fill_form())
    answer = client.post("/wizard", data=fill_form(code=code))
    assert answer.status_code == 422
    assert "there is a profile LAW already" in answer.text
    assert count_profiles(ledger) == 1


def test_a_draft_that_breaks_another_profile_is_refused(login: Login, ledger: Engine, profiles_folder: Path) -> None:
    (profiles_folder / "law.yaml").write_text(GOOD_FILE)  # imports from law/in
    answer = login("op").post(
        "/wizard", data=fill_form(code="NEW", export__output_file_path="law/in", import__active="no")
    )
    assert answer.status_code == 422
    [error] = find_errors(answer.text)
    assert error.startswith("Export: Output file path: a profile imports from this folder")
    assert count_profiles(ledger) == 0


def test_a_profile_that_sends_the_credits_of_another_one_stays_active(
    login: Login, ledger: Engine, profiles_folder: Path
) -> None:
    client = login("op")
    assert client.post("/wizard", data=fill_form()).status_code == 200
    code = fill_form()["code"]
    arts = GOOD_FILE.replace("code: LAW", "code: ARTS").replace("law/", "arts/")
    (profiles_folder / "arts.yaml").write_text(arts.replace("export:\n", f"export:\n  credits_profile: {code}\n"))
    answer = client.post(f"/wizard/{code}", data=fill_form(based_on=1, export__active="no"))
    assert answer.status_code == 422
    [error] = find_errors(answer.text)
    assert error.startswith("Export: Active: another profile leaves its credits to this one: change that first")
    assert client.post(f"/wizard/{code}", data=fill_form(based_on=1, name="Other")).status_code == 200


def test_a_wrong_identifier_pattern_is_refused_with_the_reason_of_postgresql(login: Login) -> None:
    answer = login("op").post("/wizard", data=fill_form(export__identifier_pattern="(\\d"))
    assert "PostgreSQL reports" in find_errors(answer.text)[0]


def test_the_preview_counts_the_fines_of_a_first_export(login: Login, library: Library, ledger: Engine) -> None:
    user = library.user()
    library.fine(user, "12.50", owner="LAW")
    library.fine(user, "7.50", owner="MAIN")
    library.fine(library.user(None), "3.00")
    answer = login("op").post("/wizard", data=fill_form("preview"))
    assert "An export now would take 2 fines of 1 user." in answer.text
    assert "20.00 USD" in answer.text
    assert "Skipped" in answer.text
    assert count_profiles(ledger) == 0


def test_the_preview_of_a_wrong_draft_names_the_field(login: Login) -> None:
    answer = login("op").post("/wizard", data=fill_form("preview", export__schedule="nightly"))
    assert answer.status_code == 422


def test_the_pick_lists_come_from_airflow_and_the_ledger(
    login: Login, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_BURSAR_LAW", '{"conn_type": "sftp", "host": "x", "password": "geheim"}')
    library.fine(kind="LOSTITEM")
    client = login("op")
    first = client.get("/wizard").text
    assert '<option value="bursar_law">' in first
    assert "bursar_ledger" not in first
    assert "geheim" not in first
    assert '<option value="America/New_York">' in first
    second = client.post("/wizard", data=fill_form("next", page=1)).text
    for value in ("LAW", "MAIN", "STUDENT", "STAFF", "LOSTITEM"):
        assert f'type="checkbox" name="export.{_get_list(value)}" value="{value}"' in second
    assert '<option value="02">' in second
    assert '<option value="userName">' in second


def test_the_profiles_that_could_send_credits_are_offered(login: Login, profiles_folder: Path) -> None:
    for code in ("ARTS", "MUSIC", "ZOO"):
        profile = GOOD_FILE.replace("code: LAW", f"code: {code}").replace("law/", f"{code.lower()}/")
        if code == "MUSIC":
            profile = profile.replace("export:\n", "export:\n  credits_profile: ARTS\n")
        if code == "ZOO":
            profile = profile.replace("active: yes", "active: no", 1)
        (profiles_folder / f"{code.lower()}.yaml").write_text(profile, encoding="utf-8")
    page = login("op").post("/wizard", data=fill_form("next", page=1)).text
    offered = re.findall('<datalist id="field-export.credits_profile-list">(.*?)</datalist>', page)
    assert offered == ['<option value="ARTS">Law Library</option>']
    own = login("op").post("/wizard", data=fill_form("next", page=1, code="ARTS")).text
    assert "field-export.credits_profile-list" not in own


def _get_list(value: str) -> str:
    return {"LOSTITEM": "fine_fee_types", "LAW": "libraries", "MAIN": "libraries"}.get(value, "user_groups")


def test_values_that_are_in_no_pick_list_stay(login: Login, library: Library) -> None:
    answer = login("op").post(
        "/wizard", data=fill_form("try", sftp_connection="", export__libraries=["LAW", "NEW\r\nOLD"])
    )
    answer = login("op").post("/wizard", data=fill_form("next", page=1, export__libraries=["LAW", "NEW\r\nOLD"]))
    assert "NEW\nOLD</textarea>" in answer.text
    assert 'value="LAW" checked' in answer.text


def test_hostile_text_is_shown_as_text(login: Login, ledger: Engine) -> None:
    hostile = '"><script>alert(1)</script>{{ 7*7 }}'
    client = login("op")
    form = fill_form("next", page=1, name=hostile, export__output_file_path=hostile, export__libraries=hostile)
    pages = [
        client.post("/wizard", data=form).text,
        client.post("/wizard", data=form | {"step": "back"}).text,
        client.post("/wizard", data=form | {"step": "save", "code": hostile}).text,
    ]
    client.post("/wizard", data=fill_form(name=hostile, description=hostile))
    assert get_newest(ledger).profile["name"] == hostile
    pages += [client.get(path).text for path in ("/", "/wizard/LAW", "/wizard/LAW/saved", "/profiles/LAW/revisions")]
    for page in pages:
        assert "<script>alert" not in page
        assert ">49" not in page


def test_control_characters_and_odd_numbers_are_harmless(login: Login, ledger: Engine) -> None:
    client = login("op")
    assert client.post("/wizard", data=fill_form(name="a\0b")).status_code == 422
    assert client.post("/wizard", data=fill_form(based_on=0) | {"page": "9" * 5000}).status_code in (200, 303)
    assert client.get("/wizard/a%00b").status_code == 422
    assert client.get("/wizard/UNKNOWN").status_code == 404
    assert client.post("/wizard/UNKNOWN", data=fill_form(based_on=3)).status_code == 422
    with ledger.connect() as connection:
        assert [one.code for one in list_newest_revisions(connection)] == ["LAW"]


def test_a_copy_of_a_file_is_inactive_and_has_no_code(login: Login, profiles_folder: Path) -> None:
    (profiles_folder / "law.yaml").write_text(GOOD_FILE)
    answer = login("op").get("/wizard?copy=LAW")
    hidden = read_hidden_fields(answer.text)
    assert hidden["export.active"] == hidden["import.active"] == ["no"]
    assert hidden["export.time_before_export_days"] == ["7"]
    assert hidden["based_on"] == ["0"]
    assert 'value="Law Library"' in answer.text
    assert 'name="code" aria-describedby="field-code-help" value=""' in answer.text


def test_a_profile_in_a_file_can_not_be_edited(login: Login, profiles_folder: Path) -> None:
    (profiles_folder / "law.yaml").write_text(GOOD_FILE)
    assert login("op").get("/wizard/LAW").status_code == 404
    page = login("op").get("/profiles/LAW").text
    assert "Managed in files" in page
    assert "Copy as new" in page


def test_without_the_ledger_the_draft_is_kept(login: Login, monkeypatch: pytest.MonkeyPatch, ledger: Engine) -> None:
    from bursar.db.engine import ledger_engine  # noqa: PLC0415
    from bursar.web import views  # noqa: PLC0415

    away = ledger_engine("postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setattr(views, "engine", lambda: away)
    answer = login("op").post("/wizard", data=fill_form())
    assert answer.status_code == 200
    assert 'value="law/out"' in answer.text
    assert read_hidden_fields(answer.text)["name"] == ["Law Library"]
    assert 'role="alert"' in answer.text
    assert count_profiles(ledger) == 0


def test_a_stored_profile_that_is_not_valid_any_more_can_be_edited(login: Login, ledger: Engine) -> None:
    with ledger.begin() as connection:
        save_revision(connection, "OLD", {"code": "OLD", "gone": "x"}, based_on=0, change="created", by="anna")
    assert login("op").get("/wizard/OLD").status_code == 200
