"""Query plans of the pages: none reads a whole large table, so that pages stay fast in a large ledger."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from bursar import web
from bursar.db.queries import FOLDER, query
from bursar.ledger.jobs import Job
from bursar.reporting.outstanding import count_outstanding
from tests.test_query_plans import (
    LARGE,
    execute_script,
    filled_database,
    forbid_full_scans,
    large_ledger,
    large_ledger_of,
    owned_ledger,
    walk_nodes,
)

__all__ = ["filled_database", "large_ledger", "large_ledger_of", "owned_ledger"]
ADD_RUNS = """
INSERT INTO run_reports (job, profile, run_id, dry_run, started_at, ended_at, outcome, files, users, fines, totals,
                         skipped, rejects, task_timings, messages)
SELECT (ARRAY['export', 'import'])[1 + n % 2], 'P' || n % 50, 'run' || n, false, moment, moment, 'completed', '{}',
       1, 1, '{}', '{}', '{}', '{}', '{}'
FROM generate_series(1, :closed) AS n, LATERAL (SELECT now() - n * interval '10 minutes' AS moment) AS moments;
INSERT INTO batches (profile, run_id, as_of, import_active, render_options, sftp_connection, output_file_path,
                     users, fines, totals, skipped, selected_at, closed_at)
SELECT profile, run_id, started_at, true, '{}', 'x', 'x', 1, 1, '{"USD": {"charges": "1", "credits": "0"}}', '{}',
       started_at, started_at FROM run_reports WHERE job = 'export' AND :closed > 0;
INSERT INTO import_files (profile, run_id, name, size, modified, sha256, amount_mode, records, totals, outcomes,
                          read_at, applied_at)
SELECT profile, run_id, 'x', 1, started_at, run_id, 'incremental', 1, '{}',
       '{"PAID": {"records": 1, "sums": {"USD": "1"}, "applied": {"USD": "1"}}}', started_at, started_at
