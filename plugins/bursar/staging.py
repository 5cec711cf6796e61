"""Staging: where a file stands before it leaves: a folder of the machine, or one of an object store.

No step relies on what another left there: a file that is missing is built again, with the same bytes.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

from upath import UPath
from upath.extensions import ProxyUPath

Folder: TypeAlias = Path | UPath | ProxyUPath
"""A folder or a file: of this machine alone, or of an object store, where every machine sees the same."""


@contextmanager
def put_in_place(path: Folder) -> Iterator[Path]:
    """Gives a draft on this machine. What it holds when the block ends well stands under `path`, whole."""
    if isinstance(path, Path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # who owes what is nobody else's business
        draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
        try:
            yield draft
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
        return
    with TemporaryDirectory(prefix="bursar-") as folder:
        draft = Path(folder) / path.name
        yield draft
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("rb") as source, path.open("wb") as target:
            shutil.copyfileobj(source, target)
