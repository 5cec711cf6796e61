"""What reports, alerts, mails and the documentation of DAGs say of exactly one thing of each kind."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from bursar.exporting.closing import release
from bursar.exporting.selection import select_fines
from bursar.importing.rejects import save_rejects
from bursar.orchestration.documentation import export_documentation, import_documentation
from bursar.profiles import Profile
from bursar.progress import told
from bursar.reporting.alerts import alerts
from bursar.reporting.letters import alert_letter, report_letter
from bursar.reporting.rendering import render
from bursar.reporting.report import JobReport
from bursar.reporting.runs import export_report, import_report, user_job_report
from bursar.users.purging import PurgeChoices, purge_users
from bursar.users.waiving import WaiveChoices, waive_fines
from tests.library import NOW, Library, a_profile, the_settings
from tests.office import Office, Payment
from tests.wording import plurals_of_one


@pytest.fixture
def office(library: Library) -> Office:
    return Office(library)


def said(report: JobReport) -> str:
    letter = report_letter(report, profile_name="Students", time_zone="UTC", link=None)
    assert plurals_of_one(render(letter).text + render(letter).brief) == []
    return render(letter).text


def export_of(office: Office, run: str, *failed: str) -> JobReport:
    return export_report(office.library.ledger, "STUDENTS", run=run, started_at=NOW, failed=failed)


def run_of(office: Office, batch: int) -> str:
    return str(office.library.one("SELECT run FROM batches WHERE id = :id", id=batch))


def test_an_export(office: Office) -> None:
    office.library.fine(office.library.user(None))
    office.library.fine()
    left = select_fines(office.library.ledger, a_profile(), the_settings(), run="left", as_of=NOW)
    text = said(export_of(office, "left", "upload_file"))
    assert "1 fine of 1 user (12.50 USD) left open: the user has no identifier" in text
    assert "with 1 fine (12.50 USD) is SELECTED" in text
    batch = office.export()
    release(office.library.ledger, left.id, ended_by=run_of(office, batch))
    assert "with 1 fine, left unfinished by run left" in said(export_of(office, run_of(office, batch)))


def test_an_import(office: Office, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", logger="bursar")
    office.library.fine()
    office.export()
    file = office.file(Payment("unknown", "1.00"))
    office.apply(file)
    office._run(  # noqa: SLF001
        "INSERT INTO arrivals (file_id, profile, run, name, size, modified)"
        " SELECT id, profile, 'run', name, size, modified FROM import_files"
    )
    report = import_report(office.library.ledger, "STUDENTS", run="run", started_at=NOW, failed=())
    assert "1 of 1 record in payments" in said(report)
    assert save_rejects(office.library.ledger, file, tmp_path)
    assert "1 of 1 record in payments" in caplog.text
    assert plurals_of_one(caplog.text) == []


def test_jobs_over_users(library: Library) -> None:
    library.user()
    library.fine(library.user(purge=date(2020, 1, 1)), "-1.00")
    library.fine(library.user(purge=date(2020, 1, 1)), "1.00")
    purge = PurgeChoices.of_form({"waive_threshold": "5", "dry_run": True})
    purge_users(library.ledger, purge, the_settings(), run="purge", as_of=NOW)
    text = said(user_job_report("purge", library.ledger, None, run="purge", started_at=NOW, failed=()))
    assert "Left behind: 1 user without such a date, and never due" in text
    assert "Left behind: 1 user with an open credit" in text
    assert "1 user purged, 1 fine waived" in text
    waive = WaiveChoices.of_form({"threshold": "5", "reason": "amnesty", "dry_run": True})
    waive_fines(library.ledger, waive, the_settings(), run="waive", as_of=NOW)
    text = said(user_job_report("waive", library.ledger, None, run="waive", started_at=NOW, failed=()))
    assert "1 fine of 1 user waived" in text


def profile_of_ones() -> Profile:
    """A profile in which each number is 1."""
    profile = a_profile(time_before_export_days=1, approval={"fines": 1, "waiting_hours": 1}).model_dump(by_alias=True)
    profile["import"] |= {"settle_seconds": 1, "waiting_time_minutes": 1}
    profile["notifications"] = {"failed": ["a@library.edu"]}
    profile["alerts"] = {"days_without_export": 1, "days_without_file": 1, "unsent_hours": 1}
    return Profile.model_validate(profile)


def test_alerts(office: Office) -> None:
    office.library.fine()
    now = datetime.now(UTC)
    select_fines(office.library.ledger, a_profile(), the_settings(), run="left", as_of=NOW)
    with office.library.ledger.begin() as connection:
        assert alerts(connection, [profile_of_ones()], now=now) == []
        found = alerts(connection, [profile_of_ones()], now=now + timedelta(days=1, minutes=1))
    letters = [
        alert_letter(job=alert.job, profile_name="Students", summary=alert.summary, advice=alert.advice, link=None)
        for alert in found
    ]
    texts = "".join(render(letter).text for letter in letters)
    assert "no export has succeeded for more than 1 day" in texts.lower()
    assert "no file of payments has come for more than 1 day" in texts.lower()
    assert "for more than 1 hour; still waiting: 1 fine of 1 user" in texts
    assert plurals_of_one(texts) == []


def test_the_documentation_of_dags() -> None:
    texts = "".join(
        document(profile_of_ones(), the_settings()) for document in (export_documentation, import_documentation)
    )
    for text in ("| 1 day |", "unanswered for 1 hour,", "stayed the same for 1 second |", "| 1 minute; a run"):
        assert text in texts
    assert plurals_of_one(texts) == []


def test_a_profile_whose_import_may_wait_for_one_minute() -> None:
    profile = profile_of_ones().model_dump(by_alias=True)
    profile["alerts"]["import_deadline_minutes"] = 1
    with pytest.raises(ValueError, match="must be more than the 1 minute that an import may wait"):
        Profile.model_validate(profile)


def test_progress(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="bursar")
    clock = iter([0.0, 20.0, 40.0])
    assert len(list(told(range(1000), "Wrote fines", 1025, clock=lambda: next(clock)))) == 1000
    assert plurals_of_one(caplog.text) == []
    assert "about 1 second left" in caplog.text
