"""A folder on the bursar's server: its operations, with checked names and translated errors, for every protocol.

The module is long because the rules for names, errors and folders are the same for every protocol.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import PurePosixPath
from typing import BinaryIO, ClassVar, cast

from bursar.errors import MissingFolderError, PermissionDeniedError, RemoteFolderError, TransientError
from bursar.profiles.settings import ServerLimits
from bursar.remote_files.deadline import Deadline
from bursar.remote_files.entries import RemoteFile, check_size
from bursar.remote_files.file_names import validate_file_name, validate_path, validate_upload_path
from bursar.remote_files.pgp_key import PgpKey

__all__ = ["BLOCK_SIZE", "RemoteFile", "RemoteFolder"]

STEP_TIMEOUTS, LISTING_TIMEOUTS = 2, 5
"""How many times the seconds without an answer a step of several answers, and a whole listing, may take."""

BLOCK_SIZE = 32 * 1024
"""Bytes of one block: the most that every SFTP server accepts."""

MAX_REASON_LENGTH = 500
"""Characters of a server's answer that a message repeats."""

Errors = type[Exception] | tuple[type[Exception], ...]


class RemoteFolder(ABC):
    """One folder on a server, for as long as its connection lasts.

    Names are plain file names; a path is a name in this folder, or `folder/name` for a file of a folder in it. An
    upload path may also lead to another folder of the server, as in `../incoming/name`. Every method raises
    TransientError where repeating the step may help (network, timeout, a busy server), PermissionDeniedError where the
    server says so, and RemoteFolderError where a person has to act for another reason (an existing name, a missing
    folder). The methods of a protocol begin with an underscore and raise its own errors.

    Each step has a deadline, and ends with a TransientError if the server is silent or answers in trickles. Its
    connection is of no more use then.

    Args:
        deadline: that of the connection.
        limits: of time and size.
        server: the server in messages, such as `sftp://bursar.example.edu`.
        path: starts from the folder that the account sees after login, unless it starts with a slash.
        may_create: whether a missing folder is created, with those above it.

    Raises:
        RemoteFolderError: there is no such folder, and it may not or cannot be created.
    """

    _errors: ClassVar[Errors]
    """All errors of the protocol."""
    _missing_errors: ClassVar[Errors]
    """Its errors for a folder that does not exist, or that the account may not enter."""
    _rejections: ClassVar[Errors]
    """Its errors for a folder that cannot be created."""
    _listing: ClassVar[str] = "list the folder"

    def __init__(self, deadline: Deadline, limits: ServerLimits, server: str, path: str, *, may_create: bool) -> None:
        self._deadline = deadline
        self.limits = limits
        """The limits of time and size, as in `server_limits` of the settings."""
        self.pgp_key = PgpKey("", "", "")
        """The key of the receiver, with which files are encrypted; empty unless the connection has one."""
        self.address = f"{server}/{path.lstrip('/')}"
        """Where the folder is, in messages: `sftp://bursar.example.edu/alma/bursar`."""
        with self._translate_errors("enter the folder"):
            try:
                self._enter(path)
            except self._missing_errors as error:
                if not may_create:
                    raise missing_folder_error(self.address, error) from error
                for part in PurePosixPath(path).parts:
                    self._create_and_enter(part)
            self.address = f"{server}{self._current_path()}".rstrip("/")

    def size(self, path: str) -> int | None:
        """Returns the size of a file in bytes; None only if the server says that there is no such file."""
        with self._translate_errors("look at the file", validate_upload_path(path)):
            return self._size(path)

    def exists(self, path: str) -> bool:
        """Returns whether there is such a file, without a look at its size."""
        with self._translate_errors("look at the file", validate_upload_path(path)):
            return self._exists(path)

    def sha256(self, path: str) -> str | None:
        """Returns the SHA-256 of a file in hexadecimal digits, as the server computes it; None if it does not."""
        with self._translate_errors("look at the file", validate_upload_path(path)):
            return self._sha256(path)

    def write(
        self, path: str, source: BinaryIO, sent: Callable[[bytes], None] | None = None, *, new: bool = False
    ) -> None:
        """Writes the rest of a stream to a file, whose content it replaces; memory stays flat.

        `sent` is called with each block that has been sent. If it or the stream raises an error, the file is left
        incomplete, and nothing says to the server that it is complete. With `new`, an SFTP server rejects a name
        that is not free; FTP has no such request.
        """

        def report(block: bytes) -> None:
            self._deadline.renew()
            if sent:
                with self._deadline.paused():
                    sent(block)

        paused_source = cast("BinaryIO", _PausedSource(source, self._deadline))
        with self._translate_errors("write the file", validate_upload_path(path), is_transfer=True):
            self._write(path, paused_source, report, new=new)

    def rename(self, path: str, new: str, *, look: bool = True) -> None:
        """Renames a file; the name `new` in this folder must be free.

        The name is looked up just before, unless the server shows no files. By SFTP, the rename itself is rejected,
        too, if the name is not free; by FTP, a file that appears between the two is replaced.
        """
        if look and self.size(validate_file_name(new)) is not None:
            raise file_exists_error(f"{self.address}/{new}")
        with self._translate_errors(f"rename the file to {new}", validate_upload_path(path)):
            self._rename(path, new)

    def move(self, path: str, new_path: str) -> None:
        """Moves a file to another path, which must be free, as in `rename`."""
        if self.entry(new_path) is not None:
            raise file_exists_error(f"{self.address}/{new_path}")
        with self._translate_errors(f"move the file to {new_path}", validate_path(path)):
            self._rename(path, new_path)

    def entry(self, path: str) -> RemoteFile | None:
        """Returns the entry of one file, as a listing has it; None if there is no such file."""
        with self._translate_errors("look at the file", validate_path(path)):
            return self._entry(path)

    def create_folder(self, name: str) -> None:
        """Creates a folder in this one; does nothing if it exists."""
        with self._translate_errors(f"create {validate_file_name(name)}"):
            path = self._current_path()
            self._create_and_enter(name)
            self._enter(path)

    def delete(self, path: str) -> None:
        """Deletes a file, which must exist."""
        with self._translate_errors("delete the file", validate_upload_path(path)):
            self._delete(path)

    def read(self, path: str) -> Generator[bytes, None, RemoteFile | None]:
        """Yields the bytes of a file, in blocks.

        Returns the entry of the open file after its last block, whatever has its name by then; None where the server
        does not show it. No other method may be called before the generator has ended or is closed.
        """
        with (
            self._translate_errors("read the file", validate_path(path), is_transfer=True),
            closing(self._read(path)) as blocks,
        ):
            while True:
                try:
                    block = next(blocks)
                except StopIteration as end:
                    return cast("RemoteFile | None", end.value)
                with self._deadline.paused():
                    yield block

    def files(self) -> Generator[RemoteFile]:
        """Yields all entries of the folder by one listing, also those that are no files (`is_regular` is False).

        An entry that cannot be used has a `problem`. No other method may be called before the generator has ended.

        Raises:
            RemoteFolderError: there are more entries than `limits` allow.
        """
        with self._translate_errors(self._listing, timeouts=LISTING_TIMEOUTS), closing(self._list()) as entries:
            for number, entry in enumerate(entries):
                if number == self.limits.max_listing_entries:
                    self._break_connection()
                    raise RemoteFolderError(
                        f"{self.address}: the folder has more than {number:,} entries, the limit of "
                        "server_limits.max_listing_entries in include/bursar.yaml. Have old files removed, or raise "
                        "the limit."
                    )
                with self._deadline.paused():
                    yield check_size(entry, self.limits.max_file_bytes)

    def _create_and_enter(self, folder: str) -> None:
        rejection: Exception | None = None
        try:
            self._create(folder)
        except self._rejections as error:
            rejection = error  # most likely the folder exists; then it can be entered
        try:
            self._enter(folder)
        except self._missing_errors as error:
            raise access_denied_error(self.address, f"create {folder}", rejection or error) from error

    @contextmanager
    def _translate_errors(
        self, act: str, path: str = "", *, timeouts: int = STEP_TIMEOUTS, is_transfer: bool = False
    ) -> Iterator[None]:
        place = f"{self.address}/{path}" if path else self.address
        self._deadline.start(timeouts=1 if is_transfer else timeouts, is_renewable=is_transfer)
        try:
            yield
        except self._errors as error:
            if self._deadline.is_over or isinstance(error, TimeoutError):
                self._break_connection()  # a late answer could be taken for that to the next request
                raise connection_lost_error(place, TimeoutError(self._deadline.reason)) from error
            raise (
                connection_lost_error(place, error)
                if self._is_transient(error)
                else access_denied_error(place, act, error, is_denied=self._is_denied(error))
            ) from error
        finally:
            self._deadline.stop()

    @abstractmethod
    def _break_connection(self) -> None:
        """Ends the connection; further steps fail with a TransientError."""

    @abstractmethod
    def _is_transient(self, error: Exception) -> bool:
        """Returns whether the same step may succeed later."""

    @abstractmethod
    def _is_denied(self, error: Exception) -> bool:
        """Returns whether the server says that the account may not do this."""

    @abstractmethod
    def _enter(self, path: str) -> None:
        """Makes a folder the current one; an empty path is that after login."""

    @abstractmethod
    def _current_path(self) -> str:
        """Returns the absolute path of the current folder."""

    @abstractmethod
    def _create(self, folder: str) -> None: ...

    @abstractmethod
    def _size(self, path: str) -> int | None: ...

    @abstractmethod
    def _exists(self, path: str) -> bool: ...

    @abstractmethod
    def _sha256(self, path: str) -> str | None: ...

    @abstractmethod
    def _write(self, path: str, source: BinaryIO, sent: Callable[[bytes], None], *, new: bool) -> None: ...

    @abstractmethod
    def _rename(self, path: str, new_path: str) -> None: ...

    @abstractmethod
    def _entry(self, path: str) -> RemoteFile | None: ...

    @abstractmethod
    def _delete(self, path: str) -> None: ...

    @abstractmethod
    def _read(self, path: str) -> Generator[bytes, None, RemoteFile | None]: ...

    @abstractmethod
    def _list(self) -> Generator[RemoteFile]: ...


