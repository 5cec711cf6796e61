"""A statement with 100,000 lines: compared fast, in flat memory, by fines and by users."""

import resource
import time

import pytest
from sqlalchemy import text

from tests.support.statement_inbox import BILLED, OF_USERS, OPEN, StatementInbox

pytestmark = pytest.mark.slow

LINES = 100_000
MAX_SECONDS = 60  # a calm machine needs less than a tenth of it
MAX_GROWTH = 30_000  # KiB
FILL = """
SET LOCAL session_replication_role = replica;
INSERT INTO users (last_name, first_name, user_group)
SELECT 'Beaver', 'Tim', 'STUDENT' FROM generate_series(1, :lines / 4);
INSERT INTO fines (user_id, fine_fee_type, currency, amount, outstanding, status, created_at, last_transaction_at)
SELECT 1 + n / 4, 'OVERDUEFINE', 'USD', 10, 10, 'CLOSED', '2026-01-01', '2026-01-02'
FROM generate_series(0, :lines - 1) AS n;
INSERT INTO journal_entries (fine_id, entry_type, balance_change, outstanding_change, posted_at)
SELECT id, 'EXPORTED', -10, 10, '2026-01-02' FROM fines;
INSERT INTO batches (profile, run_id, as_of, import_active, render_options, sftp_connection, output_file_path,
                     users, fines, totals, skipped, closed_at)
SELECT 'STUDENTS', 'old', '2026-01-02', true, '{}', 'x', 'x', 1, :lines, '{}', '{}', '2026-01-02';
INSERT INTO batch_lines (batch_id, number, transaction_id, fine_id, user_id, identifier, patron_name, fine_fee_type,
                         last_transaction_at, currency, amount)
SELECT 1, id, 'T' || id, id, user_id, 'S' || user_id, 'x', 'OVERDUEFINE', '2026-01-01', 'USD', 10 FROM fines;
ANALYZE users, fines, journal_entries, batches, batch_lines;
"""


@pytest.fixture
def filled(statements: StatementInbox) -> StatementInbox:
    """A ledger with so many outstanding fines, four of each user."""
    with statements.owner.begin() as connection:
        for statement in FILL.split(";\n"):
            connection.execute(text(statement), {"lines": LINES} if ":lines" in statement else {})
    return statements


@pytest.mark.parametrize("layout", [OPEN, BILLED, OF_USERS], ids=["open", "billed", "users"])
def test_a_long_statement_is_compared_fast_in_flat_memory(filled: StatementInbox, layout: str) -> None:
    filled.write_layout(layout)
    rows = (
        (f"S{number},40.00,USD" for number in range(1, LINES // 4 + 1))
        if layout == OF_USERS
        else (f"T{number},{'9.00' if number % 100 == 0 else '10.00'},USD" for number in range(1, LINES + 1))
    )
    filled.put(*rows)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.monotonic()
    with filled.run() as run:
        statement = run.compare_file("open.csv")
    seconds = time.monotonic() - started
    growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert statement.outcomes
    assert statement.outcomes["AGREES"].results == (LINES // 4 if layout == OF_USERS else LINES * 99 // 100)
    assert seconds < MAX_SECONDS
    assert growth < MAX_GROWTH
