"""A folder on an FTP server, with or without TLS."""

import socket
import ssl
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from ftplib import FTP, all_errors, error_perm, error_temp
from pathlib import PurePosixPath
from typing import BinaryIO

from bursar.remote_files.base import (
    BLOCK_SIZE,
    TIMEOUT_SECONDS,
    RemoteFile,
    access_denied_error,
    connection_lost_error,
    error_reason,
    file_exists_error,
    missing_folder_error,
    validate_file_name,
    validate_path,
)

ABORT_SECONDS = 5
"""How long to wait for the second answer to an abort, which some servers do not give."""
_TRANSIENT = ("421", "425", "426", "450", "451")  # RFC 959: closing, no data connection, broken off, busy, local error
_CONNECTION_ERRORS: tuple[type[Exception], ...] = (
    *all_errors,
    ValueError,
)  # the last: names or facts that make no sense
_ACCESS_DENIED = ("permission", "privilege", "denied", "not allowed", "not authorized", "forbidden")


def is_transient(error: Exception) -> bool:
    """Whether the same step may succeed later: the network, or an answer that says so."""
    if isinstance(error, error_temp):
        return error_reason(error).startswith(_TRANSIENT)
    return isinstance(error, OSError | EOFError) and not isinstance(error, ssl.SSLCertVerificationError)


