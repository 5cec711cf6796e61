"""Copying: rows in bulk out of the ledger and into it, and streams that are prepared while they are worked on."""

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

ROWS_AT_ONCE = 100
BLOCKS_AHEAD = 8
_QUOTE = b"\x01"


def copy_out(connection: Connection, query: TextClause) -> Generator[bytes]:
    """The texts that a query gives, in UTF-8, each with a line feed behind it, `ROWS_AT_ONCE` in a block.

    The query has its values bound, and one column of text without the character U+0001. Memory stays flat. Close the
    generator (`contextlib.closing`): while it is suspended, it holds the connection, and even a rollback waits.
    """
    compiled = query.compile(dialect=connection.dialect)
    driver = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
    # As CSV a text leaves as it is, but for quotes around it: here a character that it has not, to be taken off again.
    command = f"COPY ({compiled}) TO STDOUT WITH (FORMAT csv, QUOTE E'\\x01')"
    with driver_errors(connection.engine), driver.cursor() as cursor, cursor.copy(command, compiled.params) as copy:
        rows = iter(copy)
        while block := b"".join(islice(rows, ROWS_AT_ONCE)):
            yield block.replace(_QUOTE, b"")


@contextmanager
def copy_into(connection: Connection, target: str) -> Iterator["psycopg.Copy"]:
    """What takes rows for a table one by one; `target` is its name, and in brackets the columns if not all."""
    driver = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
    with driver_errors(connection.engine), driver.cursor() as cursor, cursor.copy(f"COPY {target} FROM STDIN") as copy:
        yield copy


def prefetch(blocks: Iterator[bytes]) -> Generator[bytes]:
    """The same blocks, each made in another thread while those before it are worked on.

    Close the generator (`contextlib.closing`) before that of the blocks: then no thread is at work on them any more.
    """
    with ThreadPoolExecutor(max_workers=1) as maker:
        try:
            coming = deque(maker.submit(next, blocks, b"") for _ in range(BLOCKS_AHEAD))
            while block := coming.popleft().result():
                coming.append(maker.submit(next, blocks, b""))
                yield block
        finally:
            maker.shutdown(wait=False, cancel_futures=True)
