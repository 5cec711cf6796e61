"""Purging and waiving over 100,000 users, simultaneously with an export."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import permutations
from pathlib import Path
from threading import Barrier

import pytest
from psycopg import sql
from sqlalchemy import Engine, text

from bursar.db.engine import ledger_engine
from bursar.exports.build import build_file
from bursar.exports.close import close_fines
from bursar.exports.selection import select_fines
from bursar.users.purging import PurgeParams, purge_users
from bursar.users.waiving import WaiveParams, waive_fines
from demo.postgres import Postgres
from tests.support.fixtures import (
    NOW,
    UNLIMITED,
    Library,
    end_sessions,
    make_profile,
    make_settings,
    record_delivery,
)

pytestmark = pytest.mark.slow

USERS = 100_000

# Ten kinds of users, by the last digit of their number; half of each kind are staff, who are due for a purge. The
# export selects the fines of MAIN. Foreign keys are not checked, which would take longer than the jobs.
FILL = """
SET LOCAL session_replication_role = replica;
INSERT INTO users (last_name, first_name, user_group, purge_date)
SELECT 'Beaver', 'Tim ' || n, CASE n / 10 % 2 WHEN 0 THEN 'STAFF' ELSE 'STUDENT' END, '2020-01-01'
FROM generate_series(1, :users) AS n;
INSERT INTO identifiers (user_id, type, value)
SELECT id, type, type || id FROM users CROSS JOIN (VALUES ('userName'), ('02')) AS types (type);
INSERT INTO fines (user_id, owner_library, fine_fee_type, currency, amount, balance, status, comment, created_at,
                   last_transaction_at)
SELECT users.id, owner, CASE WHEN amount < 0 THEN 'CREDIT' ELSE 'OVERDUEFINE' END, currency, amount, amount,
       CASE kind WHEN 7 THEN 'DISPUTED' ELSE 'ACTIVE' END, 'Tim says', '2026-01-01', '2026-01-01'
FROM users JOIN (VALUES
    (1, 'MAIN', 3.00, 'USD'),
    (2, 'LAW', 3.00, 'USD'),
    (3, 'MAIN', 20.00, 'USD'), (3, 'LAW', 2.00, 'USD'),
    (4, 'LAW', 50.00, 'USD'),
    (5, 'LAW', -5.00, 'USD'),
    (6, 'MAIN', 3.00, 'USD'), (6, 'LAW', 4.00, 'USD'),
    (7, 'LAW', 5.00, 'USD'),
    (8, 'LAW', 30.00, 'USD'), (8, 'LAW', -28.00, 'USD'),
    (9, 'LAW', 4.00, 'CAD'), (9, 'LAW', 4.00, 'USD')
) AS kinds (kind, owner, amount, currency) ON users.id % 10 = kind
ORDER BY users.id;
INSERT INTO journal_entries (fine_id, entry_type, balance_change, posted_at)
SELECT id, 'CHARGED', amount, created_at FROM fines;
ANALYZE users, identifiers, fines, journal_entries;
"""

CHECKSUM_QUERIES = {
    "fines": "SELECT id, status, balance, outstanding, comment FROM fines",
    # The numbers of the jobs depend on their order, so they are removed from the comments.
    "journal_entries": "SELECT fine_id, entry_type, balance_change, outstanding_change, translate(comment, '12', '') "
    "FROM journal_entries",
    "users": "SELECT id, last_name, deleted_at IS NOT NULL AS is_deleted FROM users",
    "identifiers": "SELECT * FROM identifiers",
    "batch_lines": "SELECT number, fine_id, transaction_id, identifier, patron_name, amount FROM batch_lines",
    "batch_claims": "SELECT * FROM batch_claims",
}

PROFILE = make_profile(libraries=["MAIN"])


def fill(engine: Engine, users: int) -> None:
    Library(engine)
    with engine.begin() as connection:
        for statement in FILL.split(";\n"):
            connection.execute(text(statement), {"users": users} if ":users" in statement else {})


def compute_checksums(engine: Engine) -> dict[str, str]:
    """Returns a checksum of each table."""
    rows = "count(*) || ' ' || md5(string_agg(CAST(t AS text), ',' ORDER BY CAST(t AS text)))"
    with engine.connect() as connection:
        return {
            name: connection.execute(text(f"SELECT {rows} FROM ({query}) AS t")).scalar_one()
            for name, query in CHECKSUM_QUERIES.items()
        }


def select(engine: Engine) -> None:
    select_fines(engine, PROFILE, make_settings(), run_id="export", as_of=NOW)


def finish_export(engine: Engine, work_dir: Path) -> None:
    """Completes an export without a server."""
    with engine.connect() as connection:
        batch: int = connection.scalar(text("SELECT max(id) FROM batches"))
    build_file(engine, batch, work_dir)
    record_delivery(engine, batch)
    close_fines(engine, batch)


def purge(engine: Engine) -> None:
    form = {"dry_run": False, "user_groups": ["STAFF"], "waive_threshold": "10"}
    job = purge_users(engine, PurgeParams.of_form(form), make_settings(approval=UNLIMITED), run_id="run", as_of=NOW)
    assert job.users


def waive(engine: Engine) -> None:
    form = {"dry_run": False, "user_groups": ["STUDENT"], "threshold": "10", "reason": "Amnesty"}
    assert waive_fines(
        engine, WaiveParams.of_form(form), make_settings(approval=UNLIMITED), run_id="run", as_of=NOW
    ).fines


def run_simultaneously(*steps: Callable[[], None]) -> None:
    """Runs steps in threads that start simultaneously."""
    ready = Barrier(len(steps))

    def step(work: Callable[[], None]) -> None:
        ready.wait()
        work()

    with ThreadPoolExecutor(len(steps)) as pool:
        for done in [pool.submit(step, work) for work in steps]:
            done.result()


@pytest.fixture
def copy_ledger(postgres: Postgres, ledger: Engine) -> Iterator[Callable[[str], Engine]]:
    """Yields a function that copies the test's ledger, whose sessions it ends."""
    engines: dict[str, Engine] = {}

    def copy(name: str) -> Engine:
        end_sessions(postgres, "datname = %s", "ledger")
        with postgres.connect() as connection:
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*map(sql.Identifier, (name, "ledger"))))
        engines[name] = ledger_engine(postgres.url(name, user=str(ledger.url.username)))
        return engines[name]

    yield copy
    with postgres.connect() as connection:
        for name, engine in engines.items():
            engine.dispose()
            connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))


