"""What a profile holds, and which of its fields depend on each other."""

from collections.abc import Callable

import pytest
from pydantic import BaseModel, ValidationError

from bursar.profiles import Export, Import, Profile
from bursar.profiles.schedule import Schedule

Changed = Callable[[str, str], Profile]
Wrong = Callable[[str, str], list[str]]


def test_a_profile_holds_what_its_file_says(profile: Profile) -> None:
    assert (profile.code, profile.name, profile.system) == ("LAW", "Law Library", "Banner")
    assert profile.export.active is True
    assert profile.export.time_before_export_days == 7
    assert profile.export.user_identifier_type == "02"
    assert profile.export.libraries == ("LAW",)
    assert profile.export.schedule == Schedule("daily at 02:00", "0 2 * * *")
    assert profile.import_.input_file_path == "law/in"


def test_what_a_profile_leaves_out_has_the_defaults_of_the_rules(profile: Profile) -> None:
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


def test_a_profile_cannot_be_changed_and_can_be_compared(profile: Profile) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        profile.export.libraries = ()  # type: ignore[misc]
    assert hash(profile) == hash(profile.model_copy(deep=True))


def test_a_profile_in_json_reads_back_the_same(profile: Profile) -> None:
    assert Profile.model_validate_json(profile.model_dump_json(by_alias=True)) == profile


@pytest.mark.parametrize("model", [Profile, Export, Import])
def test_every_field_is_explained(model: type[BaseModel]) -> None:
    assert [name for name, field in model.model_fields.items() if not field.description] == []


@pytest.mark.parametrize(
    "line", ["user_identifier_type: 02", "institutional_fine_fee: yes", "schedule: daily at 02:00"]
)
def test_an_active_export_needs_all_of_it(wrong: Wrong, line: str) -> None:
    [problem] = wrong(f"  {line}\n", "")

    assert problem.startswith(f"5: export.{line.partition(':')[0]}: is missing: ")


def test_both_sections_are_required_though_not_active(wrong: Wrong, good: str) -> None:
    _, _, section = good.partition("import:")

    assert wrong(f"import:{section}", "") == ["1: import: is missing: The import of payments from the bursar."]
    assert wrong(f"import:{section}", "import:\n") == ["13: import: is blank: The import of payments from the bursar."]


def test_a_section_that_is_not_active_may_leave_its_fields_out(changed: Changed, good: str) -> None:
    sections = good[good.index("export:") :]

    profile = changed(sections, "export:\n  active: no\nimport:\n  active: no\n")

    assert (profile.export.active, profile.import_.active) == (False, False)


def test_a_section_that_is_not_active_is_checked_where_it_says_something(wrong: Wrong, good: str) -> None:
    sections = good[good.index("export:") :]

    problems = wrong(sections, "export:\n  active: no\n  schedule: soon\n  librarys: []\nimport:\n  active: no\n")

    assert [problem.partition(" is not")[0] for problem in problems] == [
        "7: export.schedule: 'soon'",
        "8: export.librarys: unknown key: did you mean libraries?",
    ]


@pytest.mark.parametrize("code", ["A", "law_2", "1", "A" * 30])
def test_a_code_is_short_and_plain(changed: Changed, code: str) -> None:
    assert changed("code: LAW", f"code: {code}").code == code


@pytest.mark.parametrize("code", ["LAW-2", "Law Library", "A" * 31, "Bücher", "LAW/2"])
def test_any_other_code_is_refused(wrong: Wrong, code: str) -> None:
    assert wrong("code: LAW", f"code: {code}") == [
        f"1: code: {code!r} is not allowed here: write 1 to 30 letters, digits and underscores"
    ]


def test_a_connection_is_named_by_its_id(wrong: Wrong) -> None:
    assert wrong("bursar_law", "sftp://bursar.example.edu") == [
        (
            "3: sftp_connection: 'sftp://bursar.example.edu' is not allowed here: "
            "write the id of an Airflow connection: letters, digits, _ . and -"
        )
    ]


def test_only_other_systems_are_described(changed: Changed, wrong: Wrong) -> None:
    assert changed("Banner", "Other").system_description is None
    assert changed("Banner", "Other\nsystem_description: Our own").system_description == "Our own"
    assert wrong("Banner", "Banner\nsystem_description: Version 9") == [
        "5: system_description: belongs to the system Other only: remove it, or write system: Other"
    ]


def test_the_integration_type_is_bursar(wrong: Wrong) -> None:
    assert wrong("system:", "integration_type: oai\nsystem:") == [
        "4: integration_type: 'oai' is not known here: write one of bursar"
    ]


def test_a_profile_may_have_a_time_zone_of_its_own(changed: Changed) -> None:
    assert changed("system:", "time_zone: America/Phoenix\nsystem:").time_zone == "America/Phoenix"


