"""Query plans: the cost of a step depends on the fines that it processes, not on the size of the ledger."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, text

from bursar.db.engine import ledger_engine
from bursar.db.queries import query
from bursar.exports.build import build_file
from bursar.exports.close import close_fines
from bursar.exports.selection import preview, select_fines
from bursar.imports.apply import apply_payments
from bursar.ledger.batches import Batch
from bursar.users.deletion import delete_user
from bursar.users.purging import PurgeParams, purge_users
from bursar.users.waiving import WaiveParams, waive_fines
from demo.postgres import DAGS_ROLE, LEDGER_OWNER, Postgres
from tests.support.fixtures import NOW, clear_ledger, end_sessions, make_profile, make_settings, record_delivery
from tests.support.layouts import make_layout_profile

FILL = (Path(__file__).parents[1] / "bench" / "ledger.sql").read_text(encoding="utf-8")
OPEN, CLOSED = 30, 30_000
LARGE = {"fines", "batch_lines", "journal_entries", "users", "identifiers", "items", "import_records"}
EXPORTED_LONG_AGO = """
INSERT INTO batches (profile, run_id, as_of, import_active, render_options, sftp_connection, output_file_path,
                     users, fines, totals, skipped, closed_at)
VALUES ('STUDENTS', 'long ago', now(), true, '{}', 'x', 'x', 1, :closed, '{}', '{}', now());
INSERT INTO batch_lines (batch_id, number, transaction_id, fine_id, user_id, identifier, patron_name, fine_fee_type,
                   last_transaction_at, currency, amount)
SELECT 1, id, 'T' || id, id, user_id, 'x', 'x', fine_fee_type, now(), currency, amount FROM fines WHERE id <= :closed;
INSERT INTO import_records (file_id, number, line, transaction_id, currency, sum, amount, fine_id, matched_id,
                            outcome, applied)
SELECT 1, id, id, 'T' || id, currency, '1', 1, id, 'T' || id, 'PAID', 1 FROM fines WHERE id <= :closed
"""
PAYMENTS = """
INSERT INTO import_files (profile, run_id, name, size, modified, sha256, amount_mode, records, totals, read_at)
SELECT 'STUDENTS', 'run', 'paid.xml', 1, now(), 'x', 'incremental', count(*),
       CAST('{"USD": "' || sum(amount) || '"}' AS jsonb), now()
