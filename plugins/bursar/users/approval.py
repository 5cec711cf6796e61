"""Approval: a purge or a bulk waiving beyond the limits waits for a person before anything is changed.

An approval is for one run, with its form, and for no more users, fines and money than were shown. The runs of the same
person in the last 24 hours count too, unless they were approved: several small runs are no way around the limits.
"""

from collections.abc import Iterable
from decimal import Decimal

from sqlalchemy import Connection, Engine

from bursar.db.queries import query
from bursar.errors import BursarError
from bursar.ledger import approvals
from bursar.ledger.approvals import ApprovalAnswer, ApprovalRequest, ApprovalSubject, Figures
from bursar.ledger.jobs import Job, UserJob
from bursar.ledger.totals import SelectionSummary, Totals, read_totals, sum_by_currency
from bursar.money import format_money, pluralize
from bursar.profiles.monitoring import JobApproval

_DONE = {Job.PURGE: "Nobody was purged and nothing was waived.", Job.WAIVE: "Nothing was waived."}


def record_request(
    connection: Connection,
    job: UserJob,
    summary: SelectionSummary,
    limits: JobApproval,
    *,
    run_id: str,
    requested_by: str | None,
) -> ApprovalRequest | None:
    """Records that a job needs an approval, if it is beyond the limits; returns the request, None if it needs none.

    A recorded request stays as it is.
    """
    subject = ApprovalSubject(job=job, run_id=run_id)
    request = approvals.get_request(connection, subject)
    if request is None and (reasons := list(_exceeded_limits(connection, summary, limits, requested_by))):
        figures = Figures(summary.users, summary.fines, summary.totals)
        approvals.insert_request(connection, subject, reasons, limits, requested_by=requested_by, figures=figures)
        request = approvals.get_request(connection, subject)
    return request


def request_approval(engine: Engine, job: UserJob, run_id: str, limits: JobApproval) -> ApprovalRequest | None:
    """Counts a request to people for the approval of a job that needs one; returns None if it needs none."""
    with engine.begin() as connection:
        subject = ApprovalSubject(job=job, run_id=run_id)
        request = approvals.get_request(connection, subject)
        if request is None or request.answer:
            return request
        approvals.count_request(connection, request, limits)
        return approvals.get_request(connection, subject)


def require_approved(
    connection: Connection,
    job: UserJob,
    summary: SelectionSummary,
    limits: JobApproval,
    *,
    run_id: str,
    requested_by: str | None,
) -> None:
    """Raises an error if a job needs an approval that is not recorded, whatever the state of Airflow's tasks.

    Raises:
        BursarError: the job has no approval, or one for less; the message says what to do.
    """
    request = approvals.get_request(connection, ApprovalSubject(job=job, run_id=run_id))
    if request is None:
        if reasons := list(_exceeded_limits(connection, summary, limits, requested_by)):
            raise BursarError(
                f"{_DONE[job]} The run is beyond the limits, and nobody was asked to approve it. {' '.join(reasons)} "
                f"Clear the task check_limits of run {run_id}, and answer under Required Actions."
            )
    elif request.answer is None:
        raise BursarError(
            f"{_DONE[job]} The run is beyond the limits, and no answer is recorded. {' '.join(request.reasons)} "
            f"Clear the task wait_for_approval of run {run_id}, and answer under Required Actions."
        )
    elif request.answer is not ApprovalAnswer.APPROVED:
        reason = "a person refused it" if request.answer is ApprovalAnswer.REFUSED else "nobody answered in time"
        raise BursarError(f"{_DONE[job]} The run needed an approval, and {reason}. Trigger the DAG again.")
    elif request.figures and (grown := list(_exceeded_figures(summary, request.figures))):
        raise BursarError(
            f"{_DONE[job]} The run would change more than was approved: {' '.join(grown)} Trigger the DAG again."
        )


def _exceeded_limits(
    connection: Connection, summary: SelectionSummary, limits: JobApproval, requested_by: str | None
) -> Iterable[str]:
    if not summary.users and not summary.fines:
        return
    recent = connection.execute(query("users/list_recent_jobs"), {"requested_by": requested_by}).all()
    users = summary.users + sum(row.users for row in recent)
    fines = summary.fines + sum(row.fines for row in recent)
    amounts = sum_by_currency(
        dict(_amounts(totals)) for totals in (summary.totals, *(read_totals(row.totals) for row in recent))
    )
    added = f", with {pluralize(len(recent), 'earlier run')} of the same person in 24 hours" if recent else ""
    if users > limits.max_users:
        yield f"{pluralize(users, 'user')}{added}: more than the limit of {limits.max_users:,}."
    if fines > limits.max_fines:
        yield f"{pluralize(fines, 'fine')} waived{added}: more than the limit of {limits.max_fines:,}."
    for currency, amount in amounts.items():
        if amount > limits.max_amount:
            limit = format_money(Decimal(limits.max_amount), currency)
            yield f"{format_money(amount, currency)} waived{added}: more than the limit of {limit}."


def _exceeded_figures(summary: SelectionSummary, approved: Figures) -> Iterable[str]:
    if summary.users > approved.users:
        yield f"{pluralize(summary.users, 'user')}, and {approved.users:,} approved."
    if summary.fines > approved.fines:
        yield f"{pluralize(summary.fines, 'fine')}, and {approved.fines:,} approved."
    before = dict(_amounts(approved.totals))
    for currency, amount in _amounts(summary.totals):
        if amount > (agreed := before.get(currency, Decimal(0))):
            yield f"{format_money(amount, currency)}, and {format_money(agreed, currency)} approved."


def _amounts(totals: Totals) -> Iterable[tuple[str, Decimal]]:
    """Returns what is waived in each currency, charges and credits without their signs."""
    return ((currency, sums.charges - sums.credits) for currency, sums in totals.items())
