"""The job history: filters, pages, dates, rights, and CSV."""

import csv
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from sqlalchemy import Engine

from bursar.ledger.jobs import Job
from bursar.ledger.totals import CurrencyTotals
from bursar.reporting.run_report import RunOutcome, RunReport, record_report
from tests.support.reports import EXPORT, IMPORT, STARTED
from tests.web.conftest import Login

PURGE = replace(EXPORT, job=Job.PURGE, profile=None, run_id="purge", files=(), skipped={})


def record(ledger: Engine, report: RunReport, **changes: Any) -> int:
    """Records a report with changes, and returns its number."""
    recorded = record_report(ledger, replace(report, **changes))
    assert recorded.id
    return recorded.id


def test_runs_are_shown_with_trigger_and_person_newest_first(login: Login, ledger: Engine) -> None:
    record(ledger, EXPORT, trigger="scheduled")
    record(ledger, IMPORT, trigger="manual", requested_by="anna", started_at=STARTED + timedelta(days=1))
    page = login("viewer").get("/history").text
    assert page.index("payments.xml") < page.index("STUDENTS-412")
    assert "manual, anna" in page
    assert "scheduled" in page


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ("", {"export", "import", "staff", "purge"}),
        ("profile=STAFF", {"staff"}),
        ("job=import", {"import"}),
        ("outcome=failed", {"staff"}),
        ("since=2026-03-03", {"purge"}),
        ("until=2026-03-02", {"export", "import", "staff"}),
        ("since=2026-03-02&until=2026-03-02&job=export", {"export", "staff"}),
        ("profile=NOBODY", set()),
    ],
)
def test_filters_choose_runs(login: Login, ledger: Engine, filters: str, found: set[str]) -> None:
    record(ledger, EXPORT, files=("file-export",))
    record(ledger, IMPORT, files=("file-import",))
    record(ledger, EXPORT, profile="STAFF", outcome=RunOutcome.FAILED, files=("file-staff",))
    record(ledger, PURGE, files=("file-purge",), started_at=STARTED + timedelta(days=1))
    page = login("user").get(f"/history?{filters}").text
    assert {name for name in ("export", "import", "staff", "purge") if f"file-{name}" in page} == found


def test_an_empty_list_says_why_and_offers_no_csv(login: Login, ledger: Engine) -> None:
    user = login("user")
    page = user.get("/history").text
    assert "No job has run yet." in page
    assert "Download as CSV" not in page
    record(ledger, EXPORT)
    page = user.get("/history").text
    assert "No job has run yet." not in page
    assert "Download as CSV" in page
    page = user.get("/history?outcome=failed").text
    assert "No run fits these filters." in page
    assert "Download as CSV" not in page


def test_a_date_that_is_none_is_refused_with_a_page(login: Login) -> None:
    answer = login("viewer").get("/history?since=yesterday")
    assert answer.status_code == 422
    assert "A date is written as" in answer.text


def test_a_viewer_does_not_see_the_jobs_over_users(login: Login, ledger: Engine) -> None:
    record(ledger, PURGE, files=("file-purge",))
    assert "file-purge" not in login("viewer").get("/history").text
    assert "file-purge" not in login("viewer").get("/history.csv").text
    assert "file-purge" in login("user").get("/history").text


def test_pages_follow_each_other_without_gap_or_repetition(login: Login, ledger: Engine) -> None:
    numbers = [record(ledger, EXPORT, run_id=f"run {place}") for place in range(120)]  # all started at one moment
    client, address, seen = login("viewer"), "/history", []
    while address:
        page = client.get(address).text
        seen += [int(part.split('"')[0]) for part in page.split("/bursar/runs/")[1:]]
        address = page.partition('class="pager"><a href="/bursar')[2].partition('"')[0].replace("&amp;", "&")
    assert seen == numbers[::-1]


def test_the_csv_has_all_runs_and_is_safe_in_a_spreadsheet(login: Login, ledger: Engine) -> None:
    for place in range(600):
        record(ledger, EXPORT, run_id=f"run {place}", started_at=STARTED + timedelta(minutes=place))
    record(ledger, IMPORT, files=("=cmd|'/c calc'!A1.xml",), requested_by="anna", trigger="manual")
    answer = login("viewer").get("/history.csv?profile=STUDENTS")
    assert answer.headers["content-disposition"] == 'attachment; filename="job-history.csv"'
    rows = list(csv.DictReader(StringIO(answer.content.decode("utf-8-sig"))))
    assert len({row["run"] for row in rows}) == 601
    assert sum(Decimal(row["net"] or 0) for row in rows if row["currency"] == "CAD") == 600 * 20
    assert sum(int(row["fines"] or 0) for row in rows) == 600 * 1204 + 3
    imported = next(row for row in rows if row["job"] == "import")
    assert imported["files"] == "'=cmd|'/c calc'!A1.xml"
    assert (imported["trigger"], imported["requested_by"], imported["seconds"]) == ("manual", "anna", "5.0")


def test_runs_of_a_removed_profile_stay_visible(login: Login, ledger: Engine) -> None:
    record(ledger, EXPORT, profile="REMOVED", files=("file-removed",), totals={"USD": CurrencyTotals(Decimal(1))})
    assert "file-removed" in login("viewer").get("/history").text