FROM batch_lines WHERE batch_id = 2;
INSERT INTO import_records (file_id, number, line, transaction_id, currency, sum)
SELECT 1, 100000 + number, number, transaction_id, currency, amount FROM batch_lines WHERE batch_id = 2
"""


@pytest.fixture(scope="module")
def filled_database(postgres: Postgres, empty_ledger: str) -> Iterator[str]:
    """Fills a database with a few open fines and many old closed ones; returns its name. Each test changes a copy."""
    end_sessions(postgres, "datname = %s", empty_ledger)
    with copy_database(postgres, empty_ledger, "filled"):
        owner = ledger_engine(postgres.url("filled", user=LEDGER_OWNER))
        clear_ledger(owner, anew=True)
        with owner.begin() as connection:
            driver: Any = connection.connection.driver_connection
            driver.execute("SELECT set_config('bench.fines', %s, true)", [str(OPEN)])
            driver.execute("SELECT set_config('bench.closed', %s, true)", [str(CLOSED)])
            driver.execute(FILL)
            execute_script(connection, EXPORTED_LONG_AGO)
            connection.execute(text("ANALYZE"))
        yield "filled"


@contextmanager
def copy_database(postgres: Postgres, template: str, name: str) -> Iterator[None]:
    """Copies a database, which nobody may use meanwhile, and removes the copy at the end of the block."""
    with postgres.connect() as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        yield
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def large_ledger_of(postgres: Postgres, filled_database: str) -> Iterator[Callable[[str], Engine]]:
    """Copies the filled database for a test; returns a function that gives its engine in a role."""
    with copy_database(postgres, filled_database, "large"), ExitStack() as engines:

        def get_engine(role: str) -> Engine:
            engine = ledger_engine(postgres.url("large", user=role), pooled=True)
            engines.callback(engine.dispose)
            return engine

        yield get_engine


@pytest.fixture
def large_ledger(large_ledger_of: Callable[[str], Engine]) -> Engine:
    """Returns the large ledger of a test in the role of the DAGs."""
    return large_ledger_of(DAGS_ROLE)


@pytest.fixture
def owned_ledger(large_ledger_of: Callable[[str], Engine]) -> Engine:
    """Returns the large ledger of a test in the role of its owner."""
    return large_ledger_of(LEDGER_OWNER)


def execute_script(connection: Connection, script: str) -> None:
    for statement in script.split(";\n"):
        connection.execute(text(statement), {"closed": CLOSED} if ":closed" in statement else {})


@contextmanager
def forbid_full_scans(ledger: Engine, large: set[str] = LARGE, allowed: frozenset[str] = frozenset()) -> Iterator[None]:
    """Fails if the plan of a statement in the block scans a whole large table; `allowed` indexes may be read whole."""
    explained = 0

    def explain(connection: Connection, _cursor: object, sql: str, values: Any, *_: object) -> None:
        nonlocal explained
        first = next(line for line in sql.splitlines() if not line.startswith("--")).split()[0]
        if first not in {"SELECT", "INSERT", "UPDATE", "DELETE", "WITH"}:
            return
        explained += 1
        driver: Any = connection.connection.driver_connection
        plan = driver.execute(f"EXPLAIN (FORMAT JSON) {sql}", values).fetchone()[0]
        for node in walk_nodes(plan[0]["Plan"]):
            whole = "Scan" in node["Node Type"] and not node.get("Index Cond") and node.get("Relation Name") in large
            # A scan of a whole index of open fines is allowed, because that index is small.
            assert not (whole and node.get("Index Name") not in OPEN_ONLY | allowed), (
                f"{sql}\n{json.dumps(plan, indent=1)}"
            )

    event.listen(ledger, "before_cursor_execute", explain)
    try:
        yield
    finally:
        event.remove(ledger, "before_cursor_execute", explain)
    assert explained


OPEN_ONLY = {
    *("fines_with_balance", "fines_active", "fines_with_pending_reversal", "fines_reverses"),
    *("import_records_held", "import_records_waiting"),
}


def walk_nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    inner = plan.get("Plans", [])
    if plan["Node Type"] == "Bitmap Heap Scan":  # its indexes are its child nodes, one or several in combination
        indexes = [node for node in walk_nodes(inner[0]) if "Index Name" in node]
        narrow = next((node for node in indexes if node["Index Name"] in OPEN_ONLY or "Index Cond" in node), indexes[0])
        yield {**plan, "Index Cond": narrow.get("Index Cond"), "Index Name": narrow["Index Name"]}
    else:
        yield plan
    for child in inner:
        yield from walk_nodes(child)


def select_batch(ledger: Engine) -> Batch:
    libraries = ["MAIN", "LAW", "SCI"]
    batch = select_fines(ledger, make_profile(libraries=libraries), make_settings(), run_id="run", as_of=NOW)
    assert batch.fines == OPEN
    return batch


def test_an_export_scans_no_large_table(large_ledger: Engine) -> None:
    with forbid_full_scans(large_ledger):
        preview(
            large_ledger,
            make_profile(libraries=["MAIN", "LAW", "SCI"], minimum_amount_for_user="10"),
            as_of=NOW,
            limit=10,
        )
        batch = select_batch(large_ledger)
    record_delivery(large_ledger, batch.id)
    with forbid_full_scans(large_ledger):
        close_fines(large_ledger, batch.id)


def test_credits_are_offset_without_joining_lines_by_their_bursar(large_ledger: Engine) -> None:
    """Of a batch that was selected just now, nothing is known: all its lines may be expected to be one."""
    batch = select_batch(large_ledger)
    with large_ledger.connect() as connection:
        explained = text(f"EXPLAIN (FORMAT JSON) {query('exports/offset_credits').text}")
        [plan] = connection.execute(explained, {"batch_id": batch.id}).scalar_one()
    nodes = list(walk_nodes(plan["Plan"]))
    conditions = [node[key] for node in nodes for key in ("Join Filter", "Merge Cond", "Hash Cond") if key in node]
    assert "profile" not in " ".join(conditions)
    assert not [
        node for node in nodes if node["Node Type"] == "Nested Loop" and node["Plans"][1]["Node Type"] == "CTE Scan"
    ]


@pytest.mark.usefixtures("layouts")
@pytest.mark.parametrize("layout", ["banner", "one_line_per_user"])
def test_an_export_in_a_layout_scans_no_large_table(large_ledger: Engine, tmp_path: Path, layout: str) -> None:
    profile = make_layout_profile(layout, libraries=["MAIN", "LAW", "SCI"])
    with forbid_full_scans(large_ledger):
        batch = select_fines(large_ledger, profile, make_settings(), run_id="run", as_of=NOW)
        assert batch.fines > OPEN / 2  # the names of the others are in other scripts
        build_file(large_ledger, batch.id, tmp_path)


@pytest.mark.parametrize("amounts", ["incremental", "cumulative"])
def test_an_import_scans_no_large_table(large_ledger: Engine, owned_ledger: Engine, amounts: str) -> None:
    batch = select_batch(large_ledger)
    record_delivery(large_ledger, batch.id)
    close_fines(large_ledger, batch.id)
    with owned_ledger.begin() as connection:
        execute_script(connection, PAYMENTS.replace("incremental", amounts))
        connection.execute(text("UPDATE import_records SET file_id = 0 WHERE number <= :closed"), {"closed": CLOSED})
        connection.execute(text("ANALYZE import_records"))
    with forbid_full_scans(large_ledger):
        applied = apply_payments(large_ledger, 1, run_id="run")
    assert applied.outcomes
    assert applied.outcomes["PAID"].records == OPEN


ALL_OUTSTANDING = """
SET LOCAL session_replication_role = replica;
UPDATE batch_lines SET identifier = CAST(user_id AS text);
UPDATE fines SET outstanding = amount, balance = 0;
DELETE FROM import_records;
INSERT INTO import_records (file_id, number, line, identifier, currency, sum)
SELECT 1, id, id, CAST(id AS text), 'USD', '1' FROM users LIMIT 5000;
ANALYZE
"""
"""A file with the payments of many users, in a ledger in which all fines are outstanding, and in one batch."""


def test_payments_of_users_read_the_lines_once_and_not_for_each_batch(
    large_ledger: Engine, owned_ledger: Engine
) -> None:
    """The planner's statistics of a table as small as that of the batches can be months old."""
    with owned_ledger.begin() as connection:
        for statement in ALL_OUTSTANDING.split(";\n"):
            connection.execute(text(statement))
    parameters = {"file_id": 1, "profile": "STUDENTS"}
    with large_ledger.connect() as connection:
        for name in ("create_user_records", "create_outstanding_fines", "insert_user_records"):
            connection.execute(query(f"imports/{name}"), parameters)
        for name in ("insert_outstanding_fines", "find_fines_of_items", "divide_sums"):
            explained = text(f"EXPLAIN (FORMAT JSON) {query(f'imports/{name}').text}")
            [plan] = connection.execute(explained, parameters).scalar_one()
            for node in walk_nodes(plan["Plan"]):
                if node["Node Type"] == "Nested Loop":
                    repeated = {
                        one.get("Relation Name") for one in walk_nodes(node["Plans"][1]) if "Index Cond" not in one
                    }
                    assert repeated.isdisjoint(LARGE | {"user_records", "outstanding_fines"}), json.dumps(
                        node, indent=1
                    )
            connection.execute(query(f"imports/{name}"), parameters)