class _PausedSource:
    """A stream to be sent; the deadline of the server is paused while it is read."""

    def __init__(self, source: BinaryIO, deadline: Deadline) -> None:
        self._source = source
        self._deadline = deadline

    def read(self, size: int) -> bytes:
        with self._deadline.paused():
            return self._source.read(size)


def error_reason(error: Exception) -> str:
    """Returns the text of an error, in the server's or the network's own words, shortened if it is long."""
    text = str(error.args[-1]) if error.args and error.args[-1] else type(error).__name__
    return text if len(text) <= MAX_REASON_LENGTH else f"{text[:MAX_REASON_LENGTH]}…"


def connection_lost_error(place: str, error: Exception) -> TransientError:
    """Returns the error for a connection that failed during an operation at a place."""
    return TransientError(
        f"{place}: the connection to the server failed ({error_reason(error)}). Repeat the step; "
        "if it keeps failing, ask the server's administrator."
    )


def access_denied_error(place: str, act: str, error: Exception, *, is_denied: bool = False) -> RemoteFolderError:
    """Returns the error for a server that answers, but rejects an operation."""
    return (PermissionDeniedError if is_denied else RemoteFolderError)(
        f"{place}: the server does not let us {act} ({error_reason(error)}). Ask its administrator to check the rights "
        "of the account, the folder and the space on the disk."
    )


def missing_folder_error(place: str, error: Exception) -> MissingFolderError:
    """Returns the error for a folder that does not exist and must not be created."""
    return MissingFolderError(
        f"{place}: there is no such folder that the account may enter ({error_reason(error)}), and Bursar may "
        "not create it. Correct `sub_directory` in the connection's extra or the path in the profile, or have the "
        "folder created."
    )


def file_exists_error(place: str) -> RemoteFolderError:
    """Returns the error for a name that is not free."""
    return RemoteFolderError(
        f"{place}: a file of this name is there already, and a file is never replaced. Find out whose it is, "
        "have it taken or moved away, then repeat the step."
    )
