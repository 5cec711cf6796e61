"""A folder on an SFTP server."""

import socket
import stat
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from paramiko import Message, SFTPAttributes, SFTPClient, SFTPError, SFTPFile, SSHException
from paramiko.sftp import CMD_DATA, CMD_READ, int64

from bursar.remote_files.base import (
    BLOCK_SIZE,
    TIMEOUT_SECONDS,
    RemoteFile,
    access_denied_error,
    connection_lost_error,
    file_exists_error,
    missing_folder_error,
    validate_file_name,
    validate_path,
)

SHA256_BYTES = 32
MAX_REQUESTS = 32
"""Blocks that are asked for before the first of them comes, so that their way is waited for once and not for each."""


class SftpFolder:
    """A folder on an SFTP server, as `bursar.remote_files.base.RemoteFolder` describes it.

    `client` is open and serves this folder alone. `server` is how people call it, such as `sftp://bursar.example.edu`.
    `path` starts from the folder that the account sees after login, unless it starts with a slash.

    Raises:
        RemoteFolderError: there is no such folder, and it may not or cannot be created.
    """

    def __init__(self, client: SFTPClient, server: str, path: str, *, may_create: bool) -> None:
        self._client = client
        self._channel = client.sock
        self._channel.settimeout(TIMEOUT_SECONDS)
        if isinstance(wire := self._channel.get_transport().sock, socket.socket):
            # Otherwise each small message, by which paramiko asks for more, waits until the one before is confirmed.
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.address = f"{server}/{path.lstrip('/')}"
        with self._asking_to("enter the folder"):
            self._enter(path, may_create=may_create)
        self.address = f"{server}{client.getcwd()}".rstrip("/")

    def size(self, name: str) -> int | None:
        """The size of a file in bytes; None only if the server says that there is no such file."""
        with self._asking_to("look at the file", validate_file_name(name)):
            try:
                size = self._client.stat(name).st_size
            except FileNotFoundError:
                self._client.stat(".")  # raises if it is the folder that has gone
                return None
            if size is None:
                raise SFTPError("the server tells no sizes")
            return size

    def sha256(self, name: str) -> str | None:
        """The SHA-256 of a file by the protocol's extension `check-file`; None where the server does not have it."""
        with self._asking_to("look at the file", validate_file_name(name)):
            try:
                with self._client.open(name, "rb") as remote:
                    digest = bytes(remote.check("sha256") or b"")
            except (OSError, SFTPError) as error:
                if self._channel.closed or isinstance(error, TimeoutError | ConnectionError):
                    raise
                return None
            return digest.hex() if len(digest) == SHA256_BYTES else None

    def write(self, name: str, source: BinaryIO, sent: Callable[[bytes], None] | None = None) -> None:
        """Writes the rest of a stream to a file, over what was there; `sent` is called with each block on its way."""
        with self._asking_to("write the file", validate_file_name(name)):
            remote = self._client.open(name, "wb")
            try:
                block = source.read(BLOCK_SIZE)
                while block:
                    following = source.read(BLOCK_SIZE)
                    # Blocks are sent without waiting for answers; the last one waits for its own and all that are due.
                    remote.set_pipelined(bool(following))
                    remote.write(block)
                    if sent:
                        sent(block)
                    block = following
            except BaseException:
                # Some servers hand a file on when it is closed: one that is not complete ends with the connection.
                setattr(remote, "_closed", True)  # noqa: B010  or paramiko closes it when it is collected
                raise
            remote.close()

    def rename(self, name: str, new: str) -> None:
        """Gives a file a name that is free; a file that has the name already is never replaced.

        The protocol's own rename refuses a name that is taken. Some servers replace the file all the same,
        so the name is looked at before, too.
        """
        if self.size(new) is not None:
            raise file_exists_error(f"{self.address}/{new}")
        with self._asking_to(f"rename the file to {new}", validate_file_name(name)):
            self._client.rename(name, new)

    def entry(self, path: str) -> RemoteFile | None:
        """The entry of one file, as a listing gives it; None if there is no such file."""
        with self._asking_to("look at the file", validate_path(path)):
            try:
                found = self._client.lstat(path)  # of a link itself, wherever it leads, as in a listing
            except FileNotFoundError:
                self._client.stat(".")  # raises if this folder has gone
                return None
            return _entry(PurePosixPath(path).name, found)

    def create_folder(self, name: str) -> None:
        """Creates a folder in this one; a folder that exists is left as it is."""
        with self._asking_to(f"create {validate_file_name(name)}"):
            self._create(name)

    def move(self, path: str, new_path: str) -> None:
        """Gives a file another path, which must be free; a file that is there is never replaced, as in `rename`."""
        if self.entry(new_path) is not None:
            raise file_exists_error(f"{self.address}/{new_path}")
        with self._asking_to(f"move the file to {new_path}", validate_path(path)):
            self._client.rename(path, new_path)

    def delete(self, name: str) -> None:
        """Removes a file that is there."""
        with self._asking_to("delete the file", validate_file_name(name)):
            self._client.remove(name)

    def read(self, path: str) -> Generator[bytes]:
        """The bytes of a file, in blocks."""
        with self._asking_to("read the file", validate_path(path)), self._client.open(path, "rb") as remote:
            at, ahead = 0, 1
            while True:
                answers = _Answers(self._client)
                asked = [answers.ask_for(remote, at + i * BLOCK_SIZE) for i in range(ahead)]
                ahead = min(2 * ahead, MAX_REQUESTS)
                for number in asked:
                    block = answers.block(number)
                    if not block:
                        return
                    yield block
                    at += len(block)
                    if len(block) < BLOCK_SIZE:  # the end, or a server that gives less: what follows was asked in vain
                        ahead = 1
                        break

    def files(self) -> Generator[RemoteFile]:
        """All that lies in the folder, by one listing: files, and what is none (`is_regular` is False)."""
        with self._asking_to("list the folder"):
            for entry in self._client.listdir_iter(read_aheads=1):  # one after the other, none kept whole
                yield _entry(entry.filename, entry)

    def _enter(self, path: str, *, may_create: bool) -> None:
        try:
            self._client.chdir(path or ".")
        except FileNotFoundError as error:
            if not may_create:
                raise missing_folder_error(self.address, error) from error
            for part in PurePosixPath(path).parts:
                self._create_and_enter(part)

    def _create(self, folder: str) -> None:
        try:
            self._client.mkdir(folder)
        except OSError as refusal:  # most likely it is there
            try:
                mode = self._client.stat(folder).st_mode
            except FileNotFoundError:
                raise refusal from None
            if not stat.S_ISDIR(mode or 0):
                raise

    def _create_and_enter(self, part: str) -> None:
        refusal: Exception | None = None
        try:
            self._client.mkdir(part)
        except OSError as error:
            refusal = error  # most likely it is there; then it can be entered
        try:
            self._client.chdir(part)
        except FileNotFoundError as error:
            raise access_denied_error(self.address, f"create {part}", refusal or error) from error

    @contextmanager
    def _asking_to(self, act: str, name: str = "") -> Iterator[None]:
        """Turns whatever paramiko raises into the errors of RemoteFolder."""
        place = f"{self.address}/{name}" if name else self.address
        try:
            yield
        except (SSHException, EOFError, TimeoutError, ConnectionError) as error:
            raise connection_lost_error(place, error) from error
        except (OSError, SFTPError, UnicodeError) as error:
            if self._channel.closed:  # paramiko says so by a bare OSError, like any refusal
                raise connection_lost_error(place, error) from error
            raise access_denied_error(place, act, error) from error


