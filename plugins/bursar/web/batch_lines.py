"""The fines of a batch as its file shows them, a page at a time."""

from typing import Any

from sqlalchemy import Connection, Row

from bursar.db.queries import query
from bursar.ledger.batches import Batch
from bursar.web.rights import Person
from bursar.web.views import PAGE_LENGTH


def list_lines(
    connection: Connection, person: Person, batch: Batch, after: int | None
) -> tuple[list[Row[Any]] | None, int | None]:
    """Returns a page of the lines of a batch after a line, or from the first, and the key of the next page.

    There are no lines (None) without the right to see names. The caller records the access to their users.
    """
    if not person.may_see_names(batch.profile):
        return None, None
    parameters = {"batch_id": batch.id, "after": after or 0, "limit": PAGE_LENGTH + 1}
    rows = list(connection.execute(query("web/list_batch_lines"), parameters))
    return rows[:PAGE_LENGTH], rows[PAGE_LENGTH - 1].number if len(rows) > PAGE_LENGTH else None
