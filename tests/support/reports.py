"""Run reports for the tests."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from bursar.ledger.jobs import Job
from bursar.ledger.totals import CurrencyTotals, OutcomeTotals, Skipped
from bursar.reporting.run_report import RunOutcome, RunReport

STARTED = datetime(2026, 3, 2, 7, 0, 2, tzinfo=UTC)

EXPORT = RunReport(
    job=Job.EXPORT,
    profile="STUDENTS",
    run_id="scheduled__2026-03-02T07:00:00+00:00",
    as_of=datetime(2026, 3, 2, 7, tzinfo=UTC),
    started_at=STARTED,
    ended_at=STARTED + timedelta(seconds=42),
    outcome=RunOutcome.COMPLETED,
    files=("STUDENTS-412-20260302020003.xml",),
    users=811,
    fines=1204,
    totals={"USD": CurrencyTotals(Decimal("15204.50"), Decimal(-12)), "CAD": CurrencyTotals(Decimal(20), Decimal(0))},
    skipped={"too_young": Skipped(60, 41, {"USD": Decimal("402.10")})},
)

IMPORT = RunReport(
    job=Job.IMPORT,
    profile="STUDENTS",
    run_id="manual__2026-03-02T12:00:00+00:00",
    started_at=STARTED,
    ended_at=STARTED + timedelta(seconds=5),
    outcome=RunOutcome.WITH_WARNINGS,
    files=("payments.xml",),
    users=2,
    fines=3,
    totals={"USD": CurrencyTotals(Decimal(60), Decimal(0))},
    rejects={"UNMATCHED": OutcomeTotals(2, {"USD": Decimal("7.5")})},
    messages=("2 of 5 records in payments.xml had no effect (2: no such fine).",),
)


def make_report(**changes: Any) -> RunReport:
    """Returns the report of an export with these changes."""
    return replace(EXPORT, **changes)
