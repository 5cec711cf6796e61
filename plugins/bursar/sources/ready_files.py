"""Finds the files of a source that are ready, and puts together those that are loaded together."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from itertools import zip_longest

from sqlalchemy import Engine

from bursar.imports.detect import WatchedFolder, list_ready_files, select_ready_files
from bursar.remote_files.base import RemoteFile
from bursar.sources.csv.model import CsvSource

MAX_FILES = 1_000
"""Files that one run takes, the oldest first."""
REQUIRED = ("users", "fines")
"""The kinds of rows for which a run waits, as far as the source has them."""

FileSet = dict[str, str]
"""The files of one load: the name by kind of rows (`users`, `fines`, `groups`, `libraries`)."""

SEPARATE_PREVIEWS = (
    "Each set of files was compared with the ledger as it is now, without the sets before it. A load may differ: a "
    "fine whose user comes with an earlier set is rejected here, and loaded then."
)
"""A sentence about a dry run of several sets."""


def find_ready_sets(
    engine: Engine, source: CsvSource, listing: Iterable[RemoteFile], *, is_last_check: bool
) -> list[FileSet]:
    """Returns the files that are ready, in the order in which they are loaded.

    The i-th set has the i-th file of each kind, oldest first. While a file of users or fines is missing there is no
    set, but the last check takes what is there. Size and time of all files are recorded, as for payment files.
    """
    ready = select_ready_files(engine, watch_folder(source), listing, limit=MAX_FILES)
    return make_sets(source, ready, may_be_incomplete=is_last_check)


def find_sets_now(engine: Engine, source: CsvSource, listing: Iterable[RemoteFile]) -> list[FileSet]:
    """Returns the sets of all files that are there now, for a person who does not wait. Records nothing.

    A file counts as stable; one that lacks its done file, or has been loaded before, is not taken.
    """
    ready = list_ready_files(engine, watch_folder(source, stable_for_seconds=0), listing)
    return make_sets(source, ready, may_be_incomplete=True)


def make_sets(source: CsvSource, ready: Sequence[str], *, may_be_incomplete: bool) -> list[FileSet]:
    """Returns the sets of files that are ready; `ready` has the names, oldest first."""
    patterns = source.files.by_kind
    by_kind = {
        kind: [name for name in ready if fnmatchcase(name.casefold(), pattern.casefold())]
        for kind, pattern in patterns.items()
    }
    if not may_be_incomplete and not all(by_kind[kind] for kind in REQUIRED if kind in patterns):
        return []
    return [
        {kind: name for kind, name in zip(by_kind, names, strict=True) if name}
        for names in zip_longest(*by_kind.values())
    ]


def watch_folder(source: CsvSource, *, stable_for_seconds: int | None = None) -> WatchedFolder:
    """Returns the folder in which the files of a source arrive."""
    return WatchedFolder(
        key=f"source:{source.code}",
        owner="source",
        patterns=tuple(source.files.by_kind.values()),
        done_file_suffix=source.done_file_suffix,
        stable_for_seconds=source.stable_for_seconds if stable_for_seconds is None else stable_for_seconds,
        files_stay=source.after_load == "leave",
        known_files="sources/find_known_files",
    )
