"""Moves a loaded file out of the folder in which it arrived, to an archive folder in it: `processed/` or `failed/`.

The state of the folder decides, so that a killed step can be repeated and two workers can do it at the same time. A
file is the one that was loaded if it has the size and time that the listing gave before it was loaded.

| in the folder                        | action                                                               |
| ------------------------------------ | -------------------------------------------------------------------- |
| the file that was loaded             | move it to a free name; compare size and time before and after       |
| another file, after the move         | move it back to its own name if that is free; otherwise fail         |
| no file of its name                  | record that an earlier try, another worker or a person moved it      |
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

from bursar.errors import BursarError, RemoteFolderError
from bursar.remote_files.base import RemoteFile, RemoteFolder
from bursar.remote_files.entries import UNKNOWN_TIME

log = logging.getLogger(__name__)


@dataclass
class Archive:
    """The folder to which a loaded file is moved, and the warning about it.

    Args:
        folder: the folder in which it arrived.
        loaded: its entry there before it was loaded.
        sha256: of its bytes.
        name: the name of the archive folder.
        number: a prefix of the file's second name; no other arrival of a file has it.
        record: where people see what was loaded, in messages.
        is_of_another: returns whether the ledger knows a moved file, by its path and entry, as another one.
        warning: why the file stays, or which other one is in its place; None at first.
    """

    folder: RemoteFolder
    loaded: RemoteFile
    sha256: str
    name: str
    number: int
    record: str
    is_of_another: Callable[[str, RemoteFile], bool]
    warning: str | None = None

    def move(self, done_file_suffix: str | None) -> str | None:
        """Moves the file that was loaded, and its done file; returns its path, None if it has left the folder or stays.

        Raises:
            TransientError: the server can't be reached.
            RemoteFolderError: the server does not move it; or another file was moved and cannot be moved back.
        """
        name = self.loaded.name
        done_file = f"{name}{done_file_suffix or ''}"
        entries = {entry.name: entry for entry in self.folder.files() if entry.name in {name, done_file}}
        path = self._move_file(name, entries.get(name))
        if done_file != name and done_file in entries:
            self._move_done_file(entries[done_file], of=name)
        if self.warning:
            log.warning("%s", self.warning)
        return path

    def _move_file(self, name: str, entry: RemoteFile | None) -> str | None:
        loaded = self.loaded
        if entry != loaded:
            return self._find_moved(name, is_replaced=entry is not None)
        if loaded.modified == UNKNOWN_TIME:
            self.warning = (
                f"{name} stays in {self.folder.address}: the server lists no times, so it may not be the file that "
                f"was loaded. Compare it with {self.record}, then move it away."
            )
            return None
        self.folder.create_folder(self.name)
        for path in self._archive_paths(name):
            target = self.folder.entry(path)
            if target is None:
                if self._move(loaded, path, is_same=partial(self._has_same_bytes, path)):
                    return path
                break
            if _rename_entry(name, target) == loaded and not self.is_of_another(path, target):
                if self.folder.entry(name) != loaded:
                    break
                self.warning = (
                    f"{name} stays in {self.folder.address}: {path} has the same size and time, and only one of both "
                    "has been loaded. Compare them. If they differ, have the file sent again under another name, then "
                    "remove the one that stayed."
                )
                return path
        else:
            raise RemoteFolderError(
                f"{self.folder.address}/{path}: another file has this name, and a file is never replaced. Find out "
                f"whose it is, and move it away. Then repeat the step, which moves {name}."
            )
        return self._find_moved(name, is_replaced=self.folder.entry(name) is not None)

    def _move_done_file(self, done_file: RemoteFile, *, of: str) -> None:
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
                f"{event}. So {path} has not been loaded, and it could not be moved back: {error} Move it back to "
                f"the folder, under a free name. If there is a {name} again, that is a third file: leave it there."
            ) from error
        self.warning = f"{event}. That file has been moved back, and the next run loads it."

    def _find_moved(self, name: str, *, is_replaced: bool) -> str | None:
        """Returns the path to which an earlier try or another worker has moved the file; None if there is none."""
        loaded = self.loaded
        for path in reversed(self._archive_paths(name)) if loaded.modified != UNKNOWN_TIME else ():
            try:
                target = self.folder.entry(path)
            except RemoteFolderError:  # the account may not look into that folder
                continue
            if target and _rename_entry(name, target) == loaded:
                log.info("%s in %s has already been moved to %s.", name, self.folder.address, path)
                return path
            if target and not self.warning and not self.is_of_another(path, target):
                self.warning = (
                    f"{path} in {self.folder.address} is not the file {name} that was loaded, and the ledger does "
                    "not know it. Find out whether it has been loaded. If not, move it back to the folder, under a "
                    "free name."
                )
        if is_replaced:
            log.warning(
                "%s in %s has been replaced since it was loaded. The new file stays, and the next run loads it.",
                *(name, self.folder.address),
            )
        else:
            log.warning("%s is not in %s any more: a person or the server has removed it.", name, self.folder.address)
        return None

    def _archive_paths(self, name: str) -> tuple[str, str]:
        """Returns the paths that a file may get; the second one belongs to this file alone."""
        return f"{self.name}/{name}", f"{self.name}/{self.number}-{name}"

    def _has_same_bytes(self, path: str) -> bool:
        digest = hashlib.sha256()
        with closing(self.folder.read(path)) as blocks:
            for block in blocks:
                digest.update(block)
        return digest.hexdigest() == self.sha256


def _rename_entry(name: str, file: RemoteFile) -> RemoteFile:
    """Returns the entry of a moved file under its former name."""
    return replace(file, name=name)
