"""Approval: a batch beyond the limits of its profile waits for a person before anything of it is uploaded."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from sqlalchemy import Connection, Engine

from bursar.db.queries import query
from bursar.errors import BatchError
from bursar.ledger.batches import Batch, BatchState, get_batch
from bursar.ledger.totals import read_amounts
from bursar.money import format_money, pluralize
from bursar.profiles.monitoring import Approval


class ApprovalAnswer(StrEnum):
    """The recorded answer to a request for approval."""

    APPROVED = "approved"
    REFUSED = "refused"
    UNANSWERED = "unanswered"


@dataclass(frozen=True)
class ApprovalRequest:
    """Why a batch has to wait, in sentences, and the recorded answer; `answer` is None until there is one.

    `times_asked` counts the requests to people: 0 if the upload found out that nobody had been asked.
    """

    reasons: tuple[str, ...]
    answer: ApprovalAnswer | None
    answered_by: str | None
    times_asked: int


def request_approval(engine: Engine, batch_id: int, limits: Approval) -> ApprovalRequest | None:
    """Records and counts a request for the approval of a batch; returns None if the batch needs none.

    Raises:
        BatchError: there is no such batch.
    """
    with engine.begin() as connection:
        found = _get_or_create_request(connection, get_batch(connection, batch_id, lock=True), limits)
        if found is None or found.answer:
            return found
        connection.execute(query("exports/count_approval_request"), {"batch_id": batch_id})
        return get_request(connection, batch_id)


def require_approved(engine: Engine, batch_id: int, limits: Approval) -> None:
    """Refuses a batch that needs an approval which the ledger does not have, whatever the state of Airflow's tasks.

    A batch beyond the limits that nobody was asked about is recorded as waiting.

    Raises:
        BatchError: the batch has no approval; the message says what to do.
    """
    with engine.begin() as connection:
        found = get_batch(connection, batch_id, lock=True)
        needed = _get_or_create_request(connection, found, limits)
    if needed and needed.answer is not ApprovalAnswer.APPROVED:
        raise BatchError(f"Batch {batch_id} was not uploaded: {_reason(needed)}. {_advice(found, needed)}")


def _reason(needed: ApprovalRequest) -> str:
    if needed.answer is ApprovalAnswer.REFUSED:
        return f"{needed.answered_by} refused it"
    if needed.answer:
        return "nobody answered in time whether it may go"
    missing = "no answer is recorded" if needed.times_asked else "nobody was asked to approve it"
    return f"it is beyond the limits of its profile, and {missing}. {' '.join(needed.reasons).removesuffix('.')}"


def _advice(found: Batch, needed: ApprovalRequest) -> str:
    if found.state is BatchState.RELEASED:
        return "It has been released: its fines are open, and the next run of the DAG selects them."
    if not needed.answer:
        return f"Clear the task wait_for_approval of run {found.run_id}, and answer it under Required Actions."
    if not found.state.may_be_delivered:
        return "Start the DAG anew: it releases the batch, and selects its fines again."
    return (
        f"But its upload has begun. Look for {found.file_name} in {found.remote_folder}, and ask the bursar. If it did "
        f"not arrive, `bin/bursar batches release {found.id} --confirm-not-received` opens the fines again."
    )


def get_request(connection: Connection, batch_id: int) -> ApprovalRequest | None:
    """What is known about a batch that had to wait; None if it did not have to."""
    row = connection.execute(query("exports/get_approval"), {"batch_id": batch_id}).one_or_none()
    if row is None:
        return None
    answer = ApprovalAnswer(row.answer) if row.answer else None
    return ApprovalRequest(tuple(row.reasons), answer, row.answered_by, row.times_asked)


def _get_or_create_request(connection: Connection, found: Batch, limits: Approval) -> ApprovalRequest | None:
    """Returns the approval that a batch needs before it is uploaded, and records it if it is new; None: it needs none.

    An approval that was needed once stays needed, whatever the limits are now. Limits are compared only before the
    upload begins: after that the batch has passed them.
    """
    if found.dry_run or found.state in (BatchState.DELIVERED, BatchState.CLOSED):
        return None
    known = get_request(connection, found.id)
    if known or found.state not in (BatchState.SELECTED, BatchState.BUILT):
        return known
    if reasons := list(_exceeded_limits(connection, found, limits)):
        connection.execute(query("exports/insert_approval_request"), {"batch_id": found.id, "reasons": reasons})
    return get_request(connection, found.id)


def _exceeded_limits(connection: Connection, found: Batch, limits: Approval) -> Iterable[str]:
    if limits.max_fines is not None and found.fines > limits.max_fines:
        yield f"{pluralize(found.fines, 'fine')}: more than the limit of {limits.max_fines:,}."
    if limits.max_amount is not None:
        for currency, sums in found.totals.items():
            parts = {"Charges": sums.charges, "Credits": sums.credits, "Reversals": sums.reversals}
            for name, amount in parts.items():
                if abs(amount) > limits.max_amount:
                    limit = format_money(Decimal(limits.max_amount), currency)
                    yield f"{name} of {format_money(amount, currency)}: more than the limit of {limit}."
    if limits.max_ratio_to_median is not None:
        yield from _exceeded_ratios(connection, found, limits.max_ratio_to_median)


def _exceeded_ratios(connection: Connection, found: Batch, times: int) -> Iterable[str]:
    usual = connection.execute(query("exports/typical_export"), {"profile": found.profile}).one_or_none()
    if usual is None:
        return
    if found.fines > times * usual.fines:
        yield f"{pluralize(found.fines, 'fine')}: more than {times} times the usual {usual.fines:,}."
    medians = read_amounts(usual.charges)
    for currency, sums in found.totals.items():
        median = medians.get(currency, Decimal(0))
        if sums.charges > times * median:
            yield (
                f"Charges of {format_money(sums.charges, currency)}: more than {times} times the usual "
                f"{format_money(median, currency)}."
            )
