"""Profiles of both places: a run keeps its revision, and a code exists once."""

from pathlib import Path

import pytest
from sqlalchemy import Engine

from bursar.airflow import profile_store
from bursar.airflow.dag_factory import build_dags
from bursar.airflow.profile_store import find_credits_of, keep_revision, load_all_profiles
from bursar.errors import BursarError
from bursar.ledger.jobs import Job
from bursar.ledger.profile_revisions import pin_revision, save_revision
from bursar.profiles import Profile, ProfileError, Settings
from tests.profiles.conftest import GOOD
from tests.support.managed_profiles import make_fields, save_profile


@pytest.fixture
def no_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails the test if the ledger is asked for profiles."""

    def fail(*_: object) -> None:
        pytest.fail("the ledger was asked")

    monkeypatch.setattr(profile_store, "_query_revisions", fail)


def load_one(settings: Settings, code: str = "LAW") -> Profile:
    [profile], problems = load_all_profiles(settings, code=code)
    assert problems == []
    return profile


def test_profiles_of_both_places_are_loaded(folder: Path, settings: Settings, ledger: Engine) -> None:
    (folder / "arts.yaml").write_text(GOOD.replace("LAW", "ARTS").replace("law/", "arts/"))
    save_profile(ledger)
    save_profile(ledger, based_on=1, name="Second")
    profiles, _ = load_all_profiles(settings)
    assert [(one.code, one.name, one.revision) for one in profiles] == [
        ("ARTS", "Law Library", None),
        ("LAW", "Second", 2),
    ]
    assert set(build_dags()) == {f"bursar_{job}__{code}" for job in ("export", "import") for code in ("ARTS", "LAW")}


def test_an_invalid_profile_does_not_affect_the_others(settings: Settings, ledger: Engine) -> None:
    save_profile(ledger)
    save_profile(ledger, "OLD", system="Gone")
    profiles, problems = load_all_profiles(settings)
    assert [one.code for one in profiles] == ["LAW"]
    assert [problem.file for problem in problems] == ["OLD, revision 1 (managed in the pages)"]


def test_a_profile_finds_those_whose_credits_it_sends_in_both_places(
    folder: Path, settings: Settings, ledger: Engine
) -> None:
    leaves_them = "export:\n  credits_profile: LAW\n"
    arts = GOOD.replace("LAW", "ARTS").replace("law/", "arts/").replace("export:\n", leaves_them)
    (folder / "arts.yaml").write_text(arts.replace("  active: yes", "  active: no"))
    (folder / "wrong.yaml").write_text(arts.replace("ARTS", "WRONG").replace("yes", "perhaps"))
    save_profile(ledger)
    export = make_fields("MUSIC")["export"] | {"credits_profile": "LAW"}
    save_profile(ledger, "MUSIC", export=export)
    save_profile(ledger, "OTHER")
    assert find_credits_of(settings, load_one(settings)).credits_of == ("ARTS", "MUSIC")
    assert find_credits_of(settings, load_one(settings, "MUSIC")).credits_of == ()


def test_a_run_keeps_a_revision_that_leaves_its_credits_to_another_profile(settings: Settings, ledger: Engine) -> None:
    save_profile(ledger, export=make_fields()["export"] | {"credits_profile": "MAIN"})
    kept = keep_revision(ledger, settings, load_one(settings), Job.EXPORT, "run")
    assert kept.export.credits_profile == "MAIN"


@pytest.mark.usefixtures("no_ledger")
def test_a_task_of_a_profile_in_a_file_asks_no_ledger(folder: Path, settings: Settings) -> None:
    (folder / "law.yaml").write_text(GOOD)
    profile = load_one(settings)
    assert profile.revision is None


def test_a_file_with_the_code_of_a_profile_of_the_pages_replaces_it_for_dags_and_tasks(
    folder: Path, settings: Settings, ledger: Engine
) -> None:
    save_profile(ledger)
    (folder / "law.yaml").write_text(GOOD.replace("name: Law Library", "name: In a file"))
    profiles, [problem] = load_all_profiles(settings)
    assert [(one.name, one.revision) for one in profiles] == [("In a file", None)]
    assert problem.message.startswith("the file law.yaml has the code of this profile, and replaces it")
    assert load_one(settings).name == "In a file"

    with ledger.begin() as connection:
        inactive = make_fields() | {"export": {"active": "no"}, "import": {"active": "no"}}
        save_revision(connection, "LAW", inactive, based_on=1, change="deactivated", by="anna")
    profiles, problems = load_all_profiles(settings)
    assert ([one.name for one in profiles], problems) == (["In a file"], [])


def test_a_run_keeps_the_revision_that_it_started_with(settings: Settings, ledger: Engine) -> None:
    save_profile(ledger)
    first = keep_revision(ledger, settings, load_one(settings), Job.EXPORT, "run 1")
    save_profile(ledger, based_on=1, name="Second")
    newer = load_one(settings)
    assert newer.name == "Second"
    kept = keep_revision(ledger, settings, newer, Job.EXPORT, "run 1")
    assert (kept.name, kept.revision) == ("Law Library", 1)
    assert kept == first
    assert keep_revision(ledger, settings, newer, Job.EXPORT, "run 2").name == "Second"
    assert keep_revision(ledger, settings, newer, Job.IMPORT, "run 1").name == "Second"


def test_a_file_that_appears_does_not_replace_the_revision_of_a_run(
    folder: Path, settings: Settings, ledger: Engine
) -> None:
    save_profile(ledger)
    keep_revision(ledger, settings, load_one(settings), Job.EXPORT, "run 1")
    (folder / "law.yaml").write_text(GOOD.replace("name: Law Library", "name: In a file"))
    in_file = load_one(settings)
    kept = keep_revision(ledger, settings, in_file, Job.EXPORT, "run 1")
    assert (kept.name, kept.revision) == ("Law Library", 1)
    save_profile(ledger, based_on=1, name="Second")
    assert keep_revision(ledger, settings, in_file, Job.EXPORT, "run 1") == kept
    assert keep_revision(ledger, settings, in_file, Job.EXPORT, "run 2").name == "In a file"


def test_a_run_whose_revision_is_not_valid_any_more_fails(settings: Settings, ledger: Engine) -> None:
    save_profile(ledger, system="Gone")
    save_profile(ledger, based_on=1)
    with ledger.begin() as connection:
        pin_revision(connection, Job.EXPORT, "LAW", "run 1", 1)
    with pytest.raises(ProfileError, match="'Gone' is not known here"):
        keep_revision(ledger, settings, load_one(settings), Job.EXPORT, "run 1")


def test_a_run_of_a_file_does_not_go_on_with_a_profile_of_the_pages(
    folder: Path, settings: Settings, ledger: Engine
) -> None:
    file = folder / "law.yaml"
    file.write_text(GOOD)
    in_file = load_one(settings)
    assert keep_revision(ledger, settings, in_file, Job.EXPORT, "run 1") is in_file
    save_profile(ledger)  # as before the file appeared; the pages save no code of a file
    assert keep_revision(ledger, settings, load_one(settings), Job.EXPORT, "run 1").revision is None
    file.unlink()
    managed = load_one(settings)
    assert managed.revision == 1
    for _ in range(2):  # also when the task is repeated
        with pytest.raises(BursarError, match=r"LAW was in a file when this run started.* Put law.yaml back"):
            keep_revision(ledger, settings, managed, Job.EXPORT, "run 1")
    assert keep_revision(ledger, settings, managed, Job.EXPORT, "run 2").revision == 1
    file.write_text(GOOD)
    assert keep_revision(ledger, settings, load_one(settings), Job.EXPORT, "run 1") == in_file
