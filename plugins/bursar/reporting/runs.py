"""Reports of exports, imports and the jobs over users, built from what the ledger knows about their runs."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

from sqlalchemy import Connection, Engine, RowMapping

from bursar.exporting.approval import Waiting, waiting
from bursar.exporting.selection import REASONS
from bursar.exporting.upload import unclear_delivery
from bursar.ledger.batches import Batch, State, unfinished_batches
from bursar.ledger.imports import EFFECTIVE
from bursar.ledger.statements import statement
from bursar.money import many, monies
from bursar.reporting.report import Job, JobReport, Outcome
from bursar.users.jobs import UserJob, job_of_run

FOR_A_PERSON = ("no_identifier", "malformed_identifier")
"""Reasons for which a fine stays until somebody corrects something; the others are what the profile wants."""

KEPT_FOR_A_PERSON = {
    "no_date": "without such a date, and never due: add the date in the library system",
    "credit": "with an open credit: pay it out, or settle fines with it",
    "disputed": "with a disputed fine: settle the dispute",
}
"""Reasons for which users or their fines stay until somebody does something; each follows the number of users."""

HARMLESS = ("NO_PAYMENT",)
"""Outcomes of payments that have no effect and need none."""


def export_report(
    engine: Engine, profile: str, *, run: str, started_at: datetime, failed: Collection[str]
) -> JobReport:
    """The report of an export's run; `failed` are the stages that failed, which may have been killed."""
    with engine.connect() as connection:
        parameters = {"profile": profile, "run": run}
        row = connection.execute(statement("reports/batch_of_run"), parameters).mappings().first()
        batch = Batch.from_row(row) if row else None
        ended = [
            Batch.from_row(row) for row in connection.execute(statement("reports/ended_by"), parameters).mappings()
        ]
        resend = connection.execute(statement("resends/of_run"), parameters).mappings().first()
        report = _bare("export", profile, run, started_at)
        messages = [*_failures(connection, report, failed), *map(_ended, ended)]
        messages += [
            str(unclear_delivery(found))
            for found in unfinished_batches(connection, profile)
            if found.state is State.UNCLEAR and found.run != run
        ]
        stages = _stages(connection, report)
        if batch:
            messages += _refused(batch, waiting(connection, batch.id))
    if resend and not batch:
        return replace(
            report,
            outcome=Outcome.FAILED if failed else Outcome.COMPLETED,
            files=(resend["file_name"],) if resend["sent_again_at"] else (),
            stages=stages,
            messages=(*messages, _sent_again(resend)),
        )
    went = batch is not None and (batch.state in (State.DELIVERED, State.CLOSED) or (batch.dry_run and not failed))
    if batch:
        messages += _for_a_person(batch.left_behind)
        if failed and batch.fines and not batch.dry_run and batch.state is not State.CLOSED:
            messages.append(_unfinished(batch))
    outcome = _outcome(failed, messages, something=bool(batch and batch.fines))
    if batch and batch.dry_run:
        messages.append(
            "This was a dry run: nothing was sent or closed, and no fine was held."
            + (f" `bin/bursar batches file {batch.id}` builds the file to look at." if batch.fines else "")
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
        left_behind=batch.left_behind if batch else {},
        stages=stages,
        messages=tuple(messages),
    )


def import_report(
    engine: Engine, profile: str, *, run: str, started_at: datetime, failed: Collection[str]
) -> JobReport:
    """The report of an import's run; `failed` are the stages that failed, which may have been killed.

    Its totals are what was paid on charges, and what was taken back on credits.
    """
    with engine.connect() as connection:
        parameters = {"profile": profile, "run": run}
        arrived = connection.execute(statement("reports/arrived"), parameters).all()
        paid = connection.execute(statement("reports/paid"), parameters).all()
        report = _bare("import", profile, run, started_at)
        messages = _failures(connection, report, failed)
        stages = _stages(connection, report)
    rejects: dict[str, dict[str, Any]] = {}
    for file in arrived:
        messages += [file.warning] if file.warning else []
        if file.applied_here:
            without_effect = {name: one for name, one in file.outcomes.items() if name not in EFFECTIVE}
            _add(rejects, without_effect)
            messages += _rejected(file.id, file.name, file.records, without_effect)
            messages += _paid_twice(file.id, file.name, file.outcomes)
        elif file.applied_at:
            messages.append(f"{file.name} holds the same bytes as a file that was applied before; it changed nothing.")
    return replace(
        report,
        outcome=_outcome(failed, messages, something=any(file.records for file in arrived)),
        files=tuple(file.name for file in arrived),
        users=paid[0].users if paid else 0,
        fines=paid[0].fines if paid else 0,
        totals={row.currency: {"charges": str(row.charges), "credits": str(row.credits)} for row in paid},
        rejects=rejects,
        stages=stages,
        messages=tuple(messages),
    )


def user_job_report(
    job: Literal["purge", "waive"],
    engine: Engine,
    profile: None,
    *,
    run: str,
    started_at: datetime,
    failed: Collection[str],
) -> JobReport:
    """The report of a run of Purge User Records or Bulk Fine Waiving, which belong to no profile.

    Its users were purged, or had fines that were waived; its totals are what was waived. In a dry run they would be.
    """
    with engine.connect() as connection:
        report = _bare(job, profile, run, started_at)
        done = job_of_run(connection, job, run)
        messages = _failures(connection, report, failed)
        stages = _stages(connection, report)
    if done is None:
        return replace(
            report, outcome=_outcome(failed, messages, something=False), stages=stages, messages=tuple(messages)
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
        left_behind=done.left_behind,
        stages=stages,
        messages=tuple(messages),
    )


