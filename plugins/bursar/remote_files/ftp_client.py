"""Clients of FTP and FTPS servers whose waits and answers are bounded.

ftplib limits the time of each single read only, so that a server which sends a byte now and then is waited for without
an end, and it keeps an answer of any number of lines.
"""

import socket
from collections.abc import Iterator
from contextlib import suppress
from ftplib import FTP, FTP_TLS
from ftplib import Error as FtpError
from typing import Any

from bursar.profiles.settings import ServerLimits
from bursar.remote_files.deadline import Deadline

RECEIVED_BYTES = 32 * 1024


class FtpClient(FTP):
    """A client of an FTP server. Each step at the server runs within `deadline`.

    Args:
        limits: of time and size.
        encoding: of names and answers; other bytes are written in hexadecimal digits.
        arguments: passed on to ftplib.
    """

    def __init__(self, limits: ServerLimits, *, encoding: str = "utf-8", **arguments: Any) -> None:  # noqa: ANN401
        self.limits = limits
        self.deadline = Deadline(limits.timeout_seconds)
        self.maxline = limits.max_answer_bytes
        self._answers: _Answers | None = None
        super().__init__(timeout=limits.timeout_seconds, encoding=encoding, **arguments)

    @property  # type: ignore[override]
    def file(self) -> "_Answers | None":
        """The stream from which ftplib reads answers."""
        return self._answers

    @file.setter
    def file(self, stream: Any) -> None:  # noqa: ANN401
        """Puts a bounded stream in the place of ftplib's own."""
        self._answers = None
        if stream is not None:
            stream.close()
            self._answers = _Answers(self)

    def putline(self, line: str) -> None:
        """Sends a command, and allows an answer of the largest size."""
        if self._answers:
            self._answers.size = 0
        if self.sock:
            self.sock.settimeout(self.deadline.seconds_left())
        super().putline(line)

    def receive(self, connection: socket.socket) -> Iterator[bytes]:
        """Yields the bytes of a data connection until its end."""
        while True:
            connection.settimeout(self.deadline.seconds_left())
            if not (received := connection.recv(RECEIVED_BYTES)):
                return
            yield received

    def break_connection(self) -> None:
        """Ends the connection, because a late answer could be taken for that to the next command."""
        if self.sock:
            with suppress(OSError):
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)


class FtpsClient(FtpClient, FTP_TLS):
    """A client of an FTP server with explicit TLS."""


class _Answers:
    """The answers of a server, line by line; `size` counts the bytes since the last command."""

    def __init__(self, client: FtpClient) -> None:
        self._client = client
        self._received = b""
        self.size = 0

    def readline(self, _limit: int) -> str:
        """Returns the next line with its end; nothing after the end of the connection."""
        while b"\n" not in self._received:
            connection = self._client.sock
            if connection is None:
                return ""
            connection.settimeout(self._client.deadline.seconds_left())
            if not (received := connection.recv(RECEIVED_BYTES)):
                return ""
            self._received += received
            self._count(len(received))
        line, newline, self._received = self._received.partition(b"\n")
        return (line + newline).decode(self._client.encoding, "backslashreplace")

    def close(self) -> None:
        """Does nothing: the connection is closed by the client."""

    def _count(self, received: int) -> None:
        self.size += received
        if self.size > self._client.limits.max_answer_bytes:
            self._client.break_connection()
            raise FtpError(f"the answer has more than {self._client.limits.max_answer_bytes:,} bytes")  # noqa: S321
