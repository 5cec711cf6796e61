"""The job report and the pages behind it: batch, file, skipped fines, payment files, and results of jobs over users."""

import csv
import hashlib
import re
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from bursar.exports.build import build_file
from bursar.exports.close import close_fines
from bursar.exports.selection import select_fines
from bursar.ledger.batches import Batch
from bursar.ledger.jobs import Job
from bursar.profiles import Profile
from bursar.reporting.build_report import build_export_report, build_import_report, build_maintenance_report
from bursar.reporting.run_report import RunReport, record_report
from bursar.users.waiving import WaiveParams, waive_fines
from bursar.web import skipped_fines, views
from bursar.web.pages import reports
from tests.support.fixtures import NOW, Library, make_profile, make_settings, record_delivery
from tests.web.conftest import Login

STARTED = NOW


@pytest.fixture
def profile(monkeypatch: pytest.MonkeyPatch) -> Profile:
    """Returns the profile STUDENTS, with an identifier pattern; the pages find it, too."""
    made = make_profile(identifier_pattern="[0-9]{8}")
    for module in ("reports", "skipped", "batches", "payment_files"):
        monkeypatch.setattr(f"bursar.web.pages.{module}.find_profile", lambda _code: made)
    return made


def export(library: Library, profile: Profile, work_dir: Path) -> tuple[Batch, int]:
    """Exports all fines that are due, and returns the batch and the number of the report."""
    batch = select_fines(library.ledger, profile, make_settings(), run_id="run", as_of=NOW, requested_by="anna")
    build_file(library.ledger, batch.id, work_dir)
    record_delivery(library.ledger, batch.id)
    close_fines(library.ledger, batch.id)
    return batch, record(library.ledger, build_export_report, "STUDENTS")


def record(ledger: Engine, build: Callable[..., RunReport], profile: str | None) -> int:
    recorded = record_report(ledger, build(ledger, profile, run_id="run", started_at=STARTED, failed=()))
    assert recorded.id
    return recorded.id


def list_accesses(library: Library) -> Any:
    return library.one("SELECT array_agg(DISTINCT user_id ORDER BY user_id) FROM user_accesses")


def test_a_report_leads_to_the_batch_with_its_fines(
    login: Login, library: Library, profile: Profile, tmp_path: Path
) -> None:
    user = library.user(last="\u05db\u05d4\u05df", first="<b>Noa")
    fine = library.fine(user)
    batch, run = export(library, profile, tmp_path)
    client = login("user")
    assert f"/bursar/batches/{batch.id}" in client.get(f"/runs/{run}").text
    page = client.get(f"/batches/{batch.id}").text
    assert "<bdi>\u05db\u05d4\u05df, &lt;b&gt;Noa</bdi>" in page
    assert f"/bursar/fines/{fine}" in page
    assert batch.file_name in page
    assert "anna" in page
    assert list_accesses(library) == [user]


def test_a_viewer_sees_sums_and_no_names(login: Login, library: Library, profile: Profile, tmp_path: Path) -> None:
    library.fine(library.user(last="Secret"))
    library.fine(library.user("x", last="Hidden"))
    batch, run = export(library, profile, tmp_path)
    client = login("viewer")
    for address in (f"/runs/{run}", f"/batches/{batch.id}", f"/batches/{batch.id}/answers"):
        answer = client.get(address)
        assert answer.status_code == 200
        assert "Secret" not in answer.text
        assert "/skipped/" not in answer.text
    assert "12.50" in client.get(f"/batches/{batch.id}").text
    for address in ("file", "skipped/malformed_identifier", "skipped/malformed_identifier/csv"):
        assert client.get(f"/batches/{batch.id}/{address}").status_code == 403
    assert library.one("SELECT count(*) FROM user_accesses") == 0


