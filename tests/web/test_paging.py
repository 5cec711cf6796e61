"""Lists are paged by key: each row is on one page, whatever the number of rows."""

import re
from html import unescape

import pytest
from sqlalchemy import Engine, text

from tests.support.fixtures import Library
from tests.web.conftest import Login
from tests.web.profiles import set_profile

ROWS = 120
"""More than two pages."""
BATCHES = """
INSERT INTO batches (profile, run_id, as_of, import_active, render_options, sftp_connection, output_file_path,
                     users, fines, totals, skipped, closed_at)
SELECT 'STUDENTS', 'run ' || n, now(), true, '{}', 'x', 'x', 1, 1, '{}', '{}',
       CASE WHEN :closed THEN now() END
FROM generate_series(1, :rows) AS n
"""
FILES = """
INSERT INTO import_files (profile, run_id, name, size, modified, sha256, amount_mode, rejection, rejected_at)
SELECT 'STUDENTS', 'run ' || n, n || '.xml', 1, now(), 'x' || n, 'incremental', 'bad',
       now() - (n % 7) * interval '1 hour'
FROM generate_series(1, :rows) AS n
"""
REPEATED = """
INSERT INTO import_files (profile, run_id, name, size, modified, sha256, amount_mode, records, totals, read_at,
                          applied_at, applied_by_run_id, outcomes)
VALUES ('STUDENTS', 'run', 'paid.xml', 1, now(), 'x', 'incremental', 1, '{}', now(), now(), 'run', '{}');
INSERT INTO file_arrivals (file_id, profile, run_id, name, size, modified)
SELECT 1, 'STUDENTS', 'run', n || '.xml', 1, now() FROM generate_series(0, :rows) AS n
"""
HELD = """
INSERT INTO import_records (file_id, number, line, fine_id, matched_id, outcome, amount, applied, held_amount)
SELECT file, n, n, 1, 'T', 'OVERPAID_HELD', 99, 10, 89
FROM generate_series(1, 2) AS file, generate_series(1, :rows / 2) AS n
"""
APPROVALS = "INSERT INTO approvals (batch_id, reasons) SELECT id, '{large}' FROM batches"
JOBS = """
INSERT INTO maintenance_jobs (job, run_id, params, dry_run, as_of, users, fines, totals, skipped, started_at, ended_at)
SELECT CASE WHEN n % 2 = 0 THEN 'waive' ELSE 'purge' END, 'run-' || n, '{}', true, now(), 0, 0, '{}', '{}', now(), now()
FROM generate_series(1, :rows) AS n
"""
USERS = """
INSERT INTO users (last_name, first_name, user_group)
SELECT (ARRAY['Smith', 'smith', 'Smythe', 'Smíth'])[1 + n % 4], 'Tim ' || n, 'STAFF' FROM generate_series(1, :rows) AS n
"""
MORE = re.compile(r'<p class="pager"><a href="/bursar([^"]+)">')
LISTS = {
    "approvals": ("/waiting", [BATCHES, APPROVALS], r"/approvals/(\d+)"),
    "batches": ("/waiting", [BATCHES], r'/batches/(\d+)">\d'),
    "overpayments": ("/waiting", [FILES, HELD], r"/overpayments/(\d+/\d+)/release"),
    "rejected": ("/waiting", [FILES], r"<bdi>(\d+)\.xml"),
    "repeated": ("/waiting", [REPEATED], r"/repeated-files/(\d+)"),
    "batches that can be sent again": ("/profiles/STUDENTS/actions", [BATCHES], r'<option value="(\d+)"'),
    "maintenance jobs": ("/jobs", [JOBS], r"run-(\d+)"),
}


def insert(library: Library, owner: Engine, *statements: str, closed: bool = False) -> None:
    library.fine()
    with owner.begin() as connection:
        for one in ";".join(statements).split(";"):
            values = {"rows": ROWS, "closed": closed}
            connection.execute(text(one), {name: value for name, value in values.items() if f":{name}" in one})


@pytest.mark.parametrize("name", LISTS)
def test_each_row_of_a_list_is_on_one_page(
    library: Library, owned_ledger: Engine, login: Login, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    set_profile(monkeypatch)
    path, statements, row = LISTS[name]
    insert(library, owned_ledger, *statements, closed=name == "batches that can be sent again")
    client, pages = login("admin"), []
    address: str | None = path
    while address:
        page = client.get(address).text
        pages.append(re.findall(row, page))
        links = [link for link in map(unescape, MORE.findall(page)) if f"only={name}" in link or "only=" not in link]
        address = links[0] if links else None
    assert [len(page) for page in pages] == [50, 50, 20]
    assert len({number for page in pages for number in page}) == ROWS


def test_a_list_whose_other_rows_have_been_decided_says_so(library: Library, login: Login) -> None:
    page = login("user").get("/waiting?only=batches&after=7").text
    assert "Nothing more waits in this list." in page
    assert 'href="/bursar/waiting">All that waits' in page


def test_each_user_with_a_name_is_on_one_page_of_the_search(
    library: Library, owned_ledger: Engine, login: Login
) -> None:
    insert(library, owned_ledger, USERS)
    wanted, other = "SM", library.user("SM", last="Aalto")
    library.user(last="Smirnov-Zoë")
    client, pages, after = login("user"), [], "0"
    while after:
        page = client.post("/fines", data={"wanted": wanted, "after": after}).text
        pages.append([int(user) for user in re.findall(r"/users/(\d+)", page)])
        after = "".join(re.findall(r'name="after" value="(\d+)"', page))
    assert [len(page) for page in pages] == [50, 50, 22]
    assert len({user for page in pages for user in page}) == ROWS + 2
    assert pages[0][0] == other  # found by the identifier
    accesses = library.one("SELECT count(DISTINCT user_id) FROM user_accesses")
    assert accesses == ROWS + 2