FROM run_reports WHERE job = 'import' AND :closed > 0;
INSERT INTO file_arrivals (file_id, profile, run_id, name, size, modified, archived_at)
SELECT id, profile, run_id, name, size, modified, applied_at FROM import_files WHERE :closed > 0;
INSERT INTO batch_files (batch_id, number, file_name, fines, users, totals)
SELECT id, 1, 'x', fines, users, totals FROM batches WHERE :closed > 0;
INSERT INTO deliveries (batch_id, file_number, kind, run_id, delivered_at)
SELECT id, 1, 'first', run_id, closed_at FROM batches WHERE :closed > 0;
INSERT INTO approvals (batch_id, reasons, answer, answered_by, answered_at)
SELECT id, '{}', 'approved', 'x', closed_at FROM batches WHERE :closed > 0;
INSERT INTO loads (source, run_id, started_at, is_complete, is_refused, files, counts, rejected, entries)
SELECT 'S' || n % 10, 'run' || n, now(), true, false, '[]', '{}', '{}', '{}' FROM generate_series(1, :closed) AS n;
INSERT INTO load_messages (load_id, number, kind, code, file, reason, remedy)
SELECT 1 + n % 100, 1 + n / 100, 'rejected', 'x', 'x', 'x', 'x' FROM generate_series(0, :closed - 1) AS n;
INSERT INTO contested_identifiers (type, value, user_id) SELECT 'x', id / 2, id FROM users WHERE :closed > 0;
UPDATE batch_lines SET batch_id = 1 + number % (:closed / 2), charge_profile = CASE WHEN number % 10 = 0 THEN 'P1' END;
UPDATE import_records SET file_id = 1 + number % (:closed / 2)
"""
OUTSTANDING = """
UPDATE fines SET outstanding = amount WHERE id % 1000 = 0 AND :closed > 0;
INSERT INTO user_accesses (person, user_id) SELECT 'x', id FROM users WHERE :closed > 0
"""
FIRST_ROWS = frozenset(
    {
        *("run_reports_started_at", "fines_fine_fee_type", "identifiers_type_value_key", "identifiers_pkey"),
        *("file_arrivals_profile_run_id_name_key", "contested_identifiers_pkey", "loads_source"),
    }
)
"""Indexes of which a page reads the first or last rows, up to a LIMIT."""
UNFINISHED = frozenset(
    {"batches_unfinished", "approvals_unanswered", "import_files_rejected_at", "load_messages_unmapped"}
)
"""Indexes of what is unfinished or was rejected, which are small."""
LARGE_TABLES = LARGE | {
    *("run_reports", "user_accesses", "batches", "deliveries", "approvals", "import_files", "file_arrivals"),
    *("loads", "load_messages", "contested_identifiers"),
}
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
PAGE: dict[str, Any] = {"limit": 51}
RUNS: dict[str, Any] = PAGE | {
    "profiles": ["P1", "P2"],
    "sources": ["S1"],
    "institution": True,
    "jobs": list(Job),
    "outcome": None,
    "since": "-infinity",
    "until": "infinity",
    "started_before": "infinity",
    "id_before": 2**62,
}
OTHERS = {"list_skipped_candidates"}
"""Statements that need a temporary table, which the statements of the export fill."""
PARAMETERS: Mapping[str, list[Mapping[str, Any]]] = {
    "find_end_of_users": [{"fines": 1000, "first": 7}],
    "count_contested_identifiers": [{"limit": 1_001}],
    "find_fines": [{"wanted": "77"}],
    "find_users": [
        {"wanted": wanted, "after": after} | PAGE for wanted in ("00000077", "Okonkwo7", "O%") for after in (0, 500)
    ],
    "get_approval": [{"id": 1}],
    "get_open_approval": [{"profile": "P2", "job": None, "run_id": "run2"}],
    "get_run": [{"job": Job.EXPORT, "profile": "P2", "run_id": "run2"}],
    "get_user": [{"user_id": 77}],
    "list_arrivals_of_run": [{"profile": "P1", "run_id": "run2"}],
    "list_batch_lines": [{"batch_id": 1, "after": after} | PAGE for after in (None, 500)],
    "list_contested_identifiers": [{"after": after, "others": 6} | PAGE for after in (0, 500)],
    "list_fine_fee_types": [{}],
    "list_fine_lists": [{}],
    "list_fines_of_user": [{"user_id": 77, "below": below} | PAGE for below in (None, 500)],
    "list_groups": [{}],
    "list_held_of_user": [{"user_id": 77, "fine_id": fine_id} for fine_id in (None, 500)],
    "list_identifier_types": [{}],
    "list_job_results": [{"job_id": 1, "reason": "", "after_user": 0, "after_fine": 0} | PAGE],
    "list_last_exports": [{"profiles": [f"P{number}" for number in range(50)] + ["unknown"]}],
    "list_last_runs": [{"profiles": [f"P{number}" for number in range(50)], "jobs": [Job.EXPORT, Job.IMPORT]}],
    "list_libraries": [{}],
    "list_loads": [{"sources": [f"S{number}" for number in range(10)], "below": below} | PAGE for below in (None, 500)],
    "list_newest_loads": [{"sources": [f"S{number}" for number in range(10)] + ["unknown"]}],
    "list_outstanding": [{"profiles": profiles, "since": LONG_AGO.date()} for profiles in (None, ["P1"])],
    "list_profiles_of_ledger": [{}],
    "list_profiles_of_runs": [{"job": "export"}],
    "list_rejects": [{"file_id": 2, "after": 0} | PAGE],
    "list_rejected_files": [{"profiles": ["P1"], "below": below} | PAGE for below in (None, 500)],
    "list_repeated_files": [{"profiles": ["P1"], "below": below} | PAGE for below in (None, 500)],
    "list_resendable_batches": [{"profile": "P1", "below": below} | PAGE for below in (None, 500)],
    "list_runs": [
        RUNS,
        RUNS | {"started_before": datetime.now(UTC), "id_before": 7},
        RUNS | {"jobs": ["export"], "outcome": "failed", "institution": False},
    ],
    "list_sources_of_loads": [{}],
    "list_unmapped_values": [{"source": "S1"}],
    "list_users_of_lines": [{"batch_id": 2, "last": 100}],
    "list_waiting_approvals": [{"profiles": ["P1"], "jobs": ["purge"], "after": after} | PAGE for after in (0, 500)],
    "list_waiting_batches": [{"profiles": ["P1"], "after": after} | PAGE for after in (0, 500)],
    "list_waiting_events": [{"sources": ["S1"], "after": after} | PAGE for after in (0, 500)],
    "list_waiting_loads": [
        {"sources": [f"S{number}" for number in range(10)], "below": below} | PAGE for below in (None, 500)
    ],
    "list_waiting_overpayments": [{"profiles": ["P1"], "after": after, "record": 7} | PAGE for after in (0, 500)],
    "list_weekly_sums": [
        {"profiles": profiles, "zone": "America/New_York", "since": datetime.now(UTC)} for profiles in (None, ["P1"])
    ],
    "mark_load_seen": [{"person": "x", "load": 2}],
    "record_access": [{"person": "x", "users": [77]}],
    "record_load_access": [{"person": "x", "load_id": 2}],
    "record_download": [{"person": "x", "batch_id": 1}],
    "sum_answers": [{"batch_id": 2}],
    "sum_debts": [{"user_id": 77}],
}
"""The parameters of each statement of the pages: what a page asks for at most."""
SHARED: Mapping[str, Mapping[str, Any]] = {
    "commands/get_batch": {"batch_id": 2},
    "commands/get_fine": {"fine_id": 77},
    "commands/get_run": {"id": 2},
    "commands/list_answers": {"batch_id": 2},
    "commands/list_ineffective_records": {"fine_id": 77},
    "commands/list_jobs": {"jobs": [Job.PURGE], "below": 500, "limit": 51},
    "commands/list_journal_entries": {"fine_id": 77},
    "commands/list_resends_of_batch": {"batch_id": 2},
    "commands/list_resends_of_fine": {"fine_id": 77},
    "ledger/get_batch": {"batch_id": 2},
    "ledger/get_import_file": {"file_id": 2},
    "ledger/get_pinned_revision": {"job": Job.EXPORT, "code": "P2", "run_id": "run2"},
    "reporting/get_batch_of_run": {"profile": "P2", "run_id": "run2"},
    "reporting/list_loads_of_run": {"profile": "S2", "run_id": "run2"},
    "sources/count_events": {"source": "S1"},
    "sources/get_load": {"id": 2},
    "sources/list_load_messages": {"load_id": 2, "kind": "rejected", "after": 5, "limit": 51},
    "reporting/get_resend_of_run": {"profile": "P2", "run_id": "run2"},
    "statements/list_statements": {"profiles": ["P1"], "below": 500, "limit": 51},
}
"""The parameters of statements that the pages share with commands and runs."""


@pytest.fixture
def large_ledger_with_runs(large_ledger: Engine, owned_ledger: Engine) -> Engine:
    with owned_ledger.begin() as connection:
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        execute_script(connection, ADD_RUNS)
        execute_script(connection, OUTSTANDING)
        connection.execute(text("ANALYZE"))
    return large_ledger


def test_every_statement_of_the_pages_has_a_test_of_its_plan() -> None:
    assert set(PARAMETERS) | OTHERS == {path.stem for path in (FOLDER / "web").glob("*.sql")}


def test_every_shared_statement_has_a_test_of_its_plan() -> None:
    sources = [path.read_text(encoding="utf-8") for path in Path(web.__file__).parent.rglob("*.py")]
    named = {name for source in sources for name in re.findall(r'query\("([a-z_]+/[a-z_]+)"\)', source)}
    assert {name for name in named if not name.startswith("web/")} <= SHARED.keys()


def test_no_page_reads_a_whole_large_table(large_ledger_with_runs: Engine) -> None:
    ledger = large_ledger_with_runs
    of_pages = [(f"web/{name}", parameters) for name, cases in PARAMETERS.items() for parameters in cases]
    for name, parameters in (*of_pages, *SHARED.items()):
        with forbid_full_scans(ledger, LARGE_TABLES, FIRST_ROWS | UNFINISHED), ledger.begin() as connection:
            # The tables of a test are so small that a page of rows costs nearly as much as the whole table, and that a
            # merge with a table of a few rows, which ends at their last key, costs as little as looking these rows up.
            connection.exec_driver_sql("SET LOCAL random_page_cost = 1")
            connection.exec_driver_sql("SET LOCAL enable_mergejoin = off")
            connection.execute(query(name), parameters)


def test_a_search_for_a_name_reads_only_a_page_of_names(large_ledger: Engine) -> None:
    statement = text(f"EXPLAIN (ANALYZE, FORMAT JSON) {query('web/find_users').text}")
    with large_ledger.connect() as connection:
        first = connection.execute(query("web/find_users"), {"wanted": "O", "after": 0} | PAGE).all()
    for after in (0, max(first, key=lambda user: user.place).id):
        with large_ledger.begin() as connection:
            connection.exec_driver_sql("SET LOCAL random_page_cost = 1")
            [plan] = connection.execute(statement, {"wanted": "O", "after": after} | PAGE).scalar_one()
        scans = [node for node in walk_nodes(plan["Plan"]) if node.get("Relation Name") == "users"]
        read = sum(node["Actual Rows"] * node["Actual Loops"] for node in scans)
        assert read == 2 * PAGE["limit"] + (after > 0)  # the user after whom the page begins


def test_the_count_of_what_is_outstanding_reads_only_fines_that_are_owed(large_ledger_with_runs: Engine) -> None:
    with forbid_full_scans(large_ledger_with_runs):
        count_outstanding(large_ledger_with_runs, "America/New_York")
    with large_ledger_with_runs.connect() as connection:
        assert connection.execute(text("SELECT sums FROM outstanding_by_week")).scalar_one()
