"""Renders the file of a batch from its lines, in its layout."""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, text

from bursar.db.bulk_copy import ROWS_PER_BLOCK, copy_out
from bursar.errors import BatchError
from bursar.layouts.flat.queries import (
    Lines,
    join_records,
    select_body,
    select_file,
    select_kinds,
    select_texts,
)
from bursar.layouts.flat.sql import BatchValues, Bindings
from bursar.layouts.layout import Layout
from bursar.ledger.batch_files import BatchFile
from bursar.ledger.batches import Batch
from bursar.ledger.totals import CurrencyTotals
from bursar.progress import log_progress


def get_frozen_layout(batch: Batch) -> Layout:
    """Returns the layout with which a batch was selected."""
    return Layout.model_validate_json(batch.render_options["layout"])


def get_batch_values(batch: Batch) -> BatchValues:
    """Returns the values of a batch that its file may show."""
    return make_batch_values(batch.id, batch.profile, batch.selected_at, batch.render_options["time_zone"])


def make_batch_values(batch_id: int, profile: str, selected_at: datetime, time_zone: str) -> BatchValues:
    """Returns the values of a batch that was selected at an aware moment."""
    return BatchValues(batch_id, profile, selected_at.astimezone(ZoneInfo(time_zone)))


def get_totals(file: BatchFile) -> CurrencyTotals:
    """Returns the totals of a file in its only currency."""
    return next(iter(file.totals.values())) if len(file.totals) == 1 else CurrencyTotals()


@dataclass(frozen=True)
class Content:
    """What a file in a layout has in it. `source` makes the subquery of its lines, and binds what that needs.

    `spelling` says how characters are written in ASCII, for layouts that want it.
    """

    layout: Layout
    batch: BatchValues
    time_zone: str
    spelling: Mapping[str, str]
    totals: CurrencyTotals
    fines: int
    users: int
    source: Callable[[Bindings], str]

    def get_lines(self) -> Lines:
        """Returns the lines for one statement, which binds values of its own."""
        bindings = Bindings()
        return Lines(self.source(bindings), bindings, self.layout, self.batch, self.time_zone, self.spelling)


def select_lines(batch: Batch, file: BatchFile, bindings: Bindings) -> str:
    """Returns the subquery of the lines of a file, in their order."""
    lines = f"(SELECT * FROM batch_lines WHERE batch_id = {bindings.add(batch.id, 'bigint')} ORDER BY number)"
    return select_kinds(lines, file.kinds, bindings)


def render_file(connection: Connection, batch: Batch, file: BatchFile) -> Generator[bytes]:
    """Yields the bytes of a file of a batch, in blocks; memory stays flat.

    PostgreSQL renders the lines and copies them out. A line with a value that does not fit is empty, and the check of
    the file rejects it.

    Raises:
        BatchError: a character is not in the encoding of the layout.
    """
    layout = get_frozen_layout(batch).get_file(file.number)
    content = Content(
        layout,
        get_batch_values(batch),
        batch.render_options["time_zone"],
        batch.render_options["spelling"],
        get_totals(file),
        file.fines,
        file.users,
        partial(select_lines, batch, file),
    )
    blocks = render_text(connection, content)
    with closing(blocks):
        for block in blocks if layout.last_line_end else _without_last_line_end(blocks):
            yield _encode(file, layout, block)


def render_text(connection: Connection, content: Content) -> Generator[bytes]:
    """Yields a file in UTF-8, in blocks, with a line feed after each line."""
    layout = content.layout
    files = [number for number, _ in layout.list_records("file")]
    if layout.heading:
        yield _render_heading(layout).encode()
    yield from _render_file_records(connection, content, [one for one in files if one < layout.first_body])
    if not layout.joins_users:  # The index has the lines in order; statistics of a table that has just grown mislead.
        connection.execute(text("SET LOCAL enable_sort = off"))
    lines = content.get_lines()
    body = lines.bindings.bind(select_body(lines))
    with closing(copy_out(connection, body)) as rows:
        yield from log_progress(rows, "Wrote fines", content.fines, each=ROWS_PER_BLOCK)
    yield from _render_file_records(connection, content, [one for one in files if one > layout.first_body])


def _render_file_records(connection: Connection, content: Content, numbers: list[int]) -> Iterator[bytes]:
    if not numbers:
        return
    lines = content.get_lines()
    values = select_file(lines, content.totals, fines=content.fines, users=content.users)
    statement = f"SELECT {join_records(lines, numbers)} FROM {select_texts(lines, 'file', values)} AS rows"
    rendered: str | None = connection.execute(lines.bindings.bind(statement)).scalar_one()
    yield f"{rendered or ''}\n".encode()


def _render_heading(layout: Layout) -> str:
    names = [column.name or "" for column in layout.records[layout.first_body].columns]
    needs_quotes = [
        layout.quotes == "all" or (layout.quotes == "needed" and any(sign in name for sign in f'{layout.separator}"'))
        for name in names
    ]
    cells = [
        '"' + name.replace('"', '""') + '"' if is_quoted else name
        for name, is_quoted in zip(names, needs_quotes, strict=True)
    ]
    return layout.separator.join(cells) + "\n"


def _without_last_line_end(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yields the blocks without the line feed at the end of the last one."""
    end = b""
    for block in blocks:
        yield end + block[:-1]
        end = block[-1:]


def _encode(file: BatchFile, layout: Layout, block: bytes) -> bytes:
    block = block.replace(b"\n", layout.line_end_bytes)
    if layout.encoding == "utf-8":
        return block
    try:
        return block.decode().encode(layout.encoding)
    except UnicodeEncodeError as error:
        raise BatchError(
            f"{file.name} was not built: {error.object[error.start]!r} is not in the encoding "
            f"{layout.encoding} of its layout. Nothing was sent."
        ) from None
