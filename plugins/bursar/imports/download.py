"""Downloads payment files, and keeps their bytes until the ledger has them: the server may not have them any more.

Some servers remove a file as soon as it has been read, or a moment later. So each download has a working folder of its
own, with the bytes and a note: the entry of the listing, and the run. The folder is kept if it has as many bytes as the
entry says. A repeated task on the same machine finds it.

| the kept bytes                       | the server has             | action                                          |
| ------------------------------------ | -------------------------- | ----------------------------------------------- |
| in the ledger, with their arrival    | not asked                  | they are removed                                |
| in the ledger without their arrival  | not asked                  | the arrival is registered: it may be a second   |
|                                      |                            | payment of the same amounts; they are removed   |
| rejected                             | a file of the name         | they stay for a person; that file is loaded     |
| any others                           | no file of the name        | they are loaded                                 |
| of the listed file for certain       | any file of the name       | they are loaded; the next run loads that file   |
| of the listed file, or partly others | the listed file            | they are removed, and it is fetched again       |
| of the listed file, or partly others | another file of the name   | a person is asked; the other file is loaded     |

They are those of the listed file for certain if the open file had its size and time after the last byte, or if the
server had that file or no file of the name then. By FTP there is no open file to ask about: if the next file of the
same name arrives while the last block of the first is on its way, a person decides about the first.
"""

import hashlib
import json
import logging
import os
import socket
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from pathlib import Path
from typing import IO

from bursar.errors import RemoteFolderError, TransientError
from bursar.money import pluralize
from bursar.progress import transfer_progress
from bursar.remote_files.base import RemoteFile, RemoteFolder
from bursar.work_dir import KEPT_FILE, KEPT_NOTE, disk_errors, find_kept_folders, incoming_folder, lock_folder

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Download:
    """The bytes of a file on this machine, its entry in the listing before they were fetched, and the run then."""

    path: Path
    entry: RemoteFile
    sha256: str
    run_id: str

    @property
    def place(self) -> str:
        """The path of the bytes, and the name of this machine."""
        return f"{self.path} on {socket.gethostname()}"

    def discard(self) -> None:
        """Has the working folder removed when it is closed: the ledger or the server has the file."""
        (self.path.parent / KEPT_NOTE).unlink(missing_ok=True)


class KeptState(Enum):
    """The state of kept bytes in the ledger; `REPEATED`: they are known, and their arrival is not registered."""

    UNKNOWN = auto()
    REJECTED = auto()
    REPEATED = auto()
    RECORDED = auto()


def find_entry(folder: RemoteFolder, name: str) -> RemoteFile | None:
    """Returns the entry of a file in the listing of its folder; None if it is not there.

    Raises:
        RemoteFolderError: the entry is no file, or can't be used.
    """
    entry = {entry.name: entry for entry in folder.files() if entry.name == name}.get(name)
    if entry and entry.problem:
        raise RemoteFolderError(f"{folder.address}/{name} can't be imported: {entry.problem}. Ask the bursar.")
    if entry and not entry.is_regular:
        raise RemoteFolderError(
            f"{folder.address}/{name}: there is a folder, a link or the like in place of the file. Ask the bursar."
        )
    return entry


@contextmanager
def download(folder: RemoteFolder, entry: RemoteFile, work_dir: Path, *, run_id: str) -> Iterator[Download]:
    """Fetches a file into a working folder, which is kept unless the block discards the bytes.

    Raises:
        TransientError: the file changes, or is removed before all of it has arrived.
        RemoteFolderError: the server does not give it.
    """
    with incoming_folder(work_dir) as own_folder:
        path = own_folder / KEPT_FILE
        _write_note(own_folder, entry, run_id, is_certain=False)
        with disk_errors(path), path.open("wb") as into:
            sha256, opened = _fetch(folder, entry, into)
        size = path.stat().st_size
        fetched = Download(path=path, entry=entry, sha256=sha256, run_id=run_id)
        after = find_entry(folder, entry.name)
        if size != entry.size or (after not in (None, entry) and opened != entry):
            raise _changed_error(folder, entry, size, is_gone=after is None)
        if after != entry:
            log.warning("%s is not in %s any more since it was fetched. It is complete.", entry.name, folder.address)
        _write_note(own_folder, entry, run_id, is_certain=True)
        yield fetched


