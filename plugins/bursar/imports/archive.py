"""Archives an imported file: moves it in the bursar's folder to `processed/` or `failed/`.

The state of the folder decides, so that a killed step can be repeated and two workers can do it at the same time. A
file is the one that was loaded if it has the size and time that the listing gave before it was loaded.

| in the folder                        | action                                                               |
| ------------------------------------ | -------------------------------------------------------------------- |
| the file that was loaded             | move it to a free name; compare size and time before and after       |
| another file, after the move         | move it back to its own name if that is free; otherwise fail         |
| no file of its name                  | record that an earlier try, another worker or the bursar moved it    |
| another file of its name             | leave it to the next run: it has not been loaded                     |
| the file, and one of the same size   | move it to another free name if the ledger knows the second one as   |
| and time in the archive folder       | another file; otherwise leave it, and warn                           |
| the file, but the server has no time | leave it, and warn                                                   |

The report of the run has the warnings, too.
"""

import hashlib
import logging
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial

from sqlalchemy import Engine

from bursar.db.queries import query
from bursar.errors import BursarError, InputFileError, RemoteFolderError
from bursar.ledger.import_files import FileArrival, FileState, get_arrival, get_import_file
from bursar.profiles import Profile
from bursar.remote_files.base import RemoteFile, RemoteFolder
from bursar.remote_files.entries import UNKNOWN_TIME

log = logging.getLogger(__name__)

FOLDERS = {FileState.APPLIED: "processed", FileState.REJECTED: "failed"}


def archive_file(engine: Engine, profile: Profile, name: str, *, run_id: str, folder: RemoteFolder) -> str | None:
    """Moves an applied or rejected file, and its done file, to its archive folder, and records that.

    Returns its new path below the folder; None if it was removed or replaced, or if it stays, as it always does with
    `after_import: leave`. A repeated call changes
    nothing.

    Raises:
        InputFileError: it was neither applied nor rejected; it stays where it is.
        TransientError: the server can't be reached.
        RemoteFolderError: the server does not move it; or another file was moved and cannot be moved back.
    """
    with engine.connect() as connection:
        arrival = get_arrival(connection, profile.code, run_id, name)
        file = get_import_file(connection, arrival.file_id) if arrival else None
    if arrival is None or file is None or file.state not in FOLDERS:
        state = file.state if file else "not loaded"
        raise InputFileError(f"{name} is {state} and stays where it is. Repeat its import first.")
    if arrival.archived_at:
        log.info("%s has already been archived: %s.", name, arrival.archived_path)
        return arrival.archived_path
    if profile.import_.after_import == "leave":
        _mark_archived(engine, arrival, None, None)
        log.info("%s stays in %s, as the profile says.", name, folder.address)
        return None
    archive = _Archive(engine, profile, folder, arrival, file.sha256, FOLDERS[file.state])
    done_file = f"{name}{profile.import_.done_file_suffix or ''}"
    entries = {entry.name: entry for entry in folder.files() if entry.name in {name, done_file}}
    path = archive.move_file(name, entries.get(name))
    if done_file != name and done_file in entries:
        archive.move_done_file(entries[done_file], of=name)
    if archive.warning:
        log.warning("%s", archive.warning)
    _mark_archived(engine, arrival, path, archive.warning)
    return path


def _mark_archived(engine: Engine, arrival: FileArrival, path: str | None, warning: str | None) -> None:
    outcome = {"archived_path": path, "warning": warning}
    with engine.begin() as connection:
        connection.execute(
            query("imports/mark_archived"), {"arrival_id": arrival.id, "file_id": arrival.file_id, **outcome}
        )