class FtpFolder:
    """A folder on an FTP server, as `bursar.remote_files.base.RemoteFolder` describes it.

    `client` is logged in and serves this folder alone. `server` is how people call it, such as `ftp://bursar.example.edu`.
    `path` starts from the folder that the account sees after login, unless it starts with a slash.

    Raises:
        RemoteFolderError: there is no such folder, and it may not or cannot be created.
    """

    def __init__(self, client: FTP, server: str, path: str, *, may_create: bool) -> None:
        self._client = client
        self._features: set[str] | None = None
        client.timeout = TIMEOUT_SECONDS
        if client.sock:
            client.sock.settimeout(TIMEOUT_SECONDS)
        self.address = f"{server}/{path.lstrip('/')}"
        with self._asking_to("enter the folder"):
            self._enter(path, may_create=may_create)
            self.address = f"{server}{client.pwd()}".rstrip("/")

    def size(self, name: str) -> int | None:
        """The size of a file in bytes; None only if the server says that there is no such file.

        FTP has one answer, 550, for a file that is missing and for one that we may not see. So the listing has to
        agree that it is missing.
        """
        with self._asking_to("look at the file", validate_file_name(name)):
            self._client.voidcmd("TYPE I")
            try:
                size = self._client.size(name)
            except error_perm as error:
                if self._may_be_there(name, str(error)):
                    raise
                return None
            if size is None:
                raise ValueError("no size in the answer to SIZE")
            return size

    def sha256(self, name: str) -> str | None:
        """The SHA-256 of a file by the command XSHA256; None where the server does not list it among its features."""
        with self._asking_to("look at the file", validate_file_name(name)):
            if not self._knows("XSHA256"):
                return None
            return self._client.sendcmd(f"XSHA256 {name}").split()[-1].lower()

    def write(self, name: str, source: BinaryIO, sent: Callable[[bytes], None] | None = None) -> None:
        """Writes the rest of a stream to a file, over what was there; `sent` is called with each block on its way."""
        with self._asking_to("write the file", validate_file_name(name)):
            self._client.voidcmd("TYPE I")
            connection = self._client.transfercmd(f"STOR {name}")
            try:
                while block := source.read(BLOCK_SIZE):
                    connection.sendall(block)
                    if sent:
                        sent(block)
                if isinstance(connection, ssl.SSLSocket):
                    connection.unwrap()
            except BaseException:
                self._break_off(connection)
                raise
            connection.close()
            self._client.voidresp()

    def rename(self, name: str, new: str) -> None:
        """Gives a file a name that is free.

        FTP has no rename that refuses a name that is taken: it is looked at just before. A file that someone else puts
        there in that moment would be replaced, which SFTP rules out.
        """
        if self.size(new) is not None:
            raise file_exists_error(f"{self.address}/{new}")
        with self._asking_to(f"rename the file to {new}", validate_file_name(name)):
            self._client.rename(name, new)

    def entry(self, path: str) -> RemoteFile | None:
        """The entry of one file, as a listing gives it; None if there is no such file.

        MLST (RFC 3659) tells it. Where a server does not know the command or says 550, which may mean several things,
        the listing decides.
        """
        folder, _, name = validate_path(path).rpartition("/")
        with self._asking_to("look at the file", path):
            try:
                return _entry(name, _facts(self._client.sendcmd(f"MLST {path}")))
            except (error_perm, LookupError):  # the latter: an answer without facts
                if folder and not [entry for entry in self._listed() if entry.name == folder]:
                    return None
            return next(iter([entry for entry in self._listed(folder) if entry.name == name]), None)

    def create_folder(self, name: str) -> None:
        """Creates a folder in this one; a folder that exists is left as it is."""
        with self._asking_to(f"create {validate_file_name(name)}"):
            home = self._client.pwd()
            self._create_and_enter(name)
            self._client.cwd(home)

    def move(self, path: str, new_path: str) -> None:
        """Gives a file another path, which must be free; a file that is there is not replaced, as in `rename`."""
        if self.entry(new_path) is not None:
            raise file_exists_error(f"{self.address}/{new_path}")
        with self._asking_to(f"move the file to {new_path}", validate_path(path)):
            self._client.rename(path, new_path)

    def delete(self, name: str) -> None:
        """Removes a file that is there."""
        with self._asking_to("delete the file", validate_file_name(name)):
            self._client.delete(name)

    def read(self, path: str) -> Generator[bytes]:
        """The bytes of a file, in blocks."""
        with self._asking_to("read the file", validate_path(path)):
            self._client.voidcmd("TYPE I")
            try:
                with self._client.transfercmd(f"RETR {path}") as connection:
                    while block := connection.recv(BLOCK_SIZE):
                        yield block
            except GeneratorExit:
                with suppress(*all_errors):
                    self._client.voidresp()  # the server's remark that we did not want all of it
                raise
            self._client.voidresp()

    def files(self) -> Generator[RemoteFile]:
        """All that lies in the folder, by one listing: files, and what is none (`is_regular` is False).

        Raises:
            RemoteFolderError: also if the server does not know MLSD (RFC 3659), the one listing made for programs.
        """
        with self._asking_to("list the folder with the command MLSD"):
            yield from self._listed()

    def _listed(self, folder: str = "") -> Iterator[RemoteFile]:
        """The entries of this folder, or of one in it."""
        for name, facts in self._client.mlsd(folder):
            if facts["type"] not in ("cdir", "pdir"):
                yield _entry(name, facts)

    def _break_off(self, connection: socket.socket) -> None:
        """Aborts a transfer: to the server, the end of the data would be that of a complete file."""
        with suppress(*all_errors):
            self._client.abort()
        with suppress(*all_errors):
            connection.close()
        if control := self._client.sock:
            control.settimeout(ABORT_SECONDS)
            with suppress(*all_errors):
                self._client.voidresp()
            control.settimeout(TIMEOUT_SECONDS)

    def _knows(self, command: str) -> bool:
        if self._features is None:
            try:
                lines = self._client.sendcmd("FEAT").upper().splitlines()
            except error_perm:
                lines = []
            self._features = {words[0] for line in lines if (words := line.split())}
        return command in self._features

    def _may_be_there(self, name: str, answer: str) -> bool:
        forbidden = any(word in answer.lower() for word in _ACCESS_DENIED)
        return not answer.startswith("550") or forbidden or name in self._client.nlst()

    def _enter(self, path: str, *, may_create: bool) -> None:
        try:
            if path:
                self._client.cwd(path)
        except error_perm as error:
            if not may_create:
                raise missing_folder_error(self.address, error) from error
            for part in PurePosixPath(path).parts:
                self._create_and_enter(part)

    def _create_and_enter(self, part: str) -> None:
        refusal: Exception | None = None
        try:
            self._client.mkd(part)
        except error_perm as error:
            refusal = error  # most likely it is there; then it can be entered
        try:
            self._client.cwd(part)
        except error_perm as error:
            raise access_denied_error(self.address, f"create {part}", refusal or error) from error

    @contextmanager
    def _asking_to(self, act: str, name: str = "") -> Iterator[None]:
        """Turns whatever ftplib raises into the errors of RemoteFolder."""
        place = f"{self.address}/{name}" if name else self.address
        try:
            yield
        except _CONNECTION_ERRORS as error:
            raise (
                connection_lost_error(place, error) if is_transient(error) else access_denied_error(place, act, error)
            ) from error


def _facts(answer: str) -> dict[str, str]:
    """The facts in an answer to MLST, whose second line has the form of a line of MLSD."""
    facts = answer.splitlines()[1].strip().partition(" ")[0]
    pairs = (fact.partition("=") for fact in facts.split(";") if fact)
    return {name.lower(): value for name, _, value in pairs}


def _entry(name: str, facts: dict[str, str]) -> RemoteFile:
    is_regular = facts["type"].lower() == "file"
    if is_regular and not {"size", "modify"} <= facts.keys():
        raise ValueError(f"the server tells neither size nor time of {name}")
    modified = datetime.strptime(facts.get("modify", "19700101000000")[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    return RemoteFile(name=name, size=int(facts.get("size", 0)), modified=modified, is_regular=is_regular)
