"""The reports of exports and imports, which are built from the ledger.

The module is long because every outcome of exports and imports has a report.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from bursar.errors import RemoteFolderError
from bursar.exports.recover import release_batch
from bursar.exports.selection import select_fines
from bursar.ledger import desk
from bursar.ledger.jobs import Job
from bursar.ledger.totals import CurrencyTotals
from bursar.reporting.build_report import build_export_report, build_import_report
from bursar.reporting.run_report import RunOutcome, RunReport, delete_reports_before, record_report
from bursar.reporting.task_timings import get_interrupted_tasks, record_task
from tests.support.fake_bursar import FakeBursar, Payment
from tests.support.fixtures import NOW, Library, make_profile, make_settings

STARTED = datetime.now(UTC) - timedelta(minutes=5)


def build_export(office: FakeBursar, batch: int, *failed: str) -> RunReport:
    run_id = office.library.one("SELECT run_id FROM batches WHERE id = :id", id=batch)
    return build_export_report(office.library.ledger, "STUDENTS", run_id=run_id, started_at=STARTED, failed=failed)


def build_import(office: FakeBursar, *failed: str) -> RunReport:
    return build_import_report(office.library.ledger, "STUDENTS", run_id="run", started_at=STARTED, failed=failed)


def add_arrival(office: FakeBursar, file: int, *, run_id: str = "run") -> None:
    office._run(  # noqa: SLF001
        "INSERT INTO file_arrivals (file_id, profile, run_id, name, size, modified)"
        " SELECT id, profile, :run_id, name, size, modified FROM import_files WHERE id = :file",
        file=file,
        run_id=run_id,
    )


def test_an_export_of_all_fines_is_completed(office: FakeBursar) -> None:
    user = office.library.user()
    office.library.fine(user, "12.50")
    office.library.fine(user, "-2.00")
    batch = office.export()

    report = build_export(office, batch)

    assert report.outcome is RunOutcome.COMPLETED
    assert (report.users, report.fines) == (1, 2)
    assert report.totals == {"USD": CurrencyTotals(Decimal("12.500"), Decimal("-2.000"))}
    assert report.net == {"USD": Decimal("10.5")}
    assert report.files == (office.library.one("SELECT file_name FROM batch_files"),)
    assert not report.messages


def test_an_export_without_fines_has_nothing_to_do(office: FakeBursar) -> None:
    report = build_export(office, office.export())

    assert (report.outcome, report.files, report.fines) == (RunOutcome.NOTHING_TO_DO, (), 0)


def test_users_without_a_valid_identifier_are_a_warning(office: FakeBursar) -> None:
    office.library.fine(office.library.user(None), "3.00")
    office.library.fine(office.library.user("00\x01"), "4.00")

    report = build_export(office, office.export())

    assert report.outcome is RunOutcome.WITH_WARNINGS
    missing, malformed = report.messages
    assert missing.startswith(
        "1 fine of 1 user (3.00 USD) left open: the user has no identifier of the profile's type."
    )
    assert malformed.startswith("1 fine of 1 user (4.00 USD) left open: the user's identifier does not match")
    assert set(report.skipped) == {"no_identifier", "malformed_identifier"}


def test_fines_that_the_profile_excludes_are_no_warning(office: FakeBursar) -> None:
    office.library.fine()
    select_fines(
        office.library.ledger,
        make_profile(user_groups=["STAFF"]),
        make_settings(),
        run_id="staff",
        as_of=datetime.now(UTC),
    )

    report = build_export_report(office.library.ledger, "STUDENTS", run_id="staff", started_at=STARTED, failed=())

    assert report.outcome is RunOutcome.NOTHING_TO_DO
    assert report.skipped["other_user_group"].fines == 1


def test_the_report_of_a_failed_export_names_its_batch(office: FakeBursar) -> None:
    office.library.fine()
    batch = select_fines(office.library.ledger, make_profile(), make_settings(), run_id="bad", as_of=NOW)
    with (
        pytest.raises(RemoteFolderError),
        record_task(office.library.ledger, "upload_file", job=Job.EXPORT, profile="STUDENTS", run_id="bad"),
    ):
        raise RemoteFolderError("The server refuses the login. Ask its administrator.")

    report = build_export(office, batch.id, "upload_file")

    assert report.outcome is RunOutcome.FAILED
    assert (report.fines, report.totals, report.files) == (0, {}, ())
    failure, batch_message = report.messages
    assert failure == "The upload of the file failed: The server refuses the login. Ask its administrator."
    assert batch_message.startswith(
        f"Batch {batch.id} with 1 fine (12.50 USD) is selected, and no other export takes its fines."
    )
    assert list(report.task_timings) == ["upload_file"]


def test_a_killed_task_is_reported(office: FakeBursar) -> None:
    office.library.fine()

    report = build_export(office, office.export(close=False), "close_fines")

    assert report.messages[0].startswith(
        "The closing of the fines failed: it ended without an error: a person marked it as failed, or its worker died"
    )
    assert report.fines == 1  # the batch was delivered


def test_the_report_names_an_earlier_batch_that_its_run_released(office: FakeBursar) -> None:
    office.library.fine()
    left = select_fines(office.library.ledger, make_profile(), make_settings(), run_id="left", as_of=NOW)
    batch = office.export()
    run_id = office.library.one("SELECT run_id FROM batches WHERE id = :id", id=batch)
    release_batch(office.library.ledger, left.id, closed_by_run_id=run_id)

    report = build_export(office, batch)

    assert report.outcome is RunOutcome.WITH_WARNINGS
    (message,) = report.messages
    assert message == (
        f"Batch {left.id} with 1 fine, left unfinished by run left, was released: nothing of it was sent, and its "
        "fines are open again."
    )


def test_attempts_of_a_task_are_summed_and_the_last_error_counts(office: FakeBursar) -> None:
    ledger = office.library.ledger
    for key in ("0", "1"):
        with (
            pytest.raises(ZeroDivisionError),
            record_task(ledger, "load_file", job=Job.IMPORT, profile="STUDENTS", run_id="run", map_key=key),
        ):
            _ = 1 / 0
    with record_task(ledger, "load_file", job=Job.IMPORT, profile="STUDENTS", run_id="run", map_key="1"):
        pass
    with record_task(ledger, "apply_payments", job=Job.IMPORT, profile="STUDENTS", run_id="run", map_key="1"):
        pass

    report = build_import(office, "load_file")

    assert list(report.task_timings) == ["load_file", "apply_payments"]
    assert office.library.one("SELECT count(*) FROM task_timings WHERE seconds > 0") == 3
    assert report.messages == (
        "The loading of the file failed: it ended with ZeroDivisionError; the log of the task says more.",
    )


def test_an_import_reports_paid_charges_and_credits(office: FakeBursar) -> None:
    user = office.library.user()
    (_, charge), (_, credit) = office.export_fine("10.00", user=user), office.export_fine("-4.00", user=user)
    file = office.add_file(Payment(charge, "10.00"), Payment(credit, "-4.00"))
    add_arrival(office, file)
    office.apply(file)

    report = build_import(office)

    assert report.outcome is RunOutcome.COMPLETED
    assert (report.users, report.fines) == (1, 2)
    assert report.totals == {"USD": CurrencyTotals(Decimal("10.000"), Decimal("-4.000"))}
    assert not report.rejects


def test_records_without_effect_are_a_warning(office: FakeBursar) -> None:
    _, transaction = office.export_fine("10.00")
    file = office.add_file(
        Payment(transaction, "10.00"), Payment("77", "5.00"), Payment("78", "1.00", "CAD"), Payment(transaction, "0")
    )
    add_arrival(office, file)
    office.apply(file)

    report = build_import(office)

    assert report.outcome is RunOutcome.WITH_WARNINGS
    assert {name: one.records for name, one in report.rejects.items()} == {"UNMATCHED": 2, "NO_PAYMENT": 1}
    assert report.rejects["UNMATCHED"].sums == {"CAD": Decimal("1.000"), "USD": Decimal("5.000")}
    (message,) = report.messages
    assert message.startswith("2 of 4 records in payments")
    assert "had no effect (2: no exported fine has this transaction id or internal id)." in message
    assert f"`bin/bursar imports rejects {file}`" in message


@pytest.mark.parametrize("paid_here", ["10.00", "4.00"])
def test_double_payments_are_a_warning(office: FakeBursar, paid_here: str) -> None:
    fine, transaction = office.export_fine("10.00")
    with office.library.ledger.begin() as connection:
        desk.pay(connection, fine, Decimal(paid_here), allow_activity_on_transferred_finesfees=True)
    file = office.add_file(Payment(transaction, "10.00"))
    add_arrival(office, file)
    office.apply(file)

    report = build_import(office)

    assert report.outcome is RunOutcome.WITH_WARNINGS
    assert report.messages[-1].startswith(f"{paid_here} USD in payments")
    assert "students have paid twice. Reversals and credits report it to the bursar" in report.messages[-1]


def test_an_import_counts_only_payments_of_its_own_run(office: FakeBursar) -> None:
    _, transaction = office.export_fine("10.00")
    file = office.add_file(Payment(transaction, "10.00"))
    add_arrival(office, file, run_id="earlier")
    add_arrival(office, file)
    office.apply(file)
    office._run("UPDATE import_files SET applied_by_run_id = 'earlier'")  # noqa: SLF001

    report = build_import(office)

    assert (report.fines, report.totals) == (0, {})
    assert report.outcome is RunOutcome.WITH_WARNINGS
    assert "has arrived before" in report.messages[0]


def test_an_import_of_a_file_without_records_has_nothing_to_do(office: FakeBursar) -> None:
    file = office.add_file()
    add_arrival(office, file)
    office.apply(file)
    report = build_import(office)
    assert (report.outcome, len(report.files), report.messages) == (RunOutcome.NOTHING_TO_DO, 1, ())


def test_an_import_without_a_file_has_nothing_to_do(office: FakeBursar) -> None:
    assert build_import(office).outcome is RunOutcome.NOTHING_TO_DO


def test_the_report_of_a_repeated_run_replaces_the_first_one(library: Library) -> None:
    ended = STARTED + timedelta(seconds=10)
    first = RunReport(
        job=Job.WAIVE,
        profile=None,
        run_id="r",
        started_at=STARTED,
        ended_at=ended,
        outcome=RunOutcome.FAILED,
        messages=("no",),
    )
    again = RunReport(
        job=Job.WAIVE,
        profile=None,
        run_id="r",
        started_at=ended,
        ended_at=ended + timedelta(seconds=3),
        outcome=RunOutcome.COMPLETED,
        task_timings={"z": 1.5, "a": 2.0},
        files=("a.xml", "b\u2028.xml"),
    )

    record_report(library.ledger, first)
    recorded = record_report(library.ledger, again)

    assert library.one("SELECT count(*) FROM run_reports") == 1
    assert (recorded.started_at, recorded.ended_at) == (STARTED, again.ended_at)
    assert list(recorded.task_timings) == ["z", "a"]
    assert (recorded.outcome, recorded.files, recorded.messages) == (RunOutcome.COMPLETED, again.files, ())


def test_old_reports_are_deleted_except_those_that_alerts_need(library: Library) -> None:
    """The age of a report is that of the end of its run, because a run may wait for weeks."""

    def add_report(run_id: str, began: int, ended: int, **changes: Any) -> None:
        """Records a report of a run that began and ended so many days ago."""
        moments = {"started_at": STARTED - timedelta(days=began), "ended_at": STARTED - timedelta(days=ended)}
        values = {"job": Job.EXPORT, "profile": "STUDENTS", "outcome": RunOutcome.COMPLETED} | moments | changes
        record_report(library.ledger, RunReport(run_id=run_id, **values))
        with record_task(
            library.ledger, "wait_for_approval", job=values["job"], profile=values["profile"], run_id=run_id
        ):
            pass

    add_report("deleted", 40, 40)
    add_report("newest success of the old", 30, 30)
    add_report("deleted failure", 20, 20, outcome=RunOutcome.FAILED)
    add_report("newest of the old", 10, 10, outcome=RunOutcome.FAILED)
    add_report("dry", 9, 9, dry_run=True)
    add_report("waited", 25, 1)
    add_report("new", 1, 1)
    add_report("another job", 50, 50, job=Job.IMPORT)
    add_report("another profile", 50, 50, profile="STAFF")
    add_report("no profile", 50, 50, job=Job.PURGE, profile=None)
    add_report("no profile, deleted", 60, 60, job=Job.PURGE, profile=None)
    with record_task(
        library.ledger, "wait_for_approval", job=Job.EXPORT, profile="STUDENTS", run_id="not reported yet"
    ):
        pass

    assert delete_reports_before(library.ledger, before=STARTED - timedelta(days=5)) == 4

    kept = ["newest success of the old", "newest of the old", "waited", "new"]
    kept += ["another job", "another profile", "no profile"]
    assert library.one("SELECT array_agg(run_id ORDER BY id) FROM run_reports") == kept
    timings = library.one("SELECT array_agg(run_id) FROM task_timings")
    assert sorted(timings) == sorted([*kept, "not reported yet"])


def test_the_report_of_a_dry_run_has_the_fines_that_would_be_sent(office: FakeBursar) -> None:
    office.library.fine()
    dry = select_fines(office.library.ledger, make_profile(), make_settings(), run_id="dry", as_of=NOW, dry_run=True)

    report = build_export(office, dry.id)

    assert (report.dry_run, report.outcome, report.fines) == (True, RunOutcome.COMPLETED, 1)
    assert f"`bin/bursar batches build-file {dry.id}`" in report.messages[0]


def test_tasks_that_a_person_interrupted_are_distinguished_from_skipped_ones(library: Library) -> None:
    """Airflow skips the other tasks of a run that is marked as failed, and does not store who marked it."""
    ledger = library.ledger
    with record_task(ledger, "build_file", job=Job.EXPORT, profile="STUDENTS", run_id="run"):
        pass
    with (
        pytest.raises(ZeroDivisionError),
        record_task(ledger, "upload_file", job=Job.EXPORT, profile="STUDENTS", run_id="run"),
    ):
        _ = 1 / 0

    def get_interrupted(*skipped: str) -> list[str]:
        return get_interrupted_tasks(ledger, Job.EXPORT, "STUDENTS", "run", skipped)

    assert get_interrupted() == []
    assert get_interrupted("build_file", "upload_file", "close_fines") == []
    assert get_interrupted("upload_file", "close_fines") == ["upload_file", "close_fines"]


def test_the_tasks_after_a_refused_approval_are_not_interrupted(library: Library) -> None:
    library.fine()
    batch = select_fines(library.ledger, make_profile(), make_settings(), run_id="run", as_of=NOW)
    library._run(  # noqa: SLF001
        "INSERT INTO approvals (batch_id, reasons, answer, answered_at)"
        " VALUES (:batch, '{Too many.}', 'refused', now())",
        batch=batch.id,
    )

    assert get_interrupted_tasks(library.ledger, Job.EXPORT, "STUDENTS", "run", ["upload_file", "close_fines"]) == []
