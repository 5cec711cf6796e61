"""The revisions of profiles: who saved what, no lost edits, a code exists once, and a run keeps its revision."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import ProgrammingError

from bursar.ledger.jobs import Job
from bursar.ledger.profile_revisions import (
    EditConflictError,
    get_revision,
    list_newest_revisions,
    list_revisions,
    pin_revision,
    save_revision,
)
from tests.support.managed_profiles import save_profile


def list_numbers(ledger: Engine, code: str = "LAW") -> list[int]:
    with ledger.connect() as connection:
        return [one.revision for one in list_revisions(connection, code, limit=100)]


def test_a_revision_has_its_fields_its_author_and_its_moment(ledger: Engine) -> None:
    fields = {"code": "LAW", "name": "Büro “L” \U0001f600", "export": {"libraries": ["02", "no"]}}
    with ledger.begin() as connection:
        saved = save_revision(connection, "LAW", fields, based_on=0, change="created", by="anna")
    assert (saved.code, saved.revision, saved.change, saved.changed_by) == ("LAW", 1, "created", "anna")
    assert abs(saved.changed_at - datetime.now(UTC)) < timedelta(minutes=1)
    with ledger.connect() as connection:
        assert get_revision(connection, "LAW") == get_revision(connection, "LAW", 1) == saved
    assert saved.profile == fields


def test_the_newest_revision_of_each_profile_is_in_force(ledger: Engine) -> None:
    save_profile(ledger, "LAW")
    save_profile(ledger, "LAW", based_on=1, name="Second")
    save_profile(ledger, "ARTS")
    with ledger.connect() as connection:
        assert [(one.code, one.revision) for one in list_newest_revisions(connection)] == [("ARTS", 1), ("LAW", 2)]
        assert [one.profile["name"] for one in list_newest_revisions(connection, "LAW")] == ["Second"]
        assert list_newest_revisions(connection, "NONE") == []
        assert get_revision(connection, "LAW", 3) is None


def test_a_history_is_read_in_pages(ledger: Engine) -> None:
    for based_on in range(5):
        save_profile(ledger, based_on=based_on)
    with ledger.connect() as connection:
        assert [one.revision for one in list_revisions(connection, "LAW", limit=2)] == [5, 4]
        assert [one.revision for one in list_revisions(connection, "LAW", limit=9, below=4)] == [3, 2, 1]


def test_the_second_of_two_edits_of_one_revision_is_rejected_with_the_name_of_the_first(ledger: Engine) -> None:
    save_profile(ledger, by="anna")
    save_profile(ledger, based_on=1, by="ben")
    with pytest.raises(EditConflictError, match="ben has saved LAW since you opened it. Nothing of yours was saved"):
        save_profile(ledger, based_on=1, by="carla")
    assert list_numbers(ledger) == [2, 1]


def test_of_edits_at_the_same_moment_one_is_saved(ledger: Engine) -> None:
    save_profile(ledger)

    def edit(person: int) -> bool:
        try:
            save_profile(ledger, based_on=1, by=f"person {person}")
        except EditConflictError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(edit, range(8))) == [False] * 7 + [True]
    assert list_numbers(ledger) == [2, 1]


@pytest.mark.parametrize("code", ["LAW", "law", "Law"])
def test_a_code_exists_once_whatever_its_case(ledger: Engine, code: str) -> None:
    save_profile(ledger, "LAW")
    with pytest.raises(EditConflictError, match="There is a profile LAW already"):
        save_profile(ledger, code)
    with pytest.raises(EditConflictError):
        save_profile(ledger, code, based_on=7)
    assert list_numbers(ledger) == [1]
    with ledger.connect() as connection:
        assert len(list_newest_revisions(connection)) == 1


def test_an_edit_of_the_code_in_another_case_is_no_edit_of_the_profile(ledger: Engine) -> None:
    save_profile(ledger, "LAW")
    with pytest.raises(EditConflictError):
        save_profile(ledger, "law", based_on=1)
    with ledger.connect() as connection:
        assert [one.code for one in list_newest_revisions(connection)] == ["LAW"]


def test_an_edit_of_a_revision_that_never_was_is_rejected(ledger: Engine) -> None:
    with pytest.raises(EditConflictError):
        save_profile(ledger, "NEW", based_on=3)
    assert list_numbers(ledger, "NEW") == []


def test_the_pages_can_not_change_or_remove_a_revision(ledger: Engine) -> None:
    save_profile(ledger)
    for statement in ("UPDATE profile_revisions SET changed_by = 'x'", "DELETE FROM profile_revisions"):
        with pytest.raises(ProgrammingError, match="permission denied"), ledger.begin() as connection:
            connection.execute(text(statement))


def test_a_run_keeps_the_revision_that_its_first_task_pinned(ledger: Engine) -> None:
    save_profile(ledger)
    save_profile(ledger, based_on=1, name="Second")
    with ledger.begin() as connection:
        first = pin_revision(connection, Job.EXPORT, "LAW", "run 1", 1)
        assert first
        assert (first.revision, first.profile["name"]) == (1, "Law Library")
        assert pin_revision(connection, Job.EXPORT, "LAW", "run 1", 2) == first
        assert pin_revision(connection, Job.EXPORT, "LAW", "run 1", None) == first
        second = get_revision(connection, "LAW", 2)
        assert pin_revision(connection, Job.EXPORT, "LAW", "run 2", 2) == second
        assert pin_revision(connection, Job.IMPORT, "LAW", "run 1", 2) == second
        for revision in (None, 2):  # a run of a profile in a file
            assert pin_revision(connection, Job.EXPORT, "LAW", "run 3", revision) is None


def test_two_tasks_that_pin_at_the_same_moment_get_the_same_revision(ledger: Engine) -> None:
    save_profile(ledger)
    save_profile(ledger, based_on=1)

    def pin(revision: int) -> int:
        with ledger.begin() as connection:
            pinned = pin_revision(connection, Job.EXPORT, "LAW", "run", revision)
        assert pinned
        return pinned.revision

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(pin, [1, 2] * 4))) == 1
