"""Putting away: a file that was imported leaves the bursar's folder for `processed/` or `failed/` below it.

What lies in the folder decides, so that a step that was killed can be repeated:

| in the folder                       | then                                                          |
| ----------------------------------- | ------------------------------------------------------------- |
| the file as it was read             | it is moved, never over an older one                          |
| nothing under its name              | it was moved before, or the bursar took it: that is recorded  |
| another file under its name         | it stays for the next run: nobody has read it yet             |
"""

import logging

from sqlalchemy import Engine

from bursar.errors import InputFileError, RemoteFolderError
from bursar.exchange.folder import RemoteFile, RemoteFolder
from bursar.ledger.imports import Arrival, FileState, arrival, import_file
from bursar.ledger.statements import statement
from bursar.profiles import Profile

log = logging.getLogger(__name__)

FOLDERS = {FileState.APPLIED: "processed", FileState.REFUSED: "failed"}


def put_away(engine: Engine, profile: Profile, name: str, *, run: str, folder: RemoteFolder) -> str | None:
    """Moves a file that was applied or refused out of the bursar's folder, with its marker, and records it.

    Returns its new path below the folder, None if somebody else took or replaced it; a repeated call changes nothing.

    Raises:
        InputFileError: it was neither applied nor refused; it stays where it is.
        PassingError: the server can't be reached.
        RemoteFolderError: the server refuses to move it.
    """
    with engine.connect() as connection:
        found = arrival(connection, profile.code, run, name)
        state = import_file(connection, found.file_id).state if found else None
    if found is None or state not in FOLDERS:
        raise InputFileError(f"{name} is {state or 'not read'} and stays where it is. Repeat its import first.")
    if found.put_away_at:
        log.info("%s was put away before: %s.", name, found.put_away_to)
        return found.put_away_to
    marker = f"{name}{profile.import_.marker or ''}"
    entries = {entry.name: entry for entry in folder.files() if entry.name in {name, marker}}
    path = _move(folder, found, name, entries.get(name), FOLDERS[state])
    if marker != name and marker in entries and (path or name not in entries):
        _move_marker(folder, found, marker, FOLDERS[state])
    with engine.begin() as connection:
        connection.execute(statement("import/put_away"), {"arrival_id": found.id, "put_away_to": path})
    return path


def _move(folder: RemoteFolder, found: Arrival, name: str, entry: RemoteFile | None, into: str) -> str | None:
    if entry is None:
        log.warning("%s is gone from %s: a try before this moved it, or the bursar took it.", name, folder.address)
        return None
    if not entry.is_regular or (entry.size, entry.modified) != (found.size, found.modified):
        log.warning(
            "%s in %s is not the file that was read: it was replaced meanwhile. It stays, and the next run reads it.",
            name,
            folder.address,
        )
        return None
    path = folder.put_away(name, into, otherwise=f"{found.id}-{name}")
    log.info("Moved %s in %s to %s.", name, folder.address, path)
    return path


def _move_marker(folder: RemoteFolder, found: Arrival, marker: str, into: str) -> None:
    try:
        folder.put_away(marker, into, otherwise=f"{found.id}-{marker}")
    except RemoteFolderError:
        if folder.size(marker) is not None:
            raise
