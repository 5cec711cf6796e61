"""What was told to whom, so that nobody is told the same thing again."""

import json
from collections.abc import Collection
from dataclasses import asdict
from hashlib import sha256

from sqlalchemy import Connection

from bursar.ledger.statements import statement
from bursar.reporting.report import JobReport


def report_key(report: JobReport) -> str:
    """What a report tells, as a key: the same for a task that is repeated, another once something else is to be said.

    Moments and durations don't count: they differ each time that a report is built.
    """
    said = {name: value for name, value in asdict(report).items() if name not in ("started_at", "ended_at", "stages")}
    digest = sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()
    return f"{report.job} {report.profile} {report.run} {digest[:16]}"


def untold(connection: Connection, what: str, recipients: Collection[str]) -> list[str]:
    """Those who have not been told, in their order."""
    rows = connection.execute(statement("tellings/told"), {"what": what, "recipients": list(recipients)})
    told = {row.recipient for row in rows}
    return [recipient for recipient in recipients if recipient not in told]


def record_told(connection: Connection, what: str, recipients: Collection[str]) -> None:
    """Records who was told."""
    connection.execute(statement("tellings/record"), {"what": what, "recipients": list(recipients)})
