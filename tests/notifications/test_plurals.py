"""What reports, alerts, mails and the documentation of DAGs say of exactly one thing of each kind."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from bursar.airflow.dag_docs import export_docs, import_docs
from bursar.exports.recover import release_batch
from bursar.exports.selection import select_fines
from bursar.imports.rejects import save_rejects
from bursar.ledger.jobs import Job
from bursar.notifications.alerts import find_alerts
from bursar.notifications.messages import alert_message, report_message
from bursar.notifications.render import render_message
from bursar.profiles import Profile
from bursar.progress import log_progress
from bursar.reporting.build_report import build_export_report, build_import_report, build_maintenance_report
from bursar.reporting.run_report import RunReport
from bursar.users.purging import PurgeParams, purge_users
from bursar.users.waiving import WaiveParams, waive_fines
from tests.support.fake_bursar import FakeBursar, Payment
from tests.support.fixtures import NOW, Library, make_profile, make_settings
from tests.support.plurals import find_wrong_plurals


def said(report: RunReport) -> str:
    letter = report_message(report, profile_name="Students", time_zone="UTC", link=None)
    assert find_wrong_plurals(render_message(letter).text + render_message(letter).brief) == []
    return render_message(letter).text


def export_of(office: FakeBursar, run_id: str, *failed: str) -> RunReport:
    return build_export_report(office.library.ledger, "STUDENTS", run_id=run_id, started_at=NOW, failed=failed)


def run_of(office: FakeBursar, batch: int) -> str:
    return str(office.library.one("SELECT run_id FROM batches WHERE id = :id", id=batch))


def test_an_export(office: FakeBursar) -> None:
    office.library.fine(office.library.user(None))
    office.library.fine()
    left = select_fines(office.library.ledger, make_profile(), make_settings(), run_id="left", as_of=NOW)
    text = said(export_of(office, "left", "upload_file"))
    assert "1 fine of 1 user (12.50 USD) left open: the user has no identifier" in text
    assert "with 1 fine (12.50 USD) is SELECTED" in text
    batch = office.export()
    release_batch(office.library.ledger, left.id, closed_by_run_id=run_of(office, batch))
    assert "with 1 fine, left unfinished by run left" in said(export_of(office, run_of(office, batch)))


def test_an_import(office: FakeBursar, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", logger="bursar")
    office.library.fine()
    office.export()
    file = office.add_file(Payment("unknown", "1.00"))
    office.apply(file)
    office._run(  # noqa: SLF001
        "INSERT INTO file_arrivals (file_id, profile, run_id, name, size, modified)"
        " SELECT id, profile, 'run', name, size, modified FROM import_files"
    )
    report = build_import_report(office.library.ledger, "STUDENTS", run_id="run", started_at=NOW, failed=())
    assert "1 of 1 record in payments" in said(report)
    assert save_rejects(office.library.ledger, file, tmp_path)
    assert "1 of 1 record in payments" in caplog.text
    assert find_wrong_plurals(caplog.text) == []


def test_jobs_over_users(library: Library) -> None:
    library.user()
    library.fine(library.user(purge=date(2020, 1, 1)), "-1.00")
    library.fine(library.user(purge=date(2020, 1, 1)), "1.00")
    purge = PurgeParams.of_form({"waive_threshold": "5", "dry_run": True})
    purge_users(library.ledger, purge, make_settings(), run_id="purge", as_of=NOW)
    text = said(build_maintenance_report(Job.PURGE, library.ledger, None, run_id="purge", started_at=NOW, failed=()))
    assert "Kept: 1 user without such a date, and never due" in text
    assert "Kept: 1 user with an open credit" in text
    assert "1 user purged, 1 fine waived" in text
    waive = WaiveParams.of_form({"threshold": "5", "reason": "amnesty", "dry_run": True})
    waive_fines(library.ledger, waive, make_settings(), run_id="waive", as_of=NOW)
    text = said(build_maintenance_report(Job.WAIVE, library.ledger, None, run_id="waive", started_at=NOW, failed=()))
    assert "1 fine of 1 user waived" in text


def profile_of_ones() -> Profile:
    """A profile in which each number is 1."""
    profile = make_profile(time_before_export_days=1, approval={"max_fines": 1, "timeout_hours": 1}).model_dump(
        by_alias=True
    )
    profile["import"] |= {"stable_for_seconds": 1, "timeout_minutes": 1}
    profile["notifications"] = {"failed": ["a@library.edu"]}
    profile["alerts"] = {"max_days_without_export": 1, "max_days_without_file": 1, "max_unsent_hours": 1}
    return Profile.model_validate(profile)


def test_alerts(office: FakeBursar) -> None:
    office.library.fine()
    now = datetime.now(UTC)
    select_fines(office.library.ledger, make_profile(), make_settings(), run_id="left", as_of=NOW)
    with office.library.ledger.begin() as connection:
        assert find_alerts(connection, [profile_of_ones()], now=now) == []
        found = find_alerts(connection, [profile_of_ones()], now=now + timedelta(days=1, minutes=1))
    letters = [
        alert_message(job=alert.job, profile_name="Students", summary=alert.summary, advice=alert.advice, link=None)
        for alert in found
    ]
    texts = "".join(render_message(letter).text for letter in letters)
    assert "no export has succeeded for more than 1 day" in texts.lower()
    assert "no file of payments has come for more than 1 day" in texts.lower()
    assert "was selected more than 1 hour ago and is still SELECTED: 1 fine of 1 user" in texts
    assert find_wrong_plurals(texts) == []


def test_the_documentation_of_dags() -> None:
    texts = "".join(document(profile_of_ones(), make_settings()) for document in (export_docs, import_docs))
    for text in ("| 1 day |", "1 hour, nothing is uploaded", "for 1 second |", "| 1 minute; a run"):
        assert text in texts
    assert find_wrong_plurals(texts) == []


def test_a_profile_whose_import_may_wait_for_one_minute() -> None:
    profile = profile_of_ones().model_dump(by_alias=True)
    profile["alerts"]["import_deadline_minutes"] = 1
    with pytest.raises(ValueError, match="must be more than the 1 minute that an import may wait"):
        Profile.model_validate(profile)


def test_progress(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="bursar")
    clock = iter([0.0, 20.0, 40.0])
    assert len(list(log_progress(range(1000), "Wrote fines", 1025, clock=lambda: next(clock)))) == 1000
    assert find_wrong_plurals(caplog.text) == []
    assert "about 1 second left" in caplog.text
