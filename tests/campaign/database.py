"""The ledger's PostgreSQL, which can be stopped, killed and started again."""

import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Literal

import psycopg

from bursar.db.engine import grant, ledger_engine, migrate
from demo.postgres import DAGS_ROLE, LEDGER_OWNER, Postgres, embedded_postgres
from tests.support.fixtures import clear_ledger

LEDGER = "ledger"
Stop = Literal["stopped", "stopped immediately", "killed"]
_SIGNALS: dict[Stop, signal.Signals] = {
    "stopped": signal.SIGINT,
    "stopped immediately": signal.SIGQUIT,
    "killed": signal.SIGKILL,
}
# Killed processes lose nothing that is in the cache of the operating system.
_OPTIONS = ("-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=60")


class Database:
    """One server with a migrated ledger."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: ExitStack | None = None
        self._postgres: Postgres | None = None
        self._stopped = False

    @property
    def postgres(self) -> Postgres:
        assert self._postgres
        return self._postgres

    def start(self) -> None:
        """Starts the server, unless it runs."""
        if self._running and not self._stopped and self._is_reachable():
            return
        self.end()
        self._stopped = False
        with ExitStack() as stack:
            self._postgres = stack.enter_context(embedded_postgres(self._folder, options=_OPTIONS))
            self._running = stack.pop_all()

    def prepare(self) -> None:
        """Creates the ledger and the role of the DAGs."""
        self.postgres.create_ledger(LEDGER)
        engine = ledger_engine(self.postgres.url(LEDGER, user=LEDGER_OWNER))
        migrate(engine)
        grant(engine, DAGS_ROLE)

    def clear(self) -> None:
        """Deletes everything in the ledger."""
        clear_ledger(ledger_engine(self.postgres.url(LEDGER)))

    def stop(self, how: Stop) -> None:
        """Ends the server by a signal; does not wait for its end."""
        first = (self._folder / "data" / "postmaster.pid").read_text().split("\n", 1)[0]
        self._stopped = True
        os.kill(int(first), _SIGNALS[how])

    def end(self) -> None:
        """Ends the server, and removes what a killed server has left."""
        if self._running:
            self._running.close()
            self._running = None

    @contextmanager
    def connect(self) -> Iterator[psycopg.Connection]:
        """Opens a connection to the ledger as its owner, with autocommit."""
        with closing(self.postgres.connect(LEDGER)) as connection:
            yield connection

    def terminate(self, backends: Iterable[int], *, only_locks: bool = False) -> int:
        """Ends sessions; with `only_locks` those that hold an advisory lock. Returns their number."""
        query = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid = ANY(%s)"
        if only_locks:
            query += " AND pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory')"
        with self.connect() as connection:
            row = connection.execute(query, [list(backends)]).fetchone()
            return int(row[0]) if row else 0

    def _is_reachable(self) -> bool:
        try:
            with self.connect():
                return True
        except psycopg.OperationalError:
            return False
