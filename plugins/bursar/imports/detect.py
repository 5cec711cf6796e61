"""Detects the files in a folder that are ready to be loaded: the bursar's, or that of a source.

Each call records size and time of the files, so that a later one can detect a file that has not changed since. The time
of a file is only compared with its earlier time, so clocks and time zones of servers do not matter.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, Row

from bursar.db.bulk_copy import copy_into
from bursar.db.queries import query
from bursar.money import pluralize
from bursar.profiles import Profile
from bursar.remote_files.base import RemoteFile
from bursar.remote_files.file_names import is_safe_file_name

log = logging.getLogger(__name__)

UPLOAD_SUFFIXES = (".part", ".filepart", ".tmp")
"""The ends of the names of files that are still being uploaded."""

MAX_NAMES_SHOWN = 5


@dataclass(frozen=True)
class WatchedFolder:
    """A folder in which files arrive.

    Args:
        key: the code of the profile, or that of the source after `source:`; the ledger records files under it.
        owner: what it belongs to, in messages: `profile` or `source`.
        patterns: shell patterns of the names of the files; case makes no difference.
        done_file_suffix: of the files that declare others complete, if there are any.
        stable_for_seconds: how long a file must not have changed otherwise.
        files_stay: whether files stay in the folder when they have been loaded.
        known_files: the statement that finds the files which have been loaded before, and are not taken again.
        other_patterns: patterns of files that another job takes from the same folder.
    """

    key: str
    owner: str
    patterns: tuple[str, ...]
    done_file_suffix: str | None
    stable_for_seconds: int
    files_stay: bool
    known_files: str
    other_patterns: tuple[str, ...] = ()

    @classmethod
    def of_import(cls, profile: Profile) -> "WatchedFolder":
        """Returns the folder that the bursar writes the payment files of a profile to."""
        section = profile.import_
        return cls(
            key=profile.code,
            owner="profile",
            patterns=section.file_patterns,
            done_file_suffix=section.done_file_suffix,
            stable_for_seconds=section.stable_for_seconds,
            files_stay=section.files_stay,
            known_files="imports/find_known_files",
            other_patterns=profile.list_other_patterns("import"),
        )


def select_ready_files(
    engine: Engine, folder: WatchedFolder, listing: Iterable[RemoteFile], *, limit: int | None = None
) -> list[str]:
    """Returns the names of the files that are ready to be loaded, in the order of their times.

    A file is ready when its done file has arrived or, without a done file suffix, when its size and time have not
    changed for `stable_for_seconds`. A file that is known, and is there again with the same size and time, is not
    ready. Other entries are recorded with the reason why they are not taken.

    Args:
        engine: the ledger.
        folder: the folder.
        listing: all entries of the folder; they are copied to the ledger one by one, and not kept in memory.
        limit: the maximum number of names.
    """
    with engine.begin() as connection:
        entries, files, skipped, rows = _record_listing(connection, folder, listing, limit)
    for row in skipped[:MAX_NAMES_SHOWN]:
        log.warning("%s is not taken: %s.", row.name, row.reason)
    if len(skipped) > MAX_NAMES_SHOWN:
        log.warning(
            "%s more new entries are not taken; the report of the run has them.", len(skipped) - MAX_NAMES_SHOWN
        )
    count = defaultdict(int, {row.state: row.files for row in rows})
    names: dict[str, list[str]] = {row.state: row.names for row in rows}
    log.info(
        "Entries in the folder: %s (ready %s, not stable %s, without a done file %s, loaded before %s, others %s).",
        entries,
        count["ready"],
        count["not_stable"],
        files - sum(row.files for row in rows),
        count["known"],
        entries - files,
    )
    if count["known"] and not folder.files_stay:
        log.warning(
            "Loaded before, and in the folder again with the same size and time: %s. They are not loaded again. Have "
            "them removed; a new file needs another name or a newer time.",
            _list_names(names["known"], count["known"]),
        )
    ready = names.get("ready", [])
    if len(ready) < count["ready"]:
        log.warning("%s files are ready. This run loads %s; the next run loads the others.", count["ready"], len(ready))
    return ready


def list_ready_files(engine: Engine, folder: WatchedFolder, listing: Iterable[RemoteFile]) -> list[str]:
    """Returns what `select_ready_files` returns. Nothing is recorded: the transaction is rolled back."""
    with engine.connect() as connection:
        _, _, _, rows = _record_listing(connection, folder, listing, None)
    return next((row.names for row in rows if row.state == "ready"), [])


class FolderEntry(NamedTuple):
    """An entry of the folder, and whether and why it is taken by the next run, in words."""

    name: str
    size: int
    modified: datetime
    words: str


def describe_folder(
    engine: Engine, folder: WatchedFolder, listing: Iterable[RemoteFile], *, limit: int
) -> tuple[int, list[FolderEntry]]:
    """Returns the number of all entries, and the oldest that are files or odd, as `select_ready_files` finds them.

    Nothing is recorded: the transaction is rolled back.
    """
    words = {
        "ready": "the next run takes it",
        "not_stable": "it may still be written: it is taken once it has not changed for "
        + pluralize(folder.stable_for_seconds, "second"),
        "known": "it has been loaded before, and is not taken again",
    }
    with engine.connect() as connection:
        entries, _, _, rows = _record_listing(connection, folder, listing, None)
        states = {name: words[row.state] for row in rows for name in row.names or ()}
        found = connection.execute(query("imports/list_folder"), {"profile": folder.key, "limit": limit}).all()
    return entries, [
        FolderEntry(row.name, row.size, row.modified, row.reason or states.get(row.name, "")) for row in found
    ]


def _record_listing(
    connection: Connection, folder: WatchedFolder, listing: Iterable[RemoteFile], limit: int | None
) -> tuple[int, int, Sequence[Row[Any]], Sequence[Row[Any]]]:
    """Records a listing; returns the numbers of entries and files, the new skipped entries, and the states."""
    entries = files = 0
    connection.execute(query("imports/create_listing"))
    with copy_into(connection, "listing") as copy:
        for entry in listing:
            entries += 1
            is_wanted, reason, is_odd = _classify(entry, folder)
            files += is_wanted
            if reason or is_wanted or _is_done_file(entry, folder):
                name = _printable(entry.name) if reason else entry.name
                copy.write_row((name, entry.size, entry.modified, is_wanted, reason, is_odd))
    of_profile = {"profile": folder.key, "done_file_suffix": folder.done_file_suffix}
    connection.execute(query(folder.known_files), {"profile": folder.key, "files_stay": folder.files_stay})
    skipped = connection.execute(query("imports/record_skipped_entries"), of_profile).all()
    rows = connection.execute(
        query("imports/detect_ready_files"),
        {
            **of_profile,
            "stable_for_seconds": 0 if folder.done_file_suffix else folder.stable_for_seconds,
            "limit": limit,
        },
    ).all()
    return entries, files, skipped, rows


class _Class(NamedTuple):
    """Whether an entry is wanted, else why not, and whether it might be meant; no reason for ordinary entries."""

    is_wanted: bool = False
    reason: str | None = None
    is_odd: bool = False


def _classify(entry: RemoteFile, folder: WatchedFolder) -> _Class:
    name = entry.name.casefold()
    if _is_in_transit(entry) or _is_done_file(entry, folder):
        return _Class()
    matches = _matches(name, folder.patterns)
    if entry.problem and (matches or entry.is_unnameable):
        return _Class(reason=entry.problem, is_odd=True)
    if not matches:
        is_missed = entry.is_regular and not _matches(name, folder.other_patterns)
        return _Class(reason=f"its name matches no pattern of the {folder.owner}" if is_missed else None)
    if not (is_safe_file_name(entry.name) and entry.name.isprintable()):
        return _Class(reason="its name is no plain file name", is_odd=True)
    if not entry.is_regular:
        return _Class(reason="it is a folder, a link or the like, and no file", is_odd=True)
    return _Class(is_wanted=True)


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern.casefold()) for pattern in patterns)


def _is_in_transit(entry: RemoteFile) -> bool:
    """Returns whether an entry is hidden, or still being uploaded; it is not wanted yet."""
    return entry.name.startswith(".") or entry.name.casefold().endswith(UPLOAD_SUFFIXES)


def _printable(name: str) -> str:
    """Returns a name with all characters that no terminal can show in hexadecimal digits."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


def _is_done_file(entry: RemoteFile, folder: WatchedFolder) -> bool:
    return (
        bool(folder.done_file_suffix)
        and entry.name.endswith(folder.done_file_suffix or "")
        and entry.name.isprintable()
    )


def _list_names(names: list[str], count: int) -> str:
    more = count - MAX_NAMES_SHOWN
    return ", ".join(names[:MAX_NAMES_SHOWN]) + (f" and {more:,} more" if more > 0 else "")
