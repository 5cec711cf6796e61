"""The metrics that Bursar sends to a StatsD server: a real socket receives them."""

import socket
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from airflow.sdk.observability import stats
from airflow.sdk.observability.metrics import stats_utils

from bursar.airflow.metrics import send_metrics
from bursar.exports.selection import select_fines
from bursar.ledger.jobs import Job
from bursar.ledger.totals import CurrencyTotals, OutcomeTotals
from bursar.reporting.run_report import RunOutcome, RunReport
from tests.support.fixtures import NOW, Library, make_profile, make_settings

# Airflow's client never closes its socket.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket", "ignore::pytest.PytestUnraisableExceptionWarning")


def report(**changes: Any) -> RunReport:
    facts: dict[str, Any] = {
        "job": Job.EXPORT,
        "profile": "STUDENTS",
        "run_id": "run 1",
        "dry_run": False,
        "as_of": NOW,
        "started_at": NOW,
        "ended_at": NOW + timedelta(seconds=7),
        "outcome": RunOutcome("completed with warnings"),
        "files": (),
        "users": 2,
        "fines": 3,
        "totals": {"USD": CurrencyTotals(Decimal("12.50"), Decimal("-3.255"))},
        "skipped": {},
        "rejects": {"UNMATCHED": OutcomeTotals(4, {"USD": Decimal("9.00")})},
        "task_timings": {},
        "messages": (),
    }
    return RunReport(**facts | changes)


@pytest.fixture
def received(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A StatsD server that receives Airflow's metrics."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)
        for name, value in {"ON": "True", "PORT": server.getsockname()[1], "INFLUXDB_ENABLED": "True"}.items():
            monkeypatch.setenv(f"AIRFLOW__METRICS__STATSD_{name}", str(value))
        stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=False)
        yield server
        monkeypatch.undo()
        stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=False)


def lines(server: socket.socket, count: int) -> list[str]:
    return sorted(server.recv(1_000).decode().removeprefix("airflow.") for _ in range(count))


def test_a_run_sends_its_figures_and_the_unsent_batches(library: Library, received: socket.socket) -> None:
    library.fine()
    select_fines(library.ledger, make_profile(), make_settings(), run_id="run 1", as_of=NOW)

    send_metrics(library.ledger, report())

    *others, age = sorted(lines(received, 7), key=lambda line: ("oldest" in line, line))
    assert others == [
        "bursar.credits,profile=STUDENTS,job=export,currency=USD:3255|c",
        "bursar.fines,profile=STUDENTS,job=export:3|c",
        "bursar.jobs,profile=STUDENTS,job=export,outcome=completed_with_warnings:1|c",
        "bursar.money,profile=STUDENTS,job=export,currency=USD:12500|c",
        "bursar.rejects,profile=STUDENTS,outcome=UNMATCHED:4|c",
        "bursar.unsent_batches,profile=STUDENTS:1|g",
    ]
    assert age.startswith("bursar.oldest_unsent_batch_age,profile=STUDENTS:")


def test_a_metric_of_money_is_exact_in_every_currency(library: Library, received: socket.socket) -> None:
    totals = {
        "JPY": CurrencyTotals(Decimal("1500.000"), Decimal(0)),
        "KWD": CurrencyTotals(Decimal("1.001"), Decimal("-0.005")),
        "USD": CurrencyTotals(Decimal("99999999999.999"), Decimal(0)),
    }
    send_metrics(library.ledger, report(totals=totals))
    money = [line for line in lines(received, 11) if line.startswith(("bursar.money", "bursar.credits"))]
    assert [line.rpartition("currency=")[2] for line in money] == [
        "JPY:0|c",
        "KWD:5|c",
        "USD:0|c",
        "JPY:1500000|c",
        "KWD:1001|c",
        "USD:99999999999999|c",
    ]


def test_a_dry_run_counts_no_money(library: Library, received: socket.socket) -> None:
    send_metrics(library.ledger, report(dry_run=True))

    assert [line.partition(",")[0] for line in lines(received, 3)] == [
        "bursar.jobs",
        "bursar.oldest_unsent_batch_age",
        "bursar.unsent_batches",
    ]
