"""What people are told: letters about runs, alerts, and exports that wait for approval. Nothing about users."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from bursar.exports.skip_reason import SkipReason
from bursar.ledger.batches import Batch
from bursar.ledger.import_files import PaymentOutcome
from bursar.ledger.jobs import Job
from bursar.ledger.totals import OutcomeTotals, Skipped, Totals
from bursar.money import format_money, format_totals, pluralize
from bursar.reporting.run_report import RunOutcome, RunReport
from bursar.users.keep_reason import KeepReason

Severity = Literal["good", "quiet", "warning", "bad"]

SEVERITIES: Mapping[RunOutcome, Severity] = {
    RunOutcome.COMPLETED: "good",
    RunOutcome.NOTHING_TO_DO: "quiet",
    RunOutcome.WITH_WARNINGS: "warning",
    RunOutcome.FAILED: "bad",
}
PAST_TENSE: Mapping[Job, str] = {
    Job.EXPORT: "exported",
    Job.IMPORT: "paid at the bursar's",
    Job.PURGE: "purged",
    Job.WAIVE: "waived",
}
_REASONS = {reason.value: reason.description for reason in (*SkipReason, *KeepReason)}
_ORDER = {reason: place for place, reason in enumerate(_REASONS)}


@dataclass(frozen=True)
class Table:
    """A small table; all columns but the first are numbers or money."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Message:
    """Something to tell: the outcome first, then what to do, then the figures; one link to where it can be seen."""

    outcome: str
    about: str
    summary: str
    tone: Severity
    messages: tuple[str, ...] = ()
    facts: Mapping[str, str]
    tables: tuple[Table, ...] = ()
    link: str | None
    link_text: str = "Open the run in Airflow"

    @property
    def subject(self) -> str:
        """The outcome, of what, and the figures, in a line."""
        return f"{self.outcome}: {self.about}, {self.summary}"


def report_message(report: RunReport, *, profile_name: str | None, time_zone: str, link: str | None) -> Message:
    """Tells what a run did. Moments are shown in `time_zone`."""
    return Message(
        outcome=report.outcome.capitalize() + (" (dry run)" if report.dry_run else ""),
        about=report.job.display_name(profile_name),
        summary=_summary(report),
        tone=SEVERITIES[report.outcome],
        messages=report.messages,
        facts=_facts(report, profile_name, ZoneInfo(time_zone)),
        tables=figures(report.totals, report.skipped, report.rejects),
        link=link,
    )


def _summary(report: RunReport) -> str:
    if report.job is Job.PURGE and report.users:
        return (
            f"{pluralize(report.users, 'user')} purged, {pluralize(report.fines, 'fine')} waived, "
            f"{format_totals(report.net)}"
        )
    if not report.fines:
        return f"nothing was {PAST_TENSE[report.job]}"
    return f"{_many_of(report)} {PAST_TENSE[report.job]}, {format_totals(report.net)}"


def _many_of(counted: RunReport | Batch) -> str:
    return f"{pluralize(counted.fines, 'fine')} of {pluralize(counted.users, 'user')}"


def alert_message(*, job: Job, profile_name: str, summary: str, advice: str, link: str | None) -> Message:
    """Tells that something did not happen, and what to do."""
    return Message(
        outcome="Alert",
        about=job.display_name(profile_name),
        summary=summary,
        tone="bad",
        messages=(advice,),
        facts={"Profile": profile_name},
        link=link,
        link_text="Open the job in Airflow",
    )


def approval_message(
    batch: Batch, reasons: Sequence[str], *, profile_name: str, until: datetime, time_zone: str, link: str | None
) -> Message:
    """Asks for the approval of an export that is beyond the limits of its profile. `until` is shown in `time_zone`."""
    ask = (
        "Approve or reject it under Required Actions of the run; nothing is uploaded before. If it is rejected, or not "
        f"answered until {format_moment(until, ZoneInfo(time_zone))}, nothing is sent, and the fines are open again."
    )
    return Message(
        outcome="Waiting for approval",
        about=Job.EXPORT.display_name(profile_name),
        summary=f"{_many_of(batch)}, {format_totals(batch.net)}",
        tone="warning",
        messages=(*reasons, ask),
        facts={"Profile": f"{profile_name} ({batch.profile})", "Batch": str(batch.id), "Run": batch.run_id},
        tables=figures(batch.totals, batch.skipped, {}),
        link=link,
        link_text="Approve or reject in Airflow",
    )


def figures(
    totals: Totals,
    skipped: Mapping[str, Skipped],
    rejects: Mapping[str, OutcomeTotals],
) -> tuple[Table, ...]:
    """Sums, what was left behind, and records without effect, as `RunReport` has them; what is empty has no table."""
    sums = [
        (code, *(format_money(amount, code) for amount in (one.charges, one.credits, one.net)))
        for code, one in sorted(totals.items())
    ]
    left = [
        (
            _REASONS.get(reason, reason.replace("_", " ")),
            f"{one.fines:,}",
            f"{one.users:,}",
            format_totals(one.net),
        )
        for reason, one in sorted(skipped.items(), key=lambda left: _ORDER.get(left[0], len(_ORDER)))
    ]
    without_effect = [
        (_describe_outcome(name), f"{one.records:,}", format_totals(one.sums)) for name, one in rejects.items()
    ]
    tables = (
        Table("Sums", ("Currency", "Charges", "Credits", "Net"), tuple(sums)),
        Table("Left behind", ("Why", "Fines", "Users", "Net"), tuple(left)),
        Table("Records without effect", ("Outcome", "Records", "Sums"), tuple(without_effect)),
    )
    return tuple(table for table in tables if table.rows)


def _describe_outcome(outcome: str) -> str:
    words = PaymentOutcome.describe(outcome)
    return outcome if words == outcome else f"{outcome}: {words}"


def _facts(report: RunReport, profile_name: str | None, zone: ZoneInfo) -> dict[str, str]:
    facts = {
        "Profile": f"{profile_name} ({report.profile})" if report.profile else "",
        "Files": ", ".join(report.files),
        "As of": format_moment(report.as_of, zone) if report.as_of else "",
        "Started": format_moment(report.started_at, zone),
        "Ended": format_moment(report.ended_at, zone),
        "Run": report.run_id,
    }
    return {name: value for name, value in facts.items() if value}


def format_moment(at: datetime, zone: ZoneInfo) -> str:
    """A moment as people read it, in a time zone."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}"
