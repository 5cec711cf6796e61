"""Reports of exports, imports and the jobs over users, built from what the ledger knows about their runs."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping

from bursar.db.queries import query
from bursar.exports.approval import ApprovalAnswer, ApprovalRequest, get_request
from bursar.exports.skip_reason import SkipReason
from bursar.exports.upload_attempts import unclear_delivery
from bursar.ledger.batches import Batch, BatchState, get_unfinished_batches
from bursar.ledger.import_files import APPLIED_OUTCOMES, PaymentOutcome
from bursar.ledger.jobs import Job, UserJob
from bursar.ledger.totals import CurrencyTotals, OutcomeTotals, Skipped, read_outcomes, sum_by_currency
from bursar.money import format_totals, pluralize
from bursar.reporting.run_report import RunOutcome, RunReport
from bursar.users.keep_reason import KeepReason
from bursar.users.maintenance_job import MaintenanceJob, get_job_of_run

ADVICE = {
    KeepReason.NO_DATE: "without such a date, and never due: add the date in the library system",
    KeepReason.CREDIT: "with an open credit: pay it out, or settle fines with it",
    KeepReason.DISPUTED: "with a disputed fine: resolve the dispute",
}
"""Advice about users who are kept, or whose fines stay, until somebody acts; it follows their number."""

EXPECTED_OUTCOMES = (PaymentOutcome.NO_PAYMENT,)
"""Outcomes without effect that no person has to look at."""


def build_export_report(
    engine: Engine, profile: str, *, run_id: str, started_at: datetime, failed: Collection[str]
) -> RunReport:
    """The report of an export's run; `failed` are the stages that failed, which may have been killed."""
    with engine.connect() as connection:
        parameters = {"profile": profile, "run_id": run_id}
        row = connection.execute(query("reporting/get_batch_of_run"), parameters).mappings().first()
        batch = Batch.from_row(row) if row else None
        ended = [
            Batch.from_row(row)
            for row in connection.execute(query("reporting/list_batches_closed_by"), parameters).mappings()
        ]
        resend = connection.execute(query("reporting/get_resend_of_run"), parameters).mappings().first()
        report = _bare(Job.EXPORT, profile, run_id, started_at)
        messages = [*_failures(connection, report, failed), *map(_ended, ended)]
        messages += [
            str(unclear_delivery(found))
            for found in get_unfinished_batches(connection, profile)
            if found.state is BatchState.UNCLEAR and found.run_id != run_id
        ]
        stages = _stages(connection, report)
        if batch:
            messages += _refused(batch, get_request(connection, batch.id))
    if resend and not batch:
        return replace(
            report,
            outcome=RunOutcome.FAILED if failed else RunOutcome.COMPLETED,
            files=(resend["file_name"],) if resend["sent_again_at"] else (),
            task_timings=stages,
            messages=(*messages, _sent_again(resend)),
        )
    went = batch is not None and (
        batch.state in (BatchState.DELIVERED, BatchState.CLOSED) or (batch.dry_run and not failed)
    )
    if batch:
        messages += _for_a_person(batch.skipped)
        if failed and batch.fines and not batch.dry_run and batch.state is not BatchState.CLOSED:
            messages.append(_unfinished(batch))
    outcome = _outcome(failed, messages, something=bool(batch and batch.fines))
    if batch and batch.dry_run:
        messages.append(
            "This was a dry run: nothing was sent or closed, and no fine was held."
            + (f" `bin/bursar batches build-file {batch.id}` builds the file to look at." if batch.fines else "")
        )
    return replace(
        report,
        dry_run=bool(batch and batch.dry_run),
        as_of=batch.as_of if batch else None,
        outcome=outcome,
        files=(batch.file_name,) if batch and batch.fines and went else (),
        users=batch.users if batch and went else 0,
        fines=batch.fines if batch and went else 0,
        totals=batch.totals if batch and went else {},
        skipped=batch.skipped if batch else {},
        task_timings=stages,
        messages=tuple(messages),
    )


