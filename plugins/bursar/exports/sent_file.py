"""What is sent of a file: its bytes as they are, or compressed and encrypted, as its layout or its profile says."""

import gzip
import re
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
    is_compressed, is_encrypted = _get_changes(batch, file.number)
    if not (is_compressed or is_encrypted):
        yield file
        return
    with disk_errors(file.path):
        folder = TemporaryDirectory(dir=file.path.parent, prefix="sent-")
    with folder as name:
        path = file.path
        if is_compressed:
            path = _compress(path, Path(name, "compressed"))
        if is_encrypted:
            encrypted = Path(name, "encrypted")
            encrypt_file(path, encrypted, key)
            path = encrypted
        yield ExportFile(file.number, file.name, path, path.stat().st_size, get_sha256(path))


def get_name_of_content(batch: Batch, number: int) -> str:
    """Returns the name for the content of a file: without the endings that say how it is compressed and encrypted."""
    name = batch.get_file(number).name
    if not any(_get_changes(batch, number)):
        return name
    return re.sub(r"([.](gz|gzip|pgp|gpg|asc))+$", "", name, flags=re.IGNORECASE)


def _get_changes(batch: Batch, number: int) -> tuple[bool, bool]:
    """Returns whether a file is compressed, and whether it is encrypted, when it is sent."""
    if batch.get_file(number).is_done_file:
        return False, False
    if "layout" in batch.render_options:
        layout = get_frozen_layout(batch)
        return layout.compress is not None, layout.encrypt is not None
    form = batch.render_options.get("xml", {})
    return bool(form.get("compress")), bool(form.get("encrypt"))


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
