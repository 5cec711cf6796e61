"""The fields of a profile, their defaults, and the rules for several fields.

The module is long because every field and every rule of a profile has a test.
"""

from collections.abc import Callable

import pytest
from pydantic import BaseModel, ValidationError

from bursar.profiles import Export, Import, Profile
from bursar.profiles.schedule import Schedule

LoadChanged = Callable[[str, str], Profile]
FindProblems = Callable[[str, str], list[str]]


def test_a_profile_has_the_values_of_its_file(profile: Profile) -> None:
    assert (profile.code, profile.name, profile.system) == ("LAW", "Law Library", "Banner")
    assert profile.export.active is True
    assert profile.export.time_before_export_days == 7
    assert profile.export.user_identifier_type == "02"
    assert profile.export.libraries == ("LAW",)
    assert profile.export.schedule == Schedule("daily at 02:00", "0 2 * * *")
    assert profile.import_.input_file_path == "law/in"


def test_missing_keys_have_their_defaults(profile: Profile) -> None:
    assert profile.integration_type == "bursar"
    assert profile.time_zone == "America/New_York"
    assert profile.system_description is None
    assert profile.export.minimum_amount_for_user is None
    assert profile.export.identifier_pattern is None
    assert profile.export.user_groups == profile.export.fine_fee_types == ()
    assert profile.export.create_missing_folder is True
    assert profile.export.append_time_zone_abbreviation is False
    assert profile.export.include_internal_id is True
    assert profile.import_.file_patterns == ("*.xml", "*.xml.gz", "*.zip")
    assert profile.import_.done_file_suffix is None
    assert (profile.import_.stable_for_seconds, profile.import_.timeout_minutes) == (60, 720)
    assert profile.import_.on_timeout == "skip"
    assert profile.import_.amount_mode == "incremental"


def test_a_profile_is_immutable_and_hashable(profile: Profile) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        profile.export.libraries = ()  # type: ignore[misc]
    assert hash(profile) == hash(profile.model_copy(deep=True))


def test_a_profile_in_json_can_be_read_back(profile: Profile) -> None:
    assert Profile.model_validate_json(profile.model_dump_json(by_alias=True)) == profile


@pytest.mark.parametrize("model", [Profile, Export, Import])
def test_every_field_has_a_description(model: type[BaseModel]) -> None:
    assert [name for name, field in model.model_fields.items() if not field.description] == []


@pytest.mark.parametrize(
    "line", ["user_identifier_type: 02", "institutional_fine_fee: yes", "schedule: daily at 02:00"]
)
def test_an_active_export_requires_its_fields(find_problems: FindProblems, line: str) -> None:
    [problem] = find_problems(f"  {line}\n", "")

    assert problem.startswith(f"5: export.{line.partition(':')[0]}: is missing: ")


def test_both_sections_are_required_even_if_inactive(find_problems: FindProblems, good: str) -> None:
    _, _, section = good.partition("import:")

    assert find_problems(f"import:{section}", "") == ["1: import: is missing: The import of payments from the bursar."]
    assert find_problems(f"import:{section}", "import:\n") == [
        "13: import: is blank: The import of payments from the bursar."
    ]


def test_an_inactive_section_requires_no_other_field(load_changed: LoadChanged, good: str) -> None:
    sections = good[good.index("export:") :]

    profile = load_changed(sections, "export:\n  active: no\nimport:\n  active: no\n")

    assert (profile.export.active, profile.import_.active) == (False, False)


def test_the_fields_of_an_inactive_section_are_validated(find_problems: FindProblems, good: str) -> None:
    sections = good[good.index("export:") :]

    problems = find_problems(
        sections, "export:\n  active: no\n  schedule: soon\n  librarys: []\nimport:\n  active: no\n"
    )

    assert [problem.partition(" is not")[0] for problem in problems] == [
        "7: export.schedule: 'soon'",
        "8: export.librarys: unknown key: did you mean libraries?",
    ]


@pytest.mark.parametrize("code", ["A", "law_2", "1", "A" * 30])
def test_a_code_has_up_to_30_letters_digits_and_underscores(load_changed: LoadChanged, code: str) -> None:
    assert load_changed("code: LAW", f"code: {code}").code == code


