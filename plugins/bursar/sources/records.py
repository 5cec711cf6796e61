"""Reads the records of loads, and writes the messages of a load as CSV."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TextIO

from sqlalchemy import Connection, Row, RowMapping

from bursar.db.queries import query
from bursar.errors import LedgerNotFoundError
from bursar.escaping import escape_formula
from bursar.sources.load_types import EntrySum, LoadCounts
from bursar.sources.messages import MessageKind, RowMessage

COLUMNS = ("kind", "file", "line", "fine_id", "field", "value", "reason", "remedy")
"""The columns of the messages of a load as CSV; `fine_id` is the library system's own."""


@dataclass(frozen=True)
class LoadRecord:
    """A recorded load. `source` is '' for files that a person named.

    `files` has the table, name, rows and SHA-256 of each file. `seen_by` is the person who marked its rows as seen.
    """

    id: int
    source: str
    run_id: str | None
    requested_by: str | None
    started_at: datetime
    ended_at: datetime
    is_complete: bool
    is_refused: bool
    files: Sequence[Mapping[str, Any]]
    counts: LoadCounts
    rejected: Mapping[str, int]
    entries: Sequence[EntrySum]
    seen_by: str | None = None
    seen_at: datetime | None = None

    @classmethod
    def of_row(cls, row: Row[Any] | RowMapping) -> "LoadRecord":
        """Makes a record of a row of the table `loads`."""
        values = dict(row._mapping if isinstance(row, Row) else row)  # noqa: SLF001 - a documented part of the API
        values["counts"] = LoadCounts(**values["counts"])
        values["entries"] = tuple(EntrySum.from_json(entry) for entry in values["entries"])
        return cls(**values)

    @property
    def has_rows_to_look_at(self) -> bool:
        """Whether rows were rejected or deferred, or deserve a warning."""
        return self.is_refused or bool(self.counts.rejected or self.counts.fines_deferred or self.counts.warnings)

    @property
    def outcome(self) -> str:
        """The outcome in a word or two."""
        if self.is_refused:
            return "refused"
        return "loaded with warnings" if self.counts.rejected or self.counts.warnings else "loaded"


def list_loads(
    connection: Connection, *, source: str | None = None, below: int | None = None, limit: int
) -> list[LoadRecord]:
    """Returns the newest loads, of one source or of all, before the load `below`."""
    rows = connection.execute(query("sources/list_loads"), {"source": source, "below": below, "limit": limit})
    return [LoadRecord.of_row(row) for row in rows]


def get_load(connection: Connection, id_: int) -> LoadRecord:
    """Returns a load.

    Raises:
        LedgerNotFoundError: there is no such load.
    """
    row = connection.execute(query("sources/get_load"), {"id": id_}).first()
    if row is None:
        raise LedgerNotFoundError(f"There is no load {id_} (`bin/bursar sources loads list` lists them).")
    return LoadRecord.of_row(row)


def list_load_messages(
    connection: Connection, id_: int, kind: MessageKind | None = None, *, after: int = 0, limit: int | None = None
) -> list[RowMessage]:
    """Returns the messages of a load, of one kind or of all, after the message with the number `after`.

    Without a limit, these are at most MAX_MESSAGES of each kind and reason.
    """
    parameters = {"load_id": id_, "kind": kind, "after": after, "limit": limit}
    rows = connection.execute(query("sources/list_load_messages"), parameters).mappings()
    return [RowMessage(**{**row, "kind": MessageKind(row["kind"])}) for row in rows]


def write_load_messages(connection: Connection, id_: int, out: TextIO) -> int:
    """Writes the messages of a load as CSV, one a line; returns their number.

    A value that a spreadsheet would run as a formula gets an apostrophe in front. Open `out` with `newline=""`.
    """
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    messages = list_load_messages(connection, id_)
    for message in messages:
        values = {**vars(message), "fine_id": message.source_id}
        writer.writerow([escape_formula(values[column]) for column in COLUMNS])
    return len(messages)
