"""A library in one folder of this machine: its ledger, an SFTP server for its files, a mail server, Airflow."""

import fcntl
import json
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_urlsafe
from types import FrameType

from sqlalchemy import text

from bursar.db.engine import grant, ledger_engine, migrate
from bursar.errors import BursarError
from demo.airflow import Airflow
from demo.library_system import ACCOUNT, LibrarySystem, synchronize
from demo.mail import HOST, mail_server
from demo.postgres import DAGS_ROLE, LEDGER_OWNER, Postgres, embedded_postgres
from demo.processes import end_all
from demo.servers import Account, SftpAddress, sftp_server
from demo.systems import SYSTEMS, LibrarySystems, serve_systems

BURSARS = ("banner", "peoplesoft")
SUB_DIRECTORY = "library"  # the paths of the profiles are relative to it
LOCK = "lock"
INCLUDE = "include"  # the profiles: other than the data, they may have been changed by a person
FINES, FINES_IN_FOLIO, FINES_IN_KOHA = 500, 500, 200
"""How many fines the files of the library's system have, and its other systems."""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Library:
    """A running library: PostgreSQL with the ledger, the SFTP server, the mail server, Airflow.

    `state` is the folder of all files. `folders` are the bursars' own folders, by bursar. `system` is the library's
    system that writes files of its fines, and `systems` are those with an API. `mails` is the folder of all mails;
    closing `mail_server` stops the server. `env` holds the Airflow connections to the ledger and to the servers, and
    Airflow's settings, as variables. `ledger_url` is the ledger in the role of its owner.
    """

    state: Path
    postgres: Postgres
    ledger_url: str
    folders: Mapping[str, Path]
    system: LibrarySystem
    systems: LibrarySystems
    mails: Path
    mail_server: ExitStack
    env: Mapping[str, str]
    airflow: Airflow


@contextmanager
def embedded_library(
    state: Path,
    *,
    fines: int = FINES,
    reads_systems: bool = False,
    afresh: bool = False,
    port: int = 0,
    say: Callable[[str], object] = print,
) -> Iterator[Library]:
    """Runs a library until the block ends or a signal arrives, and stops all of its processes.

    Processes that a killed program has left running in the folder are stopped first. BURSAR_INCLUDE names a folder with
    the source of `profiles.add_source`, through which Airflow loads the fines of the files. FOLIO and Koha run in any
    case.

    Args:
        state: the folder of all files.
        fines: how many fines the files of the library's system have, which are loaded if the ledger is empty.
        reads_systems: whether the fines of FOLIO and Koha are loaded before those of the files, through the sources of
            `profiles.write_demo_include`.
        afresh: whether to empty the folder first, except its folder `include`.
        port: the preferred port of Airflow; a free one is taken if it is 0 or in use.
        say: called with a description of each step.

    Raises:
        BursarError: another process runs a library in the folder, a server does not start, or the load fails.
    """
    state = state.resolve()
    state.mkdir(parents=True, exist_ok=True)
    with _end_on_signals(), _lock_folder(state):
        for part in ("airflow", "postgres"):
            end_all(state / part)
        if afresh:
            _empty_folder(state)
        say("Starting PostgreSQL")
        with embedded_postgres(state / "postgres") as postgres:
            postgres.create("airflow")
            postgres.create_ledger("ledger")
            ledger_url = postgres.url("ledger", user=LEDGER_OWNER)
            is_empty = _migrate(ledger_url)
            say("Starting servers: SFTP for the bursars and the library's system, mail, FOLIO and Koha")
            folders = {bursar: state / "bursars" / bursar for bursar in BURSARS}
            system = LibrarySystem(state / ACCOUNT, fines, datetime.now(UTC))
            accounts = {
                name: Account(folder, token_urlsafe(12)) for name, folder in {**folders, ACCOUNT: system.folder}.items()
            }
            with (
                sftp_server(accounts, state / "sftp") as server,
                serve_systems(state / "systems", folio_fines=FINES_IN_FOLIO, koha_fines=FINES_IN_KOHA) as systems,
                ExitStack() as mail,
            ):
                for folder in folders.values():
                    (folder / SUB_DIRECTORY).mkdir(exist_ok=True)
                env = _make_connections(
                    postgres,
                    server,
                    accounts,
                    mail.enter_context(mail_server(state / "mails")),
                    systems.connections,
                )
                say("Starting Airflow: scheduler, DAG processor, triggerer and API server")
                with Airflow(state / "airflow", postgres.url("airflow", "psycopg2"), env, port=port) as airflow:
                    try:
                        if is_empty and reads_systems:
                            say("Airflow reads the fines of FOLIO and Koha")
                            synchronize(airflow.client, SYSTEMS)
                        if is_empty:
                            say(f"Airflow loads {fines:,} fines from the files of the library's system")
                            system.load_files(airflow.client)
                        yield Library(
                            state,
                            postgres,
                            ledger_url,
                            folders,
                            system,
                            systems,
                            state / "mails",
                            mail,
                            airflow.env,
                            airflow,
                        )
                    finally:
                        _ignore_signals()


@contextmanager
def _end_on_signals() -> Iterator[None]:
    """Ends the block with an orderly shutdown on SIGTERM and SIGHUP too, as on Ctrl-C."""
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def end(number: int, _: FrameType | None) -> None:
        _ignore_signals()  # a second signal must not interrupt the shutdown
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)

    for number in SIGNALS:
        if number != signal.SIGHUP or before[number] is not signal.SIG_IGN:  # nohup ignores it on purpose
            signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignore_signals() -> None:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def _lock_folder(state: Path) -> Iterator[None]:
    """Locks the folder against other processes. The lock ends with this process, even if it is killed."""
    with (state / LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BursarError(
                f"A library is already running in {state}. End it first, with Ctrl-C in its terminal."
            ) from error
        yield


def _empty_folder(state: Path) -> None:
    for entry in state.iterdir():
        if entry.name == INCLUDE:
            continue
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name != LOCK:
            entry.unlink()


def _migrate(ledger: str) -> bool:
    """Migrates the ledger; returns whether it has no fine."""
    engine = ledger_engine(ledger)
    try:
        migrate(engine)
        grant(engine, DAGS_ROLE)
        with engine.connect() as connection:
            return bool(connection.scalar(text("SELECT NOT EXISTS (SELECT FROM fines)")))
    finally:
        engine.dispose()


def _make_connections(
    postgres: Postgres,
    server: SftpAddress,
    accounts: Mapping[str, Account],
    mail_port: int,
    systems: Mapping[str, Mapping[str, object]],
) -> dict[str, str]:
    """Returns the Airflow connections to the ledger, the servers and the libraries' systems, as variables."""
    connections = dict(systems)
    connections["bursar_ledger"] = {
        "conn_type": "postgres",
        "host": str(postgres.sockets),
        "login": DAGS_ROLE,
        "schema": "ledger",
    }
    for name, account in accounts.items():
        connections[f"bursar_{name}" if name in BURSARS else name] = {
            "conn_type": "sftp",
            "host": server.host,
            "port": server.port,
            "login": name,
            "password": account.password,
            "extra": {"host_key": server.host_key, "sub_directory": SUB_DIRECTORY if name in BURSARS else ""},
        }
    connections["smtp_default"] = {
        "conn_type": "smtp",
        "host": HOST,
        "port": mail_port,
        "extra": {"from_email": "bursar@library.example", "disable_tls": True, "disable_ssl": True},
    }
    return {f"AIRFLOW_CONN_{name.upper()}": json.dumps(values) for name, values in connections.items()}
