"""Builds the report of a run that loaded a source from the records of its loads in the ledger. It names no user."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Engine, Row

from bursar.db.queries import query
from bursar.ledger.jobs import Job
from bursar.ledger.totals import CurrencyTotals, OutcomeTotals
from bursar.money import format_totals, pluralize
from bursar.page_names import Page
from bursar.reporting.build_report import get_outcome, get_tasks, start_report
from bursar.reporting.report_sentences import MAX_NAMES_SHOWN, describe_failures, list_skipped_names
from bursar.reporting.run_report import RunOutcome, RunReport
from bursar.sources.load_types import LoadCounts
from bursar.sources.messages import MessageKind
from bursar.sources.outbox_events import WAITING, EventState
from bursar.sources.ready_files import SEPARATE_PREVIEWS
from bursar.sources.records import LoadRecord, list_load_messages
from bursar.sources.refusals import describe_rejected
from bursar.sources.sync import NOT_ARCHIVED


def build_load_report(
    engine: Engine, source: str, *, run_id: str, started_at: datetime, failed: Collection[str]
) -> RunReport:
    """Returns the report of a run of a source; `failed` are the names of the tasks that failed or were killed."""
    parameters = {"profile": f"source:{source}", "run_id": run_id}
    with engine.begin() as connection:
        connection.execute(query("reporting/claim_skipped_entries"), parameters)
        skipped = connection.execute(
            query("reporting/list_skipped_entries"), parameters | {"limit": MAX_NAMES_SHOWN}
        ).all()
        rows = connection.execute(query("reporting/list_loads_of_run"), parameters | {"profile": source})
        recorded = [LoadRecord.of_row(row) for row in rows]
        report = start_report(Job.SYNC, source, run_id, started_at)
        timings, errors = get_tasks(connection, report)
        messages = describe_failures(failed, errors)
        loads = [load for load in recorded if not load.is_refused]
        for load in loads:
            messages += _describe_warnings(connection, load)
        events = connection.execute(
            query("reporting/count_events_since"), {"source": source, "started_at": started_at}
        ).all()
        messages += [sentence for row in events for sentence in _describe_waiting_events(source, row)]
    messages += [_describe_skipped_entries(row) for row in skipped if row.is_odd]
    others = [_describe_skipped_entries(row) for row in skipped if not row.is_odd]
    outcome = get_outcome(failed, messages if loads else messages + others, something=bool(loads or events))
    messages += [f"Written: {pluralize(row.events, 'event')} done." for row in events if row.state == EventState.DONE]
    messages += [describe_counts(load.counts, f"Load {load.id}") for load in loads]
    messages += [sentence for load in loads for sentence in _describe_entries(load)]
    return replace(
        report,
        outcome=outcome,
        files=tuple(file["name"] for load in loads for file in load.files),
        users=sum(load.counts.users_added for load in loads),
        fines=sum(load.counts.fines_added + load.counts.fines_changed for load in loads),
        totals=_sum_entries(loads),
        rejects=_sum_rejected(recorded),
        task_timings=timings,
        messages=(*messages, *others),
    )


def add_dry_run(report: RunReport, sets: Sequence[Mapping[str, Any]]) -> RunReport:
    """Returns the report of a dry run; `sets` are the summaries of its task, one for each set of files."""
    files = tuple(name for one in sets for name in one["files"])
    return replace(
        report,
        dry_run=True,
        outcome=report.outcome if report.outcome is RunOutcome.FAILED or not sets else RunOutcome.COMPLETED,
        files=files,
        rejects={
            code: OutcomeTotals(sum(one["rejected"].get(code, 0) for one in sets))
            for code in sorted({code for one in sets for code in one["rejected"]})
        },
        messages=(
            *report.messages,
            "This was a dry run: it changed nothing, and the files stay. A load would do this:",
            *describe_previews(sets),
        ),
    )


def describe_previews(sets: Sequence[Mapping[str, Any]]) -> list[str]:
    """Says what a load of each set of a dry run would do, and how far several sets are comparable with a load."""
    sentences = [describe_counts(LoadCounts(**one["counts"]), f"A load of {', '.join(one['files'])}") for one in sets]
    return [*sentences, *([SEPARATE_PREVIEWS] if len(sets) > 1 else [])]


def describe_counts(counts: LoadCounts, subject: str) -> str:
    """Says what a load read, rejected and changed."""
    deferred = (
        f" Deferred: {pluralize(counts.fines_deferred, 'fine')} on the way to a bursar; the next load applies the rows."
        if counts.fines_deferred
        else ""
    )
    rounded = (
        f" The amounts of {pluralize(counts.fines_rounded, 'fine')} were rounded to the decimals of their currency."
        if counts.fines_rounded
        else ""
    )
    return (
        f"{subject}: {pluralize(counts.rows, 'row')} read, {counts.rejected:,} rejected. Fines: {counts.fines_added:,} "
        f"added, {counts.fines_changed:,} changed, {counts.fines_unchanged:,} unchanged. Users: "
        f"{counts.users_added:,} added, {counts.users_updated:,} known.{deferred}{rounded}"
    )


def _describe_warnings(connection: Connection, load: LoadRecord) -> Iterable[str]:
    command = f" (`bin/bursar sources loads rejects {load.id}` lists them with what to do)"
    if load.counts.rejected:
        maps = ", or add their values to the maps of the source" if "unmapped" in load.rejected else ""
        yield f"Load {load.id}: {describe_rejected(load)}. Correct them in the library system{maps}{command}."
    if load.counts.warnings:
        yield (
            f"Load {load.id}: {pluralize(load.counts.warnings, 'warning')} about fines, about which a person "
            f"decides{command}."
        )
    for message in list_load_messages(connection, load.id, MessageKind.WARNING):
        if message.code == NOT_ARCHIVED:
            yield message.reason


def _describe_waiting_events(source: str, row: Row[Any]) -> Iterable[str]:
    """Says how many events wait for a person, and the first answers of the library's system."""
    if EventState(row.state) in WAITING:
        was = "was refused" if row.state == EventState.REFUSED else "may or may not have arrived"
        answers = "; ".join(row.answers[:MAX_NAMES_SHOWN])
        yield (
            f"Of the events for the library's system, {pluralize(row.events, 'event')} {was}: {answers}. Retry them, "
            f"or mark them as done, under {Page.WAITING} (`bin/bursar sources outbox list --source {source}` lists "
            "them)."
        )


