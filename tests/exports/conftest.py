"""The SFTP server of a bursar, and selected batches with one file and with several, for the tests of this folder."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bursar.exports.build import build_file, build_files
from bursar.exports.selection import select_fines
from bursar.layouts.layout import Layout
from bursar.ledger.batches import Batch
from demo.servers import Account, sftp_server
from tests.support.export_server import ExportServer
from tests.support.fixtures import NOW, Library, make_profile, make_settings
from tests.support.several_files import APART, DONE_FILE, add_both_sides, select_apart


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExportServer]:
    """Runs one SFTP server for all tests of this folder."""
    state = tmp_path_factory.mktemp("bursar")
    with sftp_server({"library": Account(state / "files", password="secret")}, state) as address:
        yield ExportServer(state / "files", address.host, address.port)


@pytest.fixture
def bursar(server: ExportServer) -> ExportServer:
    """Returns the bursar's server, without files."""
    out = server.folder / "out"
    out.mkdir(exist_ok=True)
    for file in out.iterdir():
        file.unlink()
    server.kill_switches.clear()
    return server


@pytest.fixture
def selected(library: Library) -> Batch:
    """Selects a batch of 60 fines."""
    library.fines(60)
    return select_fines(library.ledger, make_profile(), make_settings(), run_id="run 1", as_of=NOW)


@pytest.fixture
def content(library: Library, selected: Batch, tmp_path: Path) -> bytes:
    """Returns the bytes of the file of the batch."""
    return build_file(library.ledger, selected.id, tmp_path / "reference").path.read_bytes()


@pytest.fixture
def apart(library: Library, write_layout: Callable[[str], Layout]) -> Batch:
    """Selects a batch with files of its charges and of its credits, and with a done file."""
    write_layout(APART + DONE_FILE)
    add_both_sides(library)
    return select_apart(library)


@pytest.fixture
def contents(library: Library, apart: Batch, tmp_path: Path) -> dict[str, bytes]:
    """Returns the bytes of the files of that batch by their names."""
    return {file.name: file.path.read_bytes() for file in build_files(library.ledger, apart.id, tmp_path / "reference")}
