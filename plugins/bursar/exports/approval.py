"""Approval: a batch beyond the limits of its profile waits for a person before anything of it is uploaded."""

from collections.abc import Iterable
from decimal import Decimal

from sqlalchemy import Connection, Engine

from bursar.db.queries import query
from bursar.errors import BatchError
from bursar.ledger.approvals import (
    ApprovalAnswer,
    ApprovalRequest,
    ApprovalSubject,
    count_request,
    get_request,
    insert_request,
)
from bursar.ledger.batches import Batch, BatchState, get_batch
from bursar.ledger.totals import read_amounts
from bursar.money import format_money, pluralize
from bursar.page_names import Page
from bursar.profiles.monitoring import Approval


def request_approval(engine: Engine, batch_id: int, limits: Approval) -> ApprovalRequest | None:
    """Records and counts a request for the approval of a batch; returns None if the batch needs none.

    Raises:
        BatchError: there is no such batch.
    """
    with engine.begin() as connection:
        request = _get_or_create_request(connection, get_batch(connection, batch_id, lock=True), limits)
        if request is None or request.answer:
            return request
        count_request(connection, request, limits)
        return get_request(connection, ApprovalSubject(batch_id=batch_id))


def require_approved(engine: Engine, batch_id: int, limits: Approval) -> None:
    """Raises an error if a batch needs an approval that is not recorded, whatever the state of Airflow's tasks.

    Records a request for a batch beyond the limits that has none.

    Raises:
        BatchError: the batch has no approval; the message says what to do.
    """
    with engine.begin() as connection:
        batch = get_batch(connection, batch_id, lock=True)
        request = _get_or_create_request(connection, batch, limits)
    if request and request.answer is not ApprovalAnswer.APPROVED:
        raise BatchError(f"Batch {batch_id} was not uploaded: {_reason(request)}. {_advice(batch, request)}")


def _reason(request: ApprovalRequest) -> str:
    if request.answer is ApprovalAnswer.REFUSED:
        return "a person refused it"
    if request.answer:
        return "nobody answered in time whether it may go"
    missing = "no answer is recorded" if request.times_asked else "nobody was asked to approve it"
    return f"it is beyond the limits of its profile, and {missing}. {' '.join(request.reasons).removesuffix('.')}"


def _advice(batch: Batch, request: ApprovalRequest) -> str:
    if batch.state is BatchState.RELEASED:
        return "It has been released: its fines are open, and the next run of the DAG selects them."
    if not request.answer:
        return (
            f"Clear the task wait_for_approval of run {batch.run_id}, and answer it under Required Actions. If the run "
            "has no such task any more, start the DAG anew: it releases the batch, and selects its fines again."
        )
    if not batch.state.may_be_delivered:
        return "Start the DAG anew: it releases the batch, and selects its fines again."
    return (
        f"But its upload has begun. Look for {batch.file_name} in {batch.remote_folder}, and ask the bursar. If it did "
        f"not arrive, release the batch under {Page.WAITING} (`bin/bursar batches release {batch.id} "
        "--confirm-not-received`): then its fines are open again."
    )


def _get_or_create_request(connection: Connection, batch: Batch, limits: Approval) -> ApprovalRequest | None:
    """Returns the approval request of a batch, recorded now if it is new; None if the batch needs no approval.

    A recorded request stays, whatever the limits are now. Limits are compared only before the upload begins.
    """
    if batch.dry_run or batch.state in (BatchState.DELIVERED, BatchState.CLOSED):
        return None
    subject = ApprovalSubject(batch_id=batch.id)
    request = get_request(connection, subject)
    if request or batch.state not in (BatchState.SELECTED, BatchState.BUILT):
        return request
    if reasons := list(_exceeded_limits(connection, batch, limits)):
        insert_request(connection, subject, reasons, limits, requested_by=batch.requested_by)
    return get_request(connection, subject)


def _exceeded_limits(connection: Connection, batch: Batch, limits: Approval) -> Iterable[str]:
    if limits.max_fines is not None and batch.fines > limits.max_fines:
        yield f"{pluralize(batch.fines, 'fine')}: more than the limit of {limits.max_fines:,}."
    if limits.max_amount is not None:
        for currency, sums in batch.totals.items():
            parts = {"Charges": sums.charges, "Credits": sums.credits, "Reversals": sums.reversals}
            for name, amount in parts.items():
                if abs(amount) > limits.max_amount:
                    limit = format_money(Decimal(limits.max_amount), currency)
                    yield f"{name} of {format_money(amount, currency)}: more than the limit of {limit}."
    if limits.max_ratio_to_median is not None:
        yield from _exceeded_ratios(connection, batch, limits.max_ratio_to_median)


def _exceeded_ratios(connection: Connection, batch: Batch, times: int) -> Iterable[str]:
    typical = connection.execute(query("exports/typical_export"), {"profile": batch.profile}).one_or_none()
    if typical is None:
        return
    if batch.fines > times * typical.fines:
        yield f"{pluralize(batch.fines, 'fine')}: more than {times} times the usual {typical.fines:,}."
    medians = read_amounts(typical.charges)
    for currency, sums in batch.totals.items():
        median = medians.get(currency, Decimal(0))
        if sums.charges > times * median:
            yield (
                f"Charges of {format_money(sums.charges, currency)}: more than {times} times the usual "
                f"{format_money(median, currency)}."
            )
