"""`bin/bursar runs`, on a real ledger."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from bursar.ledger.jobs import Job
from bursar.ledger.totals import CurrencyTotals, OutcomeTotals, Skipped
from bursar.reporting.run_report import RunOutcome, RunReport, record_report
from tests.support.cli import run, run_json
from tests.support.fixtures import NOW, Library


def record_run(library: Library, **changes: object) -> None:
    """Records the report of an export of STUDENTS."""
    facts: dict[str, Any] = {
        "job": Job.EXPORT,
        "profile": "STUDENTS",
        "run_id": "scheduled__2026-03-02",
        "as_of": NOW,
        "started_at": NOW,
        "ended_at": NOW + timedelta(minutes=2, seconds=5),
        "outcome": RunOutcome.WITH_WARNINGS,
        "files": ("STUDENTS-1.xml",),
        "users": 1,
        "fines": 2,
        "totals": {
            "CAD": CurrencyTotals(Decimal("3.000"), Decimal(0)),
            "USD": CurrencyTotals(Decimal("1234.500"), Decimal("-2.000")),
        },
        "skipped": {"too_young": Skipped(3, 2, {"USD": Decimal("4.000")})},
        "rejects": {"UNMATCHED": OutcomeTotals(1, {"USD": Decimal("5.000")})},
        "task_timings": {"select_fines": 1.25, "upload_file": 3661.0},
        "messages": ("Ask the [bursar].",),
    }
    record_report(library.ledger, RunReport(**facts | changes))


def test_runs_are_listed_newest_first_with_their_amounts(library: Library) -> None:
    record_run(library)
    record_run(library, run_id="later", started_at=NOW + timedelta(days=1), profile="STAFF", dry_run=True)

    lines = run("runs", "list").splitlines()

    assert lines[1].split()[:5] == ["2", "2026-03-03", "12:00", "STAFF", "export"]
    assert "completed with warnings (dry run)" in lines[1]
    assert "      1      2      3.00     0.00      3.00  CAD  completed with warnings" in lines[3]
    assert lines[4].split() == ["1,234.50", "-2.00", "1,232.50", "USD"]
    assert "STAFF" not in run("runs", "list", "--profile", "STUDENTS")


def test_a_run_is_shown_in_full(library: Library) -> None:
    record_run(library)

    output = run("runs", "show", "1")

    for fact in (
        "Export STUDENTS: completed with warnings",
        "STUDENTS-1.xml",
        "2 fines of 1 user",
        "charges 1,234.50 USD, credits -2.00 USD, net 1,232.50 USD",
        "! Ask the [bursar].",
        "younger than the time before export",
        "UNMATCHED",
        "1 h 1 min",
    ):
        assert fact in output


def test_without_runs_the_list_says_so(library: Library) -> None:
    assert run("runs", "list") == "No run has been recorded yet.\n"
    assert run("runs", "list", "--profile", "STUDENTS") == "No run of profile STUDENTS has been recorded.\n"


def test_runs_are_printed_as_json(library: Library) -> None:
    record_run(library)
    (found,) = run_json("runs", "list")
    assert found == run_json("runs", "show", "1")
    assert (found["run"], found["outcome"], found["started_at"]) == (
        1,
        "completed with warnings",
        "2026-03-02T12:00:00Z",
    )
    assert found["totals"] == {
        "CAD": {"charges": "3.00", "credits": "0.00", "net": "3.00"},
        "USD": {"charges": "1234.50", "credits": "-2.00", "net": "1232.50"},
    }
    assert found["skipped"] == {"too_young": {"fines": 3, "users": 2, "net": {"USD": "4.00"}}}
    assert found["task_seconds"] == {"select_fines": 1.25, "upload_file": 3661.0}
    assert found["messages"] == ["Ask the [bursar]."]