@contextmanager
def open_kept_download(
    work_dir: Path, name: str, entry: RemoteFile | None, get_state: Callable[[Download], KeptState]
) -> Iterator[tuple[Download | None, list[str]]]:
    """Yields the kept bytes that are to be loaded now, if there are any, and warnings about those of no certain file.

    Args:
        work_dir: the working directory of the profile.
        name: the name of the file.
        entry: its entry on the server; None if it has no such file.
        get_state: returns the state of kept bytes in the ledger.
    """
    warnings: list[str] = []
    for own_folder in find_kept_folders(work_dir):
        with lock_folder(own_folder) as is_locked:
            if not is_locked:
                continue  # another worker loads it
            kept, is_certain = _read_note(own_folder)
            state, is_of_name = get_state(kept), kept.entry.name == name
            is_known = state is KeptState.REPEATED  # so they are a whole file
            if state is KeptState.RECORDED:
                kept.discard()
            elif is_known and not is_of_name:
                continue  # see `list_kept_downloads`
            elif state is KeptState.REJECTED and not (is_of_name and entry is None):
                log.info("%s has the bytes of %s, which was rejected.", kept.place, kept.entry.name)
            elif not is_of_name:
                log.warning("%s Clear the task that imports it.", describe_kept(kept))
            elif entry is None or is_certain or is_known:
                log.warning("%s is loaded from %s: an earlier try fetched it.", name, kept.path)
                yield kept, warnings
                return
            elif kept.entry == entry:
                kept.discard()
            else:
                warnings.append(
                    f"{describe_kept(kept)} It was replaced on the server as soon as it had been fetched, so it may be "
                    "a whole file, or one with parts of the next one. Compare it with the bursar. If it is whole, put "
                    "it into the bursar's folder under another name. Then remove it from this machine."
                )
    yield None, warnings


def list_kept_downloads(
    work_dir: Path, get_state: Callable[[Download], KeptState], state: KeptState
) -> Iterator[Download]:
    """Yields the kept bytes that have a state in the ledger, each locked."""
    for own_folder in find_kept_folders(work_dir):
        with lock_folder(own_folder) as is_locked:
            if is_locked and get_state(kept := _read_note(own_folder)[0]) is state:
                yield kept


def describe_kept(kept: Download) -> str:
    """Says where kept bytes are."""
    return (
        f"{kept.place} has the bytes of {kept.entry.name} ({pluralize(kept.entry.size, 'byte')}), which are not in the "
        "ledger."
    )


def _fetch(folder: RemoteFolder, entry: RemoteFile, into: IO[bytes]) -> tuple[str, RemoteFile | None]:
    """Copies a file; returns its SHA-256, and its entry by the open file if the server shows it."""
    log.info("Fetching %s (%s) from %s.", entry.name, pluralize(entry.size, "byte"), folder.address)
    digest, size = hashlib.sha256(), 0
    log_block = transfer_progress(f"Fetched {entry.name}", entry.size)
    blocks: Generator[bytes, None, RemoteFile | None]
    with closing(folder.read(entry.name)) as blocks:
        while size <= entry.size:
            try:
                block = next(blocks)
            except StopIteration as end:
                return digest.hexdigest(), end.value
            size += len(block)
            digest.update(block)
            into.write(block)
            if size >= entry.size:
                into.flush()  # before the server learns that all of it has been read
                os.fsync(into.fileno())
            log_block(block)
    return digest.hexdigest(), None


def _changed_error(folder: RemoteFolder, entry: RemoteFile, size: int, *, is_gone: bool) -> TransientError:
    """Returns the error for a file whose bytes may not be those of the listed one; so many bytes have arrived."""
    if is_gone:
        return TransientError(
            f"{entry.name} was removed from {folder.address} while it was fetched: {size:,} of {entry.size:,} bytes "
            "arrived. Nothing was loaded. If it does not come back, ask the bursar to send it again."
        )
    return TransientError(
        f"{entry.name} in {folder.address} changed while it was fetched: it is still being written. Nothing was "
        "loaded. If this repeats, raise stable_for_seconds, or agree on a done file with those who write it."
    )


def _write_note(own_folder: Path, entry: RemoteFile, run_id: str, *, is_certain: bool) -> None:
    facts = {"name": entry.name, "size": entry.size, "modified": entry.modified.isoformat()}
    facts |= {"run_id": run_id, "is_certain": is_certain}
    draft = own_folder / f"{KEPT_NOTE}.draft"
    with disk_errors(own_folder):
        draft.write_text(json.dumps(facts), encoding="utf-8")
        draft.replace(own_folder / KEPT_NOTE)


def _read_note(own_folder: Path) -> tuple[Download, bool]:
    """Returns the kept bytes of a folder, and whether they are those of the listed file for certain."""
    facts = json.loads((own_folder / KEPT_NOTE).read_text(encoding="utf-8"))
    entry = RemoteFile(facts["name"], facts["size"], datetime.fromisoformat(facts["modified"]), is_regular=True)
    path = own_folder / KEPT_FILE
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Download(path=path, entry=entry, sha256=sha256, run_id=facts["run_id"]), facts["is_certain"]
