"""The reports of Purge User Records and Bulk Fine Waiving, which are built from the ledger."""

from datetime import date
from decimal import Decimal

from bursar.ledger.jobs import Job
from bursar.ledger.totals import CurrencyTotals
from bursar.reporting.build_report import build_maintenance_report
from bursar.reporting.run_report import RunOutcome, record_report
from bursar.reporting.task_timings import record_task
from bursar.users.purging import PurgeParams, purge_users
from tests.support.fixtures import NOW, Library, make_settings


def purge(library: Library, *, dry_run: bool = False) -> None:
    form = {"dry_run": dry_run, "waive_threshold": "5"}
    purge_users(library.ledger, PurgeParams.of_form(form), make_settings(), run_id="run", as_of=NOW)


def test_the_report_of_a_purge_has_its_effects_and_warnings(library: Library) -> None:
    library.fine(library.user(purge=date(2020, 1, 1)), "2.00")
    library.fine(library.user(purge=date(2020, 1, 1)), "-1.00")
    library.fine(library.user(purge=date(2020, 1, 1)), "9.00")
    library.user()
    with record_task(library.ledger, "purge_users", job=Job.PURGE, profile=None, run_id="run"):
        purge(library)

    report = record_report(
        library.ledger,
        build_maintenance_report(Job.PURGE, library.ledger, None, run_id="run", started_at=NOW, failed=[]),
    )

    assert (report.profile, report.dry_run, report.as_of) == (None, False, NOW)
    assert (report.outcome, report.users, report.fines) == (RunOutcome.WITH_WARNINGS, 1, 1)
    assert report.totals == {"USD": CurrencyTotals(Decimal("2.000"), Decimal(0))}
    assert {reason: left.users for reason, left in report.skipped.items()} == {
        "above_threshold": 1, "credit": 1, "no_date": 1,
    }  # fmt: skip
    assert list(report.task_timings) == ["purge_users"]
    no_date, credit = report.messages
    assert no_date.startswith("Kept: 1 user without such a date, and never due: add the date")
    assert credit.endswith("settle fines with it (`bin/bursar jobs results 1` lists them).")


def test_the_report_of_a_dry_run_is_marked_as_one(library: Library) -> None:
    library.user(purge=date(2020, 1, 1))
    purge(library, dry_run=True)
    report = build_maintenance_report(Job.PURGE, library.ledger, None, run_id="run", started_at=NOW, failed=[])
    assert (report.dry_run, report.users, report.outcome) == (True, 1, RunOutcome.COMPLETED)


def test_a_purge_without_due_users_has_nothing_to_do(library: Library) -> None:
    purge(library)
    assert build_maintenance_report(
        Job.PURGE, library.ledger, None, run_id="run", started_at=NOW, failed=[]
    ).outcome is (RunOutcome.NOTHING_TO_DO)


def test_a_failure_before_any_change_is_reported(library: Library) -> None:
    report = build_maintenance_report(
        Job.WAIVE, library.ledger, None, run_id="run", started_at=NOW, failed=["waive_fines"]
    )
    assert report.outcome is RunOutcome.FAILED
    assert report.messages[0].startswith("The waiving of the fines failed")