def _describe_entries(load: LoadRecord) -> Iterable[str]:
    parts = [
        f"{entry.entry_type} {pluralize(entry.fines, 'fine')}, {format_totals({entry.currency: entry.balance_change})} "
        f"at the library, {format_totals({entry.currency: entry.outstanding_change})} at the bursar"
        for entry in load.entries
    ]
    if parts:
        yield f"Entries of load {load.id}: {'; '.join(parts)}."


def _describe_skipped_entries(skipped: Row[Any]) -> str:
    advice = (
        "Have it renamed, replaced or removed."
        if skipped.is_odd
        else "If it has users or fines, correct the patterns of the source."
    )
    return f"Not loaded, because {skipped.reason}: {list_skipped_names(skipped)}. {advice} It is not named again."


def _sum_entries(loads: Iterable[LoadRecord]) -> dict[str, CurrencyTotals]:
    """Returns by currency by how much balances grew (charges), and fell (credits)."""
    totals: dict[str, CurrencyTotals] = {}
    for load in loads:
        for entry in load.entries:
            known = totals.get(entry.currency, CurrencyTotals(Decimal(0), Decimal(0)))
            grown, fallen = max(entry.balance_change, Decimal(0)), min(entry.balance_change, Decimal(0))
            totals[entry.currency] = CurrencyTotals(known.charges + grown, known.credits + fallen)
    return totals


def _sum_rejected(loads: Iterable[LoadRecord]) -> dict[str, OutcomeTotals]:
    counts: dict[str, int] = {}
    for load in loads:
        for code, rows in load.rejected.items():
            counts[code] = counts.get(code, 0) + rows
    return {code: OutcomeTotals(rows) for code, rows in counts.items()}
