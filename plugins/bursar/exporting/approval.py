"""Approval: a batch beyond the limits of its profile waits for a person before anything of it is uploaded."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from sqlalchemy import Connection, Engine

from bursar.errors import BatchError
from bursar.exporting.closing import release
from bursar.ledger.batches import Batch, batch
from bursar.ledger.statements import statement
from bursar.money import many, money
from bursar.profiles.oversight import Approval

log = logging.getLogger(__name__)

Answer = Literal["approved", "refused", "unanswered"]


@dataclass(frozen=True)
class Waiting:
    """Why a batch has to wait, in sentences, and what was answered; `answer` is None until then."""

    reasons: tuple[str, ...]
    answer: Answer | None
    answered_by: str | None


def ask(engine: Engine, batch_id: int, limits: Approval) -> Waiting | None:
    """Compares a batch with the limits; None if it is within them. A batch that was asked about stays as it was asked.

    Raises:
        BatchError: there is no such batch.
    """
    with engine.begin() as connection:
        found = batch(connection, batch_id, lock=True)
        if reasons := list(_beyond(connection, found, limits)):
            connection.execute(statement("approvals/ask"), {"batch_id": batch_id, "reasons": reasons})
        return waiting(connection, batch_id)


def answer(engine: Engine, batch_id: int, said: Answer, *, by: str | None) -> Batch:
    """Takes down what a person said, or that nobody did; unless it was a yes, the fines of the batch are let go.

    The first answer counts. A repeated call ends what a killed one began.

    Raises:
        BatchError: the batch was answered otherwise before, or may have reached the bursar.
    """
    with engine.begin() as connection:
        connection.execute(statement("approvals/answer"), {"batch_id": batch_id, "answer": said, "answered_by": by})
        known = waiting(connection, batch_id)
        if known is None or known.answer != said:
            raise BatchError(f"Batch {batch_id} was {known.answer if known else 'not asked about'} before.")
        found = batch(connection, batch_id)
    log.info("Batch %s is %s by %s.", batch_id, said, by or "nobody")
    return found if said == "approved" else release(engine, batch_id)


def check_approved(engine: Engine, batch_id: int) -> None:
    """Lets a batch pass that is within the limits or approved, whatever somebody clicked in Airflow meanwhile.

    Raises:
        BatchError: it waits for an answer, or was refused.
    """
    with engine.connect() as connection:
        found = waiting(connection, batch_id)
    if found and found.answer != "approved":
        raise BatchError(
            f"Batch {batch_id} is {found.answer or 'not answered yet'}: nothing was uploaded. "
            "Clear the task approve of this run, and answer it under Required Actions."
        )


def waiting(connection: Connection, batch_id: int) -> Waiting | None:
    """What is known about a batch that had to wait; None if it did not have to."""
    row = connection.execute(statement("approvals/get"), {"batch_id": batch_id}).one_or_none()
    return Waiting(tuple(row.reasons), row.answer, row.answered_by) if row else None


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
