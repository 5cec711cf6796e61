"""The JSON Schema of sources: it agrees with the model, and the shipped files are valid by it."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from bursar.sources.csv.model import CsvSource
from bursar.sources.read import source_schemas

jsonschema = pytest.importorskip("jsonschema")

INCLUDE = Path(__file__).parents[2] / "include"
SOURCES = sorted((INCLUDE / "sources.examples").glob("*.yaml"))
[SCHEMA] = map(json.loads, source_schemas().values())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
GOOD = yaml.safe_load((INCLUDE / "sources.examples" / "library.yaml").read_text(encoding="utf-8")) | {
    "currency": "USD",
    "time_zone": "America/New_York",
}
VALUES: dict[str, list[object]] = {
    "code": ["LAW", "LAW LIBRARY", "x" * 31, 7, None],
    "kind": ["csv", "koha", None],
    "active": [True, "no", "perhaps", None],
    "connection": ["law", "sftp://law", None],
    "folder": ["law/out", "/law/out", None],
    "files": [{"users": "u.csv"}, {"fines": "f/f.csv"}, {"groups": "g.csv"}, {}, "fines.csv", {"fine": "f.csv"}, None],
    "done_file_suffix": [".done", "done", None],
    "stable_for_seconds": [0, "60", 86_401, -1, 1.5, None],
    "timeout_minutes": [10_080, 10_081, None],
    "on_timeout": ["skip", "wait", None],
    "after_load": ["leave", "delete", None],
    "archive_folder": ["processed", "a/b", ".hidden", None],
    "dialect": [
        *({"decimal": "comma"}, {"decimal": ","}, {"decimal": "dot"}, {"minor_units": "yes"}, "auto", None),
        *({"separator": sign} for sign in (",", ";", "|", "vertical bar", "colon")),
        *({"thousands": sign} for sign in ("space", "'", ",", "point")),
        *({"encoding": name} for name in ("auto", "windows-1252", "ansi")),
    ],
    "complete": [True, "no", "mostly", None],
    "closes_exported_fines": [False, "yes", "mostly", None],
    "max_rejected_percent": [0, "100", 101, None],
    "min_rejected_rows": [1, 0, "many", None],
    "schedule": ["daily at 02:00", "cron 0 2 * * 1-5", "nightly", None],
    "currency": ["EUR", "Euro", None],
    "time_zone": ["Europe/Vienna", 1, None],
    "notifications": [{"failed": ["a@b.example"]}, {"failed": "a@b.example"}, {"nobody": []}, None],
    "alerts": [{"max_days_without_load": 2}, {"max_days_without_load": 0}, None],
    "nmae": ["Law", None],
}
"""Values of each key, valid and invalid ones."""


def find_errors(data: object) -> list[str]:
    return [error.json_path for error in VALIDATOR.iter_errors(data)]


def is_accepted_by_model(data: object) -> bool:
    try:
        CsvSource.model_validate(data)
    except ValidationError:
        return False
    return True


def test_the_schema_in_include_is_up_to_date() -> None:
    for name, schema in source_schemas().items():
        assert (INCLUDE / name).read_text(encoding="utf-8") == schema, "out of date: `bin/bursar sources write-schema`"


def test_the_schema_is_valid() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_the_shipped_sources_are_valid_by_the_schema(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=../source.schema.json\n")
    assert find_errors(yaml.safe_load(text)) == []


def test_the_values_here_are_of_all_keys_but_the_name() -> None:
    assert set(VALUES) - {"nmae"} == set(CsvSource.model_fields) - {"name"}


@pytest.mark.parametrize("key", VALUES)
def test_the_schema_accepts_each_value_that_the_model_accepts(key: str) -> None:
    accepted = [data for value in VALUES[key] if is_accepted_by_model(data := deepcopy(GOOD) | {key: value})]
    assert [find_errors(data) for data in accepted] == [[]] * len(accepted)
    assert accepted or key == "nmae"


@given(st.lists(st.sampled_from([(key, value) for key, values in VALUES.items() for value in values]), max_size=4))
@settings(max_examples=200, deadline=None)
def test_the_schema_accepts_values_together_that_the_model_accepts(changes: list[tuple[str, Any]]) -> None:
    data = deepcopy(GOOD) | dict(changes)
    if is_accepted_by_model(data):
        assert find_errors(data) == []


@pytest.mark.parametrize(
    ("key", "value", "path"),
    [
        ("nmae", "x", "$"),
        ("code", "LAW LIBRARY", "$.code"),
        ("kind", "evergreen", "$.kind"),
        ("complete", "mostly", "$.complete"),
        ("complete", None, "$.complete"),
        ("folder", None, "$.folder"),
        ("files", {"groups": "groups.csv"}, "$.files"),
        ("files", {"fines": "a/b.csv"}, "$.files.fines"),
        ("dialect", {"decimal": "dot"}, "$.dialect"),
        ("archive_folder", "a/b", "$.archive_folder"),
        ("schedule", "nightly", "$.schedule"),
        ("alerts", {"max_days_without_loads": 1}, "$.alerts"),
    ],
)
def test_the_schema_rejects_an_invalid_value_at_its_place(key: str, value: object, path: str) -> None:
    data = deepcopy(GOOD) | {key: value}
    assert not is_accepted_by_model(data)
    assert find_errors(data) == [path]


@pytest.mark.parametrize("key", ["code", "name", "kind", "folder", "files", "complete", "closes_exported_fines"])
def test_the_schema_requires_what_the_model_requires(key: str) -> None:
    data = {name: value for name, value in GOOD.items() if name != key}
    assert not is_accepted_by_model(data)
    assert find_errors(data) == ["$"]
