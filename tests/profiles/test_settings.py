"""The settings of the institution in bursar.yaml."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bursar.profiles import ProfileError, Settings, load_settings

GOOD = """\
institution_name: A Library
institution_id: 0123
default_currency: USD
time_zone: America/New_York
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "include").mkdir()
    return tmp_path / "include" / "bursar.yaml"


@pytest.fixture
def load(file: Path) -> Callable[[str], Settings]:
    """Returns a function that adds text to valid settings, and loads them."""

    def load(added: str = "", good: str = GOOD) -> Settings:
        file.write_text(good + added)
        return load_settings(file)

    return load


def find_problems(load: Callable[..., Settings], *texts: str) -> list[str]:
    with pytest.raises(ProfileError) as refused:
        load(*texts)
    return [f"{problem.line}: {problem.field}: {problem.message}" for problem in refused.value.problems]


def test_settings_have_the_values_of_the_file_and_defaults(load: Callable[..., Settings]) -> None:
    settings = load()

    assert settings.institution_id == "0123"
    assert settings.transaction_ids.prefix == ""
    assert settings.transaction_ids.start == 1
    assert settings.transaction_ids.maximum == 2**63 - 1
    assert settings.allow_activity_on_transferred_finesfees is False


def test_a_relative_work_dir_is_relative_to_the_parent_of_the_include_folder(
    load: Callable[..., Settings], tmp_path: Path
) -> None:
    assert load().work_dir == tmp_path / ".local" / "staging"
    assert load("work_dir: elsewhere\n").work_dir == tmp_path / "elsewhere"
    assert load("work_dir: /var/spool/bursar\n").work_dir == Path("/var/spool/bursar")


@pytest.mark.parametrize(
    ("start", "problem"),
    [
        ("0", "5: export_number_start: 0 is too small: write 1 or more"),
        ("1000000001", "5: export_number_start: 1000000001 is too large: write 1000000000 or less"),
    ],
)
def test_the_start_of_export_numbers_has_limits(load: Callable[..., Settings], start: str, problem: str) -> None:
    assert load("export_number_start: 1000000000\n").export_number_start == 10**9
    assert find_problems(load, f"export_number_start: {start}\n") == [problem]


def test_transaction_ids_can_be_set(load: Callable[..., Settings]) -> None:
    ids = load("transaction_ids:\n  prefix: LIB-\n  start: 5000\n  maximum: 5000\n").transaction_ids

    assert (ids.prefix, ids.start, ids.maximum) == ("LIB-", 5000, 5000)


@pytest.mark.parametrize(
    ("added", "problems"),
    [
        ("transaction_ids:\n  start: 6\n  maximum: 5\n",
         ["7: transaction_ids.maximum: 5 is below the start, 6: raise it"]),
        ("transaction_ids:\n  start: 0\n", ["6: transaction_ids.start: 0 is too small: write 1 or more"]),
        ("transaction_ids:\n  maximum: 9223372036854775808\n",
         ["6: transaction_ids.maximum: 9223372036854775808 is too large: write 9223372036854775807 or less"]),
        ("transaction_ids:\n  prefix: LONGLIBRARY\n",
         [("6: transaction_ids.prefix: 'LONGLIBRARY' is not allowed here: "
           "write at most 10 letters, digits and hyphens")]),
        ("transaction_ids:\n  prefix: L_\n",
         ["6: transaction_ids.prefix: 'L_' is not allowed here: write at most 10 letters, digits and hyphens"]),
        ("allow_activity_on_transfered_finesfees: yes\n",
         [("5: allow_activity_on_transfered_finesfees: "
          "unknown key: did you mean allow_activity_on_transferred_finesfees?")]),
        ("prefix: X\n", ["5: prefix: belongs below transaction_ids"]),
        (
            "work_dir: s3://aws@bucket/x\n",
            ["5: work_dir: 's3://aws@bucket/x' is not a folder on this machine: write one, as in .local/staging"],
        ),
        ("work_dir: [a]\n", ["5: work_dir: write one value here, not a list or a section"]),
    ],
)  # fmt: skip
def test_invalid_settings_are_an_error_with_the_line(
    load: Callable[..., Settings], added: str, problems: list[str]
) -> None:
    assert find_problems(load, added) == problems


def test_all_problems_of_the_settings_are_listed(load: Callable[..., Settings], file: Path) -> None:
    text = "institution_id:\ndefault_currency: usd\ntime_zone: Moon\ntime_zone: UTC\n"

    assert [problem.partition(": write one")[0] for problem in find_problems(load, text, "")] == [
        "1: institution_id: is blank: `InstitutionId` in the exported files.",
        "1: institution_name: is missing: The name of the library in reports.",
        "2: default_currency: 'usd' is not allowed here: write the three capitals of ISO 4217, as in USD",
        "3: time_zone: 'Moon' is not a time zone",
        "4: time_zone: is in line 3 already: keep one of the two",
    ]
    with pytest.raises(ProfileError, match=f"^{file}:1: institution_id: is blank"):
        load(text, "")


def test_the_error_names_a_missing_file(file: Path) -> None:
    with pytest.raises(ProfileError, match=f"^{file}:1: can't be read: No such file or directory$"):
        load_settings(file)