@dataclass
class _Archive:
    """The folder to which an arrival is moved, and the warning about it."""

    engine: Engine
    profile: Profile
    folder: RemoteFolder
    arrival: FileArrival
    sha256: str
    name: str
    warning: str | None = None

    def move_file(self, name: str, entry: RemoteFile | None) -> str | None:
        """Moves the file that was loaded; returns its path, None if it has left the folder or stays.

        `entry` is its entry in the listing of the folder.
        """
        loaded = self._loaded_entry(name)
        if entry != loaded:
            return self._find_moved(name, is_replaced=entry is not None)
        if loaded.modified == UNKNOWN_TIME:
            self.warning = (
                f"{name} stays in {self.folder.address}: the server lists no times, so it may not be the file that "
                f"was imported. Compare it with payment file {self.arrival.file_id} of the job report "
                "(`bin/bursar imports list`), then move it away."
            )
            return None
        self.folder.create_folder(self.name)
        for path in self._archive_paths(name):
            target = self.folder.entry(path)
            if target is None:
                if self._move(loaded, path, is_same=partial(self._has_same_bytes, path)):
                    return path
                break
            if _rename_entry(name, target) == loaded and not self._is_of_another_arrival(path, target):
                if self.folder.entry(name) != loaded:
                    break
                self.warning = (
                    f"{name} stays in {self.folder.address}: {path} has the same size and time, and only one of both "
                    "has been imported. Compare them. If they differ, ask the bursar to send the file again under "
                    "another name, then remove the one that stayed."
                )
                return path
        else:
            raise RemoteFolderError(
                f"{self.folder.address}/{path}: another file has this name, and a file is never replaced. Find out "
                f"whose it is, and move it away. Then repeat the step, which moves {name}."
            )
        return self._find_moved(name, is_replaced=self.folder.entry(name) is not None)

    def move_done_file(self, done_file: RemoteFile, *, of: str) -> None:
        """Moves the done file of a file that has left the folder; that of a new file of the same name stays."""

        def is_file_gone() -> bool:
            return self.folder.entry(of) is None

        if not done_file.is_regular or not is_file_gone():
            return
        self.folder.create_folder(self.name)
        free = (path for path in self._archive_paths(done_file.name) if self.folder.entry(path) is None)
        if path := next(free, None):
            self._move(done_file, path, is_same=is_file_gone)

    def _move(self, file: RemoteFile, path: str, *, is_same: Callable[[], bool]) -> bool:
        """Moves a file; returns False if it has left the folder. Another file in its place is moved back.

        `is_same` returns whether a moved file of the same size with another time is the right one: some servers give a
        file a new time when it is renamed.
        """
        if self.folder.entry(file.name) != file:
            return False
        try:
            self.folder.move(file.name, path)
        except RemoteFolderError:
            if self.folder.entry(file.name) == file:
                raise
            return False  # another worker has moved it
        moved = self.folder.entry(path)
        if moved and _rename_entry(file.name, moved) != file and not (moved.size == file.size and is_same()):
            self._move_back(file.name, path)
            return False
        log.info("Moved %s in %s to %s.", file.name, self.folder.address, path)
        return True

    def _move_back(self, name: str, path: str) -> None:
        event = f"{name} in {self.folder.address} was replaced by another file while it was moved to {path}"
        try:
            self.folder.move(path, name)
        except BursarError as error:
            if isinstance(error, RemoteFolderError) and self.folder.entry(path) is None:
                return  # another worker has moved it back
            raise RemoteFolderError(
                f"{event}. So {path} has not been imported, and it could not be moved back: {error} Move it back to "
                f"the folder, under a free name. If there is a {name} again, that is a third file: leave it there."
            ) from error
        self.warning = f"{event}. That file has been moved back, and the next run imports it."

    def _find_moved(self, name: str, *, is_replaced: bool) -> str | None:
        """Returns the path to which an earlier try or another worker has moved the file; None if there is none."""
        loaded = self._loaded_entry(name)
        for path in reversed(self._archive_paths(name)) if loaded.modified != UNKNOWN_TIME else ():
            try:
                target = self.folder.entry(path)
            except RemoteFolderError:  # the account may not look into that folder
                continue
            if target and _rename_entry(name, target) == loaded:
                log.info("%s in %s has already been moved to %s.", name, self.folder.address, path)
                return path
            if target and not self.warning and not self._is_of_another_arrival(path, target):
                self.warning = (
                    f"{path} in {self.folder.address} is not the file {name} that was imported, and the ledger does "
                    "not know it. Find out whether it has been imported. If not, move it back to the folder, under a "
                    "free name."
                )
        if is_replaced:
            log.warning(
                "%s in %s has been replaced since it was loaded. The new file stays, and the next run imports it.",
                *(name, self.folder.address),
            )
        else:
            log.warning("%s is not in %s any more: the bursar or the server has removed it.", name, self.folder.address)
        return None

    def _loaded_entry(self, name: str) -> RemoteFile:
        """Returns the entry of the file as it was listed before it was loaded."""
        return RemoteFile(name, self.arrival.size, self.arrival.modified, is_regular=True)

    def _archive_paths(self, name: str) -> tuple[str, str]:
        """Returns the paths that a file may get; the second one belongs to this arrival alone."""
        return f"{self.name}/{name}", f"{self.name}/{self.arrival.id}-{name}"

    def _is_of_another_arrival(self, path: str, file: RemoteFile) -> bool:
        """Returns whether the ledger knows a moved file as that of another arrival."""
        facts = {"profile": self.profile.code, "path": path, "size": file.size, "modified": file.modified}
        with self.engine.connect() as connection:
            known = connection.execute(query("imports/is_archived"), {"arrival_id": self.arrival.id, **facts})
            return bool(known.scalar_one())

    def _has_same_bytes(self, path: str) -> bool:
        digest = hashlib.sha256()
        with closing(self.folder.read(path)) as blocks:
            for block in blocks:
                digest.update(block)
        return digest.hexdigest() == self.sha256


def _rename_entry(name: str, file: RemoteFile) -> RemoteFile:
    """Returns the entry of a moved file under its former name."""
    return replace(file, name=name)
