"""The singular in reports, alerts, mails, logs and the documentation of DAGs."""

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


def render_report(report: RunReport) -> str:
    message = report_message(report, owner_name="Students", time_zone="UTC", link=None)
    assert find_wrong_plurals(render_message(message).text + render_message(message).brief) == []
    return render_message(message).text


def build_export(office: FakeBursar, run_id: str, *failed: str) -> RunReport:
    return build_export_report(office.library.ledger, "STUDENTS", run_id=run_id, started_at=NOW, failed=failed)


def get_run_id(office: FakeBursar, batch: int) -> str:
    return str(office.library.one("SELECT run_id FROM batches WHERE id = :id", id=batch))


def test_the_report_of_an_export_has_the_singular(office: FakeBursar) -> None:
    office.library.fine(office.library.user(None))
    office.library.fine()
    left = select_fines(office.library.ledger, make_profile(), make_settings(), run_id="left", as_of=NOW)
    text = render_report(build_export(office, "left", "upload_file"))
    assert "1 fine of 1 user (12.50 USD) left open: the user has no identifier" in text
    assert "with 1 fine (12.50 USD) is selected" in text
    batch = office.export()
    release_batch(office.library.ledger, left.id, closed_by_run_id=get_run_id(office, batch))
    assert "with 1 fine, left unfinished by run left" in render_report(build_export(office, get_run_id(office, batch)))


def test_the_report_of_an_import_has_the_singular(
    office: FakeBursar, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
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
    assert "1 of 1 record in payments" in render_report(report)
    assert save_rejects(office.library.ledger, file, tmp_path)
    assert "1 of 1 record in payments" in caplog.text
    assert find_wrong_plurals(caplog.text) == []


def test_the_reports_of_maintenance_jobs_have_the_singular(library: Library) -> None:
    library.user()
    library.fine(library.user(purge=date(2020, 1, 1)), "-1.00")
    library.fine(library.user(purge=date(2020, 1, 1)), "1.00")
    purge = PurgeParams.of_form({"waive_threshold": "5", "dry_run": True})
    purge_users(library.ledger, purge, make_settings(), run_id="purge", as_of=NOW)
    text = render_report(
        build_maintenance_report(Job.PURGE, library.ledger, None, run_id="purge", started_at=NOW, failed=())
    )
    assert "Kept: 1 user without such a date, and never due" in text
    assert "Kept: 1 user with an open credit" in text
    assert "1 user purged, 1 fine waived" in text
    waive = WaiveParams.of_form({"threshold": "5", "reason": "amnesty", "dry_run": True})
    waive_fines(library.ledger, waive, make_settings(), run_id="waive", as_of=NOW)
    text = render_report(
        build_maintenance_report(Job.WAIVE, library.ledger, None, run_id="waive", started_at=NOW, failed=())
    )
    assert "1 fine of 1 user waived" in text


def make_profile_of_ones() -> Profile:
    """Makes a profile in which each number is 1."""
    profile = make_profile(time_before_export_days=1, approval={"max_fines": 1, "timeout_hours": 1}).model_dump(
        by_alias=True
    )
    profile["import"] |= {"stable_for_seconds": 1, "timeout_minutes": 1}
    profile["notifications"] = {"failed": ["a@library.edu"]}
    profile["alerts"] = {"max_days_without_export": 1, "max_days_without_file": 1, "max_unsent_hours": 1}
    return Profile.model_validate(profile)


def test_alerts_have_the_singular(office: FakeBursar) -> None:
    office.library.fine()
    now = datetime.now(UTC)
    select_fines(office.library.ledger, make_profile(), make_settings(), run_id="left", as_of=NOW)
    with office.library.ledger.begin() as connection:
        assert find_alerts(connection, [make_profile_of_ones()], now=now) == []
        found = find_alerts(connection, [make_profile_of_ones()], now=now + timedelta(days=1, minutes=1))
    messages = [
        alert_message(job=alert.job, owner_name="Students", summary=alert.summary, advice=alert.advice, link=None)
        for alert in found
    ]
    texts = "".join(render_message(message).text for message in messages)
    assert "no export has succeeded for more than 1 day" in texts.lower()
    assert "no file of payments has come for more than 1 day" in texts.lower()
    assert "was selected more than 1 hour ago and is still selected: 1 fine of 1 user" in texts
    assert find_wrong_plurals(texts) == []


def test_the_documentation_of_dags_has_the_singular() -> None:
    texts = "".join(render(make_profile_of_ones(), make_settings()) for render in (export_docs, import_docs))
    for text in ("| 1 day |", "1 hour, nothing is uploaded", "for 1 second |", "| 1 minute; a run"):
        assert text in texts
    assert find_wrong_plurals(texts) == []


def test_the_problem_of_a_deadline_has_the_singular() -> None:
    profile = make_profile_of_ones().model_dump(by_alias=True)
    profile["alerts"]["import_deadline_minutes"] = 1
    with pytest.raises(ValueError, match="must be more than the 1 minute that an import may wait"):
        Profile.model_validate(profile)


def test_the_log_of_progress_has_the_singular(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="bursar")
    clock = iter([0.0, 20.0, 40.0])
    assert len(list(log_progress(range(1000), "Wrote fines", 1025, clock=lambda: next(clock)))) == 1000
    assert find_wrong_plurals(caplog.text) == []
    assert "about 1 second left" in caplog.text
