"""Arrival: which of the files in the bursar's folder are ready to be read.

Each look takes note of the files, so that a later one can tell a file that has settled from one that still grows.
Clocks and time zones play no part: a server's times are only compared with themselves.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable
from fnmatch import fnmatchcase

from sqlalchemy import Engine

from bursar.db.bulk_copy import copy_into
from bursar.db.queries import query
from bursar.profiles import Import, Profile
from bursar.remote_files.base import RemoteFile
from bursar.remote_files.file_names import is_safe_file_name

log = logging.getLogger(__name__)

UNFINISHED = (".part", ".filepart", ".tmp")
"""How the names of uploads that are under way end."""

NAMES_SHOWN = 5


def select_ready_files(
    engine: Engine, profile: Profile, listing: Iterable[RemoteFile], *, most: int | None = None
) -> list[str]:
    """The names of the files that are ready to be read, those that were changed first before the others.

    A file is ready when its done file has arrived or, without a done file suffix in the profile, when its size and time
    have not changed for `stable_for_seconds`. What was applied and put away before, and lies there again with
    the same size and time, stays where it is.

    Args:
        engine: the ledger.
        profile: whose folder it is.
        listing: all that lies in the folder; it goes to the ledger as it comes, and is kept nowhere else.
        most: of that many names only the first are given.
    """
    section = profile.import_
    entries = files = 0
    with engine.begin() as connection:
        connection.execute(query("imports/create_listing"))
        with copy_into(connection, "listing") as copy:
            for entry in listing:
                entries += 1
                is_payment = _is_payment_file(entry, section)
                files += is_payment
                if is_payment or _is_marker(entry, section):
                    copy.write_row((entry.name, entry.size, entry.modified, is_payment))
        rows = connection.execute(
            query("imports/detect_ready_files"),
            {
                "profile": profile.code,
                "marker": section.done_file_suffix,
                "stable_for_seconds": 0 if section.done_file_suffix else section.stable_for_seconds,
                "most": most,
            },
        ).all()
    count = defaultdict(int, {row.verdict: row.files for row in rows})
    names: dict[str, list[str]] = {row.verdict: row.names for row in rows}
    log.info(
        "Entries in the folder: %s (ready %s, not settled %s, without a marker %s, applied before %s, others %s).",
        entries,
        count["ready"],
        count["settling"],
        files - sum(row.files for row in rows),
        count["known"],
        entries - files,
    )
    if count["known"]:
        log.warning(
            "Applied and put away before, and there again with the same size and time, which changes nothing: %s. "
            "Have them taken away; a file that is new needs another name or a newer time.",
            _some(names["known"], count["known"]),
        )
    ready = names.get("ready", [])
    if len(ready) < count["ready"]:
        log.warning(
            "%s files are ready. This run takes %s; the others wait for the next one.", count["ready"], len(ready)
        )
    return ready


def _is_payment_file(entry: RemoteFile, section: Import) -> bool:
    name = entry.name.casefold()
    if (
        name.startswith(".")
        or name.endswith(UNFINISHED)
        or (section.done_file_suffix and entry.name.endswith(section.done_file_suffix))
    ):
        return False
    if not any(fnmatchcase(name, pattern.casefold()) for pattern in section.file_patterns):
        return False
    if not (is_safe_file_name(entry.name) and entry.name.isprintable()):
        log.warning("%a is no plain file name and is left alone. Ask the bursar to give it another one.", entry.name)
        return False
    if not entry.is_regular:
        log.warning("%s is a folder, a link or the like and no file; it is left alone.", entry.name)
        return False
    return True


def _is_marker(entry: RemoteFile, section: Import) -> bool:
    return (
        bool(section.done_file_suffix)
        and entry.name.endswith(section.done_file_suffix or "")
        and entry.name.isprintable()
    )


def _some(names: list[str], count: int) -> str:
    more = count - NAMES_SHOWN
    return ", ".join(names[:NAMES_SHOWN]) + (f" and {more:,} more" if more > 0 else "")
