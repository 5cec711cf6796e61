"""Two imports never take each other's files."""

from collections.abc import Callable

import pytest

from bursar.profiles import Profile
from bursar.profiles.patterns import do_patterns_overlap

Load = Callable[..., tuple[list[Profile], list[str]]]


@pytest.mark.parametrize(
    ("one", "another", "expected"),
    [
        ("*.xml", "*.xml", True),
        ("*.xml", "*.XML", True),
        ("law_*", "*.xml", True),
        ("law_*.xml", "main_*.xml", False),
        ("*.xml", "*.zip", False),
        ("a?c", "abc", True),
        ("a[xy]c", "abc", True),  # on the safe side
        ("a[xy]c", "abd", False),
        ("*", "a", True),
        ("ab", "a", False),
        ("a*b*c", "*d*", True),
    ],
)
def test_patterns_overlap_if_a_name_can_match_both(one: str, another: str, expected: bool) -> None:
    assert do_patterns_overlap(one, another) is expected
    assert do_patterns_overlap(another, one) is expected


def test_two_imports_of_the_same_files_are_a_problem_of_both(load: Load, good: str) -> None:
    other = good.replace("code: LAW", "code: MAIN").replace("law/out", "main/out")
    profiles, problems = load(law=good, main=other)
    assert profiles == []
    assert [problem.split(": ")[1] for problem in problems] == ["import.file_patterns"] * 2
    assert "of MAIN match the same names in the same folder" in problems[0]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("sftp_connection: bursar_law", "sftp_connection: bursar_main"),
        ("law/in", "main/in"),
        ("import:\n  active: yes", "import:\n  active: no"),
    ],
)
def test_other_folders_and_inactive_imports_are_no_problem(load: Load, good: str, old: str, new: str) -> None:
    other = good.replace("code: LAW", "code: MAIN").replace("law/out", "main/out")
    profiles, problems = load(law=good, main=other.replace(old, new))
    assert ([profile.code for profile in profiles], problems) == (["LAW", "MAIN"], [])
