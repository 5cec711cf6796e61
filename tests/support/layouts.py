"""Layouts for tests: written as YAML into a folder of the test, and chosen by profiles by their names."""

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from bursar.exports.build import build_file
from bursar.exports.selection import select_fines
from bursar.layouts import read
from bursar.layouts.layout import Layout
from bursar.layouts.read import load_layouts
from tests.support.fixtures import NOW, Library, make_profile, make_settings

PROJECT = Path(__file__).parents[2]
EXAMPLES = PROJECT / "include" / "layouts.examples"


@pytest.fixture
def layouts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Returns the folder of the layouts of a test, which has the shipped examples."""
    folder = tmp_path / "include" / "layouts"
    folder.mkdir(parents=True)
    for example in EXAMPLES.glob("*.yaml"):
        (folder / example.name).write_bytes(example.read_bytes())
    monkeypatch.setattr(read, "INCLUDE", folder.parent)
    return folder


@pytest.fixture
def write_layout(layouts: Path) -> Callable[[str], Layout]:
    """Returns a function that writes a layout `mine`, and returns it."""

    def write(text: str) -> Layout:
        (layouts / "mine.yaml").write_text(dedent(text), encoding="utf-8")
        good, problems = load_layouts(layouts)
        assert not problems, "\n".join(map(str, problems))
        return good["mine"]

    return write


def make_layout_profile(name: str = "mine", **export: Any) -> Any:
    """Makes a profile that exports fines in USD in a layout."""
    return make_profile(layout=name, **{"currencies": ["USD"], **export})


def build_bytes(library: Library, folder: Path, name: str = "mine", **export: Any) -> bytes:
    """Exports all fines in a layout, and returns the bytes of the file, which has passed its check."""
    profile = make_layout_profile(name, **export)
    batch = select_fines(library.ledger, profile, make_settings(), run_id="in a layout", as_of=NOW)
    return build_file(library.ledger, batch.id, folder / "work").path.read_bytes()
