"""The shared fixtures: a real PostgreSQL server, and an empty migrated ledger for each test that requests it."""

import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest
from sqlalchemy import Engine, event
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from bursar.db import partitions
from bursar.db.engine import grant, ledger_engine, migrate
from bursar.db.partitions import PARTITIONS
from demo.postgres import DAGS_ROLE, LEDGER_OWNER, Postgres, embedded_postgres
from tests.support.fixtures import Library, clear_ledger, clear_session, prepare_statements

pytest_plugins = [
    "tests.support.layouts",
    "tests.support.servers",
    "tests.support.payment_inbox",
    "tests.support.read_once",
    "tests.support.source_inbox",
    "tests.support.statement_inbox",
    "tests.support.memory_town",
    "tests.support.mapped_source",
    "tests.support.folio",
    "tests.support.folio_town",
]

PROJECT = Path(__file__).parents[1]
SYSTEM, START = PROJECT / "tests" / "system", PROJECT / "tests" / "start"


# Airflow reads its environment when it is first imported, which the conftest of a folder below may do before any hook.
AIRFLOW_HOME = TemporaryDirectory(prefix="airflow-home-")
for name in [name for name in os.environ if name.startswith("AIRFLOW")]:
    del os.environ[name]
os.environ |= {"AIRFLOW_HOME": AIRFLOW_HOME.name, "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(PROJECT / ".local" / "hypothesis"))


def pytest_configure(config: pytest.Config) -> None:
    """Removes Airflow's home, which is new and empty, after the tests."""
    config.add_cleanup(AIRFLOW_HOME.cleanup)


class FileByFile(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Distributes the tests to the workers by file; tests of the shared Airflow run on one worker."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "tests/system" if file.startswith("tests/system/") else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FileByFile:
    """Returns the scheduler that distributes the tests if pytest runs with several workers."""
    return FileByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Runs the tests with an Airflow first, as they take longest; those that share one before those that start one."""
    items.sort(key=lambda item: (SYSTEM not in item.path.parents, START not in item.path.parents))


@pytest.fixture(params=[1, PARTITIONS], ids=["one transaction", "partitions"])
def partition_count(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Runs a test twice: the few fines of a test are closed and paid in one transaction, and in partitions.

    All other tests use one transaction, like nearly every library. Returns the number of partitions.
    """
    count: int = request.param
    if count > 1:
        monkeypatch.setattr(partitions, "PARTITION_THRESHOLD", 1)
    return count


@pytest.fixture(scope="session", autouse=True)
def one_ssl_context() -> Iterator[None]:
    """Loads the usual certificates once, and not for each client of a library system."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(httpx, "create_ssl_context", cache(httpx.create_ssl_context))
        yield


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Runs a PostgreSQL server in a temporary folder.

    Pytest's own folder would not do: if pytest runs as root, the server runs as another user, and the next pytest
    makes the folder inaccessible to that user.
    """
    with TemporaryDirectory(prefix="bursar-tests-") as folder, embedded_postgres(Path(folder)) as server:
        with server.connect() as connection:
            # The data of a test need not survive a power failure, and is gone before a vacuum would pay.
            for setting in ("fsync", "synchronous_commit", "full_page_writes", "autovacuum"):
                connection.execute(f"ALTER SYSTEM SET {setting} = off")
            connection.execute("SELECT pg_reload_conf()")
        yield server


@pytest.fixture(scope="session")
def empty_ledger(postgres: Postgres) -> str:
    """Creates a migrated database with the rights of the DAGs' role `bursar`, and returns its name."""
    postgres.create_ledger("ledger")
    with postgres.connect() as connection:  # `clear_ledger` deletes journal entries
        connection.execute(f"GRANT SET ON PARAMETER session_replication_role TO {LEDGER_OWNER}")
    engine = ledger_engine(postgres.url("ledger", user=LEDGER_OWNER))
    migrate(engine)
    grant(engine, DAGS_ROLE)
    engine.dispose()
    return "ledger"


@pytest.fixture(scope="session")
def sessions(postgres: Postgres, empty_ledger: str) -> Iterator[Callable[[str], Engine]]:
    """Returns a function that gives the engine of a role, whose sessions all tests share.

    The first statements of a new session take PostgreSQL ten times as long as any later ones. Between two uses a
    session loses its temporary tables, settings and locks, as if it were a new one.
    """
    engines: dict[str, Engine] = {}

    def get_engine(role: str) -> Engine:
        if role not in engines:
            engines[role] = ledger_engine(postgres.url(empty_ledger, user=role), pooled=True)
            event.listen(engines[role], "checkin", clear_session)
            event.listen(engines[role], "connect", prepare_statements)
        return engines[role].execution_options()  # an engine of its own, so that its events end with the test

    yield get_engine
    for engine in engines.values():
        engine.dispose()


@pytest.fixture
def owned_ledger(sessions: Callable[[str], Engine]) -> Engine:
    """Returns the ledger of the test in the role of its owner, for changes that no DAG may make."""
    return sessions(LEDGER_OWNER)


@pytest.fixture
def ledger(owned_ledger: Engine, sessions: Callable[[str], Engine]) -> Engine:
    """Returns an empty migrated ledger in the role of the DAGs, so that a missing right fails in the tests.

    All tests share one ledger, which is cleared before each test: a new one would take ten times as long.
    """
    clear_ledger(owned_ledger)
    return sessions(DAGS_ROLE)


@pytest.fixture
def library(ledger: Engine) -> Library:
    """Returns an institution with two libraries and two user groups, and no users."""
    return Library(ledger)
