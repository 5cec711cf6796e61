"""A folder on the bursar's server: what a file's way there and back needs of it, and nothing more."""

import re
from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Protocol

from bursar.errors import MissingFolderError, RemoteFolderError, TransientError

TIMEOUT_SECONDS = 60
"""Seconds without an answer from a server before a step gives up, to be repeated later."""

BLOCK_SIZE = 32 * 1024
"""Bytes that travel at once: the most that every SFTP server accepts."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """An entry of a folder, as the server lists it. `size` is in bytes, `modified` is in UTC."""

    name: str
    size: int
    modified: datetime
    is_regular: bool


class RemoteFolder(Protocol):
    """One folder on a server, for as long as its connection lasts.

    Names are plain file names. Every method raises TransientError where repeating the step may help (network, timeout,
    a busy server) and RemoteFolderError where a person has to act (rights, a name in the way, a missing folder).
    """

    @property
    def address(self) -> str:
        """Where the folder is, for people: `sftp://bursar.example.edu/alma/bursar`."""

    def size(self, name: str) -> int | None:
        """The size of a file in bytes; None only if the server says that there is no such file."""

    def sha256(self, name: str) -> str | None:
        """The SHA-256 of a file as the server computes it, in hexadecimal digits; None if it does not say."""

    def write(self, name: str, source: BinaryIO, sent: Callable[[bytes], None] | None = None) -> None:
        """Writes the rest of a stream to a file, over what was there; memory stays flat.

        `sent` is called with each block that is on its way.
        """

    def rename(self, name: str, new: str) -> None:
        """Gives a file a name that is free; a file that has the name already is never replaced."""

    def entry(self, path: str) -> RemoteFile | None:
        """The entry of one file, as a listing gives it; None if there is no such file.

        `path` is a name in this folder, or `folder/name` for a file of a folder in it.
        """

    def create_folder(self, name: str) -> None:
        """Creates a folder in this one; a folder that exists is left as it is."""

    def move(self, path: str, new_path: str) -> None:
        """Gives a file another path, which must be free. Both paths are as in `entry`.

        A file that is there already is never replaced, as far as `rename` can promise that.
        """

    def delete(self, name: str) -> None:
        """Removes a file that is there."""

    def read(self, path: str) -> Generator[bytes]:
        """The bytes of a file, in blocks; `path` is as in `entry`.

        The folder serves nothing else until the generator has ended or is closed.
        """

    def files(self) -> Generator[RemoteFile]:
        """All that lies in the folder, by one listing: files, and what is none (`is_regular` is False).

        The folder serves nothing else until all are taken.
        """


def is_safe_file_name(name: str) -> bool:
    """Whether a name is a plain file name: not empty, leading nowhere else, without control characters."""
    return name not in ("", ".", "..") and not re.search(r"[/\\\x00-\x1f\x7f-\x9f]", name)


def validate_file_name(name: str) -> str:
    """The name, if it is plain.

    Raises:
        RemoteFolderError: it is not.
    """
    if not is_safe_file_name(name):
        raise RemoteFolderError(
            f"{name!r} is no plain file name: it must not be empty nor hold slashes, backslashes or control characters."
        )
    return name


def validate_path(path: str) -> str:
    """The path, if it is a plain file name, or two of them with a slash in between.

    Raises:
        RemoteFolderError: it is neither.
    """
    for name in path.split("/", 1):
        validate_file_name(name)
    return path


def error_reason(error: Exception) -> str:
    """What an error says, in the server's or the network's own words."""
    return str(error.args[-1]) if error.args and error.args[-1] else type(error).__name__


def connection_lost_error(place: str, error: Exception) -> TransientError:
    """The error for a connection that failed while something was done at a place."""
    return TransientError(
        f"{place}: the connection to the server failed ({error_reason(error)}). Repeat the step; "
        "if it keeps failing, ask the server's administrator."
    )


def access_denied_error(place: str, act: str, error: Exception) -> RemoteFolderError:
    """The error for a server that answers, but does not do what it was asked to."""
    return RemoteFolderError(
        f"{place}: the server does not let us {act} ({error_reason(error)}). Ask its administrator to check the rights "
        "of the account, the folder and the space on the disk."
    )


def missing_folder_error(place: str, error: Exception) -> MissingFolderError:
    """The error for a folder that is not there and must not be created."""
    return MissingFolderError(
        f"{place}: there is no such folder that the account may enter ({error_reason(error)}), and Bursar is not to "
        f"create "
        "it. Correct `sub_directory` in the connection's extra or the path in the profile, or have the folder created."
    )


def file_exists_error(place: str) -> RemoteFolderError:
    """The error for a name that is taken."""
    return RemoteFolderError(
        f"{place}: a file of this name is there already, and a file is never replaced. Find out whose it is, "
        "have it taken or moved away, then repeat the step."
    )
