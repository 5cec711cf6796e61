"""A folder on an FTP server, with or without TLS."""

import re
import socket
import ssl
import struct
from collections.abc import Callable, Generator
from contextlib import suppress
from datetime import UTC, datetime
from ftplib import Error as FtpError
from ftplib import all_errors, error_perm, error_temp
from typing import BinaryIO

from bursar.remote_files.base import BLOCK_SIZE, RemoteFile, RemoteFolder, error_reason
from bursar.remote_files.entries import base_name, make_entry
from bursar.remote_files.ftp_client import FtpClient

ABORT_SECONDS = 5
"""Seconds to wait for the second answer to an abort, which some servers do not send."""
_TRANSIENT = ("421", "425", "426", "450", "451")  # RFC 959: closing, no data connection, broken off, busy, local error
_RESET = struct.pack("ii", 1, 0)  # a closed connection is reset, and not ended as after the last byte
_ACCESS_DENIED = ("permission", "privilege", "denied", "not allowed", "not authorized", "forbidden")


def is_transient(error: Exception) -> bool:
    """Returns whether the same step may succeed later: the network failed, or the answer says so."""
    if isinstance(error, error_temp):
        return error_reason(error).startswith(_TRANSIENT)
    return isinstance(error, OSError | EOFError) and not isinstance(error, ssl.SSLCertVerificationError)


