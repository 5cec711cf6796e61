"""The model of a source that is a library's system: what all of them have in common."""

from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from pydantic import ValidationError

from bursar.profiles.json_schema import render_schema_of_kinds
from bursar.sources import kinds
from bursar.sources.csv.model import CsvSource
from bursar.sources.read import load_sources
from bursar.sources.system import EventKind
from bursar.sources.system_model import SystemSource, WriteBack
from tests.support.fixtures import make_settings

jsonschema = pytest.importorskip("jsonschema")

GOOD = """\
code: TOWN
name: Town Library
kind: town
connection: town_system
owners:
  Central Desk: MAIN
  none: institution
fine_fee_types:
  Lost item: LOSTITEMREPLACEMENTFEE
schedule: daily at 02:00
"""


class TownSource(SystemSource):
    """A kind of system."""

    kind: Literal["town"]


@pytest.fixture
def town_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Registers the kind."""
    monkeypatch.setitem(kinds.KINDS, "town", TownSource)


def _load(folder: Path, text: str) -> tuple[list[Any], list[str]]:
    (folder / "town.yaml").write_text(text)
    sources, problems = load_sources(folder, make_settings())
    return sources, [str(problem).removeprefix(f"{folder}/town.yaml:") for problem in problems]


@pytest.mark.usefixtures("town_kind")
def test_the_kind_says_which_model_a_file_has(tmp_path: Path) -> None:
    [source], problems = _load(tmp_path, GOOD)
    assert (type(source), problems) == (TownSource, [])
    assert source.maps["owner_library"] == {"Central Desk": "MAIN", "none": "institution"}
    assert source.overlap_minutes == 60
    assert source.place == "the system of the connection town_system"


@pytest.mark.usefixtures("town_kind")
def test_nothing_is_written_before_a_person_decides_it(tmp_path: Path) -> None:
    [source], _ = _load(tmp_path, GOOD)
    assert source.write_back.kinds_in_mode("show") == [kind.value for kind in EventKind]
    [source], problems = _load(tmp_path, GOOD + "write_back:\n  handed_over: on\n  reversed: off\n")
    assert problems == []
    assert source.write_back.kinds_in_mode("on") == ["handed_over"]
    assert source.write_back.kinds_in_mode("show") == ["paid_at_bursar", "owed_again"]


@pytest.mark.usefixtures("town_kind")
@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("kind: town", "kind: village", "3: kind: 'village' is not known here: write one of csv, "),
        ("kind: town\n", "", "1: kind: is missing: The kind of source: write one of csv, "),
        ("connection: town_system\n", "", "1: connection: is missing: The id of the Airflow connection of type http"),
        ("  Lost item: LOSTITEMREPLACEMENTFEE\n", "", "8: fine_fee_types: is blank: "),
        (
            "fine_fee_types:",
            "write_back:\n  handed_over: maybe\nfine_fee_types:",
            "9: write_back.handed_over: 'maybe' ",
        ),
    ],
)
def test_the_message_of_a_mistake_has_its_line(tmp_path: Path, old: str, new: str, problem: str) -> None:
    assert old in GOOD
    sources, problems = _load(tmp_path, GOOD.replace(old, new))
    assert sources == []
    assert [one for one in problems if one.startswith(problem)], problems


def test_the_schema_of_several_kinds_follows_the_key_kind() -> None:
    validator = jsonschema.Draft202012Validator(
        yaml.safe_load(render_schema_of_kinds({"csv": CsvSource, "town": TownSource}, ("currency", "time_zone")))
    )
    data = yaml.safe_load(GOOD) | {"write_back": yaml.safe_load("handed_over: on")}
    assert list(validator.iter_errors(data)) == []
    paths = [error.json_path for error in validator.iter_errors(data | {"kind": "csv"})]
    assert "$" in paths  # the keys of a folder are missing
    assert [error.json_path for error in validator.iter_errors(data | {"owners": 1})] == ["$.owners"]


def test_the_modes_are_also_read_as_yaml_reads_on_and_off_elsewhere() -> None:
    assert WriteBack.model_validate({"handed_over": True, "reversed": False}).kinds_in_mode("on") == ["handed_over"]
    with pytest.raises(ValidationError):
        WriteBack.model_validate({"handed_over": "yes"})
