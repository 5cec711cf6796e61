"""An SFTP server inside the process that starts it, for the demo and the tests. Only this machine reaches it."""

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
    """A user of the server, who logs in by password or by key (`ssh-ed25519 AAAA...`) and sees one folder only."""

    folder: Path
    password: str | None = None
    public_key: str | None = None


@dataclass(frozen=True)
class SftpAddress:
    """Where a server listens, and its host key as the extra `host_key` of an Airflow connection wants it."""

    host: str
    port: int
    host_key: str


@contextmanager
def sftp_server(
    accounts: Mapping[str, Account], state: Path, *, port: int = 0, files: Files = SFTPServer
) -> Iterator[SftpAddress]:
    """Serves the accounts, by user name, until the block ends; nothing is left running then.

    Args:
        accounts: who may log in; missing folders are created.
        state: the folder that keeps the host key, so that it stays the same when the server is started again.
        port: 0 takes one that is free: that of the last time, if it is.
        files: what serves the files; tests put a server here that breaks off.
    """
    key = _host_key(state)
    last = state / "sftp_port"
    port = port or (_if_free(int(last.read_text())) if last.exists() else 0)
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
        server_factory=lambda: _Doorkeeper(accounts, connections),
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


class _Doorkeeper(SSHServer):
    """Lets the accounts in, and knows who is connected."""

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


def _if_free(port: int) -> int:
    """The port, or 0 if somebody has it. A broken upload is carried to its end on the same server only."""
    try:
        with socket.create_server((HOST, port)):
            return port
    except OSError:
        return 0


def _host_key(state: Path) -> SSHKey:
    """The server's own key, made the first time and kept."""
    file = state / "sftp_host_key"
    if not file.exists():
        state.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_bytes(asyncssh.generate_private_key("ssh-ed25519").export_private_key())
    return asyncssh.read_private_key(file)
