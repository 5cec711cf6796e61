"""Shares: work on many fines, in several transactions at once, so that more than one core of the ledger is used."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Connection, text

PARTITIONS = 2
PARTITION_THRESHOLD = 20_000
"""Fines. With fewer, more connections cost more than they save."""


def count_partitions(fines: int) -> int:
    """Into how many shares work on so many fines is worth dividing."""
    return PARTITIONS if fines >= PARTITION_THRESHOLD else 1


def run_partitioned(connection: Connection, shares: int, do: Callable[[Connection, Mapping[str, int]], None]) -> None:
    """Calls `do` for each share: one in this transaction, several at once in transactions of their own.

    `do` is given what its statements ask for, `share` and `shares`: a fine is in the share that is its id modulo
    `shares`. The first error is raised when all shares have ended; those that are done stay done, so `do` has to leave
    alone what was done before, be it by a worker that was taken for dead.
    """
    if shares == 1:
        do(connection, {"partition_number": 0, "partition_count": 1})
        return

    def do_one(share: int) -> None:
        with connection.engine.begin() as of_its_own:
            do(of_its_own, {"partition_number": share, "partition_count": shares})

    # This transaction does nothing meanwhile.
    connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = '15min'"))
    with ThreadPoolExecutor(shares) as pool:
        list(pool.map(do_one, range(shares)))