def test_one_owner_is_enough(changed: Changed) -> None:
    assert changed("institutional_fine_fee: yes", "institutional_fine_fee: no").export.libraries == ("LAW",)
    assert changed("  libraries: [LAW]\n", "").export.libraries == ()


@pytest.mark.parametrize(("libraries", "line"), [("", 5), ("  libraries:\n", 10), ("  libraries: []\n", 10)])
def test_without_institution_and_library_nothing_would_be_exported(wrong: Wrong, libraries: str, line: int) -> None:
    owners = "  institutional_fine_fee: yes\n  libraries: [LAW]\n"

    assert wrong(owners, f"  institutional_fine_fee: no\n{libraries}") == [
        f"{line}: export.libraries: nothing would be exported: list a library, or write institutional_fine_fee: yes"
    ]


@pytest.mark.parametrize(("minimum", "types"), [("", "[CREDIT]"), ("0", "[CREDIT]"), ("10", "[CREDIT, OVERDUEFINE]")])
def test_credits_go_where_there_is_no_minimum(changed: Changed, minimum: str, types: str) -> None:
    changed("export:\n", f"export:\n  minimum_amount_for_user: {minimum}\n  fine_fee_types: {types}\n")


def test_credits_alone_with_a_minimum_would_never_go(wrong: Wrong) -> None:
    assert wrong("export:\n", "export:\n  minimum_amount_for_user: 10\n  fine_fee_types: [CREDIT]\n") == [
        "7: export.fine_fee_types: with a minimum, credits are skipped, so nothing would be exported: blank the minimum"
    ]


def test_an_identifier_pattern_is_checked_for_its_length(changed: Changed, wrong: Wrong) -> None:
    for pattern in (r"\d{8}", "[A-Z", "x" * 500):
        assert (
            changed("export:\n", f"export:\n  identifier_pattern: '{pattern}'\n").export.identifier_pattern == pattern
        )
    assert wrong("export:\n", f"export:\n  identifier_pattern: {'x' * 501}\n") == [
        "6: export.identifier_pattern: a regular expression has at most 500 characters here, and this has 501"
    ]


def test_an_export_does_not_come_back_as_payments(changed: Changed, wrong: Wrong) -> None:
    assert wrong("law/in", "law/out") == [
        "15: import.input_file_path: is the export's folder, whose files would count as payments: choose another"
    ]
    changed("  active: yes\n  input_file_path: law/in", "  active: no\n  input_file_path: law/out")


def test_an_import_says_which_files_it_takes_and_when(changed: Changed) -> None:
    section = changed(
        "import:\n",
        "import:\n  file_patterns: ['PAY*.txt']\n  done_file_suffix: .ok\n  stable_for_seconds: 0\n"
        "  timeout_minutes: 0\n  on_timeout: fail\n",
    ).import_

    assert (section.file_patterns, section.done_file_suffix) == (("PAY*.txt",), ".ok")
    assert (section.stable_for_seconds, section.timeout_minutes, section.on_timeout) == (0, 0, "fail")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("file_patterns: []", "file_patterns: no file would be imported: write a pattern, as in ['*.xml']"),
        (
            "file_patterns: [in/*.xml]",
            "file_patterns: 'in/*.xml' has a folder in it: write a pattern on the name alone, as in '*.xml'",
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
def test_what_an_import_cannot_mean_is_refused(wrong: Wrong, line: str, problem: str) -> None:
    [found] = wrong("import:\n", f"import:\n  {line}\n")

    assert found.startswith(f"14: import.{problem}")


def test_an_unquoted_star_is_explained(wrong: Wrong) -> None:
    [problem] = wrong("import:\n", "import:\n  file_patterns: [*.xml]\n")

    assert "quotes" in problem


OVERSIGHT = """
notifications:
  completed_with_warnings: [fines@library.edu, chat:library_slack]
  failed: [systems@library.edu]
alerts:
  export_deadline_minutes: 120
  max_days_without_file: 7
"""


def test_a_profile_names_recipients_and_alerts(changed: Changed) -> None:
    profile = changed("import:\n", f"{OVERSIGHT.lstrip()}import:\n")

    assert profile.notifications.completed_with_warnings == ("fines@library.edu", "chat:library_slack")
    assert profile.notifications.completed == profile.notifications.nothing_to_do == ()
    assert profile.alerts.export_deadline_minutes == 120
    assert profile.alerts.max_days_without_export is None


def test_nothing_waits_for_approval_unless_there_is_a_limit(changed: Changed) -> None:
    assert not changed("", "").export.approval.is_limited
    assert not changed("export:\n", "export:\n  approval:\n    timeout_hours: 4\n").export.approval.is_limited
    assert changed("export:\n", "export:\n  approval:\n    max_fines: 0\n").export.approval.is_limited


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
def test_what_is_wrong_in_oversight_is_said_plainly(wrong: Wrong, old: str, new: str, problem: str) -> None:
    [found] = wrong("import:\n", f"{OVERSIGHT.lstrip().replace(old, new)}import:\n")

    assert problem in found