def test_the_file_is_downloaded_with_the_same_bytes_and_the_download_is_recorded(
    login: Login, library: Library, profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.fine()
    batch, _ = export(library, profile, tmp_path)
    work_dir = tmp_path / "pages"
    monkeypatch.setattr("bursar.web.pages.batches.settings", lambda: make_settings(work_dir=work_dir))
    answer = login("user").get(f"/batches/{batch.id}/file")
    assert answer.status_code == 200, answer.text
    assert batch.file_name in answer.headers["content-disposition"]
    assert hashlib.sha256(answer.content).hexdigest() == library.one("SELECT sha256 FROM batch_files")
    assert library.one("SELECT person || ' ' || batch_id FROM user_accesses") == f"user_person {batch.id}"
    assert list(work_dir.iterdir()) == []  # no file with names stays


def test_a_file_that_was_never_built_is_not_built_by_a_page(login: Login, library: Library, profile: Profile) -> None:
    library.fine()
    batch = select_fines(library.ledger, profile, make_settings(), run_id="run", as_of=NOW)
    client = login("admin")
    assert "Download the file" not in client.get(f"/batches/{batch.id}").text
    assert client.get(f"/batches/{batch.id}/file").status_code == 404
    assert library.one("SELECT state FROM batches_with_state") == "SELECTED"


def test_lines_of_a_batch_are_paged(login: Login, library: Library, profile: Profile, tmp_path: Path) -> None:
    library.fines(120)
    batch, _ = export(library, profile, tmp_path)
    client, address, seen = login("user"), f"/batches/{batch.id}", []
    while address:
        page = client.get(address).text
        seen += [int(line) for line in re.findall(r'<tr><td class="number">(\d+)</td>', page)]
        address = page.partition('class="pager"><a href="/bursar')[2].partition('"')[0]
    assert seen == list(range(1, 121))


def test_skipped_fines_are_listed_down_to_the_fine(
    login: Login, library: Library, profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each request looks at a few users only; the page asks on until it has all."""
    monkeypatch.setattr(skipped_fines, "FINES_AT_ONCE", 2)
    monkeypatch.setattr(skipped_fines, "SECONDS_OF_A_PAGE", 0)
    skipped = []
    for place in range(7):
        library.fine()
        user = library.user(f"bad{place}")
        skipped += [library.fine(user) for _ in range(3)]
    batch, run = export(library, profile, tmp_path)
    client = login("user")
    address = f"/batches/{batch.id}/skipped/malformed_identifier"
    assert f"/bursar{address}" in client.get(f"/runs/{run}").text
    seen, requests = [], 0
    headers: dict[str, str] = {}
    while address:
        page = client.get(address, headers=headers).text
        assert ("<html" in page) is not bool(headers)
        seen += [int(fine) for fine in re.findall(r'href="/bursar/fines/(\d+)"', page)]
        address = page.partition('hx-get="/bursar')[2].partition('"')[0].replace("&amp;", "&")
        headers = {"hx-request": "true"}
        requests += 1
    assert seen == skipped
    assert requests > 5
    rows = list(csv.DictReader(StringIO(client.get(f"/batches/{batch.id}/skipped/malformed_identifier/csv").text)))
    assert [int(row["\ufefffine"]) for row in rows] == skipped


def test_skipped_fines_of_one_user_fill_pages_without_gap(
    library: Library, profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "engine", lambda: library.ledger)
    monkeypatch.setattr(skipped_fines, "FINES_AT_ONCE", 3)
    user, after = library.user("bad"), library.user("worse")
    fines = [library.fine(user) for _ in range(10)] + [library.fine(after)]
    place: skipped_fines.Place | None = skipped_fines.Place()
    seen: list[int] = []
    while place:
        rows, place = skipped_fines.list_skipped(profile, NOW, "malformed_identifier", place, limit=4)
        seen += [row.fine_id for row in rows]
    assert seen == fines


def test_the_bursars_answers_are_counted(login: Login, library: Library, profile: Profile, tmp_path: Path) -> None:
    fines = [library.fine(amount="10.00") for _ in range(3)]
    batch, _ = export(library, profile, tmp_path)
    with library.ledger.begin() as connection:
        for fine, paid in zip(fines, ("10", "4"), strict=False):
            connection.execute(
                text(
                    "INSERT INTO journal_entries (fine_id, entry_type, outstanding_change)"
                    " VALUES (:fine, 'PAID_AT_BURSAR', -CAST(:paid AS numeric))"
                ),
                {"fine": fine, "paid": paid},
            )
    page = " ".join(re.sub("<[^>]+>", " ", login("viewer").get(f"/batches/{batch.id}/answers").text).split())
    assert "outstanding 1 0.00 USD 10.00 USD" in page
    assert "paid 1 10.00 USD 0.00 USD" in page
    assert "partly paid 1 4.00 USD 6.00 USD" in page


def test_rejects_are_a_table_and_csv(login: Login, library: Library, profile: Profile) -> None:
    with library.ledger.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO import_files (profile, run_id, name, size, modified, sha256, amount_mode, records, totals,"
                " read_at, applied_at, applied_by_run_id, outcomes) VALUES ('STUDENTS', 'run', '<i>paid.xml', 1, now(),"
                " 'x', 'incremental', 200, '{}', now(), now(), 'run',"
                ' \'{"UNMATCHED": {"records": 100, "sums": {}}}\')'
            )
        )
        connection.execute(
            text(
                "INSERT INTO file_arrivals (file_id, profile, run_id, name, size, modified)"
                " VALUES (1, 'STUDENTS', 'run', '<i>paid.xml', 1, now())"
            )
        )
        connection.execute(
            text(
                "INSERT INTO import_records (file_id, number, line, transaction_id, sum, currency, outcome, reason)"
                " SELECT 1, n, n, CASE n WHEN 2 THEN '=1+1' ELSE 'T' || n END, '1.00', 'USD',"
                " CASE WHEN n % 2 = 0 THEN 'UNMATCHED' ELSE 'PAID' END, 'no such fine' FROM generate_series(1, 200) n"
            )
        )
    run = record(library.ledger, build_import_report, "STUDENTS")
    client = login("user")
    report = client.get(f"/runs/{run}").text
    assert "&lt;i&gt;paid.xml" in report
    assert "/bursar/payment-files/1" in report
    seen, address = [], "/payment-files/1"
    while address:
        page = client.get(address).text
        seen += re.findall(r"<bdi>T(\d+)</bdi>", page)
        address = page.partition('class="pager"><a href="/bursar')[2].partition('"')[0]
    assert seen == [str(number) for number in range(4, 201, 2)]
    rows = list(csv.DictReader(StringIO(client.get("/payment-files/1/rejects.csv").content.decode("utf-8-sig"))))
    assert len(rows) == 100
    assert rows[0]["transaction_id"] == "'=1+1"
    viewer = login("viewer")
    assert "no such fine" not in viewer.get("/payment-files/1").text
    assert viewer.get("/payment-files/1/rejects.csv").status_code == 403


def test_results_of_a_job_over_users_are_listed_by_reason(login: Login, library: Library) -> None:
    fine = library.fine(amount="3.00")
    disputed = library.fine(amount="4.00")
    with library.ledger.begin() as connection:
        connection.execute(
            text("INSERT INTO journal_entries (fine_id, entry_type) VALUES (:fine, 'DISPUTED')"), {"fine": disputed}
        )
    params = WaiveParams.of_form({"dry_run": False, "threshold": "10", "reason": "Amnesty"})
    waive_fines(library.ledger, params, make_settings(), run_id="run", as_of=NOW)
    run = record(library.ledger, lambda *a, **k: build_maintenance_report(Job.WAIVE, *a, **k), None)
    client = login("user")
    assert f"/bursar/runs/{run}/results?reason=disputed" in client.get(f"/runs/{run}").text
    assert f"/bursar/fines/{disputed}" in client.get(f"/runs/{run}/results?reason=disputed").text
    waived = client.get(f"/runs/{run}/results").text
    assert f"/bursar/fines/{fine}" in waived
    assert f"/bursar/fines/{disputed}" not in waived
    assert login("viewer").get(f"/runs/{run}/results").status_code == 403


def test_missing_things_have_a_page(login: Login) -> None:
    for address in ("/runs/1", "/batches/1", "/payment-files/1", "/runs/1/results", "/batches/1/skipped/disputed"):
        assert login("admin").get(address).status_code == 404, address
    assert login("admin").get("/batches/1/skipped/nonsense").status_code == 422
    assert login("admin").get("/runs/99999999999999999999").status_code == 422


def test_a_profile_that_is_gone_has_no_list_of_skipped_fines(
    login: Login, library: Library, profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.fine()
    library.fine(library.user("bad"))
    batch, run = export(library, profile, tmp_path)
    monkeypatch.setattr(reports, "find_profile", lambda _code: None)
    monkeypatch.setattr("bursar.web.pages.skipped.find_profile", lambda _code: None)
    assert login("user").get(f"/runs/{run}").status_code == 200
    assert login("user").get(f"/batches/{batch.id}/skipped/malformed_identifier").status_code == 404
