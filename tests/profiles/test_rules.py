"""Rules for several fields give the same problems in any order of the model's fields and the file's keys."""

import ast
import inspect
from collections.abc import Mapping
from copy import deepcopy
from types import ModuleType
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from bursar.profiles import Profile, Settings, model, settings
from bursar.users import waiving
from bursar.users.waiving import WaiveParams

PROFILE: Mapping[str, Any] = {
    "code": "LAW",
    "name": "Law Library",
    "sftp_connection": "bursar_law",
    "system": "Banner",
    "time_zone": "UTC",
    "export": {
        "active": "yes",
        "time_before_export_days": "7",
        "user_identifier_type": "02",
        "institutional_fine_fee": "yes",
        "output_file_path": "out",
        "schedule": "daily at 02:00",
    },
    "import": {"active": "yes", "input_file_path": "in", "schedule": "daily at 06:00"},
}
SETTINGS: Mapping[str, Any] = {
    "institution_name": "A Library",
    "institution_id": "4321",
    "default_currency": "USD",
    "time_zone": "UTC",
}
REQUIRED = ("time_before_export_days", "user_identifier_type", "institutional_fine_fee", "output_file_path", "schedule")
CASES: list[tuple[type[BaseModel], Mapping[str, Any], Mapping[str, Any], set[str]]] = [
    (Profile, PROFILE, {"system_description": "Version 9"}, {"system_description"}),
    (Profile, PROFILE, {"import.input_file_path": "out"}, {"import.input_file_path"}),
    (Profile, PROFILE, {"alerts": {"max_days_without_file": "7"}}, {"alerts"}),
    (
        Profile,
        PROFILE,
        {"alerts": {"import_deadline_minutes": "720"}, "notifications": {"failed": ["a@library.edu"]}},
        {"alerts.import_deadline_minutes"},
    ),
    (Profile, PROFILE, {"export.institutional_fine_fee": "no"}, {"export.libraries"}),
    (
        Profile,
        PROFILE,
        {"export.fine_fee_types": ["CREDIT"], "export.minimum_amount_for_user": "10"},
        {"export.fine_fee_types"},
    ),
    (Profile, PROFILE, {"export.upload": {"method": "folder"}}, {"export.upload.folder"}),
    (Profile, PROFILE, {"export.upload": {"folder": "incoming"}}, {"export.upload.folder"}),
    (Profile, PROFILE, {"export.upload": {"method": "folder", "folder": "out"}}, {"export.upload.folder"}),
    (
        Profile,
        PROFILE,
        {"export.upload": {"collected_immediately": "yes"}},
        {"export.upload.collected_immediately"},
    ),
    (Profile, PROFILE, {"export": {"active": "yes"}}, {f"export.{name}" for name in REQUIRED}),
    (
        Profile,
        PROFILE,
        {"name": None, "export.institutional_fine_fee": "no", "export.schedule": "soon", "system_description": "x"},
        {"name", "export.schedule", "export.libraries", "system_description"},
    ),
    (Settings, SETTINGS, {"transaction_ids": {"start": "6", "maximum": "5"}}, {"transaction_ids.maximum"}),
    (
        Settings,
        SETTINGS,
        {"transaction_ids": {"start": "6", "maximum": "5", "prefix": "_"}, "time_zone": "Moon"},
        {"transaction_ids.maximum", "transaction_ids.prefix", "time_zone"},
    ),
    (
        WaiveParams,
        {"threshold": "5", "reason": "amnesty"},
        {"created_from": "2026-02-02", "created_to": "2026-02-01"},
        {"created_to"},
    ),
]


def apply_changes(good: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    data = deepcopy(dict(good))
    for place, value in changes.items():
        *sections, key = place.split(".")
        section = data
        for name in sections:
            section = section[name]
        section[key] = value
    return data


def reverse_keys(data: Any) -> Any:
    """Returns the data with the keys of each section in reverse order."""
    return {key: reverse_keys(data[key]) for key in reversed(data)} if isinstance(data, dict) else data


def is_field(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.AnnAssign) and "ClassVar" not in ast.unparse(statement.annotation)


def execute_with_reversed_fields(module: ModuleType) -> dict[str, Any]:
    """Executes a module with the fields of each class in reverse order; returns its names."""
    tree = ast.parse(inspect.getsource(module))
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            places = [place for place, statement in enumerate(node.body) if is_field(statement)]
            fields = [node.body[place] for place in reversed(places)]
            for place, field in zip(places, fields, strict=True):
                node.body[place] = field
    names: dict[str, Any] = {"__name__": module.__name__}
    exec(compile(tree, module.__name__, "exec"), names)  # noqa: S102  the project's own source
    return names


REVERSED_MODULES = {module.__name__: execute_with_reversed_fields(module) for module in (model, settings, waiving)}


def find_problems(model: type[BaseModel], data: Mapping[str, Any]) -> dict[str, str]:
    with pytest.raises(ValidationError) as refused:
        model.model_validate(data)
    return {".".join(map(str, error["loc"])): error["msg"] for error in refused.value.errors()}


@pytest.mark.parametrize(("model_class", "good", "changes", "places"), CASES)
def test_the_order_of_fields_and_keys_is_irrelevant(
    model_class: type[BaseModel], good: Mapping[str, Any], changes: Mapping[str, Any], places: set[str]
) -> None:
    data = apply_changes(good, changes)
    found = find_problems(model_class, data)
    reversed_model: type[BaseModel] = REVERSED_MODULES[model_class.__module__][model_class.__name__]
    assert list(reversed_model.model_fields) != list(model_class.model_fields)
    assert set(found) == places
    assert find_problems(model_class, reverse_keys(data)) == found
    assert find_problems(reversed_model, data) == found
    assert find_problems(reversed_model, reverse_keys(data)) == found


@pytest.mark.parametrize(("model_class", "good"), [(Profile, PROFILE), (Settings, SETTINGS)])
def test_valid_data_is_valid_in_any_order(model_class: type[BaseModel], good: Mapping[str, Any]) -> None:
    reversed_model: type[BaseModel] = REVERSED_MODULES[model_class.__module__][model_class.__name__]
    expected = model_class.model_validate(good).model_dump(by_alias=True)
    assert reversed_model.model_validate(good).model_dump(by_alias=True) == expected
    assert model_class.model_validate(reverse_keys(good)).model_dump(by_alias=True) == expected


def test_a_rule_is_skipped_if_one_of_its_fields_is_invalid() -> None:
    data = apply_changes(PROFILE, {"export.institutional_fine_fee": "no", "export.libraries": "LAW"})
    assert list(find_problems(Profile, data)) == ["export.libraries"]
    assert "write a list" in find_problems(Profile, data)["export.libraries"]
