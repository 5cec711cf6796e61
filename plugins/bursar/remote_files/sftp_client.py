"""A client of an SFTP server whose waits and answers are bounded.

paramiko waits without a limit for the SFTP subsystem and for its version, and sends in the caller's thread without one.
It fails at names and messages that are not UTF-8, and counts on counts in answers to be true.
"""

import errno
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from paramiko import Channel, Message, SFTPAttributes, SFTPClient, SFTPError, SSHException, Transport
from paramiko.sftp import (
    CMD_ATTRS,
    CMD_CLOSE,
    CMD_FSTAT,
    CMD_HANDLE,
    CMD_LSTAT,
    CMD_NAME,
    CMD_OPENDIR,
    CMD_READDIR,
    CMD_STAT,
    SFTP_EOF,
    SFTP_NO_SUCH_FILE,
    SFTP_OK,
    SFTP_PERMISSION_DENIED,
)

from bursar.profiles.settings import ServerLimits
from bursar.remote_files.deadline import Deadline, watch

MIN_ENTRY_BYTES = 12
"""Of an entry in a listing: two lengths of texts, and the flags of the attributes."""
_ERRNO = {SFTP_NO_SUCH_FILE: errno.ENOENT, SFTP_PERMISSION_DENIED: errno.EACCES}


@contextmanager
def watch_connection(limits: ServerLimits, connection: Any) -> Iterator[Deadline]:  # noqa: ANN401
    """Yields the deadline of an SSH connection, a socket or the like, which is broken when a step misses it."""
    deadline = Deadline(limits.timeout_seconds)
    with watch(deadline, partial(break_connection, connection)):
        yield deadline


def break_connection(connection: Any) -> None:  # noqa: ANN401
    """Ends an SSH connection, a socket or the like; all that wait for it fail."""
    with suppress(OSError):
        if isinstance(connection, socket.socket):
            connection.shutdown(socket.SHUT_RDWR)
        else:
            connection.close()


def open_sftp_client(transport: Transport, limits: ServerLimits, deadline: Deadline) -> "BoundedSftpClient":
    """Opens an SFTP client on a connection whose login has succeeded, within the deadline that runs.

    Raises:
        SSHException: the server refuses, or does not answer.
    """
    channel = transport.open_session(timeout=limits.timeout_seconds)
    channel.settimeout(limits.timeout_seconds)
    channel.invoke_subsystem("sftp")
    return BoundedSftpClient(channel, limits, deadline)


class BoundedSftpClient(SFTPClient):
    """An SFTP client. Each step at the server runs within `deadline`."""

    # Not public, and without types.
    _adjust_cwd: Any
    _expecting: Any
    _read_all: Any
    _request: Any

    def __init__(self, channel: Channel, limits: ServerLimits, deadline: Deadline) -> None:
        self.limits = limits
        self.deadline = deadline
        super().__init__(channel)

    def stat(self, path: Any) -> SFTPAttributes:  # noqa: ANN401
        """Returns the attributes of a file; those of its target for a link."""
        return self._get_attributes(CMD_STAT, self._adjust_cwd(path))

    def lstat(self, path: Any) -> SFTPAttributes:  # noqa: ANN401
        """Returns the attributes of a file, or of a link itself."""
        return self._get_attributes(CMD_LSTAT, self._adjust_cwd(path))

    def fstat(self, handle: Any) -> SFTPAttributes:  # noqa: ANN401
        """Returns the attributes of an open file, wherever its name leads by now."""
        return self._get_attributes(CMD_FSTAT, handle)

    def list_entries(self) -> Iterator[tuple[bytes, SFTPAttributes]]:
        """Yields names and attributes in the current folder, without `.` and `..`; the long names are not read."""
        kind, answer = self._request(CMD_OPENDIR, self._adjust_cwd("."))
        if kind != CMD_HANDLE:
            raise SFTPError("no handle in the answer to the request for a listing")
        handle = answer.get_binary()
        while True:
            try:
                kind, answer = self._request(CMD_READDIR, handle)
            except EOFError:
                self._request(CMD_CLOSE, handle)
                return
            for name, attributes in _parse_entries(kind, answer):
                if name not in (b".", b".."):
                    yield name, attributes

    def _get_attributes(self, request: int, what: Any) -> SFTPAttributes:  # noqa: ANN401
        kind, answer = self._request(request, what)
        if kind != CMD_ATTRS:
            raise SFTPError("no attributes in the answer")
        return _parse_attributes(answer)

    def _read_packet(self) -> tuple[int, bytes]:
        (size,) = struct.unpack(">I", self._read_all(4))
        if not 1 <= size <= self.limits.max_answer_bytes:
            self.sock.close()
            raise SSHException(f"an answer of {size:,} bytes, of which {self.limits.max_answer_bytes:,} are allowed")
        packet: bytes = self._read_all(size)
        if int.from_bytes(packet[1:5]) in self._expecting:
            self.deadline.renew()
        return packet[0], packet[1:]

    def _convert_status(self, message: Message) -> None:
        code = message.get_int()
        text = message.get_binary().decode("utf-8", "backslashreplace")
        if code == SFTP_OK:
            return
        if code == SFTP_EOF:
            raise EOFError(text)
        raise OSError(_ERRNO[code], text) if code in _ERRNO else OSError(text)


def _parse_entries(kind: int, answer: Message) -> Iterator[tuple[bytes, SFTPAttributes]]:
    count = answer.get_int()
    if kind != CMD_NAME or not 0 <= count <= len(answer.asbytes()) // MIN_ENTRY_BYTES:
        raise SFTPError("no names in the answer to the request for a listing")
    for _ in range(count):
        name = answer.get_binary()
        answer.get_binary()  # the long name is for people, and often of another encoding
        yield name, _parse_attributes(answer)


def _parse_attributes(answer: Message) -> SFTPAttributes:
    """Reads attributes; those that the server does not show stay None."""
    found = SFTPAttributes()
    flags = answer.get_int()
    if flags & found.FLAG_SIZE:
        found.st_size = answer.get_int64()
    if flags & found.FLAG_UIDGID:
        answer.get_int(), answer.get_int()
    if flags & found.FLAG_PERMISSIONS:
        found.st_mode = answer.get_int()
    if flags & found.FLAG_AMTIME:
        found.st_atime, found.st_mtime = answer.get_int(), answer.get_int()
    if flags & found.FLAG_EXTENDED:
        count = answer.get_int()
        if count > len(answer.asbytes()) // 8:
            raise SFTPError("more attributes than the answer has bytes")
        for _ in range(2 * count):
            answer.get_binary()
    return found
