"""Builds the reports of exports, imports and maintenance jobs from the records of their runs in the ledger."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine

from bursar.db.queries import query
from bursar.exports.unclear import describe_unclear_batch
from bursar.imports.apply_again import list_repeated_arrivals
from bursar.imports.overpayments import list_held_overpayments
from bursar.ledger.approvals import ApprovalSubject, get_request
from bursar.ledger.batches import Batch, BatchState, get_unfinished_batches
from bursar.ledger.import_files import APPLIED_OUTCOMES
from bursar.ledger.jobs import Job, UserJob
from bursar.ledger.totals import CurrencyTotals, OutcomeTotals, read_outcomes, sum_by_currency
from bursar.reporting.report_sentences import (
    MAX_NAMES_SHOWN,
    describe_double_payments,
    describe_dry_run,
    describe_failures,
    describe_growing_sums,
    describe_held_overpayments,
    describe_kept_users,
    describe_recovered_batch,
    describe_refused_batch,
    describe_refused_job,
    describe_rejects,
    describe_repeated_file,
    describe_resend,
    describe_reversed_payments,
    describe_skipped_entries,
    describe_skipped_fines,
    describe_unfinished_batch,
)
from bursar.reporting.run_report import RunOutcome, RunReport
from bursar.users.maintenance_job import get_job_of_run


def build_export_report(
    engine: Engine, profile: str, *, run_id: str, started_at: datetime, failed: Collection[str]
) -> RunReport:
    """Returns the report of a run of an export; `failed` are the names of the tasks that failed or were killed."""
    with engine.connect() as connection:
        parameters = {"profile": profile, "run_id": run_id}
        row = connection.execute(query("reporting/get_batch_of_run"), parameters).mappings().first()
        batch = Batch.from_row(row) if row else None
        new_users: dict[str, int] = {}
        recovered = [
            Batch.from_row(row)
            for row in connection.execute(query("reporting/list_batches_closed_by"), parameters).mappings()
        ]
        resend = connection.execute(query("reporting/get_resend_of_run"), parameters).mappings().first()
        report = start_report(Job.EXPORT, profile, run_id, started_at)
        timings, errors = get_tasks(connection, report)
        messages = [*describe_failures(failed, errors), *map(describe_recovered_batch, recovered)]
        messages += [
            describe_unclear_batch(connection, found)
            for found in get_unfinished_batches(connection, profile)
            if found.state is BatchState.UNCLEAR and found.run_id != run_id
        ]
        if batch:
            messages += describe_refused_batch(batch, get_request(connection, ApprovalSubject(batch_id=batch.id)))
            new_users = _count_new_users(connection, batch)
    if resend and not batch:
        return replace(
            report,
            outcome=RunOutcome.FAILED if failed else RunOutcome.COMPLETED,
            files=tuple(resend["resent_files"]) if resend["sent_again_at"] else (),
            task_timings=timings,
            messages=(*messages, describe_resend(resend)),
        )
    is_exported = batch is not None and (
        batch.state in (BatchState.DELIVERED, BatchState.CLOSED) or (batch.dry_run and not failed)
    )
    known: list[str] = []
    if batch:
        warnings, known = describe_skipped_fines(batch.skipped, new_users)
        messages += warnings
        if failed and batch.fines and not batch.dry_run and batch.state is not BatchState.CLOSED:
            messages.append(describe_unfinished_batch(batch))
    outcome = get_outcome(failed, messages, something=bool(batch and batch.fines))
    messages += known
    if batch and batch.dry_run:
        messages.append(describe_dry_run(batch))
    return replace(
        report,
        dry_run=bool(batch and batch.dry_run),
        as_of=batch.as_of if batch else None,
        outcome=outcome,
        files=tuple(file.name for file in batch.files) if batch and is_exported else (),
        users=batch.users if batch and is_exported else 0,
        fines=batch.fines if batch and is_exported else 0,
        totals=batch.totals if batch and is_exported else {},
        skipped=batch.skipped if batch else {},
        task_timings=timings,
        messages=tuple(messages),
    )


def build_import_report(
    engine: Engine, profile: str, *, run_id: str, started_at: datetime, failed: Collection[str]
) -> RunReport:
    """Returns the report of a run of an import; `failed` are the names of the tasks that failed or were killed.

    Its totals are the payments of charges and, as sums below 0, of credits.
    """
    with engine.begin() as connection:
        parameters = {"profile": profile, "run_id": run_id}
        connection.execute(query("reporting/claim_skipped_entries"), parameters)
        skipped = connection.execute(
            query("reporting/list_skipped_entries"), parameters | {"limit": MAX_NAMES_SHOWN}
        ).all()
        arrived = connection.execute(query("reporting/list_arrivals"), parameters).all()
        paid = connection.execute(query("reporting/sum_payments"), parameters).all()
        repeated = {one.id: one for one in list_repeated_arrivals(connection, profile, run_id)}
        applied_here = [file.id for file in arrived if file.applied_here]
        held = {id_: list_held_overpayments(connection, file_id=id_) for id_ in applied_here}
        growing = {
            file.id: _count_growing_sums(connection, file.id)
            for file in arrived
            if file.applied_here and file.amount_mode == "incremental"
        }
        report = start_report(Job.IMPORT, profile, run_id, started_at)
        timings, errors = get_tasks(connection, report)
        messages = describe_failures(failed, errors)
    rejects: dict[str, OutcomeTotals] = {}
    for file in arrived:
        messages += [file.warning] if file.warning else []
        if file.applied_here:
            outcomes = read_outcomes(file.outcomes)
            without_effect = {name: one for name, one in outcomes.items() if name not in APPLIED_OUTCOMES}
            _add_outcomes(rejects, without_effect)
            messages += describe_rejects(file.id, file.name, file.records, without_effect)
            messages += describe_double_payments(file.id, file.name, outcomes)
            messages += describe_reversed_payments(file.id, file.name, outcomes)
            messages += describe_held_overpayments(file.name, held[file.id])
            messages += describe_growing_sums(file.name, profile, growing.get(file.id, 0))
        elif file.arrival_id in repeated:
            messages.append(describe_repeated_file(repeated[file.arrival_id]))
    messages += [describe_skipped_entries(row) for row in skipped if row.is_odd]
    others = [describe_skipped_entries(row) for row in skipped if not row.is_odd]
    # Several profiles may share a folder; a run without a file may lack one because the bursar has changed its name.
    outcome = get_outcome(
        failed, messages if arrived else messages + others, something=any(file.records for file in arrived)
    )
    messages += others
    return replace(
        report,
        outcome=outcome,
        files=tuple(file.name for file in arrived),
        users=paid[0].users if paid else 0,
        fines=paid[0].fines if paid else 0,
        totals={row.currency: CurrencyTotals(row.charges, row.credits) for row in paid},
        rejects=rejects,
        task_timings=timings,
        messages=tuple(messages),
    )


def build_maintenance_report(
    job: UserJob,
    engine: Engine,
    profile: None,
    *,
    run_id: str,
    started_at: datetime,
    failed: Collection[str],
) -> RunReport:
    """Returns the report of a run of Purge User Records or Bulk Fine Waiving, which belong to no profile.

    Its users were purged, or had fines that were waived; its totals are the sums that were waived. In a dry run they
    would be.
    """
    with engine.connect() as connection:
        report = start_report(job, profile, run_id, started_at)
        timings, errors = get_tasks(connection, report)
        done = get_job_of_run(connection, job, run_id)
        messages = describe_failures(failed, errors)
        messages += describe_refused_job(get_request(connection, ApprovalSubject(job=job, run_id=run_id)))
    if done is None:
        return replace(
            report,
            outcome=get_outcome(failed, messages, something=False),
            task_timings=timings,
            messages=tuple(messages),
        )
    messages += describe_kept_users(done)
    return replace(
        report,
        dry_run=done.dry_run,
        as_of=done.as_of,
        outcome=get_outcome(failed, messages, something=bool(done.users or done.fines)),
        users=done.users,
        fines=done.fines,
        totals=done.totals,
        skipped=done.skipped,
        task_timings=timings,
        messages=tuple(messages),
    )


def start_report(job: Job, profile: str | None, run_id: str, started_at: datetime) -> RunReport:
    """Returns the report of a run, of which nothing but its beginning and its end is known yet."""
    return RunReport(
        job=job,
        profile=profile,
        run_id=run_id,
        started_at=started_at,
        ended_at=datetime.now(UTC),
        outcome=RunOutcome.FAILED,
    )


def get_outcome(failed: Collection[str], messages: Collection[str], *, something: bool) -> RunOutcome:
    """Returns the outcome of a run; `messages` are its warnings, `something` says whether there was anything to do."""
    if failed:
        return RunOutcome.FAILED
    if messages:
        return RunOutcome.WITH_WARNINGS
    return RunOutcome.COMPLETED if something else RunOutcome.NOTHING_TO_DO


def get_tasks(connection: Connection, report: RunReport) -> tuple[dict[str, float], dict[str, list[str]]]:
    """Returns the seconds and the errors of the tasks of a run, each by task, in the order of their beginnings."""
    of_run = {"job": report.job, "profile": report.profile, "run_id": report.run_id}
    rows = connection.execute(query("reporting/list_task_timings"), of_run).all()
    return {row.task: round(row.seconds, 3) for row in rows}, {row.task: row.errors for row in rows}


def _count_new_users(connection: Connection, batch: Batch) -> dict[str, int]:
    """Counts the users to warn about by reason: those never reported, or all of a dry run, which reports nobody."""
    if batch.dry_run:
        return {reason: skipped.users for reason, skipped in batch.skipped.items()}
    rows = connection.execute(query("reporting/count_new_users"), {"batch_id": batch.id})
    return {row.reason: row.users for row in rows}


def _count_growing_sums(connection: Connection, file_id: int) -> int:
    """Returns for how many fines an incremental file seems to report totals."""
    fines: int = connection.execute(query("reporting/find_growing_sums"), {"file_id": file_id}).scalar_one()
    return fines


def _add_outcomes(rejects: dict[str, OutcomeTotals], outcomes: Mapping[str, OutcomeTotals]) -> None:
    for name, one in outcomes.items():
        known = rejects.get(name, OutcomeTotals(0))
        rejects[name] = OutcomeTotals(known.records + one.records, sum_by_currency([known.sums, one.sums]))