def _kept(job: UserJob) -> list[str]:
    return [
        f"Left behind: {many(left['users'], 'user')} {advice}. `bin/bursar users report {job.id}` lists them."
        for reason, advice in KEPT_FOR_A_PERSON.items()
        if (left := job.left_behind.get(reason))
    ]


def _bare(job: Job, profile: str | None, run: str, started_at: datetime) -> JobReport:
    return JobReport(
        job=job,
        profile=profile,
        run=run,
        started_at=started_at,
        ended_at=datetime.now(UTC),
        outcome=Outcome.FAILED,
    )


def _outcome(failed: Collection[str], messages: Collection[str], *, something: bool) -> Outcome:
    if failed:
        return Outcome.FAILED
    if messages:
        return Outcome.WITH_WARNINGS
    return Outcome.COMPLETED if something else Outcome.NOTHING_TO_DO


def _stages(connection: Connection, report: JobReport) -> dict[str, float]:
    return {row.stage: round(row.seconds, 3) for row in _stage_rows(connection, report)}


def _stage_rows(connection: Connection, report: JobReport) -> list[Any]:
    of_run = {"job": report.job, "profile": report.profile, "run": report.run}
    return list(connection.execute(statement("reports/stages"), of_run))


def _failures(connection: Connection, report: JobReport, failed: Collection[str]) -> list[str]:
    known = {row.stage: row.errors for row in _stage_rows(connection, report)}
    messages = []
    for stage in failed:
        errors = known.get(stage) or ["it was ended from outside: by a person, or its worker died."]
        messages += [f"{stage} failed: {error}" for error in errors]
    return messages


def _ended(batch: Batch) -> str:
    what = f"Batch {batch.id} with {many(batch.fines, 'fine')}, left unfinished by run {batch.run},"
    if batch.state is State.RELEASED:
        return f"{what} was released: nothing of it was sent, and its fines are open again."
    return f"{what} was carried to its end: {batch.file_name} is delivered and its fines are closed."


def _sent_again(resend: RowMapping) -> str:
    who = resend["requested_by"] or "somebody"
    what = f"batch {resend['id']} with {many(resend['fines'], 'fine')}"
    if resend["sent_again_at"]:
        return f"As {who} asked, {what} was sent again, the same bytes. Its fines were closed before and stay so."
    return f"{who} asked for {what} to be sent again; that has not been done."


def _unfinished(batch: Batch) -> str:
    what = f"Batch {batch.id} with {many(batch.fines, 'fine')} ({monies(batch.net)}) is {batch.state}"
    if batch.state is State.RELEASED:
        return f"{what}; its fines are open."
    return (
        f"{what}; its fines wait. Mend the cause and clear the failed task, or leave it to the next run: "
        "it carries to its end what may have reached the bursar, and lets the rest go."
    )


def _refused(batch: Batch, known: Waiting | None) -> Iterable[str]:
    if known and known.answer == "refused":
        yield (
            f"Batch {batch.id} with {many(batch.fines, 'fine')} ({monies(batch.net)}) was refused by "
            f"{known.answered_by}: nothing of it was sent, and its fines are open again. It had to wait because: "
            f"{' '.join(known.reasons)}"
        )


def _for_a_person(left_behind: Mapping[str, Mapping[str, Any]]) -> list[str]:
    messages = []
    for reason in FOR_A_PERSON:
        if left := left_behind.get(reason):
            what = f"{many(left['fines'], 'fine')} of {many(left['users'], 'user')} ({monies(left['net'])})"
            messages.append(
                f"{what} left open: {REASONS[reason]}. Correct the users in the library system; `bin/bursar preview` "
                "lists them."
            )
    return messages


def _rejected(file_id: int, name: str, records: int, outcomes: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
    counts = {outcome: one["records"] for outcome, one in outcomes.items() if outcome not in HARMLESS}
    if counts:
        parts = ", ".join(f"{count:,} {outcome}" for outcome, count in counts.items())
        yield (
            f"{sum(counts.values()):,} of {many(records, 'record')} in {name} had no effect ({parts}). "
            f"`bin/bursar imports rejects {file_id}` lists them with their reasons; ask the bursar."
        )


def _paid_twice(file_id: int, name: str, outcomes: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
    twice: dict[str, Decimal] = defaultdict(Decimal)
    for one in outcomes.values():
        for code, sum_ in one.get("paid_twice", {}).items():
            twice[code] += Decimal(sum_)
    if twice:
        yield (
            f"{monies(twice)} in {name} pays what had been settled at the library: unless it repeats an earlier "
            "report, students have paid twice. The bursar is told by reversals, and owes it back to them. "
            f"`bin/bursar imports rejects {file_id}` lists the payments."
        )


def _add(rejects: dict[str, dict[str, Any]], outcomes: Mapping[str, Mapping[str, Any]]) -> None:
    for name, one in outcomes.items():
        known = rejects.setdefault(name, {"records": 0, "sums": {}})
        known["records"] += one["records"]
        sums = defaultdict(Decimal, {code: Decimal(sum_) for code, sum_ in known["sums"].items()})
        for code, sum_ in one["sums"].items():
            sums[code] += Decimal(sum_)
        known["sums"] = {code: str(sum_) for code, sum_ in sums.items()}
