"""The SFTP server of a bursar, for the tests of this folder."""

from collections.abc import Iterator

import pytest

from demo.servers import Account, sftp_server
from tests.support.export_server import ExportServer


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
