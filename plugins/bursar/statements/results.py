"""The results of a statement, in pages, and as rows of a CSV file."""

from collections.abc import Collection, Iterator
from typing import Any

from sqlalchemy import Connection, Engine, Row

from bursar.db.queries import query
from bursar.money import plain_amount
from bursar.statements.records import StatementOutcome

COLUMNS = (
    *("outcome", "fine", "transaction_id", "identifier", "line", "lines", "currency", "ours", "theirs", "difference"),
    "reason",
)
ROWS_AT_ONCE = 1_000


def list_results(
    connection: Connection,
    statement_id: int,
    outcomes: Collection[str] = tuple(StatementOutcome),
    *,
    after: int = 0,
    limit: int = ROWS_AT_ONCE,
) -> list[Row[Any]]:
    """Returns a page of results with some outcomes, those behind a number, differences first."""
    parameters = {"statement_id": statement_id, "outcomes": list(outcomes), "after": after, "limit": limit}
    return list(connection.execute(query("statements/list_results"), parameters))


def list_rows(
    engine: Engine, statement_id: int, outcomes: Collection[str] = tuple(StatementOutcome)
) -> Iterator[tuple[object, ...]]:
    """Yields all results with some outcomes in COLUMNS. No transaction is open while a slow reader takes them."""
    after = 0
    while True:
        with engine.connect() as connection:
            rows = list_results(connection, statement_id, outcomes, after=after)
        yield from map(to_csv_row, rows)
        if len(rows) < ROWS_AT_ONCE:
            return
        after = rows[-1].number


def to_csv_row(row: Row[Any]) -> tuple[object, ...]:
    """Returns a result in COLUMNS; amounts have the decimals of their currency."""
    amounts = (plain_amount(amount, row.currency or "") for amount in (row.ours, row.theirs, row.difference))
    names = (row.outcome, row.fine_id, row.transaction_id, row.identifier, row.line, row.lines, row.currency)
    return (*names, *amounts, row.reason)
