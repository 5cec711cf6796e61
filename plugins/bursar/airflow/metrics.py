"""Bursar's metrics. They are sent to where Airflow sends its own (StatsD or OpenTelemetry), if it sends any.

| metric                              | kind    | tags                    |
| ----------------------------------- | ------- | ----------------------- |
| `bursar.jobs`                       | counter | job, profile, outcome   |
| `bursar.fines`                      | counter | job, profile            |
| `bursar.money`                      | counter | job, profile, currency  |
| `bursar.credits`                    | counter | job, profile, currency  |
| `bursar.rejects`                    | counter | profile, outcome        |
| `bursar.unsent_batches`             | gauge   | profile                 |
| `bursar.oldest_unsent_batch_age`    | gauge   | profile; in seconds     |

Money is in thousandths of each currency, because counters are integers and the ledger keeps three decimals. The tag
`profile` of a load is the code of its source. Metrics serve charts and alerts; for accounting use the ledger and the
run reports.
"""

from datetime import UTC, datetime
from decimal import Decimal

from airflow.sdk.observability import stats
from sqlalchemy import Engine

from bursar.ledger.batches import get_unfinished_batches
from bursar.ledger.jobs import Job
from bursar.reporting.run_report import RunReport


def send_metrics(engine: Engine, report: RunReport) -> None:
    """Sends the figures of a run, and the batches that are unsent now. A dry run counts as a run, but not its fines."""
    profile = {"profile": report.profile or "all"}
    job = profile | {"job": report.job}
    stats.incr("bursar.jobs", tags=job | {"outcome": report.outcome.replace(" ", "_")})
    if not report.dry_run:
        stats.incr("bursar.fines", report.fines, tags=job)
        for currency, sums in report.totals.items():
            stats.incr("bursar.money", _thousandths(sums.charges), tags=job | {"currency": currency})
            stats.incr("bursar.credits", -_thousandths(sums.credits), tags=job | {"currency": currency})
        for outcome, rejected in report.rejects.items():
            stats.incr("bursar.rejects", rejected.records, tags=profile | {"outcome": outcome})
    if report.job is Job.SYNC:  # a source sends no batches
        return
    with engine.connect() as connection:
        unsent = [batch for batch in get_unfinished_batches(connection, report.profile) if batch.delivered_at is None]
    ages = [(datetime.now(UTC) - batch.selected_at).total_seconds() for batch in unsent]
    stats.gauge("bursar.unsent_batches", len(unsent), tags=profile)
    stats.gauge("bursar.oldest_unsent_batch_age", max(ages, default=0), tags=profile)


def _thousandths(amount: Decimal) -> int:
    return int(amount * 1000)