@pytest.mark.parametrize("code", ["LAW-2", "Law Library", "A" * 31, "Bücher", "LAW/2"])
def test_any_other_code_is_a_problem(find_problems: FindProblems, code: str) -> None:
    assert find_problems("code: LAW", f"code: {code}") == [
        f"1: code: {code!r} is not allowed here: write 1 to 30 letters, digits and underscores"
    ]


def test_a_connection_that_is_no_id_is_a_problem(find_problems: FindProblems) -> None:
    assert find_problems("bursar_law", "sftp://bursar.example.edu") == [
        (
            "3: sftp_connection: 'sftp://bursar.example.edu' is not allowed here: "
            "write the id of an Airflow connection: letters, digits, _ . and -"
        )
    ]


def test_only_the_system_other_may_have_a_description(load_changed: LoadChanged, find_problems: FindProblems) -> None:
    assert load_changed("Banner", "Other").system_description is None
    assert load_changed("Banner", "Other\nsystem_description: Our own").system_description == "Our own"
    assert find_problems("Banner", "Banner\nsystem_description: Version 9") == [
        "5: system_description: belongs to the system Other only: remove it, or write system: Other"
    ]


def test_another_integration_type_is_a_problem(find_problems: FindProblems) -> None:
    assert find_problems("system:", "integration_type: oai\nsystem:") == [
        "4: integration_type: 'oai' is not known here: write one of bursar"
    ]


def test_a_profile_may_have_its_own_time_zone(load_changed: LoadChanged) -> None:
    assert load_changed("system:", "time_zone: America/Phoenix\nsystem:").time_zone == "America/Phoenix"


def test_one_owner_is_enough(load_changed: LoadChanged) -> None:
    assert load_changed("institutional_fine_fee: yes", "institutional_fine_fee: no").export.libraries == ("LAW",)
    assert load_changed("  libraries: [LAW]\n", "").export.libraries == ()


@pytest.mark.parametrize(("libraries", "line"), [("", 5), ("  libraries:\n", 10), ("  libraries: []\n", 10)])
def test_an_export_without_institution_and_library_is_a_problem(
    find_problems: FindProblems, libraries: str, line: int
) -> None:
    owners = "  institutional_fine_fee: yes\n  libraries: [LAW]\n"

    assert find_problems(owners, f"  institutional_fine_fee: no\n{libraries}") == [
        f"{line}: export.libraries: nothing would be exported: list a library, or write institutional_fine_fee: yes"
    ]


@pytest.mark.parametrize(("minimum", "types"), [("", "[CREDIT]"), ("0", "[CREDIT]"), ("10", "[CREDIT, OVERDUEFINE]")])
def test_credits_can_be_exported_without_a_minimum(load_changed: LoadChanged, minimum: str, types: str) -> None:
    load_changed("export:\n", f"export:\n  minimum_amount_for_user: {minimum}\n  fine_fee_types: {types}\n")


def test_an_export_of_credits_alone_with_a_minimum_is_a_problem(find_problems: FindProblems) -> None:
    assert find_problems("export:\n", "export:\n  minimum_amount_for_user: 10\n  fine_fee_types: [CREDIT]\n") == [
        "7: export.fine_fee_types: with a minimum, credits are skipped, so nothing would be exported: blank the minimum"
    ]


def test_a_layout_beside_a_form_of_the_xml_file_is_a_problem(find_problems: FindProblems) -> None:
    assert find_problems("export:\n", "export:\n  layout: banner\n  xml: {compact: yes}\n") == [
        "7: export.xml: is the form of the XML file, and the layout writes another one: remove it"
    ]


def test_an_identifier_pattern_has_a_maximum_length(load_changed: LoadChanged, find_problems: FindProblems) -> None:
    for pattern in (r"\d{8}", "[A-Z", "x" * 500):
        assert (
            load_changed("export:\n", f"export:\n  identifier_pattern: '{pattern}'\n").export.identifier_pattern
            == pattern
        )
    assert find_problems("export:\n", f"export:\n  identifier_pattern: {'x' * 501}\n") == [
        "6: export.identifier_pattern: a regular expression has at most 500 characters here, and this has 501"
    ]


def test_an_import_from_the_own_export_folder_is_a_problem(
    load_changed: LoadChanged, find_problems: FindProblems
) -> None:
    assert find_problems("law/in", "law/out") == [
        "15: import.input_file_path: is the export's folder, whose files would count as payments: choose another"
    ]
    load_changed("  active: yes\n  input_file_path: law/in", "  active: no\n  input_file_path: law/out")


