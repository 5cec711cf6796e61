"""The forms of output: CSV that a spreadsheet can open safely, tables that fit 80 columns, pipes without a width."""

import csv
import io
import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from bursar.commands import context
from bursar.ledger.jobs import Job
from bursar.ledger.totals import CurrencyTotals
from bursar.reporting.run_report import RunOutcome, RunReport, record_report
from tests.support.cli import run, run_json
from tests.support.fake_bursar import FakeBursar, Payment
from tests.support.fixtures import NOW, Library

PROJECT = Path(__file__).parents[2]


def run_csv(*arguments: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(run(*arguments, "--format", "csv"))))


@pytest.fixture
def busy_library(library: Library) -> Library:
    """A library with an export, a payment file, and a run whose amounts are large."""
    office = FakeBursar(library)
    _, transaction = office.export_fine("1234567.89")
    office.pay(Payment(transaction, "4"), Payment("=HYPERLINK(1)", "4"))
    report = RunReport(
        job=Job.EXPORT,
        profile="STUDENTS",
        run_id="=cmd|'/C calc'!A0",
        started_at=NOW,
        ended_at=NOW,
        outcome=RunOutcome.WITH_WARNINGS,
        users=12345,
        fines=123456,
        totals={"USD": CurrencyTotals(Decimal("12345678.90"), Decimal("-1234567.80"))},
    )
    record_report(library.ledger, report)
    return library


def test_a_list_as_csv_has_the_values_of_json(busy_library: Library) -> None:
    (row,), (value,) = run_csv("runs", "list"), run_json("runs", "list")
    assert row["totals.USD.net"] == value["totals"]["USD"]["net"] == "11111111.10"
    assert (row["started_at"], row["dry_run"], row["as_of"]) == (value["started_at"], "false", "")
    (batch,) = run_csv("batches", "list", "--all")
    assert (batch["profile"], batch["totals.USD.charges"]) == ("STUDENTS", "1234567.89")
    (file,) = run_csv("imports", "list")
    assert file["outcomes.PARTLY_PAID.records"] == "1"


def test_a_formula_is_only_text_in_csv(busy_library: Library) -> None:
    (row,) = run_csv("runs", "list")
    assert row["run_id"].startswith("'=cmd|")
    (reject,) = run_csv("imports", "rejects", "1")
    assert reject["transaction_id"] == "'=HYPERLINK(1)"


def test_a_record_as_csv_is_a_row(busy_library: Library) -> None:
    assert [row["job"] for row in run_csv("runs", "show", "1")] == ["export"]
    assert [row["state"] for row in run_csv("batches", "show", "1")] == ["CLOSED"]
    rows = run_csv("fines", "show", "1")
    assert {row["fine"] for row in rows} == {"1"}
    assert [row["entry.entry_type"] for row in rows if row["kind"] == "journal"][-1] == "PAID_AT_BURSAR"


def test_a_preview_as_data(library: Library) -> None:
    library.fine(library.user("00000001"), "12.50")
    found = json.loads(run("profiles", "preview", "STUDENTS", "--format", "json"))
    assert found["profile"] == "STUDENTS"
    assert {row["fine"] for row in run_csv("profiles", "preview", "STUDENTS")} == {"1"}


@pytest.mark.parametrize(
    ("arguments", "kept", "left_out"),
    [
        (("runs", "list"), ["11,111,111.10", "USD", "completed with"], "Duration, Users"),
        (("batches", "list", "--all"), ["STUDENTS", "CLOSED"], "Resends"),
    ],
)
def test_a_table_fits_80_columns_and_says_what_is_left_out(
    busy_library: Library,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    kept: list[str],
    left_out: str,
) -> None:
    monkeypatch.setattr(context.console, "_width", 80)
    printed = run(*arguments)
    table, _, note = printed.partition("Left out, for lack of room: ")
    assert note.startswith(left_out)
    assert max(len(line.rstrip()) for line in table.splitlines() if "`" not in line) <= 80, table
    assert all(text in table for text in kept)
    monkeypatch.setattr(context.console, "_width", 200)
    assert "Left out" not in run(*arguments)


def test_a_pipe_has_no_width_and_columns_sets_one() -> None:
    code = "from bursar.commands.context import console; console.print('word ' * 100)"
    env = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    env["PYTHONPATH"] = str(PROJECT / "plugins")
    for width, lines in (({}, 1), ({"COLUMNS": "80"}, 7)):
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, env=env | width, capture_output=True, text=True, check=True)  # noqa: S603
        assert len(done.stdout.splitlines()) == lines
