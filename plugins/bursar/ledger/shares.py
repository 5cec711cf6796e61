"""Shares: work on many fines, in several transactions at once, so that the ledger's cores are used, each once."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

from sqlalchemy import Connection, Engine

from bursar.ledger.statements import statement

Work = Literal["close", "apply"]

SHARES = 2
WORTH_SHARING = 20_000
"""Fines. With fewer, more connections cost more than they save."""


def in_shares(
    engine: Engine, work: Work, subject_id: int, fines: int, do: Callable[[Connection, Mapping[str, int]], None]
) -> None:
    """Calls `do` for each share of a batch or of a file, in a transaction of its own, unless an earlier try did it.

    `do` is given what its statements ask for, `share` and `shares`: a fine is in the share that is its id modulo
    `shares`. The first error is raised when all shares have ended; those that are done stay done. The caller holds the
    batch, or the file, against everybody else, and calls `forget_shares` in the transaction that records its end.
    """
    this = {"work": work, "subject_id": subject_id}
    with engine.connect() as connection:
        shares = begun(connection, work, subject_id) or (SHARES if fines >= WORTH_SHARING else 1)

    def do_one(share: int) -> None:
        with engine.begin() as connection:
            of_this = {"share": share, "shares": shares}
            if connection.execute(statement("shares/take"), this | of_this).rowcount:
                do(connection, of_this)

    with ThreadPoolExecutor(shares) as pool:
        list(pool.map(do_one, range(shares)))


def begun(connection: Connection, work: Work, subject_id: int) -> int | None:
    """In how many shares the work was begun; None while no share of it is done."""
    found: int | None = connection.execute(statement("shares/begun"), {"work": work, "subject_id": subject_id}).scalar()
    return found


def forget_shares(connection: Connection, work: Work, subject_id: int) -> None:
    """Forgets the shares of work that ends in this transaction."""
    connection.execute(statement("shares/forget"), {"work": work, "subject_id": subject_id})
