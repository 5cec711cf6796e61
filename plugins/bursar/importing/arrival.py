"""Arrival: which of the files in the bursar's folder are ready to be read.

Each look takes note of the files, so that a later one can tell a file that has settled from one that still grows.
Clocks and time zones play no part: a server's times are only compared with themselves.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable
from fnmatch import fnmatchcase

from sqlalchemy import Engine

from bursar.exchange.folder import RemoteFile, is_plain
from bursar.ledger.statements import statement
from bursar.profiles import Import, Profile

log = logging.getLogger(__name__)

UNFINISHED = (".part", ".filepart", ".tmp")
"""How the names of uploads that are under way end."""

NAMES_SHOWN = 5


def arrived(engine: Engine, profile: Profile, listing: Iterable[RemoteFile]) -> list[str]:
    """The names of the files that are ready to be read, those that were changed first before the others.

    A file is ready when its marker lies beside it or, without a marker in the profile, when a later look finds it as it
    was, `settle_seconds` after it was first seen so. What was applied and put away before, and lies there again with
    the same size and time, stays where it is. `listing` is all that lies in the folder.
    """
    section = profile.import_
    entries = {entry.name: entry for entry in listing}
    files = [entry for entry in entries.values() if _is_payment_file(entry, section)]
    marked = [file for file in files if section.marker is None or f"{file.name}{section.marker}" in entries]
    names = defaultdict(list)
    with engine.begin() as connection:
        verdicts = connection.execute(
            statement("import/sight"),
            {
                "profile": profile.code,
                "names": [file.name for file in marked],
                "sizes": [file.size for file in marked],
                "modified": [file.modified for file in marked],
                "settle_seconds": 0 if section.marker else section.settle_seconds,
            },
        )
        for row in verdicts:
            names[row.verdict].append(row.name)
    log.info(
        "%s entries in the folder: %s ready, %s not settled, %s without a marker, %s applied before, %s others.",
        len(entries),
        len(names["ready"]),
        len(names["settling"]),
        len(files) - len(marked),
        len(names["known"]),
        len(entries) - len(files),
    )
    if names["known"]:
        log.warning(
            "Applied and put away before, and there again with the same size and time, which changes nothing: %s. "
            "Have them taken away; a file that is new needs another name or a newer time.",
            _some(names["known"]),
        )
    return names["ready"]


def _is_payment_file(entry: RemoteFile, section: Import) -> bool:
    name = entry.name.casefold()
    if name.startswith(".") or name.endswith(UNFINISHED) or (section.marker and entry.name.endswith(section.marker)):
        return False
    if not any(fnmatchcase(name, pattern.casefold()) for pattern in section.file_patterns):
        return False
    if not (is_plain(entry.name) and entry.name.isprintable()):
        log.warning("%a is no plain file name and is left alone. Ask the bursar to give it another one.", entry.name)
        return False
    if not entry.is_regular:
        log.warning("%s is a folder, a link or the like and no file; it is left alone.", entry.name)
        return False
    return True


def _some(names: list[str]) -> str:
    more = len(names) - NAMES_SHOWN
    return ", ".join(names[:NAMES_SHOWN]) + (f" and {more:,} more" if more > 0 else "")
