"""Servers for the tests, real ones: SFTP, FTP and FTPS, each with one account, and an SFTP server that breaks off."""

import asyncio
import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from io import IOBase
from pathlib import Path
from typing import Any

import paramiko
import pytest
from asyncssh import SFTPError, SFTPServer, SSHServerChannel
from asyncssh.sftp import SFTPConnectionLost

from bursar.profiles.settings import ServerLimits
from bursar.remote_files.base import RemoteFolder
from bursar.remote_files.ftp import FtpFolder
from bursar.remote_files.ftp_client import FtpClient, FtpsClient
from bursar.remote_files.sftp import SftpFolder
from bursar.remote_files.sftp_client import open_sftp_client, watch_connection
from demo.servers import HOST, Account, Files, sftp_server
from tests.support.ftp_server import ftp_server, self_signed_certificate

USER = "library"
PASSWORD = "open sesame"
LIMITS = ServerLimits()


def make_limits(**fields: float) -> ServerLimits:
    """Makes limits without a check, so that a test need not wait for whole seconds."""
    return LIMITS.model_copy(update=fields)


@dataclass(frozen=True)
class RemoteServer:
    """A server with one account.

    Attributes:
        disk: the folder that the account sees, as the server's own machine sees it.
        connection: the fields of an Airflow connection to it.
        open: opens a folder, by `path` and `may_create`, without Airflow.
    """

    disk: Path
    connection: dict[str, Any]
    open: Callable[..., AbstractContextManager[RemoteFolder]]


@dataclass
class _Fault:
    operation: str
    strike: Callable[[SFTPServer], object]
    after: bool
    skip: int


class Faults:
    """What is to go wrong at the SFTP server, each once: `open`, `read`, `write`, `stat`, `rename`, `mkdir`, ...

    `after`: the operation is done before it goes wrong. `skip`: how many of these operations go well first.
    """

    def __init__(self) -> None:
        self._awaited: list[_Fault] = []

    def drop(self, operation: str, *, after: bool = False, skip: int = 0) -> None:
        """Drops the connection."""

        def strike(server: SFTPServer) -> None:
            server.connection.abort()
            raise SFTPConnectionLost("dropped for the test's sake")

        self._awaited.append(_Fault(operation, strike, after, skip))

    def refuse(self, operation: str, error: SFTPError, *, after: bool = False, skip: int = 0) -> None:
        """Answers with an error."""

        def strike(_: SFTPServer) -> None:
            raise error

        self._awaited.append(_Fault(operation, strike, after, skip))

    def stall(self, operation: str, *, after: bool = False, skip: int = 0) -> None:
        """Does not answer."""
        self._awaited.append(_Fault(operation, lambda _: asyncio.Event().wait(), after, skip))

    def files(self, channel: SSHServerChannel[bytes], chroot: bytes) -> SFTPServer:
        """Serves the files below a folder, for `demo.servers.sftp_server`."""
        server = SFTPServer(channel, chroot)
        for operation in ("open", "read", "write", "close", "stat", "rename", "remove", "mkdir", "scandir"):
            setattr(server, operation, partial(self._perform, server, operation, getattr(server, operation)))
        return server

    def _perform(self, server: SFTPServer, operation: str, usual: Callable[..., object], *arguments: object) -> object:
        for trouble in self._awaited:
            if trouble.operation == operation:
                break
        else:
            return usual(*arguments)
        if trouble.skip:
            trouble.skip -= 1
            return usual(*arguments)
        self._awaited.remove(trouble)
        if trouble.after:
            done = usual(*arguments)
            if isinstance(done, IOBase):
                done.close()
        return trouble.strike(server)


@pytest.fixture
def faults() -> Faults:
    """The faults of `sftp_remote`."""
    return Faults()


@pytest.fixture
def sftp_remote(tmp_path: Path, faults: Faults) -> Iterator[RemoteServer]:
    """An SFTP server."""
    with serve_sftp(tmp_path, faults.files) as remote:
        yield remote


@contextmanager
def serve_sftp(tmp_path: Path, files: Files) -> Iterator[RemoteServer]:
    """Runs an SFTP server until the block ends; `files` serves its files."""
    disk = tmp_path / "sftp"
    with sftp_server({USER: Account(disk, PASSWORD)}, tmp_path / "state", files=files) as address:

        @contextmanager
        def open_folder(
            path: str = "", *, may_create: bool = False, limits: ServerLimits = LIMITS
        ) -> Iterator[RemoteFolder]:
            transport = paramiko.Transport((address.host, address.port))
            with closing(transport):
                transport.connect(username=USER, password=PASSWORD)
                with watch_connection(limits, transport.sock) as deadline:
                    client = open_sftp_client(transport, limits, deadline)
                    yield SftpFolder(client, "sftp://bursar.example.edu", path, may_create=may_create)

        extra = {"host_key": address.host_key}
        yield RemoteServer(disk, _connection("sftp", address.port) | {"extra": extra}, open_folder)


@pytest.fixture
def ftp_remote(tmp_path: Path) -> Iterator[RemoteServer]:
    """An FTP server."""
    with serve_ftp(tmp_path) as remote:
        yield remote


@contextmanager
def serve_ftp(tmp_path: Path, **handler: Any) -> Iterator[RemoteServer]:
    """Runs an FTP server until the block ends; `handler` is as in `ftp_server`."""
    disk = tmp_path / "ftp"
    disk.mkdir()
    with ftp_server(disk, user=USER, password=PASSWORD, **handler) as port:
        yield RemoteServer(disk, _connection("ftp", port), partial(open_ftp_folder, port, None))


@pytest.fixture
def ftps_remote(tmp_path: Path, certificate: Path) -> Iterator[RemoteServer]:
    """An FTP server that insists on explicit TLS, for commands and for data."""
    disk = tmp_path / "ftps"
    disk.mkdir()
    with ftp_server(disk, user=USER, password=PASSWORD, certificate=certificate) as port:
        yield RemoteServer(disk, _connection("ftps", port), partial(open_ftp_folder, port, certificate))


@pytest.fixture(params=["sftp", "ftp", "ftps"])
def remote(request: pytest.FixtureRequest) -> RemoteServer:
    """A server of each kind."""
    found: RemoteServer = request.getfixturevalue(f"{request.param}_remote")
    return found


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The self-signed certificate of the FTPS server."""
    return self_signed_certificate(tmp_path_factory.mktemp("certificate"))


@contextmanager
def open_ftp_folder(
    port: int,
    certificate: Path | None,
    path: str = "",
    *,
    may_create: bool = False,
    limits: ServerLimits = LIMITS,
) -> Iterator[RemoteFolder]:
    """Opens a folder on an FTP server of the tests', with TLS if a certificate is expected."""
    trust = ssl.create_default_context(cafile=certificate)
    with FtpsClient(limits, context=trust) if certificate else FtpClient(limits) as client:
        client.connect(HOST, port)
        client.login(USER, PASSWORD)
        if isinstance(client, FtpsClient):
            client.prot_p()
        yield FtpFolder(client, "ftp://bursar.example.edu", path, may_create=may_create)


def _connection(kind: str, port: int) -> dict[str, Any]:
    return {"conn_type": kind, "host": HOST, "port": port, "login": USER, "password": PASSWORD}
