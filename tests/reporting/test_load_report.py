"""The report of a run that loaded a source, from a real ledger; its mail, its note and its alert name no person."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import pytest

from bursar.errors import InputFileError
from bursar.ledger.jobs import Job
from bursar.notifications.alerts import Alert, find_alerts
from bursar.notifications.messages import alert_message, report_message
from bursar.notifications.render import render_message
from bursar.reporting.load_report import add_dry_run, build_load_report
from bursar.reporting.run_description import describe_run
from bursar.reporting.run_report import RunOutcome, RunReport, record_report
from bursar.reporting.task_timings import record_task
from tests.support.source_inbox import USERS, SourceInbox, make_source, set_time, write_fines

STARTED = datetime.now(UTC) - timedelta(minutes=5)


def build(inbox: SourceInbox, *failed: str, run_id: str = "run 1") -> RunReport:
    return build_load_report(inbox.library.ledger, "LAW", run_id=run_id, started_at=STARTED, failed=failed)


def test_a_load_of_good_rows_is_completed(source_inbox: SourceInbox) -> None:
    source_inbox.put("users.csv", USERS)
    source_inbox.put("fines.csv", write_fines("12.50", "3"))
    source_inbox.load()
    report = record_report(source_inbox.library.ledger, build(source_inbox))
    assert (report.job, report.profile, report.outcome) == (Job.SYNC, "LAW", RunOutcome.COMPLETED)
    assert (report.files, report.fines, report.users) == (("users.csv", "fines.csv"), 2, 1)
    assert f"{report.net['USD']:.2f}" == "15.50"
    assert report.messages == (
        "Load 1: 3 rows read, 0 rejected. Fines: 2 added, 0 changed, 0 unchanged. Users: 1 added, 0 known.",
        "Entries of load 1: CHARGED 2 fines, 15.50 USD at the library, 0.00 USD at the bursar.",
    )
    assert describe_run(report) == "completed, 2 fines added or changed, 1 user added, 15.50 USD"


def test_a_load_that_changes_nothing_is_a_success_and_a_run_without_files_had_nothing_to_do(
    source_inbox: SourceInbox,
) -> None:
    assert build(source_inbox).outcome is RunOutcome.NOTHING_TO_DO
    for seconds, run_id in enumerate(("run 1", "run 2")):
        set_time(source_inbox.put("users.csv", USERS), seconds)
        set_time(source_inbox.put("fines.csv", write_fines("1")), seconds)
        source_inbox.load(run_id=run_id)
    report = build(source_inbox, run_id="run 2")
    assert (report.outcome, report.fines, report.totals) == (RunOutcome.COMPLETED, 0, {})
    assert describe_run(report) == "completed"


def test_rejected_rows_are_warnings_by_reason(source_inbox: SourceInbox) -> None:
    source_inbox.put("users.csv", USERS)
    source_inbox.put("fines.csv", write_fines("12.50", "x") + "F9,Beaver,OVERDUEFINE,1,2026-01-01,MAIN\n")
    [load] = source_inbox.load()
    report = record_report(source_inbox.library.ledger, build(source_inbox))
    assert report.outcome is RunOutcome.WITH_WARNINGS
    assert {code: one.records for code, one in report.rejects.items()} == load.rejected
    assert report.messages[0].startswith("Load 1: 2 of 4 rows were rejected (")
    assert "`bin/bursar sources loads rejects 1`" in report.messages[0]
    rendered = render_message(report_message(report, owner_name="Law Library", time_zone="UTC", link=None))
    assert rendered.subject.startswith("Completed with warnings: Load Fines from Law Library, 1 fine added")
    assert "Rejected rows" in rendered.text
    assert "Source" in rendered.text
    assert "Beaver" not in rendered.text + str(asdict(report))


def test_a_refused_load_fails_the_run_and_is_named(source_inbox: SourceInbox) -> None:
    source_inbox.put("users.csv", USERS)
    source_inbox.put("fines.csv", write_fines(*["x"] * 25, user="Beaver"))
    engine = source_inbox.library.ledger
    with (
        pytest.raises(InputFileError),
        record_task(engine, "load_files", job=Job.SYNC, profile="LAW", run_id="run 1"),
    ):
        source_inbox.load()
    report = build(source_inbox, "load_files")
    assert report.outcome is RunOutcome.FAILED
    assert report.messages[0].startswith("The loading of the files failed: Load 1 of the source LAW was refused")
    assert {one.records for one in report.rejects.values()} == {25}, "each row, for each of its reasons"
    assert (report.files, report.fines) == ((), 0)
    assert "Beaver" not in str(asdict(report))


def test_a_file_that_stays_is_a_warning_and_other_entries_are_named_once(source_inbox: SourceInbox) -> None:
    source_inbox.put("notes.txt", "x")
    source_inbox.put("users.csv", USERS)
    source_inbox.put("fines.csv", write_fines("1"))
    source_inbox.load()
    report = build(source_inbox)
    assert report.outcome is RunOutcome.COMPLETED
    assert report.messages[-1] == (
        "Not loaded, because its name matches no pattern of the source: notes.txt. If it has users or fines, correct "
        "the patterns of the source. It is not named again."
    )
    assert "notes.txt" not in str(build(source_inbox, run_id="run 2").messages)


def test_a_dry_run_says_what_a_load_would_do(source_inbox: SourceInbox) -> None:
    source_inbox.put("users.csv", USERS)
    source_inbox.put("fines.csv", write_fines("1"))
    [files] = source_inbox.find_sets()
    with source_inbox.run() as run:
        result = run.preview_set(files)
    summary = {"files": list(files.values()), "counts": asdict(result.counts), "rejected": result.rejected}
    report = add_dry_run(build(source_inbox), [summary])
    assert (report.dry_run, report.outcome) == (True, RunOutcome.COMPLETED)
    assert "This was a dry run" in report.messages[0]
    assert report.messages[1].startswith("A load of users.csv, fines.csv: 2 rows read, 0 rejected. Fines: 1 added")


def find(inbox: SourceInbox, now: datetime, **limits: int) -> list[Alert]:
    source = make_source(notifications={"failed": ["a@library.edu"]}, alerts=limits)
    with inbox.library.ledger.begin() as connection:
        return find_alerts(connection, [], sources=[source], now=now)


def test_a_source_that_is_silent_for_too_long_is_an_alert_until_it_is_loaded(source_inbox: SourceInbox) -> None:
    now = datetime.now(UTC)
    assert find(source_inbox, now - timedelta(days=9)) == [], "without a limit there is none"
    assert find(source_inbox, now - timedelta(days=3), max_days_without_load=2) == [], "monitored from now on"
    [alert] = find(source_inbox, now, max_days_without_load=2)
    assert alert.summary == "nothing has been loaded for more than 2 days"
    message = alert_message(
        job=alert.job, owner_name=alert.owner.name, summary=alert.summary, advice=alert.advice, link=None
    )
    assert message.subject == "Alert: Load Fines from Law Library, nothing has been loaded for more than 2 days"
    assert message.facts == {"Source": "Law Library"}
    assert [again.dedup_key for again in find(source_inbox, now, max_days_without_load=2)] == [alert.dedup_key]
    source_inbox.put("users.csv", USERS)
    source_inbox.load(run_id=None, requested_by="anna")
    assert find(source_inbox, datetime.now(UTC), max_days_without_load=2) == []
    [later] = find(source_inbox, now + timedelta(days=3), max_days_without_load=2)
    assert "; the last one was on " in later.summary
    assert later.dedup_key != alert.dedup_key


def test_a_refused_load_does_not_end_the_silence(source_inbox: SourceInbox) -> None:
    now = datetime.now(UTC)
    find(source_inbox, now - timedelta(days=3), max_days_without_load=2)
    source_inbox.put("users.csv", "no heading\n")
    with pytest.raises(InputFileError):
        source_inbox.load()
    assert len(find(source_inbox, now, max_days_without_load=2)) == 1
