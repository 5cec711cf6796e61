"""The files of a batch in the layout of the batch: their names, their bytes and their checks."""

from collections.abc import Callable, Generator, Iterable
from dataclasses import asdict, dataclass
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
from bursar.layouts.model import Kind
from bursar.layouts.templates import Slot, Template
from bursar.ledger.batch_files import BatchFile
from bursar.ledger.batches import Batch


@dataclass(frozen=True)
class PlannedFile:
    """A file of a new batch, which is left out if it has no fines, unless it is kept empty; None is all kinds."""

    number: int
    file_name: str
    kinds: tuple[Kind, ...] | None
    is_kept_empty: bool

    def to_json(self) -> dict[str, object]:
        """Returns the form that the ledger reads."""
        return asdict(self)


def plan_files(values: BatchValues, layout: Layout | None, *, dry_run: bool, endings: str = "") -> list[PlannedFile]:
    """Returns the files of a new batch in a layout, or the one in Alma's XML; the names of a dry run say so.

    `endings` are those of an XML file that is compressed or encrypted.
    """
    if layout is None:
        name = f"{values.profile}-{values.batch}-{values.exported_at:%Y%m%d%H%M%S}.xml"
        return [PlannedFile(1, _mark(name, dry_run=dry_run) + endings, None, is_kept_empty=False)]
    name_file = partial(_name_file, values, dry_run=dry_run)
    files = [
        PlannedFile(number, name_file(file.file_name), file.kinds, is_kept_empty=file.if_empty == "send")
        for number, file in enumerate(layout.files, start=1)
    ] or [PlannedFile(1, name_file(layout.file_name), None, is_kept_empty=False)]
    if layout.done_file is not None:
        files.append(PlannedFile(len(files) + 1, name_file(layout.done_file), (), is_kept_empty=True))
    return files


def get_file_name(values: BatchValues, layout: Layout) -> str:
    """Returns the name of the file of a layout that has one file."""
    return _name_file(values, layout.file_name, dry_run=False)


def _name_file(values: BatchValues, template: Template, *, dry_run: bool) -> str:
    parts = [values.format(part) if isinstance(part, Slot) else part for part in template.parts]
    return _mark("".join(parts), dry_run=dry_run)


def _mark(name: str, *, dry_run: bool) -> str:
    path = PurePath(name)
    return f"{path.stem}-dry-run{path.suffix}" if dry_run else name


def render_file(connection: Connection, batch: Batch, file: BatchFile) -> Generator[bytes]:
    """Yields the bytes of a file of a batch, in blocks; memory stays flat.

    Raises:
        BatchError: a character is not in the encoding of the layout.
    """
    if "layout" in batch.render_options:
        return render_flat.render_file(connection, batch, file)
    return render_xml.render_file(connection, batch)


def get_check(connection: Connection, batch: Batch, file: BatchFile) -> Callable[[Iterable[bytes]], None]:
    """Returns the function that checks a file of a batch, block by block; it needs no connection.

    The function raises a BatchError if the file is not that of the batch and must not be uploaded.
    """
    if "layout" in batch.render_options:
        return partial(check_flat.check_file, batch, file, read_control_figures(connection, batch, file))
    return partial(check_xml.check_file, batch)
