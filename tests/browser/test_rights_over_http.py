"""The rights on every route of a running Airflow, by plain HTTP: what the table of `tests/web/test_rights.py` says."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, Engine, text

from bursar.exports.build import build_file
from bursar.exports.selection import select_fines
from bursar.ledger.jobs import Job
from bursar.reporting.run_report import record_report
from demo.library import Library
from tests.browser.conftest import PERSONS, TIMEOUT_MS, add_debtor
from tests.support.fixtures import make_profile, make_settings
from tests.support.managed_profiles import save_profile
from tests.support.reports import make_report
from tests.web.conftest import ROLES
from tests.web.test_rights import CHANGES, ROUTES, TABLE

pytestmark = pytest.mark.browser

SAME_ORIGIN = {"sec-fetch-site": "same-origin"}
FORGED = [{"sec-fetch-site": "cross-site"}, {"origin": "http://evil.example"}, {}]
NO_JOBS: dict[str, Any] = {"export": {"active": "no"}, "import": {"active": "no"}}
PAYMENT_FILE = """
INSERT INTO import_files (profile, run_id, name, size, modified, sha256, amount_mode, records, totals, read_at,
                          applied_at, applied_by_run_id, outcomes)
VALUES ('STUDENTS', 'run', 'paid.xml', 1, now(), 'rights', 'incremental', 1, '{}', now(), now(), 'run', '{}')
RETURNING id
"""
ARRIVAL = """
INSERT INTO file_arrivals (file_id, profile, run_id, name, size, modified)
VALUES (:file, 'STUDENTS', 'run', :name, 1, now()) RETURNING id
"""
HELD = """
INSERT INTO import_records (file_id, number, line, transaction_id, sum, currency, outcome, fine_id, matched_id, amount,
                            applied, held_amount)
SELECT :file, 1, 1, transaction_id, '9', currency, 'OVERPAID_HELD', fine_id, transaction_id, 9, 0, 9
FROM batch_lines WHERE batch_id = :batch LIMIT 1
"""
JOB = """
INSERT INTO maintenance_jobs (job, run_id, params, dry_run, as_of, users, fines, totals, skipped, started_at, ended_at)
VALUES ('waive', 'run', '{}', true, now(), 0, 0, '{}', '{}', now(), now())
"""

LOAD = """
INSERT INTO loads (source, started_at, is_complete, is_refused, files, counts, rejected, entries)
VALUES ('LAW', now(), true, true, '[]', '{"rejected": 1}', '{}', '{}') RETURNING id
"""
STATEMENT = """
INSERT INTO statements (profile, run_id, name, size, modified, sha256, layout, lists, of_users, stated_at, lines,
                        outcomes, compared_at)
VALUES ('STUDENTS', 'run', 'open.csv', 1, now(), 'x', 'open', 'open', false, now(), 0, '{}', now()) RETURNING id
"""
EVENT = """
INSERT INTO outbox_events (source, entry_id, fine_id, kind, amount, state)
SELECT 'LAW', min(id), min(fine_id), 'handed_over', 1, 'refused' FROM journal_entries RETURNING id
"""


@pytest.fixture(scope="module")
def numbers(library: Library, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, int]:
    """Fills the ledger so that each address of the table has something to show; returns the numbers in addresses."""
    assert library.airflow
    user = add_debtor(engine, "RIGHTSFEE", "5.00")
    profile = make_profile(fine_fee_types=["RIGHTSFEE"], user_identifier_type="userName", institutional_fine_fee=True)
    batch = select_fines(engine, profile, make_settings(), run_id="run", as_of=datetime.now(UTC))
    build_file(engine, batch.id, tmp_path_factory.mktemp("work"))
    for based_on in (0, 1):
        save_profile(engine, "MANAGED", based_on=based_on, **NO_JOBS)
    record_report(engine, make_report(run_id="run"))
    record_report(engine, make_report(job=Job.WAIVE, profile=None, run_id="run"))
    with engine.begin() as connection:

        def insert(statement: str, **values: Any) -> int:
            return int(connection.execute(text(statement), values).scalar_one())

        file = insert(PAYMENT_FILE)
        insert(ARRIVAL, file=file, name="paid.xml")
        arrival = insert(ARRIVAL, file=file, name="again.xml")
        connection.execute(text(HELD), {"file": file, "batch": batch.id})
        connection.execute(text(JOB))
        connection.execute(text("INSERT INTO system_sources (source, collected_to, seen_to) VALUES ('LAW', 0, 0)"))
        approval = insert("INSERT INTO approvals (batch_id, reasons) VALUES (:b, '{large}') RETURNING id", b=batch.id)
        return {
            "batch": batch.id,
            "file": file,
            "arrival": arrival,
            "approval": approval,
            "user": user,
            "load": insert(LOAD),
            "statement": insert(STATEMENT),
            "event": insert(EVENT),
            "fine": insert("SELECT fine_id FROM batch_lines WHERE batch_id = :batch", batch=batch.id),
            "run": find_run(connection, "export"),
            "results": find_run(connection, "waive"),
        }


def find_run(connection: Connection, job: str) -> int:
    found = connection.execute(text("SELECT id FROM run_reports WHERE job = :job AND run_id = 'run'"), {"job": job})
    return int(found.scalar_one())


@contextmanager
def browse(library: Library, role: str | None) -> Iterator[httpx.Client]:
    """Yields a client with the cookie of a person with a role, or without one."""
    address, cookies = library.airflow.address, {}
    if role:
        login = {"username": PERSONS[role], "password": library.airflow.password}
        cookies["_token"] = httpx.post(f"{address}/auth/token", json=login, timeout=TIMEOUT_MS / 1000).json()[
            "access_token"
        ]
    with httpx.Client(base_url=f"{address}/bursar", cookies=cookies, timeout=TIMEOUT_MS / 1000) as client:
        yield client


def call(client: httpx.Client, name: str, numbers: Mapping[str, int], headers: Mapping[str, str]) -> int:
    """Calls a route, with the values of the table; returns the status."""
    access, route = TABLE[name], ROUTES[name]
    known = dict(numbers) | ({"run": numbers["results"]} if name == "show_results" else {})
    values = {key: str(known.get(key, value)) for key, value in access.parameters.items()}
    address = str(route.url_path_for(name, **values))
    if route.methods == {"GET"}:
        return client.get(address, headers=headers).status_code
    files = access.files
    return client.post(address, data=dict(access.form), files=files, headers=headers).status_code


@pytest.mark.parametrize("role", [None, *ROLES])
def test_a_role_may_do_exactly_what_the_table_says(
    library: Library, numbers: Mapping[str, int], role: str | None
) -> None:
    wrong = {}
    with browse(library, role) as client:
        for name, access in TABLE.items():
            status = call(client, name, numbers, SAME_ORIGIN)
            if role is None:
                expected = status == httpx.codes.UNAUTHORIZED
            elif ROLES.index(role) < ROLES.index(access.role):
                expected = status == httpx.codes.FORBIDDEN
            else:
                expected = status not in (401, 403, 404) and status < httpx.codes.INTERNAL_SERVER_ERROR
            if not expected:
                wrong[name] = status
    assert wrong == {}


def test_a_change_that_another_site_sends_is_refused(library: Library, numbers: Mapping[str, int]) -> None:
    with browse(library, "admin") as client:
        answers = {(name, str(headers)): call(client, name, numbers, headers) for name in CHANGES for headers in FORGED}
    assert {key: status for key, status in answers.items() if status != httpx.codes.FORBIDDEN} == {}
