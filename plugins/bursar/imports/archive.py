"""Putting away: a file that was imported leaves the bursar's folder for `processed/` or `failed/` below it.

The state of the folder decides, so that a step that was killed can be repeated, and two workers can do it at the same
time. A file is the one that was read if it has the size and time that the listing gave before it was read.

| in the folder                        | then                                                                 |
| ------------------------------------ | -------------------------------------------------------------------- |
| the file that was read               | it is moved to a free name; size and time are compared directly      |
|                                      | before the rename and again after it                                 |
| another file, after the rename       | it is moved back to its own name if that is free; otherwise the step |
|                                      | fails and names it                                                   |
| no file of its name                  | an earlier try, another worker or the bursar moved it: recorded      |
| another file of its name             | that one stays for the next run: nobody has read it                  |
| the file, and one like it in         | the ledger knows that one as another file: a free name; otherwise    |
| `processed/` or `failed/`            | the file stays, and a warning names both                             |
| the file, but the server has no time | it stays, and a warning names it                                     |

The report of the run has the warnings, too.
"""

import hashlib
import logging
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from sqlalchemy import Engine

from bursar.db.queries import query
from bursar.errors import BursarError, InputFileError, RemoteFolderError
from bursar.ledger.import_files import FileArrival, FileState, get_arrival, get_import_file
from bursar.profiles import Profile
from bursar.remote_files.base import RemoteFile, RemoteFolder

log = logging.getLogger(__name__)

FOLDERS = {FileState.APPLIED: "processed", FileState.REJECTED: "failed"}
UNKNOWN_TIME = datetime.fromtimestamp(0, UTC)
"""The time of a file whose server tells none."""


def archive_file(engine: Engine, profile: Profile, name: str, *, run_id: str, folder: RemoteFolder) -> str | None:
    """Moves a file that was applied or refused out of the bursar's folder, with its marker, and records it.

    Returns its new path below the folder, None if somebody else took or replaced it, or if it stays. A repeated call
    changes nothing.

    Raises:
        InputFileError: it was neither applied nor refused; it stays where it is.
        TransientError: the server can't be reached.
        RemoteFolderError: the server refuses to move it; or another file was moved and cannot be moved back.
    """
    with engine.connect() as connection:
        found = get_arrival(connection, profile.code, run_id, name)
        file = get_import_file(connection, found.file_id) if found else None
    if found is None or file is None or file.state not in FOLDERS:
        state = file.state if file else "not read"
        raise InputFileError(f"{name} is {state} and stays where it is. Repeat its import first.")
    if found.archived_at:
        log.info("%s was put away before: %s.", name, found.archived_path)
        return found.archived_path
    archive = _Archive(engine, profile, folder, found, file.sha256, FOLDERS[file.state])
    marker = f"{name}{profile.import_.done_file_suffix or ''}"
    entries = {entry.name: entry for entry in folder.files() if entry.name in {name, marker}}
    path = archive.move_file(name, entries.get(name))
    if marker != name and marker in entries:
        archive.move_marker(entries[marker], of=name)
    if archive.warning:
        log.warning("%s", archive.warning)
    with engine.begin() as connection:
        outcome = {"archived_path": path, "warning": archive.warning}
        connection.execute(
            query("imports/mark_archived"), {"arrival_id": found.id, "file_id": found.file_id, **outcome}
        )
    return path