def test_payments_of_a_few_users_scan_no_large_table(large_ledger: Engine, owned_ledger: Engine) -> None:
    with owned_ledger.begin() as connection:
        for statement in ALL_OUTSTANDING.replace("LIMIT 5000", "LIMIT 5").split(";\n"):
            connection.execute(text(statement))
    parameters = {"file_id": 1, "profile": "STUDENTS"}
    with large_ledger.connect() as connection:
        for name in ("create_user_records", "create_outstanding_fines", "insert_user_records"):
            connection.execute(query(f"imports/{name}"), parameters)
        connection.execute(text("ANALYZE user_records"))
        with forbid_full_scans(large_ledger, {"batch_lines", "fines"}):
            connection.execute(query("imports/insert_outstanding_fines"), parameters)


def test_the_history_of_a_fine_scans_no_large_table(large_ledger: Engine) -> None:
    with forbid_full_scans(large_ledger), large_ledger.connect() as connection:
        assert connection.execute(query("commands/find_fine"), {"wanted": "T77"}).scalars().all() == [77]
        for name in ("get_fine", "list_journal_entries", "list_ineffective_records"):
            connection.execute(query(f"commands/{name}"), {"fine_id": 77}).all()


def test_the_maintenance_jobs_scan_no_large_table(large_ledger: Engine, owned_ledger: Engine) -> None:
    with owned_ledger.begin() as connection:
        connection.execute(
            text("UPDATE users SET purge_date = CASE WHEN id % 1000 = 0 THEN DATE '2020-01-01' ELSE '2031-06-30' END")
        )
        connection.execute(text("ANALYZE users"))
    with forbid_full_scans(large_ledger):
        form = {"dry_run": False, "threshold": "1000", "reason": "Amnesty"}
        assert waive_fines(large_ledger, WaiveParams.of_form(form), make_settings(), run_id="run", as_of=NOW).fines
        delete_user(large_ledger, 1)
        purge_users(large_ledger, PurgeParams.of_form({"dry_run": False}), make_settings(), run_id="run", as_of=NOW)


