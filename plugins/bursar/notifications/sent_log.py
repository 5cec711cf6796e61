"""What was told to whom, so that nobody is told the same thing again."""

import json
from collections.abc import Collection
from dataclasses import asdict
from hashlib import sha256

from sqlalchemy import Connection

from bursar.db.queries import query
from bursar.reporting.run_report import RunReport


def deduplication_key(report: RunReport) -> str:
    """What a report tells, as a key: the same for a task that is repeated, another once something else is to be said.

    Moments and durations don't count: they differ each time that a report is built.
    """
    said = {
        name: value for name, value in asdict(report).items() if name not in ("started_at", "ended_at", "task_timings")
    }
    digest = sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()
    return f"{report.job} {report.profile} {report.run_id} {digest[:16]}"


def not_yet_sent(connection: Connection, what: str, recipients: Collection[str]) -> list[str]:
    """Those who have not been told, in their order."""
    rows = connection.execute(query("notifications/list_sent"), {"dedup_key": what, "recipients": list(recipients)})
    told = {row.recipient for row in rows}
    return [recipient for recipient in recipients if recipient not in told]


def record_sent(connection: Connection, what: str, recipients: Collection[str]) -> None:
    """Records who was told."""
    connection.execute(query("notifications/record_sent"), {"dedup_key": what, "recipients": list(recipients)})
