"""An SFTP server in the process that starts it, for the demo and the tests. It listens on this machine only."""

import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import compare_digest

import asyncssh
from anyio.from_thread import start_blocking_portal
from asyncssh import SFTPServer, SSHKey, SSHServer, SSHServerChannel, SSHServerConnection

HOST = "127.0.0.1"
Files = Callable[[SSHServerChannel[bytes], bytes], SFTPServer]
"""Serves the files below a folder to one client."""


@dataclass(frozen=True)
class Account:
    """A user of the server, with a password or a public key (`ssh-ed25519 AAAA...`), who can access one folder."""

    folder: Path
    password: str | None = None
    public_key: str | None = None


@dataclass(frozen=True)
class SftpAddress:
    """The address of a server, and its host key in the form of the extra `host_key` of an Airflow connection."""

    host: str
    port: int
    host_key: str


@contextmanager
def sftp_server(
    accounts: Mapping[str, Account], state: Path, *, port: int = 0, files: Files = SFTPServer
) -> Iterator[SftpAddress]:
    """Serves the accounts, by user name, until the block ends.

    Args:
        accounts: the users; missing folders are created.
        state: the folder of the host key, which is the same after a restart.
        port: 0 chooses a free one, if possible that of the last start.
        files: makes the file server of a connection; tests inject faults with it.
    """
    key = _host_key(state)
    last = state / "sftp_port"
    port = port or (_get_free_port(int(last.read_text())) if last.exists() else 0)
    for account in accounts.values():
        account.folder.mkdir(parents=True, exist_ok=True)
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(_serving(accounts, key, port, files)) as bound,
    ):
        last.write_text(str(bound))
        yield SftpAddress(HOST, bound, key.export_public_key().decode().strip())


@asynccontextmanager
async def _serving(accounts: Mapping[str, Account], key: SSHKey, port: int, files: Files) -> AsyncIterator[int]:
    connections: set[SSHServerConnection] = set()

    def files_of(channel: SSHServerChannel[bytes]) -> SFTPServer:
        return files(channel, os.fsencode(accounts[channel.get_extra_info("username")].folder))

    acceptor = await asyncssh.listen(
        HOST,
        port,
        server_host_keys=[key],
        server_factory=lambda: _AccountServer(accounts, connections),
        sftp_factory=files_of,
    )
    try:
        yield acceptor.get_port()
    finally:
        acceptor.close()
        for connection in list(connections):
            connection.abort()
            await connection.wait_closed()
        await acceptor.wait_closed()


class _AccountServer(SSHServer):
    """Authenticates the accounts and keeps the open connections."""

    def __init__(self, accounts: Mapping[str, Account], connections: set[SSHServerConnection]) -> None:
        self._accounts = accounts
        self._connections = connections

    def connection_made(self, conn: SSHServerConnection) -> None:
        self._connection = conn
        self._connections.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._connections.discard(self._connection)

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        account = self._accounts.get(username)
        return bool(account and account.password and compare_digest(account.password.encode(), password.encode()))

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: SSHKey) -> bool:
        account = self._accounts.get(username)
        known = account and account.public_key and asyncssh.import_public_key(account.public_key)
        return bool(known and known.public_data == key.public_data)


def _get_free_port(port: int) -> int:
    """Returns the port, or 0 if it is in use. An interrupted upload resumes only on the same address."""
    try:
        with socket.create_server((HOST, port)):
            return port
    except OSError:
        return 0


def _host_key(state: Path) -> SSHKey:
    """Returns the host key, which is generated once and kept in the folder."""
    file = state / "sftp_host_key"
    if not file.exists():
        state.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_bytes(asyncssh.generate_private_key("ssh-ed25519").export_private_key())
    return asyncssh.read_private_key(file)