def _entry(name: str, attributes: SFTPAttributes) -> RemoteFile:
    return RemoteFile(
        name=name,
        size=attributes.st_size or 0,
        modified=datetime.fromtimestamp(attributes.st_mtime or 0, UTC),
        is_regular=stat.S_ISREG(attributes.st_mode or 0),
    )


class _Answers:
    """What a server says to several requests for blocks of a file, in whatever order it does.

    paramiko's own reading ahead needs a thread, which stays behind when the connection breaks, and at times asks twice.
    Whoever lets go of this object gives up the answers that have not come.
    """

    def __init__(self, client: SFTPClient) -> None:
        self._client: Any = client  # whose ways to ask for several things at once are not public
        self._came: dict[int, tuple[int, Message]] = {}

    def ask_for(self, file: SFTPFile, at: int) -> int:
        """Asks for the block that starts at a byte; returns the number of the request."""
        number: int = self._client._async_request(self, CMD_READ, file.handle, int64(at), BLOCK_SIZE)  # noqa: SLF001
        return number

    def _async_response(self, kind: int, message: Message, number: int) -> None:
        """Takes an answer from paramiko."""
        self._came[number] = kind, message

    def block(self, number: int) -> bytes:
        """Waits for the answer to a request; empty behind the end of the file."""
        while number not in self._came:
            self._client._read_response()  # noqa: SLF001
        kind, message = self._came.pop(number)
        if kind == CMD_DATA:
            return message.get_string()
        try:
            self._client._convert_status(message)  # noqa: SLF001
        except EOFError:
            return b""
        raise SFTPError("the server answers without data")
