"""Working folders on this machine: one for each batch and for each file that is fetched, removed when it is done.

Their files name people. A process holds the folders that it works in, by a lock of the operating system that ends with
the process, so that `sweep` can tell what a killed one left. No step relies on a file that another step wrote: one that
is missing is built again, with the same bytes.
"""

import errno
import fcntl
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
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def batch_folder(work_dir: Path, batch_id: int) -> Path:
    """The working folder of a batch."""
    return work_dir / f"batch-{batch_id}"


@contextmanager
def hold_folder(folder: Path) -> Iterator[Path]:
    """Creates a working folder unless it exists, for its owner alone, and holds it while the block lasts.

    Raises:
        TransientError: the disk is full.
    """
    with disk_errors(folder):
        while (descriptor := _hold(folder)) is None:
            pass
    try:
        yield folder
    finally:
        os.close(descriptor)


@contextmanager
def incoming_folder(work_dir: Path) -> Iterator[Path]:
    """Creates a working folder for a file that is fetched, holds it while the block lasts, and removes it.

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
            shutil.rmtree(folder, ignore_errors=True)


def remove_folder(folder: Path) -> bool:
    """Removes a working folder unless a process holds it; returns whether it did."""
    with _alone(folder) as is_alone:
        if is_alone:
            shutil.rmtree(folder, ignore_errors=True)
        return is_alone


def sweep(work_dir: Path, unfinished: Collection[int]) -> int:
    """Removes the working folders in `work_dir` that no process holds, and returns how many.

    The folders of `unfinished` batches stay, since another task of their run goes on with the file; drafts in them go.
    """
    removed = 0
    for folder in work_dir.glob(f"{_INCOMING}*"):
        removed += remove_folder(folder)
    for folder in work_dir.glob("batch-*"):
        batch = _BATCH.fullmatch(folder.name)
        if batch is None or int(batch[1]) not in unfinished:
            removed += remove_folder(folder)
            continue
        with _alone(folder) as is_alone:
            for draft in folder.glob(".*") if is_alone else ():
                draft.unlink(missing_ok=True)
    if removed:
        log.info("Removed %s that ended tasks had left in %s.", pluralize(removed, "folder"), work_dir)
    return removed


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Locks a folder against all processes while the block lasts, if it is there and none holds it."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        yield False
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Another process may have removed it, and a third one created it anew, between the two.
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
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # who owes what is nobody else's business
            yield draft
            draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def disk_errors(place: Path) -> Iterator[None]:
    """Turns the error of a full disk into one that names the place.

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


def _hold(folder: Path) -> int | None:
    """Locks a folder, as a descriptor to be closed; None if it was removed in that moment."""
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
