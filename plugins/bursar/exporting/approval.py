"""Approval: a batch beyond the limits of its profile waits for a person before anything of it is uploaded."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from sqlalchemy import Connection, Engine

from bursar.errors import BatchError
from bursar.ledger.batches import Batch, State, batch
from bursar.ledger.statements import statement
from bursar.money import many, money
from bursar.profiles.oversight import Approval

Answer = Literal["approved", "refused", "unanswered"]


@dataclass(frozen=True)
class Waiting:
    """Why a batch has to wait, in sentences, and the recorded answer; `answer` is None until there is one.

    `times_asked` counts the requests to people: 0 if the upload found out that nobody had been asked.
    """

    reasons: tuple[str, ...]
    answer: Answer | None
    answered_by: str | None
    times_asked: int


def ask(engine: Engine, batch_id: int, limits: Approval) -> Waiting | None:
    """Records and counts a request for the approval of a batch; returns None if the batch needs none.

    Raises:
        BatchError: there is no such batch.
    """
    with engine.begin() as connection:
        found = _needed(connection, batch(connection, batch_id, lock=True), limits)
        if found is None or found.answer:
            return found
        connection.execute(statement("approvals/count_request"), {"batch_id": batch_id})
        return waiting(connection, batch_id)


def require_approved(engine: Engine, batch_id: int, limits: Approval) -> None:
    """Refuses a batch that needs an approval which the ledger does not have, whatever the state of Airflow's tasks.

    A batch beyond the limits that nobody was asked about is recorded as waiting.

    Raises:
        BatchError: the batch has no approval; the message says what to do.
    """
    with engine.begin() as connection:
        found = batch(connection, batch_id, lock=True)
        needed = _needed(connection, found, limits)
    if needed and needed.answer != "approved":
        raise BatchError(f"Batch {batch_id} was not uploaded: {_why(needed)}. {_advice(found, needed)}")


def _why(needed: Waiting) -> str:
    if needed.answer == "refused":
        return f"{needed.answered_by} refused it"
    if needed.answer:
        return "nobody answered in time whether it may go"
    missing = "no answer is recorded" if needed.times_asked else "nobody was asked to approve it"
    return f"it is beyond the limits of its profile, and {missing}. {' '.join(needed.reasons).removesuffix('.')}"


def _advice(found: Batch, needed: Waiting) -> str:
    if found.state is State.RELEASED:
        return "It has been released: its fines are open, and the next run of the DAG selects them."
    if not needed.answer:
        return f"Clear the task approve of run {found.run}, and answer it under Required Actions."
    if not found.state.may_have_reached_the_bursar:
        return "Start the DAG anew: it releases the batch, and selects its fines again."
    return (
        f"But its upload has begun. Look for {found.file_name} in {found.remote_folder}, and ask the bursar. If it did "
        f"not arrive, `bin/bursar batches release {found.id} --bursar-has-not-got-it` opens the fines again."
    )


def waiting(connection: Connection, batch_id: int) -> Waiting | None:
    """What is known about a batch that had to wait; None if it did not have to."""
    row = connection.execute(statement("approvals/get"), {"batch_id": batch_id}).one_or_none()
    return Waiting(tuple(row.reasons), row.answer, row.answered_by, row.times_asked) if row else None


def _needed(connection: Connection, found: Batch, limits: Approval) -> Waiting | None:
    """Returns the approval that a batch needs before it is uploaded, and records it if it is new; None: it needs none.

    An approval that was needed once stays needed, whatever the limits are now. Limits are compared only before the
    upload begins: after that the batch has passed them.
    """
    if found.dry_run or found.state in (State.DELIVERED, State.CLOSED):
        return None
    known = waiting(connection, found.id)
    if known or found.state not in (State.SELECTED, State.DOCUMENTED):
        return known
    if reasons := list(_beyond(connection, found, limits)):
        connection.execute(statement("approvals/ask"), {"batch_id": found.id, "reasons": reasons})
    return waiting(connection, found.id)


def _beyond(connection: Connection, found: Batch, limits: Approval) -> Iterable[str]:
    if limits.fines is not None and found.fines > limits.fines:
        yield f"{many(found.fines, 'fine')}: more than the limit of {limits.fines:,}."
    if limits.money is not None:
        for currency, sums in found.totals.items():
            for kind, amount in sums.items():
                if abs(Decimal(amount)) > limits.money:
                    limit = money(str(limits.money), currency)
                    yield f"{kind.capitalize()} of {money(amount, currency)}: more than the limit of {limit}."
    if limits.times_the_usual is not None:
        yield from _beyond_the_usual(connection, found, limits.times_the_usual)


def _beyond_the_usual(connection: Connection, found: Batch, times: int) -> Iterable[str]:
    usual = connection.execute(statement("approvals/usual"), {"profile": found.profile}).one_or_none()
    if usual is None:
        return
    if found.fines > times * usual.fines:
        yield f"{many(found.fines, 'fine')}: more than {times} times the usual {usual.fines:,}."
    for currency, sums in found.totals.items():
        median = Decimal(usual.charges.get(currency, "0"))
        if Decimal(sums["charges"]) > times * median:
            yield (
                f"Charges of {money(sums['charges'], currency)}: more than {times} times the usual "
                f"{money(median, currency)}."
            )
