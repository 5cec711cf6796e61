"""The messages that people receive: about runs, alerts, and runs that wait for approval. They name no person."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from bursar.ledger.approvals import Figures
from bursar.ledger.batches import Batch
from bursar.ledger.jobs import Job, UserJob
from bursar.ledger.totals import net_by_currency
from bursar.money import format_totals, pluralize
from bursar.page_names import Page
from bursar.reporting.run_description import (
    Table,
    count_fines,
    describe_facts,
    describe_outcome,
    describe_result,
    format_moment,
    get_owner_word,
    make_report_tables,
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
    """A message: the outcome first, then the sentences about what to do, then the figures, and one link to a page.

    `page` is the way to that page, for a message without a link: the address of Airflow's pages is not configured.
    """

    outcome: str
    about: str
    summary: str
    severity: Severity
    messages: tuple[str, ...] = ()
    facts: Mapping[str, str]
    tables: tuple[Table, ...] = ()
    link: str | None
    link_text: str
    page: Page | None

    @property
    def subject(self) -> str:
        """The outcome, the job and the figures, in a line."""
        return f"{self.outcome}: {self.about}, {self.summary}"


def report_message(
    report: RunReport, *, owner_name: str | None, about: str | None = None, time_zone: str, link: str | None
) -> Message:
    """Returns the message about a run. Moments are shown in `time_zone`.

    `about` names the job; None stands for its usual name.

    `link` leads to the job report, or to the run in Airflow if the report is not recorded.
    """
    outcome = describe_outcome(report)
    return Message(
        outcome=outcome[0].upper() + outcome[1:],
        about=about or report.job.display_name(owner_name),
        summary=describe_result(report),
        severity=SEVERITIES[report.outcome],
        messages=report.messages,
        facts=describe_facts(report, owner_name, ZoneInfo(time_zone)),
        tables=make_report_tables(report),
        link=link,
        link_text="Open the job report" if report.id else "Open the run in Airflow",
        page=Page.HISTORY if report.id else None,
    )


def alert_message(
    *, job: Job, owner_name: str, about: str | None = None, summary: str, advice: str, link: str | None
) -> Message:
    """Returns the message about an alert: what did not happen, and what to do. `about` is as in `report_message`."""
    return Message(
        outcome="Alert",
        about=about or job.display_name(owner_name),
        summary=summary,
        severity="bad",
        messages=(advice,),
        facts={get_owner_word(job): owner_name},
        link=link,
        link_text=f"Open the {get_owner_word(job).lower()}",
        page=None if job is Job.SYNC else Page.PROFILES,
    )


def approval_message(
    batch: Batch, reasons: Sequence[str], *, profile_name: str, until: datetime, time_zone: str, link: str | None
) -> Message:
    """Returns the request for the approval of an export beyond the limits of its profile.

    `until` is the deadline for the answer, shown in `time_zone`.
    """
    request = (
        "Approve or reject it on its page, or under Required Actions of the run; nothing is uploaded before that. If "
        f"it is rejected, or not answered by {format_moment(until, ZoneInfo(time_zone))}, nothing is sent, and the "
        "fines are open again."
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
        link_text="See what waits, and answer",
        page=Page.WAITING,
    )


def job_approval_message(
    job: UserJob,
    figures: Figures,
    reasons: Sequence[str],
    *,
    run_id: str,
    until: datetime,
    time_zone: str,
    link: str | None,
) -> Message:
    """Returns the request for the approval of a maintenance job; `until` is as in `approval_message`."""
    request = (
        "Approve or reject it on its page, or under Required Actions of the run; nothing is changed before that. No "
        "more than these users, fines and amounts is purged and waived. If it is rejected, or not answered by "
        f"{format_moment(until, ZoneInfo(time_zone))}, nothing is changed."
    )
    purged = f"{pluralize(figures.users, 'user')} to purge, " if job is Job.PURGE else ""
    fines = pluralize(figures.fines, "fine") if purged else count_fines(figures.fines, figures.users)
    amounts = f", {format_totals(net_by_currency(figures.totals))}" if figures.totals else ""
    return Message(
        outcome="Waiting for approval",
        about=job.display_name(),
        summary=f"{purged}{fines} to waive{amounts}",
        severity="warning",
        messages=(*reasons, request),
        facts={"Run": run_id},
        tables=make_tables(figures.totals, {}, {}),
        link=link,
        link_text="See what waits, and answer",
        page=Page.WAITING,
    )


def rejected_answer_message(*, job: Job, profile_name: str | None, reason: str, link: str | None) -> Message:
    """Returns the message that an approval had no effect, and why."""
    advice = "Another person who may approve has to answer."
    return Message(
        outcome="Still waiting for approval",
        about=job.display_name(profile_name),
        summary="an approval had no effect",
        severity="warning",
        messages=(f"The approval had no effect: {reason}. The run waits on. {advice}",),
        facts={"Profile": profile_name} if profile_name else {},
        link=link,
        link_text="See what waits, and answer",
        page=Page.WAITING,
    )
