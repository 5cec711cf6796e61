"""Creates and removes working folders on this machine: one for each batch, and one for each file that is downloaded.

Their files name people, so a folder is removed once its task is done. A process locks the folders in its use. The lock
of the operating system ends with the process, so that `sweep` recognizes the folders of killed processes. No step
relies on a file that another step wrote: a missing file is built again, with the same bytes.
"""

import errno
import fcntl
import json
import logging
import os
import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp

from bursar.errors import TransientError
from bursar.money import pluralize

log = logging.getLogger(__name__)

_INCOMING = "incoming-"
_BATCH = re.compile(r"batch-(\d+)")
KEPT_FILE, KEPT_NOTE = "fetched", "fetched.json"
"""The bytes of a download, and the entry of the file in the listing of its folder, by `bursar.imports.download`."""
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def batch_folder(work_dir: Path, batch_id: int) -> Path:
    """Returns the path of the working folder of a batch."""
    return work_dir / f"batch-{batch_id}"


@contextmanager
def hold_folder(folder: Path) -> Iterator[Path]:
    """Creates a working folder unless it exists, readable by its owner alone, and locks it while the block runs.

    Raises:
        TransientError: the disk is full.
    """
    with disk_errors(folder):
        while (descriptor := _lock_folder(folder)) is None:
            pass
    try:
        yield folder
    finally:
        os.close(descriptor)


@contextmanager
def incoming_folder(work_dir: Path) -> Iterator[Path]:
    """Creates a working folder for a file to download, locks it while the block runs, and removes it afterwards.

    It is kept if it has all bytes of a file and their note.

    Raises:
        TransientError: the disk is full.
    """
    with disk_errors(work_dir):
        work_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = Path(mkdtemp(prefix=_INCOMING, dir=work_dir))
    with hold_folder(folder):
        try:
            yield folder
        finally:
            if not _is_kept(folder):
                shutil.rmtree(folder, ignore_errors=True)


def find_kept_folders(work_dir: Path) -> list[Path]:
    """Returns the folders of downloads whose bytes only this machine has, in the order of their downloads."""
    kept = [folder for folder in work_dir.glob(f"{_INCOMING}*") if _is_kept(folder)]
    return sorted(kept, key=lambda folder: (folder / KEPT_FILE).stat().st_mtime)


@contextmanager
def lock_folder(folder: Path) -> Iterator[bool]:
    """Locks the folder of a download, unless a process has locked it, and removes it afterwards unless it is kept.

    Yields whether it is locked.
    """
    with _lock_exclusively(folder) as is_locked:
        try:
            yield is_locked
        finally:
            if is_locked and not _is_kept(folder):
                shutil.rmtree(folder, ignore_errors=True)


def remove_folder(folder: Path) -> bool:
    """Removes a working folder unless a process has locked it; returns whether it was removed."""
    with _lock_exclusively(folder) as is_locked:
        if is_locked:
            shutil.rmtree(folder, ignore_errors=True)
        return is_locked


def sweep(work_dir: Path, unfinished: Collection[int]) -> int:
    """Removes the working folders in `work_dir` that no process has locked, and returns their number.

    The folders of `unfinished` batches stay, since a later task of their run needs the file; their drafts are removed.
    Complete downloads stay, too: nobody else may have the file.
    """
    removed = 0
    for folder in work_dir.glob(f"{_INCOMING}*"):
        if not _is_kept(folder):
            removed += remove_folder(folder)
    for folder in work_dir.glob("batch-*"):
        batch = _BATCH.fullmatch(folder.name)
        if batch is None or int(batch[1]) not in unfinished:
            removed += remove_folder(folder)
            continue
        with _lock_exclusively(folder) as is_locked:
            for draft in folder.glob(".*") if is_locked else ():
                draft.unlink(missing_ok=True)
    if removed:
        log.info("Removed %s that ended tasks had left in %s.", pluralize(removed, "folder"), work_dir)
    return removed


@contextmanager
def _lock_exclusively(folder: Path) -> Iterator[bool]:
    """Locks a folder exclusively while the block runs; yields False if it does not exist or a process has locked it."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        yield False
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Between open and flock, another process may have removed it, and a third one created it again.
        is_same = os.path.samestat(os.fstat(descriptor), folder.stat())
    except (BlockingIOError, FileNotFoundError):
        is_same = False
    try:
        yield is_same
    finally:
        os.close(descriptor)


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yields the path of a draft; on success its content replaces `path` in one step.

    Raises:
        TransientError: the disk is full.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        with disk_errors(path):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # debts are personal data
            yield draft
            draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def disk_errors(place: Path) -> Iterator[None]:
    """Translates the error of a full disk into one that names the path.

    Raises:
        TransientError: the disk is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _DISK_FULL:
            raise
        raise TransientError(
            f"{place}: the disk of this machine is full, or a quota is reached ({error.strerror}). Nothing was sent or "
            "changed. Free space there, then repeat the step."
        ) from error


def _is_kept(folder: Path) -> bool:
    """Returns whether a download is complete, and has not been discarded."""
    try:
        note = json.loads((folder / KEPT_NOTE).read_bytes())
        return bool((folder / KEPT_FILE).stat().st_size == note["size"])
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False


def _lock_folder(folder: Path) -> int | None:
    """Creates and locks a folder; returns a descriptor to be closed, None if the folder was removed meanwhile."""
    for needed in (folder.parent, folder):
        needed.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            if os.path.samestat(os.fstat(descriptor), folder.stat()):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
    return None
