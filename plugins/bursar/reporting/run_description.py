"""The words and figures of a run's report. Mails, chat messages, notes of runs and commands all show these."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from bursar.exports.skip_reason import SkipReason
from bursar.ledger.import_files import PaymentOutcome
from bursar.ledger.jobs import Job
from bursar.ledger.totals import OutcomeTotals, Skipped, Totals
from bursar.money import format_money, format_totals, pluralize
from bursar.reporting.run_report import RunReport
from bursar.statements.records import DIFFERENCES, StatementOutcome
from bursar.users.keep_reason import KeepReason

PAST_TENSE: Mapping[Job, str] = {
    Job.EXPORT: "exported",
    Job.IMPORT: "paid at the bursar's",
    Job.STATEMENT: "compared",
    Job.SYNC: "changed",
    Job.PURGE: "purged",
    Job.WAIVE: "waived",
}
_REASONS: Mapping[str, str] = {reason.value: reason.description for reason in (*SkipReason, *KeepReason)}
_ORDER = {reason: place for place, reason in enumerate(_REASONS)}


@dataclass(frozen=True)
class Table:
    """A small table; all columns but the first are numbers or money."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def describe_outcome(report: RunReport) -> str:
    """Returns the outcome of a run: `completed (dry run)`."""
    return report.outcome + (" (dry run)" if report.dry_run else "")


def describe_run(report: RunReport) -> str:
    """Returns the outcome of a run and, unless nothing was done, its result, in a line."""
    outcome = describe_outcome(report)
    return f"{outcome}, {describe_result(report)}" if report.fines or report.users else outcome


def describe_result(report: RunReport) -> str:
    """Returns what a run did, in a line: `3 fines of 2 users exported, 12.00 USD`."""
    if report.job is Job.PURGE and report.users:
        waived = f"{pluralize(report.fines, 'fine')} waived, {format_totals(report.net)}"
        return f"{pluralize(report.users, 'user')} purged, {waived}"
    if report.job is Job.SYNC and (report.fines or report.users):
        changed = f"{pluralize(report.fines, 'fine')} added or changed, {pluralize(report.users, 'user')} added"
        return f"{changed}, {format_totals(report.net)}" if report.net else changed
    if report.job is Job.STATEMENT and report.rejects:
        differences = sum(one.records for outcome, one in report.rejects.items() if outcome in DIFFERENCES)
        compared = count_fines(report.fines, report.users) if report.fines else pluralize(report.users, "user")
        return f"{compared} compared, {pluralize(differences, 'difference')}"
    if not report.fines:
        return f"nothing was {PAST_TENSE[report.job]}"
    return f"{count_fines(report.fines, report.users)} {PAST_TENSE[report.job]}, {format_totals(report.net)}"


def describe_facts(report: RunReport, owner_name: str | None, zone: ZoneInfo) -> dict[str, str]:
    """Returns the circumstances of a run by their names; moments in `zone`."""
    facts = {
        get_owner_word(report.job): f"{owner_name} ({report.profile})" if owner_name else report.profile or "",
        "Files": ", ".join(report.files),
        "As of": format_moment(report.as_of, zone) if report.as_of else "",
        "Started": format_moment(report.started_at, zone),
        "Ended": format_moment(report.ended_at, zone),
        "Run": report.run_id,
    }
    return {name: value for name, value in facts.items() if value}


def get_owner_word(job: Job) -> str:
    """Returns the word for that which a job belongs to."""
    return "Source" if job is Job.SYNC else "Profile"


def make_report_tables(report: RunReport, *, with_amounts: bool = True) -> tuple[Table, ...]:
    """Returns the tables of a report, without those that would be empty."""
    totals = report.totals if with_amounts else {}
    if report.job is Job.STATEMENT:
        compared = make_compared_rows(report.rejects)
        return (Table("Compared", ("Outcome", "Results", "Difference"), compared),) if compared else ()
    if report.job is not Job.SYNC:
        return make_tables(totals, report.skipped, report.rejects)
    rejected = tuple((reason.replace("_", " "), f"{one.records:,}") for reason, one in sorted(report.rejects.items()))
    tables = make_tables(totals, {}, {})
    return (*tables, Table("Rejected rows", ("Reason", "Rows"), rejected)) if rejected else tables


