"""The types of fields: the values that each one accepts, and the messages for others."""

from collections.abc import Callable, Mapping

import pytest
from pydantic import ValidationError

from bursar.profiles import Export, Import, Profile
from bursar.profiles.schedule import Schedule

LoadChanged = Callable[[str, str], Profile]
FindProblems = Callable[[str, str], list[str]]
PATHS = [
    ("/law/out", "write 'law/out', without the leading /"),
    ("/", "write 'bursar', without the leading /"),
    ("../law", "'../law' has an empty part, . or .. in it"),
    ("law/../out", "'law/../out' has an empty part, . or .. in it"),
    ("law//out", "'law//out' has an empty part, . or .. in it"),
    ("law/out/", "'law/out/' has an empty part, . or .. in it"),
    ("./law", "'./law' has an empty part, . or .. in it"),
    (r"law\out", "folders are divided by /, not by a backslash"),
    (r'"law/\x07out"', "the control character U+0007 is not allowed here: remove it"),
]


@pytest.mark.parametrize("answer", ["yes", "true", '"yes"'])
def test_yes_and_true_are_true(load_changed: LoadChanged, answer: str) -> None:
    assert (
        load_changed("institutional_fine_fee: yes", f"institutional_fine_fee: {answer}").export.institutional_fine_fee
        is True
    )


@pytest.mark.parametrize("answer", ["no", "false"])
def test_no_and_false_are_false(load_changed: LoadChanged, answer: str) -> None:
    assert (
        load_changed("institutional_fine_fee: yes", f"institutional_fine_fee: {answer}").export.institutional_fine_fee
        is False
    )


@pytest.mark.parametrize("answer", ["Yes", "on", "off", "1", "0", "maybe", "y"])
def test_other_answers_than_yes_and_no_are_a_problem(find_problems: FindProblems, answer: str) -> None:
    assert find_problems("active: yes", f"active: {answer}") == [
        f"6: export.active: '{answer}' is neither yes nor no: write yes or no"
    ]


@pytest.mark.parametrize("value", ["10.0", "10.50", "1_000", "-1", "ten", "1e3", "0x1F", "$10", "10 days", "+10", "٣"])
def test_a_number_that_is_not_whole_is_a_problem(find_problems: FindProblems, value: str) -> None:
    assert find_problems("export:\n", f"export:\n  minimum_amount_for_user: {value}\n") == [
        (
            f"6: export.minimum_amount_for_user: '{value}' is not a whole number: "
            "write digits alone, such as 10, without decimal point"
        )
    ]


@pytest.mark.parametrize(("value", "number"), [("0", 0), ("010", 10), ("10", 10)])
def test_a_number_may_have_leading_zeros(load_changed: LoadChanged, value: str, number: int) -> None:
    profile = load_changed("export:\n", f"export:\n  minimum_amount_for_user: {value}\n")

    assert profile.export.minimum_amount_for_user == number


def test_days_have_a_maximum(load_changed: LoadChanged, find_problems: FindProblems) -> None:
    assert load_changed("days: 7", "days: 3650").export.time_before_export_days == 3650
    assert find_problems("days: 7", "days: 3651") == [
        "7: export.time_before_export_days: 3651 is too large: write 3650 or less"
    ]


@pytest.mark.parametrize(
    ("written", "example"), [("LAW", "[LAW]"), ("LAW, MAIN", "[MAIN, LAW]"), ("{LAW: MAIN}", "[MAIN, LAW]")]
)
def test_a_value_in_place_of_a_list_is_a_problem(find_problems: FindProblems, written: str, example: str) -> None:
    assert find_problems("libraries: [LAW]", f"libraries: {written}") == [
        f"10: export.libraries: write a list, in brackets: {example}, or each on a line of its own after a hyphen"
    ]


def test_a_problem_of_a_list_entry_has_the_line_of_the_entry(find_problems: FindProblems) -> None:
    assert find_problems("libraries: [LAW]", "libraries:\n    - LAW\n    -\n    - [MAIN]") == [
        "12: export.libraries: is blank: write a value, or remove the line",
        "13: export.libraries: write one value here, not a list or a section",
    ]


