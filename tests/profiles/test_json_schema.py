"""The JSON schemas in include/: they are generated from the models, and the shipped files are valid by them."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from bursar.profiles.json_schema import json_schemas
from tests.support.tracked_files import tracked

jsonschema = pytest.importorskip("jsonschema")

INCLUDE = Path(__file__).parents[2] / "include"
PROFILES = sorted((INCLUDE / "profiles.examples").glob("*.yaml"))


def find_errors(schema: str, data: object) -> list[str]:
    validator = jsonschema.Draft202012Validator(json.loads(json_schemas()[schema]))
    return [error.json_path for error in validator.iter_errors(data)]


@pytest.fixture
def students() -> Any:
    """Returns the data of the profile STUDENTS."""
    """Returns the data of the profile STUDENTS."""
    """Returns the data of the profile STUDENTS."""
    return yaml.safe_load((INCLUDE / "profiles.examples" / "students.yaml").read_text(encoding="utf-8"))


def test_the_schemas_in_include_are_up_to_date() -> None:
    committed = {name: (INCLUDE / name).read_text(encoding="utf-8") for name in json_schemas()}

    assert committed == json_schemas(), "out of date: run `bin/bursar profiles write-schema`"


@pytest.mark.parametrize("name", json_schemas())
def test_each_schema_is_valid(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(json_schemas()[name]))


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_the_shipped_profiles_are_valid_by_the_schema(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    assert text.startswith("# yaml-language-server: $schema=../profile.schema.json\n")
    assert find_errors("profile.schema.json", yaml.safe_load(text)) == []


def test_the_shipped_settings_are_valid_by_the_schema() -> None:
    text = (INCLUDE / "bursar.yaml").read_text(encoding="utf-8")

    assert text.startswith("# yaml-language-server: $schema=bursar.schema.json\n")
    assert find_errors("bursar.schema.json", yaml.safe_load(text)) == []


@pytest.mark.parametrize(
    ("section", "key", "value", "place"),
    [
        (None, "nmae", "x", "$"),
        (None, "code", "LAW LIBRARY", "$.code"),
        (None, "system", "Baner", "$.system"),
        ("export", "libraries", "MAIN", "$.export.libraries"),
        ("export", "institutional_fine_fee", "perhaps", "$.export.institutional_fine_fee"),
        ("export", "minimum_amount_for_user", 10.5, "$.export.minimum_amount_for_user"),
        ("export", "schedule", "soon", "$.export.schedule"),
        ("import", "amount_mode", "total", "$.import.amount_mode"),
    ],
)
def test_the_schema_rejects_an_invalid_value_at_its_place(
    students: Any,
    section: str | None,
    key: str,
    value: object,
    place: str,
) -> None:
    (students[section] if section else students)[key] = value

    assert find_errors("profile.schema.json", students) == [place]


@pytest.mark.parametrize("active", [True, "yes"])
def test_the_schema_requires_all_fields_of_an_active_section(students: Any, active: object) -> None:
    students["export"] = {"active": active}

    assert find_errors("profile.schema.json", students) == ["$.export"] * 5


def test_the_schema_requires_no_field_of_an_inactive_section(students: Any) -> None:
    students["export"] = {"active": False}

    assert find_errors("profile.schema.json", students) == []


def test_no_profile_is_shipped_as_active() -> None:
    assert [path.name for path in tracked("include/profiles")] == ["README.md"]