@dataclass
class _Archive:
    """The folder to which an arrival is moved, and the warning that this leads to."""

    engine: Engine
    profile: Profile
    folder: RemoteFolder
    found: FileArrival
    sha256: str
    name: str
    warning: str | None = None

    def move_file(self, name: str, entry: RemoteFile | None) -> str | None:
        """Moves the file that was read; returns its path, None if it is not there any more or stays.

        `entry` is that of the folder's listing.
        """
        read = self._read(name)
        if entry != read:
            return self._path_of_moved(name, is_replaced=entry is not None)
        if read.modified == UNKNOWN_TIME:
            self.warning = (
                f"{name} stays in {self.folder.address}: the server tells no times, so nothing proves that it is still "
                f"the file that was imported. Compare it with file {self.found.file_id} in `bin/bursar imports "
                "list`, then move it away."
            )
            return None
        self.folder.create_folder(self.name)
        for path in self._paths(name):
            target = self.folder.entry(path)
            if target is None:
                if self._move(read, path, is_same=partial(self._has_same_bytes, path)):
                    return path
                break
            if _as(name, target) == read and not self._is_of_another_arrival(path, target):
                if self.folder.entry(name) != read:
                    break
                self.warning = (
                    f"{name} stays in {self.folder.address}: {path} has the same size and time, and only one of both "
                    "has been imported. Compare them. If they differ, ask the bursar to send the file again under "
                    "another name; then remove the one that stayed."
                )
                return path
        else:
            raise RemoteFolderError(
                f"{self.folder.address}/{path}: another file has this name, and a file is never replaced. Find out "
                f"whose it is, and move it away. Then repeat the step, which moves {name}."
            )
        return self._path_of_moved(name, is_replaced=self.folder.entry(name) is not None)

    def move_marker(self, marker: RemoteFile, *, of: str) -> None:
        """Moves the marker of a file that has left the folder; if a new file has come, its marker stays."""

        def is_file_gone() -> bool:
            return self.folder.entry(of) is None

        if not marker.is_regular or not is_file_gone():
            return
        self.folder.create_folder(self.name)
        free = (path for path in self._paths(marker.name) if self.folder.entry(path) is None)
        if path := next(free, None):
            self._move(marker, path, is_same=is_file_gone)

    def _move(self, file: RemoteFile, path: str, *, is_same: Callable[[], bool]) -> bool:
        """Moves a file; returns False if it is not in the folder any more, and moves any other file back.

        `is_same` tells whether a moved file of the same size but with another time is the right one all the same: some
        servers give a file a new time when it is renamed.
        """
        if self.folder.entry(file.name) != file:
            return False
        try:
            self.folder.move(file.name, path)
        except RemoteFolderError:
            if self.folder.entry(file.name) == file:
                raise
            return False  # another worker was faster
        moved = self.folder.entry(path)
        if moved and _as(file.name, moved) != file and not (moved.size == file.size and is_same()):
            self._move_back(file.name, path)
            return False
        log.info("Moved %s in %s to %s.", file.name, self.folder.address, path)
        return True

    def _move_back(self, name: str, path: str) -> None:
        what = f"{name} in {self.folder.address} was replaced by another file while it was moved to {path}"
        try:
            self.folder.move(path, name)
        except BursarError as error:
            if isinstance(error, RemoteFolderError) and self.folder.entry(path) is None:
                return  # another worker has moved it back
            raise RemoteFolderError(
                f"{what}. So {path} is a file that nobody has read, and it could not be moved back: {error} Move it "
                f"back to the folder, under a name that is free. If there is a {name} again, that is a third file, and "
                "stays where it is."
            ) from error
        self.warning = f"{what}. That file has been moved back, and the next run reads it."

    def _path_of_moved(self, name: str, *, is_replaced: bool) -> str | None:
        """The path to which an earlier try or another worker has moved the file, None if there is none."""
        read = self._read(name)
        for path in reversed(self._paths(name)) if read.modified != UNKNOWN_TIME else ():
            try:
                target = self.folder.entry(path)
            except RemoteFolderError:  # a server that says nothing about files there: it may refuse all folders, too
                continue
            if target and _as(name, target) == read:
                log.info("%s in %s has already been moved to %s.", name, self.folder.address, path)
                return path
            if target and not self.warning and not self._is_of_another_arrival(path, target):
                self.warning = (
                    f"{path} in {self.folder.address} is not the file {name} that was imported, and the ledger does "
                    "not know it. Find out whether it has been imported. If not, move it back to the folder, under a "
                    "name that is free."
                )
        if is_replaced:
            log.warning(
                "%s in %s is not the file that was read: it was replaced. It stays, and the next run reads it.",
                *(name, self.folder.address),
            )
        else:
            log.warning("%s is gone from %s: the bursar or the server took it.", name, self.folder.address)
        return None

    def _read(self, name: str) -> RemoteFile:
        """The file as it was listed before it was read."""
        return RemoteFile(name, self.found.size, self.found.modified, is_regular=True)

    def _paths(self, name: str) -> tuple[str, str]:
        """The paths that a file may get: the second one belongs to this arrival alone."""
        return f"{self.name}/{name}", f"{self.name}/{self.found.id}-{name}"

    def _is_of_another_arrival(self, path: str, file: RemoteFile) -> bool:
        """Tells whether the ledger knows a moved file as that of another arrival."""
        facts = {"profile": self.profile.code, "path": path, "size": file.size, "modified": file.modified}
        with self.engine.connect() as connection:
            known = connection.execute(query("imports/is_archived"), {"arrival_id": self.found.id, **facts})
            return bool(known.scalar_one())

    def _has_same_bytes(self, path: str) -> bool:
        digest = hashlib.sha256()
        with closing(self.folder.read(path)) as blocks:
            for block in blocks:
                digest.update(block)
        return digest.hexdigest() == self.sha256


def _as(name: str, file: RemoteFile) -> RemoteFile:
    """The entry of a moved file under the name that it had before."""
    return replace(file, name=name)
