"""A valid source, whose text the tests change, and a library system whose fines go to a bursar."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias, cast

import pytest

from bursar.sources.csv.model import CsvSource
from bursar.sources.read import load_sources
from tests.support.fixtures import Library, make_settings
from tests.support.library_source import LibrarySource

GOOD_SOURCE = """\
code: LAW
name: Law Library
kind: csv
connection: law_system
folder: law/out
files:
  users: users*.csv
  fines: fines*.csv
complete: yes
closes_exported_fines: no
schedule: daily at 02:00
"""

LoadSources: TypeAlias = Callable[..., tuple[list[CsvSource], list[str]]]
FindProblems: TypeAlias = Callable[[str, str], list[str]]


@pytest.fixture
def good_source() -> str:
    """Returns the text of a valid source."""
    return GOOD_SOURCE


@pytest.fixture
def load_files(tmp_path: Path) -> LoadSources:
    """Returns a function that writes files, by their names without .yaml, and loads the sources and problems."""

    def load(**files: str) -> tuple[list[CsvSource], list[str]]:
        for name, text in files.items():
            (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
        sources, problems = load_sources(tmp_path, make_settings())
        assert all(isinstance(source, CsvSource) for source in sources)
        return cast("list[CsvSource]", sources), [str(problem).removeprefix(f"{tmp_path}/") for problem in problems]

    return load


@pytest.fixture
def load_changed(load_files: LoadSources) -> Callable[[str, str], CsvSource]:
    """Returns a function that replaces one text of the valid source, and loads the source, which must be valid."""

    def load_changed(old: str, new: str) -> CsvSource:
        assert old in GOOD_SOURCE
        [source], problems = load_files(law=GOOD_SOURCE.replace(old, new, 1))
        assert problems == []
        return source

    return load_changed


@pytest.fixture
def find_problems(load_files: LoadSources) -> FindProblems:
    """Returns a function that changes one text of the valid source; it returns problems as `line: field: message`."""

    def find_problems(old: str, new: str) -> list[str]:
        assert old in GOOD_SOURCE
        sources, problems = load_files(law=GOOD_SOURCE.replace(old, new, 1))
        assert sources == []
        return [problem.removeprefix("law.yaml:") for problem in problems]

    return find_problems


@pytest.fixture
def source(library: Library, tmp_path: Path) -> LibrarySource:
    """A source that does not close exported fines."""
    return LibrarySource(library, tmp_path)


@pytest.fixture
def exported(source: LibrarySource) -> LibrarySource:
    """A source whose fine F1 of 10.00 is outstanding at the bursar, under transaction 1."""
    source.load({})
    assert source.export() == [("10.00", None)]
    return source


@pytest.fixture
def closing(exported: LibrarySource) -> LibrarySource:
    """The same for a source that closes exported fines by itself."""
    exported.rules["closes_exported_fines"] = True
    return exported
