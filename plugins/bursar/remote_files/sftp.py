"""A folder on an SFTP server."""

import socket
import stat
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from typing import Any, BinaryIO

from paramiko import Message, SFTPAttributes, SFTPClient, SFTPError, SFTPFile, SSHException
from paramiko.sftp import CMD_DATA, CMD_READ, int64

from bursar.remote_files.base import BLOCK_SIZE, RemoteFile, RemoteFolder
from bursar.remote_files.entries import base_name, make_entry
from bursar.remote_files.sftp_client import BoundedSftpClient, break_connection

SHA256_BYTES = 32
MAX_REQUESTS = 32
"""Blocks that are requested before the first of them arrives, so that a slow network delays the file once, not each
block.
"""


class SftpFolder(RemoteFolder):
    """A folder on an SFTP server. `client` is open and serves this folder alone."""

    _errors = (SSHException, EOFError, OSError, SFTPError, UnicodeError)
    _missing_errors = FileNotFoundError
    _rejections = OSError

    def __init__(self, client: BoundedSftpClient, server: str, path: str, *, may_create: bool) -> None:
        self._client = client
        self._channel = client.sock
        if isinstance(connection := self._channel.get_transport().sock, socket.socket):
            # Otherwise each small message, such as the request of a block, waits for the confirmation of the last one.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().__init__(client.deadline, client.limits, server, path, may_create=may_create)

    def _break_connection(self) -> None:
        break_connection(self._channel.get_transport().sock)

    def _is_transient(self, error: Exception) -> bool:
        # paramiko reports a closed channel by a bare OSError, like any rejection.
        return isinstance(error, SSHException | EOFError | TimeoutError | ConnectionError) or self._channel.closed

    def _enter(self, path: str) -> None:
        self._client.chdir(path or ".")

    def _current_path(self) -> str:
        return self._client.getcwd() or ""

    def _create(self, folder: str) -> None:
        self._client.mkdir(folder)

    def _is_denied(self, error: Exception) -> bool:
        return isinstance(error, PermissionError)

    def _size(self, path: str) -> int | None:
        found = self._stat(path)
        if found is None:
            return None
        if found.st_size is None:
            raise SFTPError("the server shows no sizes")
        return found.st_size

    def _exists(self, path: str) -> bool:
        return self._stat(path) is not None

    def _stat(self, path: str) -> SFTPAttributes | None:
        try:
            return self._client.stat(path)
        except FileNotFoundError:
            self._client.stat(".")  # raises if the folder has been deleted
            return None

    def _sha256(self, path: str) -> str | None:
        """Asks for it by the protocol's extension `check-file`; None if the server does not have it."""
        try:
            with self._client.open(path, "rb") as remote:
                digest = bytes(remote.check("sha256") or b"")
        except (OSError, SFTPError) as error:
            if self._channel.closed or isinstance(error, TimeoutError | ConnectionError):
                raise
            return None
        return digest.hex() if len(digest) == SHA256_BYTES else None

    def _write(self, path: str, source: BinaryIO, sent: Callable[[bytes], None], *, new: bool) -> None:
        remote = self._client.open(path, "wbx" if new else "wb")
        try:
            block = source.read(BLOCK_SIZE)
            while block:
                following = source.read(BLOCK_SIZE)
                # Blocks are sent without waiting for answers; the last one waits for all answers.
                remote.set_pipelined(bool(following))
                remote.write(block)
                sent(block)
                block = following
        except BaseException:
            # Some servers process a file when it is closed; an incomplete one must stay open until the connection ends.
            setattr(remote, "_closed", True)  # noqa: B010  or paramiko closes it when it is collected
            raise
        remote.close()

    def _rename(self, path: str, new_path: str) -> None:
        self._client.rename(path, new_path)

    def _entry(self, path: str) -> RemoteFile | None:
        try:
            found = self._client.lstat(path)  # does not follow a link, as in a listing
        except FileNotFoundError:
            self._client.stat(".")  # raises if this folder has been deleted
            return None
        return _to_entry(base_name(path), found)

    def _delete(self, path: str) -> None:
        self._client.remove(path)

    def _read(self, path: str) -> Generator[bytes, None, RemoteFile | None]:
        with self._client.open(path, "rb") as remote:
            at, ahead = 0, 1
            while True:
                answers = _Answers(self._client)
                requests = [answers.request(remote, at + i * BLOCK_SIZE) for i in range(ahead)]
                ahead = min(2 * ahead, MAX_REQUESTS)
                for number in requests:
                    block = answers.wait_for(number)
                    if not block:
                        return self._open_entry(path, remote)
                    yield block
                    at += len(block)
                    if (
                        len(block) < BLOCK_SIZE
                    ):  # the end, or a server with smaller blocks: the rest is at other offsets
                        ahead = 1
                        break

    def _open_entry(self, path: str, remote: SFTPFile) -> RemoteFile | None:
        """Returns the entry of an open file; None if the server does not show it."""
        try:
            return _to_entry(base_name(path), self._client.fstat(remote.handle))
        except (OSError, SFTPError) as error:
            if self._is_transient(error):
                raise
            return None

    def _list(self) -> Generator[RemoteFile]:
        for name, attributes in self._client.list_entries():
            yield _to_entry(name, attributes)


def _to_entry(name: bytes, attributes: SFTPAttributes) -> RemoteFile:
    mode = attributes.st_mode
    return make_entry(
        name,
        "utf-8",
        size=attributes.st_size,
        modified=datetime.fromtimestamp(attributes.st_mtime or 0, UTC),
        is_regular=None if mode is None else stat.S_ISREG(mode),
    )


class _Answers:
    """The answers of a server to several requests for blocks of a file, in any order.

    paramiko's own prefetching needs a thread, which keeps running when the connection breaks, and may request a block
    twice. Answers that arrive after this object has been dropped are ignored.
    """

    def __init__(self, client: SFTPClient) -> None:
        self._client: Any = client  # its methods for several requests at a time are not public
        self._arrived: dict[int, tuple[int, Message]] = {}

    def request(self, file: SFTPFile, at: int) -> int:
        """Requests the block that starts at a byte; returns the number of the request."""
        number: int = self._client._async_request(self, CMD_READ, file.handle, int64(at), BLOCK_SIZE)  # noqa: SLF001
        return number

    def _async_response(self, kind: int, message: Message, number: int) -> None:
        """Receives an answer from paramiko."""
        self._arrived[number] = kind, message

    def wait_for(self, number: int) -> bytes:
        """Waits for the block of a request; it is empty after the end of the file."""
        while number not in self._arrived:
            self._client._read_response()  # noqa: SLF001
        kind, message = self._arrived.pop(number)
        if kind == CMD_DATA:
            return message.get_string()
        try:
            self._client._convert_status(message)  # noqa: SLF001
        except EOFError:
            return b""
        raise SFTPError("the server answers without data")
