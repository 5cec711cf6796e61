"""The notifications that recipients have received, so that nobody receives one twice."""

import json
from collections.abc import Collection
from dataclasses import asdict
from hashlib import sha256

from sqlalchemy import Connection

from bursar.db.queries import query
from bursar.reporting.run_report import RunReport

_MOMENTS = ("started_at", "ended_at", "task_timings")


def deduplication_key(report: RunReport) -> str:
    """Returns a key that is the same for a repeated task, and another one once the report says something else.

    Moments and durations don't count: they differ each time that a report is built.
    """
    content = {name: value for name, value in asdict(report).items() if name not in _MOMENTS}
    digest = sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()
    return f"{report.job} {report.profile} {report.run_id} {digest[:16]}"


def not_yet_sent(connection: Connection, dedup_key: str, recipients: Collection[str]) -> list[str]:
    """Returns the recipients who have not received a notification, in their order."""
    rows = connection.execute(
        query("notifications/list_sent"), {"dedup_key": dedup_key, "recipients": list(recipients)}
    )
    notified = {row.recipient for row in rows}
    return [recipient for recipient in recipients if recipient not in notified]


def record_sent(connection: Connection, dedup_key: str, recipients: Collection[str]) -> None:
    """Records that recipients have received a notification."""
    connection.execute(query("notifications/record_sent"), {"dedup_key": dedup_key, "recipients": list(recipients)})
