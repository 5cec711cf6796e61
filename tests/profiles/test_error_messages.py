"""What pydantic finds wrong is said in plain words."""

from collections.abc import Callable

import pytest

from bursar.profiles import Profile

Changed = Callable[[str, str], Profile]
Wrong = Callable[[str, str], list[str]]


def test_a_blank_required_value_is_missing(wrong: Wrong) -> None:
    assert wrong("name: Law Library", "name:") == [
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
def test_what_is_required_has_to_be_there(wrong: Wrong, line: str, problem: str) -> None:
    assert wrong(line, "") == [problem]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("name:", "Name:", "unknown key: did you mean name?"),
        ("libraries:", "library:", "unknown key: did you mean libraries?"),
        ("code: LAW\n", "code: LAW\nlibraries: [LAW]\n", "belongs below export"),
        ("code: LAW\n", "code: LAW\nschedule: daily at 02:00\n", "belongs below export or below import"),
        ("export:\n", "export:\n  time_zone: UTC\n", "belongs to no section: don't indent it"),
        ("import:\n", "import:\n  zzz:\n",
         ("unknown key: the keys here are active, input_file_path, file_patterns, done_file_suffix, "
         "stable_for_seconds, timeout_minutes, on_timeout, amount_mode, schedule")),
        ("import:\n", "import:\n  import_: yes\n", "unknown key: the keys here are active, "),
        ("import:", "import_:", "unknown key: did you mean import?"),
        ("import:\n", "import:\n  <<: x\n", "unknown key: the keys here are active, "),
    ],
)  # fmt: skip
def test_an_unknown_key_is_refused_with_the_one_that_was_meant(wrong: Wrong, old: str, new: str, problem: str) -> None:
    assert any(f": {problem}" in found for found in wrong(old, new))


def test_a_section_is_a_section(wrong: Wrong, good: str) -> None:
    _, _, section = good.partition("import:")

    assert wrong(f"import:{section}", "import: yes\n") == [
        "13: import: write the fields of this section on the lines below it, each indented by two spaces"
    ]


@pytest.mark.parametrize(
    ("written", "hint"), [("banner", "did you mean Banner?"), ("PEOPLSOFT", "did you mean PeopleSoft?")]
)
def test_a_system_is_known_or_other(wrong: Wrong, written: str, hint: str) -> None:
    assert wrong("Banner", written) == [f"4: system: {written!r} is not known here: {hint}"]


def test_what_resembles_no_system_gets_the_list(wrong: Wrong) -> None:
    [problem] = wrong("Banner", "Quicken")

    assert problem.startswith("4: system: 'Quicken' is not known here: write one of Anthology, Banner, ")
    assert problem.endswith(", Other")
