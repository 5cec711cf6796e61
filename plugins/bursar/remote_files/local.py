"""A folder of this machine, with the same operations as one on a server."""

import os
import stat
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from typing import BinaryIO

from bursar.errors import MissingFolderError
from bursar.profiles.settings import ServerLimits
from bursar.remote_files.base import BLOCK_SIZE, RemoteFile, RemoteFolder
from bursar.remote_files.deadline import Deadline
from bursar.remote_files.entries import make_entry


class LocalFolder(RemoteFolder):
    """A folder of this machine, by its whole path. It must exist.

    Raises:
        MissingFolderError: there is no such folder, or the account of the process may not enter it.
    """

    _errors = OSError
    _missing_errors = OSError
    _rejections = OSError

    def __init__(self, limits: ServerLimits, path: str) -> None:
        self._path = b""
        try:
            super().__init__(Deadline(limits.timeout_seconds), limits, "", path, may_create=False)
        except MissingFolderError as error:
            raise MissingFolderError(
                f"{path}: on this machine there is no such folder that the account of Airflow may enter "
                f"({error.__cause__}). Each machine that runs tasks of the source, and that of the triggerer, needs it."
            ) from error

    def _break_connection(self) -> None:
        """Does nothing: there is no connection."""

    def _is_transient(self, error: Exception) -> bool:
        return isinstance(error, TimeoutError | InterruptedError | BlockingIOError)

    def _is_denied(self, error: Exception) -> bool:
        return isinstance(error, PermissionError)

    def _enter(self, path: str) -> None:
        entered = os.path.join(self._path, os.fsencode(path))  # noqa: PTH118  bytes: a name may be no text
        os.close(os.open(entered, os.O_RDONLY | os.O_DIRECTORY))
        self._path = entered

    def _current_path(self) -> str:
        return os.fsdecode(self._path)

    def _create(self, folder: str) -> None:
        os.mkdir(self._at(folder))  # noqa: PTH102

    def _size(self, path: str) -> int | None:
        entry = self._entry(path)
        return entry.size if entry else None

    def _exists(self, path: str) -> bool:
        return self._entry(path) is not None

    def _sha256(self, path: str) -> str | None:  # noqa: ARG002
        return None

    def _write(self, path: str, source: BinaryIO, sent: Callable[[bytes], None], *, new: bool) -> None:
        with open(self._at(path), "xb" if new else "wb") as file:  # noqa: PTH123
            while block := source.read(BLOCK_SIZE):
                file.write(block)
                sent(block)

    def _rename(self, path: str, new_path: str) -> None:
        os.rename(self._at(path), self._at(new_path))  # noqa: PTH104  the caller has found that the name is free

    def _entry(self, path: str) -> RemoteFile | None:
        try:
            return _to_entry(os.path.basename(self._at(path)), os.lstat(self._at(path)))  # noqa: PTH119
        except FileNotFoundError:
            os.stat(self._path)  # noqa: PTH116  raises if this folder has been deleted
            return None

    def _delete(self, path: str) -> None:
        os.unlink(self._at(path))  # noqa: PTH108

    def _read(self, path: str) -> Generator[bytes, None, RemoteFile | None]:
        with open(os.open(self._at(path), os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:  # noqa: PTH123
            while block := file.read(BLOCK_SIZE):
                self._deadline.renew()
                yield block
            return _to_entry(os.path.basename(self._at(path)), os.fstat(file.fileno()))  # noqa: PTH119

    def _list(self) -> Generator[RemoteFile]:
        with os.scandir(self._path) as entries:
            for entry in entries:
                try:
                    yield _to_entry(entry.name, entry.stat(follow_symlinks=False))
                except FileNotFoundError:
                    continue  # removed since

    def _at(self, path: str) -> bytes:
        return os.path.join(self._path, os.fsencode(path))  # noqa: PTH118


def _to_entry(name: bytes, found: os.stat_result) -> RemoteFile:
    return make_entry(
        name,
        "utf-8",
        size=found.st_size,
        modified=datetime.fromtimestamp(int(found.st_mtime), UTC),
        is_regular=stat.S_ISREG(found.st_mode),
    )