def test_codes_in_lists_are_text(load_changed: LoadChanged) -> None:
    assert load_changed("libraries: [LAW]", "libraries: [01, no, 1.10]").export.libraries == ("01", "no", "1.10")


def test_only_a_description_may_have_several_lines(load_changed: LoadChanged, find_problems: FindProblems) -> None:
    assert load_changed("system:", "description: |\n  One\n  Two\nsystem:").description == "One\nTwo"
    assert find_problems("name: Law Library", 'name: "Law\\nLibrary"') == [
        "2: name: the control character U+000A is not allowed here: remove it"
    ]
    assert find_problems("system:", 'description: "One\\u0002"\nsystem:') == [
        "4: description: the control character U+0002 is not allowed here: remove it"
    ]


def test_a_surrogate_is_a_problem(find_problems: FindProblems) -> None:
    assert find_problems("name: Law Library", 'name: "Law \\ud800"') == [
        "2: name: the control character U+D800 is not allowed here: remove it"
    ]


@pytest.mark.parametrize(
    ("written", "near"),
    [("America/Newyork", "America/New_York"), ("berlin", "Europe/Berlin"), ("Mars", "America/New_York")],
)
def test_an_unknown_time_zone_is_a_problem_with_a_suggestion(
    find_problems: FindProblems, written: str, near: str
) -> None:
    [problem] = find_problems("system:", f"time_zone: {written}\nsystem:")

    assert problem.startswith(f"4: time_zone: {written!r} is not a time zone: write one as in ")
    if written != "Mars":
        assert problem.endswith(near)


@pytest.mark.parametrize(("path", "problem"), PATHS)
def test_the_output_folder_is_below_the_folder_of_the_connection(
    find_problems: FindProblems, path: str, problem: str
) -> None:
    [found] = find_problems("law/out", path)

    assert found.startswith(f"11: export.output_file_path: {problem}")


@pytest.mark.parametrize(("path", "problem"), PATHS)
def test_the_input_folder_is_below_the_folder_of_the_connection(
    find_problems: FindProblems, path: str, problem: str
) -> None:
    [found] = find_problems("law/in", path)

    assert found.startswith(f"15: import.input_file_path: {problem}")


def test_the_name_of_a_folder_may_have_letters_of_any_script(load_changed: LoadChanged) -> None:
    assert (
        load_changed("law/out", "Bibliothèque de droit/out.2").export.output_file_path == "Bibliothèque de droit/out.2"
    )


@pytest.mark.parametrize("blank", ["", "~", '""', "# none"])
def test_a_blank_value_means_the_default(load_changed: LoadChanged, blank: str) -> None:
    profile = load_changed(
        "  libraries: [LAW]\n",
        f"  libraries: {blank}\n  minimum_amount_for_user: {blank}\n  create_missing_folder: {blank}\n"
        f"  identifier_pattern: {blank}\n  user_groups: {blank}\n",
    )

    assert profile.export.libraries == profile.export.user_groups == ()
    assert profile.export.minimum_amount_for_user is None
    assert profile.export.identifier_pattern is None
    assert profile.export.create_missing_folder is True


def test_values_of_python_types_have_the_same_rules() -> None:
    section: Mapping[str, object] = {
        "active": True,
        "input_file_path": "in",
        "schedule": Schedule.parse("daily at 02:00"),
    }

    assert Import.model_validate(section).active is True
    with pytest.raises(ValidationError, match="is not a whole number"):
        Export.model_validate({"active": False, "time_before_export_days": -1})


def test_currencies_are_those_of_iso_4217(load_changed: LoadChanged, find_problems: FindProblems) -> None:
    assert load_changed("export:\n", "export:\n  currencies: [USD, JPY]\n").export.currencies == ("USD", "JPY")
    assert find_problems("export:\n", "export:\n  currencies: [usd, ABC, USD]\n") == [
        "6: export.currencies: 'ABC' is not a currency of ISO 4217: write one, as in USD",
        "6: export.currencies: 'usd' is not allowed here: write the three capitals of ISO 4217, as in USD",
    ]
