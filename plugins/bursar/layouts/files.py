"""The file of a batch in the layout of the batch: its name, its bytes and its check."""

from collections.abc import Callable, Generator, Iterable
from functools import partial
from pathlib import PurePath

from sqlalchemy import Connection

from bursar.layouts.alma_xml import check as check_xml
from bursar.layouts.alma_xml import render as render_xml
from bursar.layouts.flat import check as check_flat
from bursar.layouts.flat import render as render_flat
from bursar.layouts.flat.control_figures import read_control_figures
from bursar.layouts.flat.sql import BatchValues
from bursar.layouts.layout import Layout
from bursar.layouts.templates import Slot
from bursar.ledger.batches import Batch


def get_file_name(values: BatchValues, layout: Layout | None, *, dry_run: bool) -> str:
    """Returns the name of the file of a new batch in a layout, or in Alma's XML; that of a dry run says so."""
    if layout is None:
        name = f"{values.profile}-{values.batch}-{values.exported_at:%Y%m%d%H%M%S}.xml"
    else:
        name = "".join(values.format(part) if isinstance(part, Slot) else part for part in layout.file_name.parts)
    path = PurePath(name)
    return f"{path.stem}-dry-run{path.suffix}" if dry_run else name


def render_file(connection: Connection, batch: Batch) -> Generator[bytes]:
    """Yields the bytes of a batch's file, in blocks; memory stays flat.

    Raises:
        BatchError: a character is not in the encoding of the layout.
    """
    if "layout" in batch.render_options:
        return render_flat.render_file(connection, batch)
    return render_xml.render_file(connection, batch)


def get_check(connection: Connection, batch: Batch) -> Callable[[Iterable[bytes]], None]:
    """Returns the function that checks the file of a batch, block by block; it needs no connection.

    The function raises a BatchError if the file is not that of the batch and must not be uploaded.
    """
    if "layout" in batch.render_options:
        return partial(check_flat.check_file, batch, read_control_figures(connection, batch))
    return partial(check_xml.check_file, batch)
