"""Statements on a real SFTP server: found, compared once in a run, rejected with a reason, and archived."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from bursar.errors import InputFileError, TransientError
from bursar.imports.detect import WatchedFolder, select_ready_files
from bursar.reporting.run_report import delete_reports_before
from bursar.statements.files import remove_compared_downloads
from tests.support.fake_bursar import FakeBursar
from tests.support.fault_injection import KillSwitch
from tests.support.statement_inbox import OPEN, StatementInbox

CONTROLLED = """\
for: statement
lists: open
kind: fixed
encoding: ascii
records:
  - {each: line, starts: D, length: 22}
  - {each: file, starts: T, count: {at: 2-7}, sum: {at: 8-19, as: cents}}
fields:
  transaction_id: {at: 2-11}
  sum: {at: 12-22, as: cents}
  currency: {is: USD}
"""


def test_a_statement_is_found_compared_and_archived(statements: StatementInbox, office: FakeBursar) -> None:
    _, id_ = office.export_fine("10.00")
    statements.put(f"{id_},10.00,USD")
    (statements.disk / "notes.txt").write_text("not a statement", encoding="utf-8")
    assert statements.find_ready_files() == ["open.csv"]
    with statements.run() as run:
        statement = run.compare_file("open.csv")
        assert run.archive_file("open.csv") == "processed/open.csv"
        assert run.archive_file("open.csv") == "processed/open.csv"
    assert (statement.layout, statement.lists, statement.name) == ("office", "open", "open.csv")
    assert statements.find_ready_files() == []
    assert not list(statements.staging.glob("*"))
    reason = statements.library.one("SELECT reason FROM skipped_entries WHERE profile = 'statement:STUDENTS'")
    assert reason == "its name matches no pattern of the statement section"


def test_the_same_bytes_are_compared_again_by_another_run_and_not_by_the_same(
    statements: StatementInbox, office: FakeBursar
) -> None:
    _, id_ = office.export_fine("10.00")
    path = statements.put(f"{id_},10.00,USD")
    with statements.run() as run:
        first = run.compare_file("open.csv")
        assert run.compare_file("open.csv") == first
    with statements.run("run 2") as run:
        assert run.compare_file("open.csv").id != first.id
    assert path.exists()


def test_a_file_that_stays_is_known_until_it_changes(statements: StatementInbox, office: FakeBursar) -> None:
    statements.change(after_comparison="leave")
    _, id_ = office.export_fine("10.00")
    path = statements.put(f"{id_},10.00,USD")
    with statements.run() as run:
        run.compare_file("open.csv")
        assert run.archive_file("open.csv") is None
    assert path.exists()
    assert statements.find_ready_files() == []
    statements.put(f"{id_},10.00,USD", days_ago=1)
    assert statements.find_ready_files() == ["open.csv"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"%PDF-1.7 ...", "the file is a PDF document"),
        (b"<html><body>Sign in</body></html>", r"the file is a web page \(HTML\)"),
        (b"D1         00000001000\n", "there is no record 'T'"),
        (b"D1         00000001000\nT000002000000001000\n", "names a count of 2, and its statement lines have 1"),
        (b"D1         00000001000\nT000001000000000999\n", r"a total of 9\.99, and its statement lines have 10\.00"),
        (b"X\nT000000000000000000\n", "no statement line is recognised"),
        (b"D" + b"1" * 200_000, "more than 65,536 characters"),
    ],
    ids=["empty", "document", "web page", "cut off", "other count", "other total", "unrecognised", "endless line"],
)
def test_a_file_that_is_no_statement_is_rejected_as_a_whole(
    statements: StatementInbox, content: bytes, reason: str
) -> None:
    statements.write_layout(CONTROLLED)
    (statements.disk / "open.csv").write_bytes(content)
    with statements.run() as run:
        with pytest.raises(InputFileError, match=reason) as error:
            run.compare_file("open.csv")
        assert run.archive_file("open.csv") == "failed/open.csv"
        with pytest.raises(InputFileError, match=reason):
            run.compare_file("open.csv")
    assert statements.library.one("SELECT rejection FROM statements") == str(error.value)
    assert statements.library.one("SELECT count(*) FROM statement_results") == 0


def test_control_records_that_agree_let_a_statement_pass(statements: StatementInbox, office: FakeBursar) -> None:
    statements.write_layout(CONTROLLED)
    _, id_ = office.export_fine("10.00")
    content = f"D{id_:10}00000001000\nT000001000000001000\n"
    (statements.disk / "open.csv").write_text(content, encoding="utf-8")
    with statements.run() as run:
        assert run.compare_file("open.csv").differences == 0


def test_a_run_that_was_killed_anywhere_is_repeated(statements: StatementInbox, office: FakeBursar) -> None:
    _, id_ = office.export_fine("10.00")
    for step in range(100):
        name = f"open{step}.csv"
        statements.put(f"{id_},10.00,USD", name=name)
        switch = KillSwitch(step)
        try:
            with statements.run(f"run {step}", switch) as run:
                run.compare_file(name)
                run.archive_file(name)
        except BaseException:  # noqa: BLE001  the end of a process
            with statements.run(f"run {step}") as run:
                run.compare_file(name)
                assert run.archive_file(name) in {f"processed/{name}", None}
        remove_compared_downloads(statements.library.ledger, "STUDENTS", statements.staging)
        assert not list(statements.staging.glob("*"))
        assert not (statements.disk / name).exists()
        if len(switch.acts) <= step:  # it was not reached
            break
    else:
        pytest.fail("there is no end of the steps")
    assert statements.library.one("SELECT count(*) FROM statements WHERE archived_at IS NULL") == 0
    assert statements.library.one("SELECT count(*) FROM statements") == step + 1


def test_a_file_that_has_gone_is_waited_for(statements: StatementInbox) -> None:
    with statements.run() as run, pytest.raises(TransientError, match="not in .* any more"):
        run.compare_file("open.csv")


def test_an_import_in_the_same_folder_takes_no_statement_and_does_not_report_it(statements: StatementInbox) -> None:
    statements.change(input_file_path="in")
    folder = WatchedFolder.of_import(statements.profile)
    (statements.remote.disk / "in").mkdir()
    (statements.remote.disk / "in" / "open.csv").write_text("x", encoding="utf-8")
    with statements.remote.open("in") as remote:
        assert select_ready_files(statements.library.ledger, folder, remote.files()) == []
    assert statements.library.one("SELECT count(*) FROM skipped_entries") == 0


def test_old_statements_are_deleted_with_the_reports_and_the_newest_stays(
    statements: StatementInbox, office: FakeBursar
) -> None:
    office.export_fine("10.00")
    ids = [statements.compare(run_id=f"run {number}").id for number in range(3)]
    with statements.owner.begin() as connection:
        connection.execute(text("UPDATE statements SET registered_at = registered_at - interval '90 days'"))
    delete_reports_before(statements.library.ledger, before=datetime.now(UTC) - timedelta(days=30))
    assert statements.library.one("SELECT array_agg(id) FROM statements") == [ids[-1]]
    assert statements.library.one("SELECT array_agg(DISTINCT statement_id) FROM statement_results") == [ids[-1]]


def test_the_layout_of_the_test_is_for_statements(statements: StatementInbox, tmp_path: Path) -> None:
    statements.write_layout(OPEN.replace("for: statement", "for: payments"))
    statements.put()
    assert os.fspath(tmp_path)
    with statements.run() as run, pytest.raises(Exception, match="for: "):
        run.compare_file("open.csv")
