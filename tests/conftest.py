"""Real parts for the tests: a PostgreSQL of their own, and a migrated ledger for each test that asks."""

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import Engine
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from bursar.db import partitions
from bursar.db.engine import grant, ledger_engine, migrate
from demo.postgres import DAGS_ROLE, LEDGER_OWNER, Postgres, embedded_postgres
from tests.support.fixtures import Library, empty

pytest_plugins = ["tests.support.servers", "tests.support.payment_inbox"]

PROJECT = Path(__file__).parents[1]
SYSTEM = PROJECT / "tests" / "system"


def pytest_configure(config: pytest.Config) -> None:
    """Gives Airflow an empty home, gone when the tests end, whatever the environment says and before it is imported."""
    home = TemporaryDirectory(prefix="airflow-home-")
    config.add_cleanup(home.cleanup)
    for name in [name for name in os.environ if name.startswith("AIRFLOW")]:
        del os.environ[name]
    os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(PROJECT / ".local" / "hypothesis"))
    os.environ |= {"AIRFLOW_HOME": home.name, "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}


class FileByFile(LoadScopeScheduling):  # type: ignore[misc]  # xdist tells no types
    """Two workers share the tests file by file, but those of the one Airflow stay together."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "tests/system" if file.startswith("tests/system/") else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FileByFile:
    """What shares the tests out, where `make test` asks for workers."""
    return FileByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of the one Airflow, which take longest, come first."""
    items.sort(key=lambda item: SYSTEM not in item.path.parents)


@pytest.fixture(autouse=True)
def _many_fines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few fines are closed and paid as many are: in shares."""
    monkeypatch.setattr(partitions, "PARTITION_THRESHOLD", 1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server in a folder of the tests', gone when they end.

    Not below pytest's own folder: run as root, the server is another user, whom the next pytest would shut out there.
    """
    with TemporaryDirectory(prefix="bursar-tests-") as folder, embedded_postgres(Path(folder)) as server:
        with server.connect() as connection:
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):  # nobody misses it after a power cut
                connection.execute(f"ALTER SYSTEM SET {setting} = off")
            connection.execute("SELECT pg_reload_conf()")
        yield server


@pytest.fixture(scope="session")
def empty_ledger(postgres: Postgres) -> str:
    """The name of a migrated database, in which the role `bursar` may do what DAGs need."""
    postgres.create_ledger("ledger")
    with postgres.connect() as connection:  # `empty` deletes journal entries
        connection.execute(f"GRANT SET ON PARAMETER session_replication_role TO {LEDGER_OWNER}")
    engine = ledger_engine(postgres.url("ledger", user=LEDGER_OWNER))
    migrate(engine)
    grant(engine, DAGS_ROLE)
    engine.dispose()
    return "ledger"


@pytest.fixture
def owned_ledger(postgres: Postgres, empty_ledger: str) -> Iterator[Engine]:
    """The ledger of the test in the role of its owner, who may do anything in it: for what no DAG does."""
    engine = ledger_engine(postgres.url(empty_ledger, user=LEDGER_OWNER))
    yield engine
    engine.dispose()


@pytest.fixture
def ledger(postgres: Postgres, empty_ledger: str, owned_ledger: Engine) -> Iterator[Engine]:
    """A migrated ledger with nothing in it, in the role of the DAGs: what they may not do fails in the tests.

    Emptied, not made anew, for each test: that takes a tenth of the time.
    """
    empty(owned_ledger)
    engine = ledger_engine(postgres.url(empty_ledger, user=DAGS_ROLE))
    yield engine
    engine.dispose()


@pytest.fixture
def library(ledger: Engine) -> Library:
    """A library with two libraries and two user groups, and nobody in it yet."""
    return Library(ledger)
