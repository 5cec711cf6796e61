"""The entries of a folder on a server. An entry that cannot be used is described, and does not stop the others."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import PurePosixPath

MAX_NAME_LENGTH = 255
"""Characters of a file name; file systems have no longer ones."""
MAX_NAME_SHOWN = 80
MAX_SIZE = 2**63 - 1
"""Of PostgreSQL's bigint."""
UNKNOWN_TIME = datetime.fromtimestamp(0, UTC)
"""The time of a file on a server that does not list times."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """An entry of a folder, as the server lists it. `size` is in bytes, `modified` is in UTC.

    `problem` says why the entry cannot be used, as in "the server does not say its size". If it cannot be named
    (`is_unnameable`), its name is for people: shortened, or with bytes that are not text in hexadecimal digits.
    """

    name: str
    size: int
    modified: datetime
    is_regular: bool
    problem: str | None = None
    is_unnameable: bool = False


def make_entry(
    raw_name: bytes, encoding: str, *, size: int | None, modified: datetime | None, is_regular: bool | None
) -> RemoteFile:
    """Makes an entry from the facts in a listing; None is a fact that the server does not show."""
    name, problem = raw_name.decode(encoding, "backslashreplace"), None
    try:
        raw_name.decode(encoding)
    except UnicodeDecodeError:
        problem = f"its name is not valid {encoding.upper()}"
    if len(name) > MAX_NAME_LENGTH:
        problem = f"its name has {len(name):,} characters, and at most {MAX_NAME_LENGTH} are possible"
        name = f"{name[:MAX_NAME_SHOWN]}…"
    is_unnameable = problem is not None
    if is_regular is None:
        problem = problem or "the server does not say whether it is a file"
    elif is_regular and size is None:
        problem = problem or "the server does not say its size"
    elif is_regular and modified is None:
        problem = problem or "the server does not say its time"
    if size is not None and not 0 <= size <= MAX_SIZE:
        problem, size = problem or f"its size of {size:,} bytes is not possible", 0
    return RemoteFile(name, size or 0, modified or UNKNOWN_TIME, bool(is_regular), problem, is_unnameable)


def check_size(entry: RemoteFile, max_bytes: int) -> RemoteFile:
    """Returns the entry; if it is a file that is too large, with the problem."""
    if entry.problem or not entry.is_regular or entry.size <= max_bytes:
        return entry
    problem = (
        f"it has {entry.size:,} bytes, and server_limits.max_file_megabytes in include/bursar.yaml allows {max_bytes:,}"
    )
    return replace(entry, problem=problem)


def base_name(path: str) -> bytes:
    """Returns the last part of a path as bytes, for `make_entry`."""
    return PurePosixPath(path).name.encode()
