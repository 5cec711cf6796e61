"""Separates the files that are too old from a set: they are refused, and the others are loaded."""

from collections.abc import Iterable

from sqlalchemy import Engine

from bursar.remote_files.base import RemoteFile
from bursar.sources.loaded_files import find_load_of_run, get_facts
from bursar.sources.older_files import OLDER_FILE, find_older_files
from bursar.sources.ready_files import FileSet


def separate_older_files(
    engine: Engine, source: str, run_id: str | None, files: FileSet, listing: Iterable[RemoteFile]
) -> list[FileSet]:
    """Returns a set without the files that are too old, and after it each of these as a set of its own.

    A set that the run has loaded is not separated. A file that an earlier try of the run has refused for its age, and
    moved away, is separated again.
    """
    if run_id and find_load_of_run(engine, source, run_id, files, is_refused=False):
        return [files]
    entries = {entry.name: entry for entry in listing}
    facts = [
        {"table": kind, "name": name} | get_facts(entries[name]) for kind, name in files.items() if name in entries
    ]
    with engine.connect() as connection:
        older = {row.of_table for row in find_older_files(connection, source, facts)}
    for kind, name in files.items():
        if run_id and name not in entries:
            refused = find_load_of_run(engine, source, run_id, {kind: name}, is_refused=True)
            if refused and OLDER_FILE in refused.rejected:
                older.add(kind)
    others = {kind: name for kind, name in files.items() if kind not in older}
    return [one for one in (others, *({kind: files[kind]} for kind in files if kind in older)) if one]
