"""A library system whose fines go to a bursar."""

from pathlib import Path

import pytest

from tests.support.fixtures import Library
from tests.support.library_source import LibrarySource


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
