"""A library in one folder of this machine: its ledger, an SFTP server for its bursars, a mail server, Airflow."""

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

from bursar.db.engine import grant, ledger_engine, migrate
from bursar.db.queries import query
from bursar.errors import BursarError
from demo import ledger_data
from demo.airflow import Airflow
from demo.mail import HOST, mail_server
from demo.postgres import DAGS_ROLE, LEDGER_OWNER, Postgres, embedded_postgres
from demo.processes import end_all
from demo.servers import Account, SftpAddress, sftp_server

BURSARS = ("banner", "peoplesoft")
SUB_DIRECTORY = "library"  # the paths of the profiles are relative to it
SEED = 2026
LOCK = "lock"
INCLUDE = "include"  # the profiles: other than the data, they may have been changed by a person
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Library:
    """A running library: PostgreSQL with the ledger, the SFTP server, the mail server, Airflow.

    `state` is the folder of all files. `folders` are the bursars' own folders, by bursar.
    `mails` is the folder of all mails; closing `mail_server` stops the server. `env` holds the Airflow
    connections to the ledger, the bursars and the mail server, and Airflow's settings, as variables. `ledger_url` is
    the ledger in the role of its owner.
    """

    state: Path
    postgres: Postgres
    ledger_url: str
    folders: Mapping[str, Path]
    mails: Path
    mail_server: ExitStack
    env: Mapping[str, str]
    airflow: Airflow


@contextmanager
def embedded_library(
    state: Path, *, fines: int, afresh: bool = False, port: int = 0, say: Callable[[str], object] = print
) -> Iterator[Library]:
    """Runs a library until the block ends or a signal arrives, and stops all of its processes.

    Processes that a killed program has left running in the folder are stopped first.

    Args:
        state: the folder of all files.
        fines: how many fines to invent if the ledger is empty.
        afresh: whether to empty the folder first, except its folder `include`.
        port: the preferred port of Airflow; a free one is taken if it is 0 or in use.
        say: called with a description of each step.

    Raises:
        BursarError: another process runs a library in the folder, or a server does not start.
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
            _fill_ledger(ledger_url, fines, say)
            say("Starting the bursars' SFTP server, and a mail server")
            accounts = {bursar: Account(state / "bursars" / bursar, token_urlsafe(12)) for bursar in BURSARS}
            with sftp_server(accounts, state / "sftp") as server, ExitStack() as mail:
                for account in accounts.values():
                    (account.folder / SUB_DIRECTORY).mkdir(exist_ok=True)
                env = _make_connections(postgres, server, accounts, mail.enter_context(mail_server(state / "mails")))
                say("Starting Airflow: scheduler, DAG processor, triggerer and API server")
                with Airflow(state / "airflow", postgres.url("airflow", "psycopg2"), env, port=port) as airflow:
                    folders = {bursar: account.folder for bursar, account in accounts.items()}
                    try:
                        yield Library(state, postgres, ledger_url, folders, state / "mails", mail, airflow.env, airflow)
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


def _fill_ledger(ledger: str, fines: int, say: Callable[[str], object]) -> None:
    """Migrates the ledger, and fills it with an invented library if it is empty."""
    engine = ledger_engine(ledger)
    try:
        migrate(engine)
        grant(engine, DAGS_ROLE)
        with engine.connect() as connection:
            is_empty = connection.scalar(query("demo/is_empty"))
        if is_empty:
            say(f"Filling the ledger with an invented library of {fines:,} fines")
            ledger_data.fill(engine, fines=fines, seed=SEED, now=datetime.now(UTC))
    finally:
        engine.dispose()


def _make_connections(
    postgres: Postgres, server: SftpAddress, accounts: Mapping[str, Account], mail_port: int
) -> dict[str, str]:
    """Returns the Airflow connections `bursar_ledger`, `bursar_<bursar>` and `smtp_default`, as variables."""
    connections: dict[str, dict[str, object]] = {
        "ledger": {"conn_type": "postgres", "host": str(postgres.sockets), "login": DAGS_ROLE, "schema": "ledger"}
    }
    for bursar, account in accounts.items():
        connections[bursar] = {
            "conn_type": "sftp",
            "host": server.host,
            "port": server.port,
            "login": bursar,
            "password": account.password,
            "extra": {"host_key": server.host_key, "sub_directory": SUB_DIRECTORY},
        }
    mail = {
        "conn_type": "smtp",
        "host": HOST,
        "port": mail_port,
        "extra": {"from_email": "bursar@library.example", "disable_tls": True, "disable_ssl": True},
    }
    return {f"AIRFLOW_CONN_BURSAR_{name.upper()}": json.dumps(values) for name, values in connections.items()} | {
        "AIRFLOW_CONN_SMTP_DEFAULT": json.dumps(mail)
    }
