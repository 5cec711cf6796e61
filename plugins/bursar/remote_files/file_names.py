"""Names of files that are safe in a path, on a server and on this machine."""

import re

from bursar.errors import RemoteFolderError


def is_safe_file_name(name: str) -> bool:
    """Returns whether a name is a plain file name: not empty, no path to elsewhere, without control characters."""
    return name not in ("", ".", "..") and not re.search(r"[/\\\x00-\x1f\x7f-\x9f]", name)


def validate_file_name(name: str) -> str:
    """Returns the name if it is a plain file name.

    Raises:
        RemoteFolderError: it is not.
    """
    if not is_safe_file_name(name):
        raise RemoteFolderError(
            f"{name!r} is no plain file name: it must not be empty nor hold slashes, backslashes or control characters."
        )
    return name


def validate_path(path: str) -> str:
    """Returns the path if it is a plain file name, or two of them with a slash in between.

    Raises:
        RemoteFolderError: it is neither.
    """
    for name in path.split("/", 1):
        validate_file_name(name)
    return path


def validate_upload_path(path: str) -> str:
    """Returns the path if it is a plain file name, or one in another folder, as in `../incoming/name`.

    Raises:
        RemoteFolderError: it is neither.
    """
    parts = path.split("/")
    while len(parts) > 1 and parts[0] == "..":
        parts.pop(0)
    for name in parts:
        validate_file_name(name)
    return path
