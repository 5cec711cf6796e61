"""CSV files that a page sends in blocks, so that their length does not matter."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from io import StringIO
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from fastapi.responses import StreamingResponse

from bursar.escaping import escape_formula
from bursar.work_dir import disk_errors

ROWS_AT_ONCE = 500
BLOCK_SIZE = 1 << 16


def send_csv(
    name: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, spool_in: Path | None = None
) -> StreamingResponse:
    """Returns a download with the name `name`, in UTF-8 with a byte order mark, by which spreadsheets recognise it.

    A value that a spreadsheet would run as a formula gets an apostrophe in front.

    Rows are read while they are sent. With `spool_in`, a folder, they are all read before, into a file there: rows of
    an open transaction must not wait for a slow browser.

    Raises:
        TransientError: the disk of that folder is full.
    """
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    blocks = _write(columns, rows)
    if spool_in:
        blocks = _spool(blocks, spool_in)
    return StreamingResponse(blocks, media_type="text/csv; charset=utf-8", headers=headers)


def _spool(blocks: Iterable[bytes], folder: Path) -> Iterator[bytes]:
    """Writes the blocks into a file without a name, of which nothing stays, and returns an iterator that reads it."""
    with disk_errors(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = TemporaryFile(dir=folder)  # noqa: SIM115  closed after the last block
        try:
            file.writelines(blocks)
            file.seek(0)
        except BaseException:
            file.close()
            raise
    return _read(file)


def _read(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        yield from iter(partial(file.read, BLOCK_SIZE), b"")


def _write(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[bytes]:
    block = StringIO()
    writer = csv.writer(block)
    block.write("\N{ZERO WIDTH NO-BREAK SPACE}")
    writer.writerow(columns)
    for number, row in enumerate(rows, start=1):
        writer.writerow([escape_formula(value) for value in row])
        if number % ROWS_AT_ONCE == 0:
            yield block.getvalue().encode()
            block.seek(0)
            block.truncate()
    yield block.getvalue().encode()