def build_import_report(
    engine: Engine, profile: str, *, run_id: str, started_at: datetime, failed: Collection[str]
) -> RunReport:
    """The report of an import's run; `failed` are the stages that failed, which may have been killed.

    Its totals are what was paid on charges, and what was taken back on credits.
    """
    with engine.connect() as connection:
        parameters = {"profile": profile, "run_id": run_id}
        arrived = connection.execute(query("reporting/list_arrivals"), parameters).all()
        paid = connection.execute(query("reporting/list_payments"), parameters).all()
        report = _bare(Job.IMPORT, profile, run_id, started_at)
        messages = _failures(connection, report, failed)
        stages = _stages(connection, report)
    rejects: dict[str, OutcomeTotals] = {}
    for file in arrived:
        messages += [file.warning] if file.warning else []
        if file.applied_here:
            outcomes = read_outcomes(file.outcomes)
            without_effect = {name: one for name, one in outcomes.items() if name not in APPLIED_OUTCOMES}
            _add(rejects, without_effect)
            messages += _rejected(file.id, file.name, file.records, without_effect)
            messages += _paid_twice(file.id, file.name, outcomes)
        elif file.applied_at:
            messages.append(f"{file.name} holds the same bytes as a file that was applied before; it changed nothing.")
    return replace(
        report,
        outcome=_outcome(failed, messages, something=any(file.records for file in arrived)),
        files=tuple(file.name for file in arrived),
        users=paid[0].users if paid else 0,
        fines=paid[0].fines if paid else 0,
        totals={row.currency: CurrencyTotals(row.charges, row.credits) for row in paid},
        rejects=rejects,
        task_timings=stages,
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
    """The report of a run of Purge User Records or Bulk Fine Waiving, which belong to no profile.

    Its users were purged, or had fines that were waived; its totals are what was waived. In a dry run they would be.
    """
    with engine.connect() as connection:
        report = _bare(job, profile, run_id, started_at)
        done = get_job_of_run(connection, job, run_id)
        messages = _failures(connection, report, failed)
        stages = _stages(connection, report)
    if done is None:
        return replace(
            report, outcome=_outcome(failed, messages, something=False), task_timings=stages, messages=tuple(messages)
        )
    messages += _kept(done)
    return replace(
        report,
        dry_run=done.dry_run,
        as_of=done.as_of,
        outcome=_outcome(failed, messages, something=bool(done.users or done.fines)),
        users=done.users,
        fines=done.fines,
        totals=done.totals,
        skipped=done.skipped,
        task_timings=stages,
        messages=tuple(messages),
    )


def _kept(job: MaintenanceJob) -> list[str]:
    return [
        f"Left behind: {pluralize(left.users, 'user')} {advice}. `bin/bursar jobs results {job.id}` lists them."
        for reason, advice in ADVICE.items()
        if (left := job.skipped.get(reason))
    ]


def _bare(job: Job, profile: str | None, run_id: str, started_at: datetime) -> RunReport:
    return RunReport(
        job=job,
        profile=profile,
        run_id=run_id,
        started_at=started_at,
        ended_at=datetime.now(UTC),
        outcome=RunOutcome.FAILED,
    )


def _outcome(failed: Collection[str], messages: Collection[str], *, something: bool) -> RunOutcome:
    if failed:
        return RunOutcome.FAILED
    if messages:
        return RunOutcome.WITH_WARNINGS
    return RunOutcome.COMPLETED if something else RunOutcome.NOTHING_TO_DO


def _stages(connection: Connection, report: RunReport) -> dict[str, float]:
    return {row.task: round(row.seconds, 3) for row in _stage_rows(connection, report)}


def _stage_rows(connection: Connection, report: RunReport) -> list[Any]:
    of_run = {"job": report.job, "profile": report.profile, "run_id": report.run_id}
    return list(connection.execute(query("reporting/list_task_timings"), of_run))


def _failures(connection: Connection, report: RunReport, failed: Collection[str]) -> list[str]:
    known = {row.task: row.errors for row in _stage_rows(connection, report)}
    messages = []
    for stage in failed:
        errors = known.get(stage) or ["it was ended from outside: by a person, or its worker died."]
        messages += [f"{stage} failed: {error}" for error in errors]
    return messages


def _ended(batch: Batch) -> str:
    what = f"Batch {batch.id} with {pluralize(batch.fines, 'fine')}, left unfinished by run {batch.run_id},"
    if batch.state is BatchState.RELEASED:
        return f"{what} was released: nothing of it was sent, and its fines are open again."
    return f"{what} was carried to its end: {batch.file_name} is delivered and its fines are closed."


def _sent_again(resend: RowMapping) -> str:
    who = resend["requested_by"] or "somebody"
    what = f"batch {resend['id']} with {pluralize(resend['fines'], 'fine')}"
    if resend["sent_again_at"]:
        return f"As {who} asked, {what} was sent again, the same bytes. Its fines were closed before and stay so."
    return f"{who} asked for {what} to be sent again; that has not been done."


def _unfinished(batch: Batch) -> str:
    what = f"Batch {batch.id} with {pluralize(batch.fines, 'fine')} ({format_totals(batch.net)}) is {batch.state}"
    if batch.state is BatchState.RELEASED:
        return f"{what}; its fines are open."
    return (
        f"{what}; its fines wait. Mend the cause and clear the failed task, or leave it to the next run: "
        "it carries to its end what may have reached the bursar, and lets the rest go."
    )


def _refused(batch: Batch, known: ApprovalRequest | None) -> Iterable[str]:
    if known and known.answer is ApprovalAnswer.REFUSED:
        yield (
            f"Batch {batch.id} with {pluralize(batch.fines, 'fine')} ({format_totals(batch.net)}) was refused by "
            f"{known.answered_by}: nothing of it was sent, and its fines are open again. It had to wait because: "
            f"{' '.join(known.reasons)}"
        )


def _for_a_person(skipped: Mapping[str, Skipped]) -> list[str]:
    messages = []
    for reason in SkipReason:
        if reason.needs_correction and (left := skipped.get(reason)):
            what = f"{pluralize(left.fines, 'fine')} of {pluralize(left.users, 'user')} ({format_totals(left.net)})"
            messages.append(
                f"{what} left open: {reason.description}. Correct the users in the library system; `bin/bursar "
                "profiles preview` lists them."
            )
    return messages


def _rejected(file_id: int, name: str, records: int, outcomes: Mapping[str, OutcomeTotals]) -> Iterable[str]:
    counts = {outcome: one.records for outcome, one in outcomes.items() if outcome not in EXPECTED_OUTCOMES}
    if counts:
        parts = ", ".join(f"{count:,} {outcome}" for outcome, count in counts.items())
        yield (
            f"{sum(counts.values()):,} of {pluralize(records, 'record')} in {name} had no effect ({parts}). "
            f"`bin/bursar imports rejects {file_id}` lists them with their reasons; ask the bursar."
        )


def _paid_twice(file_id: int, name: str, outcomes: Mapping[str, OutcomeTotals]) -> Iterable[str]:
    if twice := sum_by_currency(one.paid_twice for one in outcomes.values()):
        yield (
            f"{format_totals(twice)} in {name} pays what had been settled at the library: unless it repeats an earlier "
            "report, students have paid twice. The bursar is told by reversals, and owes it back to them. "
            f"`bin/bursar imports rejects {file_id}` lists the payments."
        )


def _add(rejects: dict[str, OutcomeTotals], outcomes: Mapping[str, OutcomeTotals]) -> None:
    for name, one in outcomes.items():
        known = rejects.get(name, OutcomeTotals(0))
        rejects[name] = OutcomeTotals(known.records + one.records, sum_by_currency([known.sums, one.sums]))
