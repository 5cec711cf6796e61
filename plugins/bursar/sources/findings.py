"""The findings of a load in its transaction: counts, sums of entries, and messages about rows."""

import logging
from collections.abc import Mapping

from bursar.db.queries import query
from bursar.ledger.entry_type import EntryType
from bursar.money import pluralize
from bursar.sources.load_types import (
    MAX_ERRORS_SHOWN,
    MAX_MESSAGES,
    EntrySum,
    InvalidRowsError,
    LoadCounts,
    LoadResult,
)
from bursar.sources.messages import MessageKind, RowMessage
from bursar.sources.statements import Statements

log = logging.getLogger(__name__)


def read_result(
    statements: Statements, load_id: int, names: Mapping[str, str], *, rows: int, users_added: int
) -> LoadResult:
    """Returns the result of a load that has made its changes; `names` has the file of each table."""
    connection = statements.connection
    messages = connection.execute(query("sources/count_row_messages")).all()
    fines = connection.execute(query("sources/count_fines")).one()
    if fines.rounded:
        log.info("The amounts of %s were rounded to their currency.", pluralize(fines.rounded, "fine"))
    users = connection.exec_driver_sql("SELECT count(*) FROM incoming_users").scalar_one()
    counts = LoadCounts(
        rows=rows,
        rejected=sum(row.rows for row in connection.execute(query("sources/count_rejected_rows"))),
        users_added=users_added,
        users_updated=users - users_added,
        fines_added=fines.added,
        fines_changed=fines.changed,
        fines_unchanged=fines.fines - fines.added - fines.changed - fines.deferred,
        fines_deferred=fines.deferred,
        fines_rounded=fines.rounded,
        warnings=sum(row.rows for row in messages if row.kind == MessageKind.WARNING),
    )
    entries = connection.execute(query("sources/sum_entries"), {"load_id": load_id})
    return LoadResult(
        load_id,
        counts,
        _count_rejected(statements),
        tuple(EntrySum(EntryType(row.entry_type), *row[1:]) for row in entries),
        _list_messages(statements, names),
    )


def find_refusal(
    statements: Statements, load_id: int, names: Mapping[str, str], rows: Mapping[str, int], *, strict: bool
) -> tuple[LoadResult, InvalidRowsError] | None:
    """Returns the result and the error of a load of which too many rows were rejected; None if they were not.

    `names` and `rows` have the file of each table, and the number of its rows. With `strict`, one rejected row is too
    many. Rows that earlier loads deferred do not count: they say nothing about these files.
    """
    rules = statements.rules
    found = statements.connection.execute(query("sources/count_rejected_rows")).all()
    rejected = {row.of_table: row.rows_of_files for row in found if row.rows_of_files}
    if not any(
        strict or (count >= rules.min_rejected_rows and count * 100 > rows.get(table, 0) * rules.max_rejected_percent)
        for table, count in rejected.items()
    ):
        return None
    messages = tuple(message for message in _list_messages(statements, names) if message.is_rejection)
    counts = LoadCounts(rows=sum(rows.values()), rejected=sum(row.rows for row in found))
    shown = [f"{message.place}: {message}" for message in messages]
    error = InvalidRowsError(tuple(shown[:MAX_ERRORS_SHOWN]), sum(row.faults for row in found))
    return LoadResult(load_id, counts, _count_rejected(statements), (), messages), error


def _count_rejected(statements: Statements) -> dict[str, int]:
    counts: dict[str, int] = {}
    for row in statements.connection.execute(query("sources/count_row_messages")):
        if row.kind == MessageKind.REJECTED:
            counts[row.code] = counts.get(row.code, 0) + row.rows
    return counts


def _list_messages(statements: Statements, names: Mapping[str, str]) -> tuple[RowMessage, ...]:
    wanted = {"source": statements.rules.code, "wanted": MAX_MESSAGES}
    rows = statements.connection.execute(query("sources/list_row_messages"), wanted).mappings()
    no_line = {"line": None} if statements.rules.is_reading else {}
    return tuple(
        RowMessage(
            **{
                **row,
                **no_line,
                "kind": MessageKind(row["kind"]),
                "file": row["file"] or names.get(row["of_table"], row["of_table"]),
            }
        )
        for row in rows
    )
