"""Shares: work on many fines, in several transactions at once, so that more than one core of the ledger is used."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Connection, text

SHARES = 2
WORTH_SHARING = 20_000
"""Fines. With fewer, more connections cost more than they save."""


def shares_of(fines: int) -> int:
    """Into how many shares work on so many fines is worth dividing."""
    return SHARES if fines >= WORTH_SHARING else 1


def in_shares(connection: Connection, shares: int, do: Callable[[Connection, Mapping[str, int]], None]) -> None:
    """Calls `do` for each share: one in this transaction, several at once in transactions of their own.

    `do` is given what its statements ask for, `share` and `shares`: a fine is in the share that is its id modulo
    `shares`. The first error is raised when all shares have ended; those that are done stay done, so `do` has to leave
    alone what was done before, be it by a worker that was taken for dead.
    """
    if shares == 1:
        do(connection, {"share": 0, "shares": 1})
        return

    def do_one(share: int) -> None:
        with connection.engine.begin() as of_its_own:
            do(of_its_own, {"share": share, "shares": shares})

    # This transaction does nothing meanwhile.
    connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = '15min'"))
    with ThreadPoolExecutor(shares) as pool:
        list(pool.map(do_one, range(shares)))