def make_tables(
    totals: Totals, skipped: Mapping[str, Skipped], rejects: Mapping[str, OutcomeTotals]
) -> tuple[Table, ...]:
    """Returns amounts, skipped fines and payments without effect as tables, without those that would be empty."""
    amounts = tuple(
        (code, *(format_money(amount, code) for amount in (sums.charges, sums.credits, sums.net)))
        for code, sums in sorted(totals.items())
    )
    skipped_rows = tuple(
        (describe_reason(reason), f"{one.fines:,}", f"{one.users:,}", format_totals(one.net))
        for reason, one in sort_reasons(skipped).items()
    )
    without_effect = tuple(
        (_describe_payment_outcome(outcome), f"{one.records:,}", format_totals(one.sums))
        for outcome, one in PaymentOutcome.sort(rejects).items()
    )
    tables = (
        Table("Amounts", ("Currency", "Charges", "Credits", "Net"), amounts),
        Table("Skipped", ("Reason", "Fines", "Users", "Net"), skipped_rows),
        Table("Payments without effect", ("Outcome", "Records", "Amounts"), without_effect),
    )
    return tuple(table for table in tables if table.rows)


def make_compared_rows(results: Mapping[str, OutcomeTotals]) -> tuple[tuple[str, ...], ...]:
    """Returns the outcomes of a comparison with statements as rows: outcome, results, difference of the sums."""
    return tuple(
        (StatementOutcome.describe(outcome), f"{one.records:,}", format_totals(one.sums) if one.sums else "")
        for outcome, one in StatementOutcome.sort(results).items()
    )


def count_outcomes(outcomes: Mapping[str, OutcomeTotals]) -> str:
    """Returns payment records by their outcomes: `2: the sum is 0; 1: another currency than the fine's`."""
    return "; ".join(f"{one.records:,}: {PaymentOutcome.describe(name)}" for name, one in outcomes.items())


def describe_reason(reason: str) -> str:
    """Returns the words for the reason of any job; a reason that this version does not know is returned as it is."""
    return _REASONS.get(reason, reason)


def sort_reasons(skipped: Mapping[str, Skipped]) -> dict[str, Skipped]:
    """Returns skipped fines in the order in which the rules are asked; unknown reasons come last."""
    return dict(sorted(skipped.items(), key=lambda item: _ORDER.get(item[0], len(_ORDER))))


def count_fines(fines: int, users: int) -> str:
    """Returns `3 fines of 2 users`."""
    return f"{pluralize(fines, 'fine')} of {pluralize(users, 'user')}"


def format_moment(moment: datetime, zone: ZoneInfo) -> str:
    """Returns a moment for people, in a time zone: `2026-03-02 07:00:02 EST`."""
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}"


def format_minute(moment: datetime, zone: ZoneInfo) -> str:
    """Returns a moment of a list, in a time zone, without its seconds: `2026-03-02 07:00 EST`."""
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M %Z}"


def format_duration(duration: timedelta) -> str:
    """Returns a duration for people: `12.0 s`, `3 min 5 s`, `2 h 10 min`."""
    seconds = duration.total_seconds()
    hours, minutes = int(seconds // 3600), int(seconds % 3600 // 60)
    if hours:
        return f"{hours} h {minutes} min"
    if minutes:
        return f"{minutes} min {int(seconds % 60)} s"
    return f"{seconds:.1f} s"


def _describe_payment_outcome(outcome: str) -> str:
    words = PaymentOutcome.describe(outcome)
    return outcome if words == outcome else f"{outcome}: {words}"
