"""YAML that is written from the fields of a profile is read back as the same fields."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bursar.profiles.yaml_reader import Value, read_yaml
from bursar.profiles.yaml_writer import write_yaml

# What a field of a profile may hold: no control characters, and no blank text.
TEXT = st.text(st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff"), min_size=1).filter(
    lambda text: text.strip() == text and text != ""
)
LINES = st.lists(TEXT, min_size=1, max_size=4).map("\n".join)
KEYS = st.from_regex("[a-z_]{1,20}", fullmatch=True)
FIELDS = st.dictionaries(KEYS, TEXT | LINES | st.lists(TEXT, max_size=4), max_size=5)
TRAPS = [
    "yes",
    "no",
    "02",
    "1.10",
    "12:30",
    "2026-01-05",
    "null",
    "~",
    "=",
    "<<",
    "- x",
    "[x]",
    "a: b",
    "x #y",
    "'",
    '"',
]


def read_back(written: str) -> dict[str, Value] | None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "x.yaml"
        path.write_text(written, encoding="utf-8")
        source = read_yaml(path)
    assert source.problems == ()
    return source.data


@given(top=FIELDS, export=FIELDS)
@example(top={"name": "x"}, export={"libraries": TRAPS})
@example(top={"name": "\u202e\u2028\ufeff\U0001f600"}, export={"description": "a\n  b\n\n- c: d"})
def test_what_is_written_is_read_back(top: dict[str, Value], export: dict[str, Value]) -> None:
    data: dict[str, Value] = top | {"export": export}
    assert read_back(write_yaml(data, "A comment\nof two lines")) == data


@pytest.mark.parametrize("value", ["yes", "02", "12:30", "daily at 02:00", "students/out"])
def test_usual_values_need_no_quotes(value: str) -> None:
    assert write_yaml({"key": value}) == f"key: {value}\n"


def test_blank_fields_are_left_out() -> None:
    assert write_yaml({"name": "x", "description": None, "export": {"schedule": None, "active": "no"}}) == (
        "name: x\nexport:\n  active: no\n"
    )
