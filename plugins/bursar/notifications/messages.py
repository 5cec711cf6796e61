"""The messages that people receive: about runs, alerts, and exports that wait for approval. They name no user."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from bursar.ledger.batches import Batch
from bursar.ledger.jobs import Job
from bursar.money import format_totals
from bursar.reporting.run_description import (
    Table,
    count_fines,
    describe_facts,
    describe_outcome,
    describe_result,
    format_moment,
    make_tables,
)
from bursar.reporting.run_report import RunOutcome, RunReport

Severity = Literal["good", "quiet", "warning", "bad"]

SEVERITIES: Mapping[RunOutcome, Severity] = {
    RunOutcome.COMPLETED: "good",
    RunOutcome.NOTHING_TO_DO: "quiet",
    RunOutcome.WITH_WARNINGS: "warning",
    RunOutcome.FAILED: "bad",
}


@dataclass(frozen=True, kw_only=True)
class Message:
    """A message: the outcome first, then the sentences about what to do, then the figures, and one link to Airflow."""

    outcome: str
    about: str
    summary: str
    severity: Severity
    messages: tuple[str, ...] = ()
    facts: Mapping[str, str]
    tables: tuple[Table, ...] = ()
    link: str | None
    link_text: str = "Open the run in Airflow"

    @property
    def subject(self) -> str:
        """The outcome, the job and the figures, in a line."""
        return f"{self.outcome}: {self.about}, {self.summary}"


def report_message(report: RunReport, *, profile_name: str | None, time_zone: str, link: str | None) -> Message:
    """Returns the message about a run. Moments are shown in `time_zone`."""
    outcome = describe_outcome(report)
    return Message(
        outcome=outcome[0].upper() + outcome[1:],
        about=report.job.display_name(profile_name),
        summary=describe_result(report),
        severity=SEVERITIES[report.outcome],
        messages=report.messages,
        facts=describe_facts(report, profile_name, ZoneInfo(time_zone)),
        tables=make_tables(report.totals, report.skipped, report.rejects),
        link=link,
    )


def alert_message(*, job: Job, profile_name: str, summary: str, advice: str, link: str | None) -> Message:
    """Returns the message about an alert: what did not happen, and what to do."""
    return Message(
        outcome="Alert",
        about=job.display_name(profile_name),
        summary=summary,
        severity="bad",
        messages=(advice,),
        facts={"Profile": profile_name},
        link=link,
        link_text="Open the job in Airflow",
    )


def approval_message(
    batch: Batch, reasons: Sequence[str], *, profile_name: str, until: datetime, time_zone: str, link: str | None
) -> Message:
    """Returns the request for the approval of an export beyond the limits of its profile.

    `until` is the deadline for the answer, shown in `time_zone`.
    """
    request = (
        "Approve or reject it under Required Actions of the run; nothing is uploaded before that. If it is rejected, "
        f"or not answered by {format_moment(until, ZoneInfo(time_zone))}, nothing is sent, and the fines are open "
        "again."
    )
    return Message(
        outcome="Waiting for approval",
        about=Job.EXPORT.display_name(profile_name),
        summary=f"{count_fines(batch.fines, batch.users)}, {format_totals(batch.net)}",
        severity="warning",
        messages=(*reasons, request),
        facts={"Profile": f"{profile_name} ({batch.profile})", "Batch": str(batch.id), "Run": batch.run_id},
        tables=make_tables(batch.totals, batch.skipped, {}),
        link=link,
        link_text="Approve or reject in Airflow",
    )
