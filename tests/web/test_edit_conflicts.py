"""Two people edit one profile: the second sees both versions, and nothing that either of them typed is lost."""

import pytest
from sqlalchemy import Engine

from bursar.ledger.profile_revisions import list_revisions
from bursar.web.profile_draft import merge
from tests.support.profile_forms import fill_form, find_errors, read_hidden_fields
from tests.web.conftest import Login

pytestmark = pytest.mark.usefixtures("profiles_folder")


def list_names(ledger: Engine) -> list[str]:
    with ledger.connect() as connection:
        return [str(one.profile["name"]) for one in list_revisions(connection, "LAW", limit=10)]


def test_the_second_person_sees_both_versions_and_saves_the_merged_one(login: Login, ledger: Engine) -> None:
    anna, ben = login("op"), login("admin")
    anna.post("/wizard", data=fill_form())
    anna.post("/wizard/LAW", data=fill_form(based_on=1, name="Anna's", export__schedule="daily at 03:00"))
    answer = ben.post("/wizard/LAW", data=fill_form(based_on=1, name="Ben's", export__output_file_path="ben/out"))
    assert answer.status_code == 409
    assert "op_person" in answer.text
    assert list_names(ledger) == ["Anna's", "Law Library"]

    # The form has Ben's values, and Anna's where he changed nothing; her name is shown beside his.
    hidden = read_hidden_fields(answer.text)
    assert hidden["based_on"] == ["2"]
    assert hidden["name"] == ["Ben's"]
    assert 'value="ben/out"' in answer.text
    assert 'value="daily at 03:00"' in answer.text
    for text in ("Law Library", "Anna&#39;s", "Ben&#39;s", "law/out", "ben/out"):
        assert f"<bdi>{text}</bdi></td>" in answer.text

    merged = fill_form(based_on=2, name="Ben's", export__output_file_path="ben/out", export__schedule="daily at 03:00")
    assert ben.post("/wizard/LAW", data=merged, follow_redirects=False).status_code == 303
    assert list_names(ledger) == ["Ben's", "Anna's", "Law Library"]


def test_the_value_of_the_other_person_is_beside_a_field_that_both_changed(login: Login) -> None:
    anna, ben = login("op"), login("admin")
    anna.post("/wizard", data=fill_form())
    anna.post("/wizard/LAW", data=fill_form(based_on=1, export__schedule="daily at 03:00"))
    answer = ben.post("/wizard/LAW", data=fill_form(based_on=1, export__schedule="daily at 04:00"))
    assert "op_person saved here: daily at 03:00" in answer.text
    assert 'value="daily at 04:00"' in answer.text


def test_two_people_who_add_the_same_code_get_one_profile(login: Login, ledger: Engine) -> None:
    login("op").post("/wizard", data=fill_form())
    answer = login("admin").post("/wizard", data=fill_form(name="Another"))
    assert answer.status_code == 422
    assert find_errors(answer.text) == ["Code: there is a profile LAW already: choose another code"]
    assert 'value="Another"' in answer.text
    assert list_names(ledger) == ["Law Library"]


def test_a_restore_and_a_deactivation_of_an_old_page_change_nothing(login: Login, ledger: Engine) -> None:
    client = login("op")
    client.post("/wizard", data=fill_form())
    client.post("/wizard/LAW", data=fill_form(based_on=1, name="Second"))
    for path in ("/profiles/LAW/deactivate", "/profiles/LAW/revisions/1/restore"):
        answer = client.post(path, data={"based_on": "1"})
        assert answer.status_code == 409
        assert "op_person has saved LAW since you opened it" in answer.text
    assert list_names(ledger) == ["Second", "Law Library"]


def test_a_merge_takes_each_change_once() -> None:
    base = {"name": "a", "description": "b", "export": {"libraries": ["X"], "schedule": "s"}}
    theirs = {"name": "t", "export": {"libraries": ["X", "Y"], "schedule": "s"}, "system": "Banner"}
    mine = {"name": "m", "description": "b", "export": {"libraries": ["X"]}}
    merged, replaced = merge(base, theirs, mine)
    assert merged == {"name": "m", "system": "Banner", "export": {"libraries": ["X", "Y"]}}
    assert replaced == {"name": "t"}
