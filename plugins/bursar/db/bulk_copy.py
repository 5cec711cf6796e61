"""Bulk copy: rows in bulk out of the ledger and into it, and blocks that another thread prepares."""

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import Connection, TextClause

from bursar.db.engine import driver_errors

if TYPE_CHECKING:
    import psycopg

ROWS_PER_BLOCK = 100
MAX_PREFETCHED_BLOCKS = 8
_QUOTE = b"\x01"


def copy_out(connection: Connection, query: TextClause, *, line_feeds: bool = True) -> Generator[bytes]:
    """Yields the texts of a query in blocks of `ROWS_PER_BLOCK`, in UTF-8, with a line feed after each text.

    The query has its values bound, and one column of text without the character U+0001. Without `line_feeds` nothing
    is after a text, and no text may begin with a line feed. Memory does not grow with the number of rows. Close the
    generator (`contextlib.closing`): a suspended one keeps the connection busy, and even a rollback waits for it.
    """
    compiled = query.compile(dialect=connection.dialect)
    driver = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
    # CSV changes nothing in a text but adds quotes. A quote character that no text has can be removed again.
    options = "FORMAT csv, QUOTE E'\\x01'" + ("" if line_feeds else ", FORCE_QUOTE *")
    command = f"COPY ({compiled}) TO STDOUT WITH ({options})"
    with driver_errors(connection.engine), driver.cursor() as cursor, cursor.copy(command, compiled.params) as copy:
        rows = iter(copy)
        while block := b"".join(islice(rows, ROWS_PER_BLOCK)):
            yield (block if line_feeds else block.replace(_QUOTE + b"\n", _QUOTE)).replace(_QUOTE, b"")


@contextmanager
def copy_into(connection: Connection, target: str) -> Iterator["psycopg.Copy"]:
    """Opens a copy into a table, which takes its rows one by one.

    `target` is the name of the table, with its columns in parentheses unless the rows have all of them.
    """
    driver = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
    with driver_errors(connection.engine), driver.cursor() as cursor, cursor.copy(f"COPY {target} FROM STDIN") as copy:
        yield copy


def prefetch(blocks: Iterator[bytes]) -> Generator[bytes]:
    """Yields the same blocks, while another thread already reads the next ones.

    Close the generator (`contextlib.closing`) before that of the blocks, so that no thread reads them any more.
    """
    with ThreadPoolExecutor(max_workers=1) as maker:
        try:
            coming = deque(maker.submit(next, blocks, b"") for _ in range(MAX_PREFETCHED_BLOCKS))
            while block := coming.popleft().result():
                coming.append(maker.submit(next, blocks, b""))
                yield block
        finally:
            maker.shutdown(wait=False, cancel_futures=True)