@pytest.mark.parametrize("name", ["list_fine_fee_types", "list_identifier_types"])
def test_a_list_of_types_reads_one_row_for_each_type(large_ledger: Engine, name: str) -> None:
    with large_ledger.connect() as connection:
        types = connection.execute(query(f"web/{name}")).scalars().all()
        [[plan]] = connection.execute(text(f"EXPLAIN (ANALYZE, FORMAT JSON) {query(f'web/{name}').text}")).scalars()
    scans = [node for node in walk_nodes(plan["Plan"]) if node.get("Relation Name") in LARGE]
    assert types
    assert sum(node["Actual Rows"] * node["Actual Loops"] for node in scans) <= len(types) + 1


def test_what_waits_for_a_person_scans_no_large_table(large_ledger: Engine, owned_ledger: Engine) -> None:
    select_batch(large_ledger)
    with owned_ledger.begin() as connection:
        connection.execute(text("UPDATE import_records SET held_amount = 1 WHERE number <= 3"))
        connection.execute(text("ANALYZE import_records"))
    chosen: dict[str, Any] = {"profiles": ["STUDENTS"], "jobs": ["purge"], "after": 0, "record": 0, "below": None}
    chosen["limit"] = 51
    with forbid_full_scans(large_ledger), large_ledger.connect() as connection:
        connection.execute(query("web/list_profiles_of_ledger")).all()
        for name in ("approvals", "batches", "overpayments"):
            connection.execute(query(f"web/list_waiting_{name}"), chosen).all()
        for name in ("list_rejected_files", "list_repeated_files"):
            connection.execute(query(f"web/{name}"), chosen).all()