class FtpFolder(RemoteFolder):
    """A folder on an FTP server. `client` is logged in and serves this folder alone.

    A listing needs the command MLSD (RFC 3659): it alone has a form for programs.
    """

    _errors = (*all_errors, ValueError)  # the last: invalid names or facts
    _missing_errors = error_perm
    _rejections = error_perm
    _listing = "list the folder with the command MLSD"

    def __init__(self, client: FtpClient, server: str, path: str, *, may_create: bool) -> None:
        self._client = client
        self._features: set[str] | None = None
        super().__init__(client.deadline, client.limits, server, path, may_create=may_create)

    def _break_connection(self) -> None:
        self._client.break_connection()

    def _is_transient(self, error: Exception) -> bool:
        return is_transient(error)

    def _enter(self, path: str) -> None:
        if path:
            self._client.cwd(path)

    def _current_path(self) -> str:
        return self._client.pwd()

    def _create(self, folder: str) -> None:
        self._client.mkd(folder)

    def _is_denied(self, error: Exception) -> bool:
        return isinstance(error, error_perm) and _says_denied(str(error))

    def _size(self, path: str) -> int | None:
        """FTP has one answer, 550, for a missing file and for one without access: the listing has to agree."""
        self._client.voidcmd("TYPE I")
        try:
            size = self._client.size(path)
        except error_perm as error:
            if not str(error).startswith("550") or _says_denied(str(error)) or self._exists(path):
                raise
            return None
        if size is None:
            raise ValueError("no size in the answer to SIZE")
        return size

    def _sha256(self, path: str) -> str | None:
        """Asks for it by the command XSHA256; None if the server does not list it among its features."""
        if not self._has_feature("XSHA256"):
            return None
        return self._client.sendcmd(f"XSHA256 {path}").split()[-1].lower()

    def _write(self, path: str, source: BinaryIO, sent: Callable[[bytes], None], *, new: bool) -> None:  # noqa: ARG002
        self._client.voidcmd("TYPE I")
        connection = self._client.transfercmd(f"STOR {path}")
        try:
            while block := source.read(BLOCK_SIZE):
                connection.sendall(block)
                sent(block)
            if isinstance(connection, ssl.SSLSocket):
                connection.unwrap()
        except BaseException:
            self._abort(connection)
            raise
        connection.close()
        self._client.voidresp()

    def _rename(self, path: str, new_path: str) -> None:
        self._client.rename(path, new_path)

    def _entry(self, path: str) -> RemoteFile | None:
        """Asks for it by MLST (RFC 3659). If the server does not know MLST or answers 550, the listing decides."""
        folder, _, name = path.rpartition("/")
        try:
            return _to_entry(base_name(path), "utf-8", _facts(self._client.sendcmd(f"MLST {path}")))
        except (error_perm, LookupError):  # the latter: an answer without facts
            if folder and not [entry for entry in self._list() if entry.name == folder]:
                return None
        return next(iter([entry for entry in self._list(folder) if entry.name == name]), None)

    def _delete(self, path: str) -> None:
        self._client.delete(path)

    def _read(self, path: str) -> Generator[bytes, None, RemoteFile | None]:
        self._client.voidcmd("TYPE I")
        yield from self._receive(f"RETR {path}")
        return None

    def _list(self, folder: str = "") -> Generator[RemoteFile]:
        encoding = self._client.encoding
        for line in self._lines(f"MLSD {folder}".rstrip()):
            facts, _, name = line.partition(b" ")
            values = _parse_facts(facts.decode(encoding, "backslashreplace"))
            if name not in (b"", b".", b"..") and values.get("type", "").lower() not in ("cdir", "pdir"):
                yield _to_entry(name, encoding, values)

    def _lines(self, command: str) -> Generator[bytes]:
        """Yields the lines that a server sends on the data connection, without their ends."""
        self._client.voidcmd("TYPE A")
        rest = b""
        for block in self._receive(command, is_tls_closed=True):
            *lines, rest = (rest + block).split(b"\n")
            yield from (line.rstrip(b"\r") for line in lines)
            if len(rest) > self.limits.max_answer_bytes:
                self._client.break_connection()
                raise FtpError(f"a line has more than {self.limits.max_answer_bytes:,} bytes")  # noqa: S321
        if rest:
            yield rest.rstrip(b"\r")

    def _receive(self, command: str, *, is_tls_closed: bool = False) -> Generator[bytes]:
        """Yields the bytes that a command transfers; each block of them renews the deadline of a transfer."""
        received = 0
        try:
            with self._client.transfercmd(command) as connection:
                for block in self._client.receive(connection):
                    received += len(block)
                    if received >= BLOCK_SIZE:
                        received = 0
                        self._deadline.renew()
                    yield block
                if is_tls_closed and isinstance(connection, ssl.SSLSocket):
                    connection.unwrap()
        except GeneratorExit:
            with suppress(*all_errors):
                self._client.voidresp()  # the server reports that the transfer is incomplete
            raise
        self._client.voidresp()

    def _abort(self, connection: socket.socket) -> None:
        """Aborts a transfer; a data connection that just ends would mean a complete file to the server."""
        with suppress(*all_errors):
            self._client.deadline.renew()
            self._client.abort()
        with suppress(*all_errors):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            connection.close()
        with suppress(*all_errors), self._client.deadline.shortened(ABORT_SECONDS):
            self._client.voidresp()

    def _has_feature(self, command: str) -> bool:
        if self._features is None:
            try:
                lines = self._client.sendcmd("FEAT").upper().splitlines()
            except error_perm:
                lines = []
            self._features = {words[0] for line in lines if (words := line.split())}
        return command in self._features

    def _exists(self, path: str) -> bool:
        """Asks for the names in the folder, because some servers do not know the command SIZE."""
        folder, _, name = path.rpartition("/")
        wanted = name.encode(self._client.encoding)
        lines = self._lines(f"NLST {folder}".rstrip())
        return sum(line.rpartition(b"/")[2] == wanted for line in lines) > 0  # reads the listing to its end


def _says_denied(answer: str) -> bool:
    return any(word in answer.lower() for word in _ACCESS_DENIED)


def _facts(answer: str) -> dict[str, str]:
    """Returns the facts in an answer to MLST, whose second line has the form of a line of MLSD.

    Raises:
        LookupError: there are none.
    """
    facts = _parse_facts(answer.splitlines()[1].strip().partition(" ")[0])
    if "type" not in facts:
        raise LookupError("type")
    return facts


def _parse_facts(text: str) -> dict[str, str]:
    pairs = (fact.partition("=") for fact in text.split(";") if fact)
    return {name.lower(): value for name, _, value in pairs}


def _to_entry(name: bytes, encoding: str, facts: dict[str, str]) -> RemoteFile:
    size, modified = facts.get("size", ""), None
    with suppress(ValueError):
        modified = datetime.strptime(facts.get("modify", "")[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    return make_entry(
        name,
        encoding,
        size=int(size) if re.fullmatch(r"[0-9]{1,40}", size, re.ASCII) else None,
        modified=modified,
        is_regular=facts["type"].lower() == "file" if facts.get("type") else None,
    )