def test_jobs_during_an_export_have_the_same_result_as_after_it(
    ledger: Engine, owned_ledger: Engine, copy_ledger: Callable[[str], Engine], tmp_path: Path
) -> None:
    fill(owned_ledger, USERS)
    select(ledger)
    serial = copy_ledger("serial")
    finish_export(serial, tmp_path / "serial")
    purge(serial)
    waive(serial)

    run_simultaneously(
        lambda: finish_export(ledger, tmp_path / "simultaneous"), lambda: purge(ledger), lambda: waive(ledger)
    )

    with ledger.connect() as connection:
        purged, kept = connection.execute(
            text("SELECT count(*) FILTER (WHERE deleted_at IS NOT NULL), count(*) FROM users")
        ).one()
    assert (purged, kept) == (USERS // 2 * 4 // 10, USERS)
    assert compute_checksums(ledger) == compute_checksums(serial)


def test_simultaneous_jobs_have_the_result_of_some_order(
    ledger: Engine, owned_ledger: Engine, copy_ledger: Callable[[str], Engine], tmp_path: Path
) -> None:
    """The export selects simultaneously too, so the result depends on which job is the first."""
    fill(owned_ledger, 200)

    def whole_export(engine: Engine, work_dir: Path) -> None:
        select(engine)
        finish_export(engine, work_dir)

    steps: dict[str, Callable[[Engine, str], None]] = {
        "export": lambda engine, name: whole_export(engine, tmp_path / name),
        "purge": lambda engine, _: purge(engine),
        "waive": lambda engine, _: waive(engine),
    }
    possible = {}
    for number, order in enumerate(permutations(steps)):
        engine = copy_ledger(f"order_{number}")
        for name in order:
            steps[name](engine, f"order_{number}")
        possible[order] = compute_checksums(engine)

    run_simultaneously(*(partial(step, ledger, "simultaneous") for step in steps.values()))

    assert compute_checksums(ledger) in possible.values()
    assert len({str(result) for result in possible.values()}) > 1
