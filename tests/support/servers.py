"""Real SFTP, FTP and FTPS servers for the tests, each with one account; faults can be injected into the SFTP server."""

import asyncio
import socket
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
from tests.support.ftp_server import create_certificate, ftp_server

USER = "library"
PASSWORD = "open sesame"
LIMITS = ServerLimits()


def make_limits(**fields: float) -> ServerLimits:
    """Makes limits without a check, so that a test need not wait for whole seconds."""
    return LIMITS.model_copy(update=fields)


@contextmanager
def connect_sftp(host: str, port: int, user: str, password: str) -> Iterator[paramiko.Transport]:
    """Opens an SSH connection that sends each packet immediately: it is there in a fifth of the time."""
    connection = socket.create_connection((host, port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with closing(paramiko.Transport(connection)) as transport:
        transport.connect(username=user, password=password)
        yield transport


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
    inject: Callable[[SFTPServer], object]
    after: bool
    skip: int


class Faults:
    """The faults of an SFTP server, each at one operation: `open`, `read`, `write`, `stat`, `rename`, `mkdir`, ...

    A fault occurs once: before the operation or, with `after`, when it has been done. `skip` operations of its kind
    succeed first.
    """

    def __init__(self) -> None:
        self._faults: list[_Fault] = []

    def drop(self, operation: str, *, after: bool = False, skip: int = 0) -> None:
        """Makes the server drop the connection."""

        def inject(server: SFTPServer) -> None:
            server.connection.abort()
            raise SFTPConnectionLost("dropped by the test")

        self._faults.append(_Fault(operation, inject, after, skip))

    def refuse(self, operation: str, error: SFTPError, *, after: bool = False, skip: int = 0) -> None:
        """Makes the server answer with an error."""

        def inject(_: SFTPServer) -> None:
            raise error

        self._faults.append(_Fault(operation, inject, after, skip))

    def stall(self, operation: str, *, after: bool = False, skip: int = 0) -> None:
        """Makes the server stop answering."""
        self._faults.append(_Fault(operation, lambda _: asyncio.Event().wait(), after, skip))

    def files(self, channel: SSHServerChannel[bytes], chroot: bytes) -> SFTPServer:
        """Serves the files below a folder, for `demo.servers.sftp_server`."""
        server = SFTPServer(channel, chroot)
        for operation in ("open", "read", "write", "close", "stat", "rename", "remove", "mkdir", "scandir"):
            setattr(server, operation, partial(self._perform, server, operation, getattr(server, operation)))
        return server

    def _perform(
        self, server: SFTPServer, operation: str, function: Callable[..., object], *arguments: object
    ) -> object:
        for fault in self._faults:
            if fault.operation == operation:
                break
        else:
            return function(*arguments)
        if fault.skip:
            fault.skip -= 1
            return function(*arguments)
        self._faults.remove(fault)
        if fault.after:
            result = function(*arguments)
            if isinstance(result, IOBase):
                result.close()
        return fault.inject(server)


@pytest.fixture
def faults() -> Faults:
    """Returns the faults of `sftp_remote`, for a test to add to."""
    return Faults()


@pytest.fixture
def sftp_remote(tmp_path: Path, faults: Faults) -> Iterator[RemoteServer]:
    """Runs an SFTP server for a test."""
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
            with (
                connect_sftp(address.host, address.port, USER, PASSWORD) as transport,
                watch_connection(limits, transport.sock) as deadline,
            ):
                client = open_sftp_client(transport, limits, deadline)
                yield SftpFolder(client, "sftp://bursar.example.edu", path, may_create=may_create)

        extra = {"host_key": address.host_key}
        yield RemoteServer(disk, _connection("sftp", address.port) | {"extra": extra}, open_folder)


@pytest.fixture
def ftp_remote(tmp_path: Path) -> Iterator[RemoteServer]:
    """Runs an FTP server for a test."""
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
    """Runs an FTP server that requires explicit TLS, for commands and for data."""
    disk = tmp_path / "ftps"
    disk.mkdir()
    with ftp_server(disk, user=USER, password=PASSWORD, certificate=certificate) as port:
        yield RemoteServer(disk, _connection("ftps", port), partial(open_ftp_folder, port, certificate))


@pytest.fixture(params=["sftp", "ftp", "ftps"])
def remote(request: pytest.FixtureRequest) -> RemoteServer:
    """Runs a test with a server of each kind."""
    server: RemoteServer = request.getfixturevalue(f"{request.param}_remote")
    return server


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns the self-signed certificate of the FTPS server."""
    return create_certificate(tmp_path_factory.mktemp("certificate"))


@contextmanager
def open_ftp_folder(
    port: int,
    certificate: Path | None,
    path: str = "",
    *,
    may_create: bool = False,
    limits: ServerLimits = LIMITS,
) -> Iterator[RemoteFolder]:
    """Opens a folder on an FTP server, with TLS if there is a certificate to trust."""
    trust = ssl.create_default_context(cafile=certificate) if certificate else None
    with FtpsClient(limits, context=trust) if trust else FtpClient(limits) as client:
        client.connect(HOST, port)
        client.login(USER, PASSWORD)
        if isinstance(client, FtpsClient):
            client.prot_p()
        yield FtpFolder(client, "ftp://bursar.example.edu", path, may_create=may_create)


def _connection(kind: str, port: int) -> dict[str, Any]:
    return {"conn_type": kind, "host": HOST, "port": port, "login": USER, "password": PASSWORD}
