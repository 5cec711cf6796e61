"""Loading profiles: valid ones are loaded even if others are invalid, and all problems are listed together."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bursar.profiles import INCLUDE, Problem, Profile, Settings, load_profiles, load_settings

Load = Callable[..., tuple[list[Profile], list[str]]]

MANY_FAULTS = """\
# Every mistake that a person may make in a profile
code: LAW LIBRARY
nmae: Law Library
sftp_connection:
system: Baner
system_description: Version 9
time_zone: America/Newyork
code: LAW
export:
  active: yes
  minimum_amount_for_user: 10.50
  user_identifier_type: [02]
  identifier_pattern: PATTERN
  user_groups: STAFF
  fine_fee_types:
    - OVERDUEFINE
    -
  institutional_fine_fee: no
  libraries: []
  output_file_path: /law/out
  create_missing_folder: perhaps
  input_file_path: law/in
  schedule: monthly on day 31 at 02:00
import:
  active: on
  amount_mode: total
""".replace("PATTERN", "x" * 501)
EXPECTED_PROBLEMS = [
    "2: code: 'LAW LIBRARY' is not allowed here: write 1 to 30 letters, digits and underscores",
    "3: nmae: unknown key: did you mean name?",
    "4: sftp_connection: is blank: The id of the Airflow connection to the S/FTP server.",
    "5: system: 'Baner' is not known here: did you mean Banner?",
    "7: time_zone: 'America/Newyork' is not a time zone: write one as in America/New_York",
    "8: code: is in line 2 already: keep one of the two",
    (
        "9: export.time_before_export_days: is missing: "
        "How many days to wait before a fine is exported. 0 exports it with the next run."
    ),
    (
        "11: export.minimum_amount_for_user: '10.50' is not a whole number: "
        "write digits alone, such as 10, without decimal point"
    ),
    "12: export.user_identifier_type: write one value here, not a list or a section",
    "13: export.identifier_pattern: a regular expression has at most 500 characters here, and this has 501",
    "14: export.user_groups: write a list, in brackets: [STAFF], or each on a line of its own after a hyphen",
    "17: export.fine_fee_types: is blank: write a value, or remove the line",
    "19: export.libraries: nothing would be exported: list a library, or write institutional_fine_fee: yes",
    (
        "20: export.output_file_path: write 'law/out', without the leading /: "
        "the path starts in the sub_directory of the S/FTP connection"
    ),
    "21: export.create_missing_folder: 'perhaps' is neither yes nor no: write yes or no",
    "22: export.input_file_path: belongs below import or below statement",
    "23: export.schedule: not every month has a day 31: write a day from 1 to 28",
    "25: import.active: 'on' is neither yes nor no: write yes or no",
    "26: import.amount_mode: 'total' is not known here: write one of incremental, cumulative",
]


def test_all_problems_of_a_file_are_listed_with_their_lines(load: Load) -> None:
    profiles, problems = load(law=MANY_FAULTS)

    assert profiles == []
    name_is_missing = "1: name: is missing: The name for people. It is part of the names of the jobs."
    assert problems == [f"law.yaml:{problem}" for problem in [name_is_missing, *EXPECTED_PROBLEMS]]


def test_valid_profiles_are_loaded_beside_invalid_ones(load: Load, good: str, tmp_path: Path) -> None:
    (tmp_path / "latin1.yaml").write_bytes(b"name: caf\xe9\n")
    (tmp_path / "folder.yaml").mkdir()

    profiles, problems = load(
        zebra=good.replace("LAW", "ZEBRA").replace("law/in", "zebra/in"),
        law=good,
        broken="a: [",
        empty="",
        deep="a: " + "[" * 1000,
        ant=good.replace("LAW", "ANT").replace("law/in", "ant/in"),
    )

    assert [profile.code for profile in profiles] == ["ANT", "LAW", "ZEBRA"]
    assert [problem.partition(":")[0] for problem in problems] == [
        "broken.yaml", "deep.yaml", "empty.yaml", "folder.yaml", "latin1.yaml"
    ]  # fmt: skip


def test_a_problem_has_the_form_of_a_compiler_message(load: Load, tmp_path: Path, settings: Settings) -> None:
    load(law="code: LAW\n- x\n")

    _, [problem] = load_profiles(tmp_path, settings)

    assert str(problem).startswith(f"{tmp_path}/law.yaml:2: ")
    assert str(Problem("a.yaml", 3, "export.libraries", "correct it")) == "a.yaml:3: export.libraries: correct it"


def test_profiles_are_yaml_files_that_are_not_hidden(load: Load, tmp_path: Path, good: str) -> None:
    (tmp_path / ".hidden.yaml").write_text(good)
    (tmp_path / "law.yaml~").write_text(good)
    (tmp_path / "README.md").write_text("not a profile")

    profiles, problems = load(law=good)

    assert [profile.code for profile in profiles] == ["LAW"]
    assert problems == []


def test_a_file_has_the_name_of_its_code(load: Load, tmp_path: Path, good: str) -> None:
    (tmp_path / "law.yml").write_text(good)
    problem = "the file of the profile LAW is law.yaml: give this file that name, or the profile another code"
    assert load(banner=good) == ([], [f"banner.yaml:1: code: {problem}", f"law.yml:1: code: {problem}"])


@pytest.mark.parametrize("name", ["a", "law_copy", "law-2", "zebra", "LAW"])
@pytest.mark.parametrize("code", ["LAW", "Law"])
def test_a_second_profile_with_the_same_code_does_not_affect_the_first(
    load: Load, good: str, name: str, code: str
) -> None:
    (running,), _ = load(law=good)
    other = "# a copy\n" + good.replace("code: LAW", f"code: {code}").replace("law/out", "other/out")
    profiles, problems = load(**{name: other})
    assert profiles == [running]
    reason = f"{code} is the code of law.yaml, which is not affected"
    advice = "give this profile a code of its own, and its file the name of that code"
    assert problems == [f"{name}.yaml:2: code: {reason}: {advice}"]


def test_an_invalid_identifier_pattern_is_a_problem_with_its_line(
    load: Load, good: str, tmp_path: Path, settings: Settings
) -> None:
    with_pattern = good.replace("export:\n", "export:\n  identifier_pattern: '[A-Z'\n")
    main = good.replace("code: LAW", "code: MAIN").replace("law/in", "main/in")
    assert load(law=with_pattern, main=main)[1] == []
    profiles, [problem] = load_profiles(tmp_path, settings, pattern_error=lambda pattern: f"no {pattern}")
    assert [profile.code for profile in profiles] == ["MAIN"]
    assert str(problem) == f"{tmp_path}/law.yaml:6: export.identifier_pattern: '[A-Z' is not valid: no [A-Z"


def test_an_empty_folder_is_no_problem_but_a_missing_one_is(tmp_path: Path, settings: Settings) -> None:
    assert load_profiles(tmp_path, settings) == ([], [])

    missing = tmp_path / "missing"
    assert load_profiles(missing, settings) == (
        [],
        [Problem(str(missing), 1, "", "the folder of profiles can't be read: No such file or directory")],
    )


def test_loading_twice_gives_the_same_profiles(settings: Settings) -> None:
    once, again = (load_profiles(INCLUDE / "profiles.examples", settings)[0] for _ in range(2))

    assert [profile.model_dump_json() for profile in once] == [profile.model_dump_json() for profile in again]


@pytest.fixture
def shipped() -> dict[str, Profile]:
    """Returns the shipped profiles by their codes."""
    """Returns the shipped profiles by their codes."""
    """Returns the shipped profiles by their codes."""
    profiles, problems = load_profiles(INCLUDE / "profiles.examples", load_settings(INCLUDE / "bursar.yaml"))
    assert problems == []
    return {profile.code: profile for profile in profiles}


def test_the_shipped_profiles_are_examples_of_different_settings(shipped: dict[str, Profile]) -> None:
    assert list(shipped) == ["CREDITS", "MEDICAL", "STAFF", "STUDENTS", "SUMMER_SCHOOL"]
    assert [code for code, profile in shipped.items() if not profile.export.active] == ["SUMMER_SCHOOL"]
    assert {profile.sftp_connection for profile in shipped.values()} == {"bursar_banner", "bursar_peoplesoft"}
    assert shipped["CREDITS"].export.fine_fee_types == ("CREDIT",)
    assert [code for code, profile in shipped.items() if profile.import_.active] == ["CREDITS", "MEDICAL", "STUDENTS"]
    schedules = [shipped[code].export.schedule.words for code in ("STUDENTS", "STAFF", "MEDICAL")]
    assert schedules == ["daily at 02:00", "weekly on Sunday at 03:00", "monthly on day 1 at 04:00"]


def test_an_import_from_the_export_folder_of_another_profile_is_a_problem(load: Load, good: str) -> None:
    """Every fine in an exported file would count as paid."""
    other = good.replace("code: LAW", "code: MAIN").replace("law/out", "main/out").replace("law/in", "law/out")
    profiles, problems = load(law=good, main=other)
    assert [profile.code for profile in profiles] == ["LAW"]
    line = other.splitlines().index("  input_file_path: law/out") + 1
    folder = f"main.yaml:{line}: import.input_file_path"
    assert problems == [
        f"{folder}: is the folder that LAW exports to, whose files would count as payments: choose another"
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("sftp_connection: bursar_law", "sftp_connection: bursar_main"),
        ("import:\n  active: yes", "import:\n  active: no"),
    ],
)
def test_the_same_folder_on_another_server_or_of_an_inactive_import_is_valid(
    load: Load, good: str, old: str, new: str
) -> None:
    other = good.replace("code: LAW", "code: MAIN").replace("law/out", "main/out").replace("law/in", "law/out")
    profiles, problems = load(law=good, main=other.replace(old, new))
    assert ([profile.code for profile in profiles], problems) == (["LAW", "MAIN"], [])


def test_the_shipped_profiles_share_no_folder(shipped: dict[str, Profile]) -> None:
    active = [profile for profile in shipped.values() if profile.export.active]
    folders = [(profile.sftp_connection, profile.export.output_file_path) for profile in active] + [
        (profile.sftp_connection, profile.import_.input_file_path) for profile in active if profile.import_.active
    ]

    assert len(folders) == len(set(folders))


def run_python(code: str, **environment: str) -> str:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))} | environment
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout  # noqa: S603


def test_a_variable_sets_another_include_folder(tmp_path: Path) -> None:
    code = "from bursar.profiles import INCLUDE; print(INCLUDE)"

    assert run_python(code, BURSAR_INCLUDE=str(tmp_path)).strip() == str(tmp_path)
    assert Path(run_python(code, BURSAR_INCLUDE="").strip()) == Path(__file__).parents[2] / "include"


def test_profiles_are_loaded_without_airflow() -> None:
    code = "import sys, bursar.profiles; print([name for name in sys.modules if name.partition('.')[0] == 'airflow'])"

    assert run_python(code).strip() == "[]"
