"""The error messages of profiles, which replace those of pydantic."""

from collections.abc import Callable

import pytest

from bursar.profiles import Profile

LoadChanged = Callable[[str, str], Profile]
FindProblems = Callable[[str, str], list[str]]


def test_a_blank_required_value_is_missing(find_problems: FindProblems) -> None:
    assert find_problems("name: Law Library", "name:") == [
        "2: name: is blank: The name for people. It is part of the names of the jobs."
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("name: Law Library\n", "1: name: is missing: The name for people. It is part of the names of the jobs."),
        ("  active: yes\n",
         "5: export.active: is missing: Whether the job runs. A section that is not active has no DAG."),
        ("  time_before_export_days: 7\n",
         ("5: export.time_before_export_days: is missing: "
         "How many days to wait before a fine is exported. 0 exports it with the next run.")),
        ("  output_file_path: law/out\n",
         ("5: export.output_file_path: is missing: "
         "The folder to which the file is uploaded, below the `sub_directory` of the S/FTP connection.")),
        ("  input_file_path: law/in\n",
         ("13: import.input_file_path: is missing: "
         "The folder in which the bursar's files arrive, below the `sub_directory` of the S/FTP connection.")),
    ],
)  # fmt: skip
def test_a_missing_required_key_is_a_problem(find_problems: FindProblems, line: str, problem: str) -> None:
    assert find_problems(line, "") == [problem]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("name:", "Name:", "unknown key: did you mean name?"),
        ("libraries:", "library:", "unknown key: did you mean libraries?"),
        ("code: LAW\n", "code: LAW\nlibraries: [LAW]\n", "belongs below export"),
        ("code: LAW\n", "code: LAW\nschedule: daily at 02:00\n", "belongs below export or below import"),
        ("export:\n", "export:\n  time_zone: UTC\n", "belongs to no section: don't indent it"),
        ("import:\n", "import:\n  zzz:\n",
         ("unknown key: the keys here are active, input_file_path, file_patterns, layout, done_file_suffix, "
         "stable_for_seconds, timeout_minutes, on_timeout, after_import, amount_mode, max_overpayment, schedule")),
        ("import:\n", "import:\n  import_: yes\n", "unknown key: did you mean after_import?"),
        ("import:", "import_:", "unknown key: did you mean import?"),
        ("import:\n", "import:\n  <<: x\n", "unknown key: the keys here are active, "),
    ],
)  # fmt: skip
def test_an_unknown_key_is_a_problem_with_a_suggestion(
    find_problems: FindProblems, old: str, new: str, problem: str
) -> None:
    assert any(f": {problem}" in found for found in find_problems(old, new))


def test_a_section_without_fields_is_a_problem(find_problems: FindProblems, good: str) -> None:
    _, _, section = good.partition("import:")

    assert find_problems(f"import:{section}", "import: yes\n") == [
        "13: import: write the fields of this section on the lines below it, each indented by two spaces"
    ]


@pytest.mark.parametrize(
    ("written", "hint"), [("banner", "did you mean Banner?"), ("PEOPLSOFT", "did you mean PeopleSoft?")]
)
def test_a_misspelled_system_is_a_problem_with_a_suggestion(
    find_problems: FindProblems, written: str, hint: str
) -> None:
    assert find_problems("Banner", written) == [f"4: system: {written!r} is not known here: {hint}"]


def test_an_unknown_system_is_a_problem_with_the_list_of_systems(find_problems: FindProblems) -> None:
    [problem] = find_problems("Banner", "Quicken")

    assert problem.startswith("4: system: 'Quicken' is not known here: write one of Anthology, Banner, ")
    assert problem.endswith(", Other")
