"""Reading sources: valid ones are read even if others are invalid, and no file is for two of them."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from bursar.profiles import INCLUDE, Problem, load_settings
from bursar.sources.csv.model import CsvSource
from bursar.sources.read import load_sources
from tests.support.fixtures import make_profile, make_settings
from tests.support.tracked_files import PROJECT, tracked

Load = Callable[..., tuple[list[CsvSource], list[str]]]


@pytest.fixture
def main_source(good_source: str) -> str:
    """Returns a second source, for files of the same names in the same folder."""
    return good_source.replace("code: LAW", "code: MAIN")


def test_valid_sources_are_read_beside_invalid_ones(load_files: Load, good_source: str, tmp_path: Path) -> None:
    (tmp_path / ".hidden.yaml").write_text(good_source)
    (tmp_path / "README.md").write_text("not a source")
    other = good_source.replace("LAW", "ANT").replace("law/out", "ant/out")
    sources, problems = load_files(law=good_source, broken="a: [", empty="", ant=other)
    assert [source.code for source in sources] == ["ANT", "LAW"]
    assert [problem.partition(":")[0] for problem in problems] == ["broken.yaml", "empty.yaml"]


def test_with_a_code_only_the_file_of_that_source_is_read(
    load_files: Load, good_source: str, main_source: str, tmp_path: Path
) -> None:
    load_files(law=good_source, main=main_source, broken="a: [")
    [source], problems = load_sources(tmp_path, make_settings(), code="LAW")
    assert (source.code, problems) == ("LAW", [])
    assert load_sources(tmp_path, make_settings(), code="NOBODY") == ([], [])


def test_a_code_exists_once_because_it_is_the_name_of_the_file(
    load_files: Load, good_source: str, tmp_path: Path
) -> None:
    (tmp_path / "law.yml").write_text(good_source.replace("law/out", "other"))
    [source], problems = load_files(law=good_source, law_copy=good_source.replace("code: LAW", "code: Law"))
    assert source.folder == "law/out"
    advice = "give this source a code of its own, and its file the name of that code"
    assert problems == [
        f"law.yml:1: code: LAW is the code of law.yaml, which is not affected: {advice}",
        f"law_copy.yaml:1: code: Law is the code of law.yaml, which is not affected: {advice}",
    ]


def test_a_file_with_another_name_than_its_code_is_a_problem(load_files: Load, good_source: str) -> None:
    message = "the file of the source LAW is law.yaml: give this file that name, or the source another code"
    assert load_files(koha=good_source) == ([], [f"koha.yaml:1: code: {message}"])


def test_two_sources_of_the_same_files_are_both_invalid(load_files: Load, good_source: str, main_source: str) -> None:
    third = good_source.replace("LAW", "ANT").replace("law/out", "ant/out")
    other = main_source.replace("users*.csv", "people.csv").replace("fines*.csv", "'*2026.csv'")
    sources, problems = load_files(law=good_source, main=other, ant=third)
    assert [source.code for source in sources] == ["ANT"]
    words = "match the same names in the same folder, and each file is for one source: write patterns of which only "
    words += "one matches, or choose another folder"
    assert problems == [
        f"law.yaml:7: files.users: 'users*.csv' and '*2026.csv' of MAIN {words}",
        f"law.yaml:8: files.fines: 'fines*.csv' and '*2026.csv' of MAIN {words}",
        f"main.yaml:8: files.fines: '*2026.csv' and 'fines*.csv' of LAW {words}",
        f"main.yaml:8: files.fines: '*2026.csv' and 'users*.csv' of LAW {words}",
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("connection: law_system", "connection: main_system"),
        ("connection: law_system\nfolder: law/out", "folder: /law/out"),
        ("folder: law/out", "folder: main/out"),
        ("kind: csv", "kind: csv\nactive: no"),
        ("users: users*.csv\n  fines: fines*.csv", "users: main_users.csv\n  fines: main_fines.csv"),
    ],
)
def test_other_folders_and_names_and_inactive_sources_are_no_problem(
    load_files: Load, good_source: str, main_source: str, old: str, new: str
) -> None:
    assert old in main_source
    sources, problems = load_files(law=good_source, main=main_source.replace(old, new))
    assert ([source.code for source in sources], problems) == (["LAW", "MAIN"], [])


@pytest.mark.parametrize(
    ("changes", "is_problem"),
    [
        ({}, True),
        ({"connection": None, "folder": "/in"}, False),
        ({"folder": "other"}, False),
        ({"fines": "fines*.csv"}, False),
        ({"active": "no"}, False),
    ],
)
def test_a_source_may_not_take_the_payment_files_of_a_profile(
    load_files: Load, good_source: str, tmp_path: Path, changes: dict[str, str | None], *, is_problem: bool
) -> None:
    values = {"connection": "bursar_banner", "folder": "in", "fines": "'*.XML'", "active": "yes"} | changes
    text = good_source.replace("fines*.csv", f"{values['fines']}").replace(
        "folder: law/out", f"folder: {values['folder']}"
    )
    text = text.replace("connection: law_system", f"connection: {values['connection'] or ''}")
    load_files(law=f"{text}active: {values['active']}\n")
    profile = make_profile()
    sources, problems = load_sources(tmp_path, make_settings(), list_profiles=lambda: [profile])
    assert len(sources) == (not is_problem)
    message = (
        f"'*.XML' and {profile.import_.file_patterns[0]!r}, the payment files of the profile STUDENTS, match the same "
        "names in the same folder: write patterns of which only one matches, or choose another folder"
    )
    assert problems == ([Problem(str(tmp_path / "law.yaml"), 8, "files.fines", message)] if is_problem else [])
    inactive = make_profile(import_active=False)
    assert load_sources(tmp_path, make_settings(), list_profiles=lambda: [inactive])[1] == []


def test_the_source_of_the_guide_is_valid(load_files: Load) -> None:
    guide = (PROJECT / "docs" / "how-to" / "load-from-a-library-system.md").read_text(encoding="utf-8")
    [text] = re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL)
    [source], problems = load_files(koha=text)
    assert (source.code, source.complete, problems) == ("KOHA", True, [])


def test_a_missing_folder_has_no_sources_but_one_that_can_not_be_read_is_a_problem(tmp_path: Path) -> None:
    assert load_sources(tmp_path / "missing", make_settings()) == ([], [])
    file = tmp_path / "sources"
    file.write_text("no folder")
    problem = Problem(str(file), 1, "", "the folder of sources can't be read: Not a directory")
    assert load_sources(file, make_settings()) == ([], [problem])


def test_the_shipped_sources_are_valid_examples_of_different_settings() -> None:
    sources, problems = load_sources(INCLUDE / "sources.examples", load_settings(INCLUDE / "bursar.yaml"))
    assert problems == []
    assert [source.code for source in sources] == ["LIBRARY", "VIENNA"]
    assert [source.connection for source in sources] == ["library_system", None]
    files = [source for source in sources if isinstance(source, CsvSource)]
    assert [source.complete for source in files] == [True, False]
    assert [source.dialect.decimal for source in files] == ["point", "comma"]


def test_no_source_is_shipped_as_active() -> None:
    assert [path.name for path in tracked("include/sources/*")] == ["README.md"]