def test_an_import_has_settings_for_files_and_times(load_changed: LoadChanged) -> None:
    section = load_changed(
        "import:\n",
        "import:\n  file_patterns: ['PAY*.txt']\n  done_file_suffix: .ok\n  stable_for_seconds: 0\n"
        "  timeout_minutes: 0\n  on_timeout: fail\n",
    ).import_

    assert (section.file_patterns, section.done_file_suffix) == (("PAY*.txt",), ".ok")
    assert (section.stable_for_seconds, section.timeout_minutes, section.on_timeout) == (0, 0, "fail")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("file_patterns: []", "file_patterns: no file would be read: write a pattern, as in ['*.csv']"),
        (
            "file_patterns: [in/*.xml]",
            "file_patterns: 'in/*.xml' has a folder in it: write a pattern on the name alone, as in '*.csv'",
        ),
        ("file_patterns: a.xml", "file_patterns: write a list, in brackets: [a.xml], or each on a line of its own"),
        ("done_file_suffix: done", "done_file_suffix: 'done' is not allowed here: write a suffix, as in .done"),
        ("done_file_suffix: ./done", "done_file_suffix: './done' is not allowed here: write a suffix, as in .done"),
        ("stable_for_seconds: 90000", "stable_for_seconds: 90000 is too large: write 86400 or less"),
        ("stable_for_seconds: a minute", "stable_for_seconds: 'a minute' is not a whole number"),
        ("timeout_minutes: 20000", "timeout_minutes: 20000 is too large: write 10080 or less"),
        ("on_timeout: skipped", "on_timeout: 'skipped' is not known here: did you mean skip?"),
    ],
)
def test_an_invalid_setting_of_an_import_is_a_problem(find_problems: FindProblems, line: str, problem: str) -> None:
    [found] = find_problems("import:\n", f"import:\n  {line}\n")

    assert found.startswith(f"14: import.{problem}")


def test_the_problem_of_an_unquoted_star_asks_for_quotes(find_problems: FindProblems) -> None:
    [problem] = find_problems("import:\n", "import:\n  file_patterns: [*.xml]\n")

    assert "quotes" in problem


MONITORING = """
notifications:
  completed_with_warnings: [fines@library.edu, chat:library_slack]
  failed: [systems@library.edu]
alerts:
  export_deadline_minutes: 120
  max_days_without_file: 7
"""


def test_a_profile_has_recipients_and_alerts(load_changed: LoadChanged) -> None:
    profile = load_changed("import:\n", f"{MONITORING.lstrip()}import:\n")

    assert profile.notifications.completed_with_warnings == ("fines@library.edu", "chat:library_slack")
    assert profile.notifications.completed == profile.notifications.nothing_to_do == ()
    assert profile.alerts.export_deadline_minutes == 120
    assert profile.alerts.max_days_without_export is None


def test_only_an_export_with_a_limit_needs_approval(load_changed: LoadChanged) -> None:
    assert not load_changed("", "").export.approval.is_limited
    assert not load_changed("export:\n", "export:\n  approval:\n    timeout_hours: 4\n").export.approval.is_limited
    assert load_changed("export:\n", "export:\n  approval:\n    max_fines: 0\n").export.approval.is_limited


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("systems@library.edu", "systems", "notifications.failed: 'systems' is not allowed here: write an address"),
        ("[systems@library.edu]", "a@library.edu", "notifications.failed: write a list, in brackets: [a@library.edu]"),
        ("[systems@library.edu]", "", "alerts: nobody would receive them: list a recipient below notifications.failed"),
        ("export_deadline", "import_deadline", "alerts.import_deadline_minutes: must be more than the 720 minutes"),
        ("120", "0", "alerts.export_deadline_minutes: 0 is too small: write 1 or more"),
        ("days_without", "day_without",
         "alerts.max_day_without_file: unknown key: did you mean max_days_without_file?"),
    ],
)  # fmt: skip
def test_an_invalid_setting_of_the_monitoring_is_a_problem(
    find_problems: FindProblems, old: str, new: str, problem: str
) -> None:
    [found] = find_problems("import:\n", f"{MONITORING.lstrip().replace(old, new)}import:\n")

    assert problem in found
