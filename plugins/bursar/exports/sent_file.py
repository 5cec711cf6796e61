"""What is sent of a file: its bytes as they are, or compressed and encrypted, as its layout says."""

import gzip
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bursar.exports.build import ExportFile, get_sha256
from bursar.exports.encryption import encrypt_file
from bursar.layouts.flat.render import get_frozen_layout
from bursar.ledger.batches import Batch
from bursar.remote_files.pgp_key import PgpKey
from bursar.work_dir import disk_errors


@contextmanager
def make_sent_file(batch: Batch, file: ExportFile, key: PgpKey) -> Iterator[ExportFile]:
    """Yields the file to send; one that was made for that is removed afterwards.

    Compression gives the same bytes each time, encryption does not. So two workers may make two files, of which the
    upload protocol brings one to its name. A done file is sent as it is.

    Raises:
        BursarError: the file can't be encrypted.
        TransientError: the disk of this machine is full.
    """
    layout = get_frozen_layout(batch) if "layout" in batch.render_options else None
    is_changed = layout is not None and (layout.compress or layout.encrypt)
    if layout is None or not is_changed or batch.get_file(file.number).is_done_file:
        yield file
        return
    with disk_errors(file.path):
        folder = TemporaryDirectory(dir=file.path.parent, prefix="sent-")
    with folder as name:
        path = file.path
        if layout.compress:
            path = _compress(path, Path(name, "compressed"))
        if layout.encrypt:
            encrypted = Path(name, "encrypted")
            encrypt_file(path, encrypted, key)
            path = encrypted
        yield ExportFile(file.number, file.name, path, path.stat().st_size, get_sha256(path))


def _compress(path: Path, compressed: Path) -> Path:
    """Compresses a file with gzip, without its name and the time."""
    with (
        disk_errors(compressed),
        path.open("rb") as source,
        compressed.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as target,
    ):
        shutil.copyfileobj(source, target, 1 << 20)
    return compressed
