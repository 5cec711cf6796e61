"""Overpayments beyond the limit of a profile: they wait until a person releases or rejects them, once each.

A released overpayment becomes a credit, as a smaller one does by itself. A rejected one becomes nothing: the bursar
corrects it on its side. The fine is considered active meanwhile, so that its user cannot be deleted.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from sqlalchemy import Connection, Engine, Row

from bursar.db.queries import query
from bursar.errors import LedgerError, LedgerNotFoundError
from bursar.ledger import error_messages
from bursar.money import format_money
from bursar.page_names import Page

log = logging.getLogger(__name__)


class HeldDecision(StrEnum):
    """The decision of a person about an overpayment beyond the limit."""

    RELEASED = "released"
    REJECTED = "rejected"


@dataclass(frozen=True, kw_only=True)
class HeldOverpayment:
    """The rest of an overpayment beyond the limit, and the decision about it; `amount` is above 0.

    `file_id` and `record` identify it, `fine_id` is the fine that was overpaid, and `credit_id` the credit that was
    made of it, if it was released. `is_taken_back`: the bursar has taken the payment back since. Moments are aware, in
    UTC.
    """

    file_id: int
    record: int
    file_name: str
    profile: str
    transaction_id: str
    fine_id: int
    currency: str
    amount: Decimal
    held_since: datetime
    decision: HeldDecision | None
    decided_by: str | None
    decided_at: datetime | None
    credit_id: int | None
    is_taken_back: bool

    @classmethod
    def from_row(cls, row: Row) -> "HeldOverpayment":  # type: ignore[type-arg]
        """Makes an overpayment of a row of `imports/list_held_overpayments`."""
        values = {field.name: getattr(row, field.name) for field in fields(cls)}
        return cls(**values | {"decision": HeldDecision(row.decision) if row.decision else None})


def list_held_overpayments(
    connection: Connection, *, profile: str | None = None, file_id: int | None = None, waiting_only: bool = True
) -> Sequence[HeldOverpayment]:
    """Returns the overpayments that wait for a person, oldest first, of one profile or file or (None) of all.

    With `waiting_only=False`, also those that were released or rejected.
    """
    parameters = {"profile": profile, "file_id": file_id, "record": None, "waiting_only": waiting_only}
    rows = connection.execute(query("imports/list_held_overpayments"), parameters)
    return [HeldOverpayment.from_row(row) for row in rows]


def describe_decisions(file_id: int, record: int) -> str:
    """Returns how a person decides about a held overpayment."""
    return (
        f"Decide under {Page.WAITING}: released (`bin/bursar overpayments release {file_id} {record}`), it "
        f"becomes a credit; rejected (`bin/bursar overpayments reject {file_id} {record}`), it becomes none."
    )


def release_overpayment(engine: Engine, file_id: int, record: int, *, by: str) -> HeldOverpayment:
    """Makes a credit of a held overpayment, once, and records the person `by`; a repeated call changes nothing.

    Raises:
        LedgerError: the record is no held overpayment, or was rejected, or its payment has been taken back.
    """
    return _decide(engine, file_id, record, HeldDecision.RELEASED, by)


def reject_overpayment(engine: Engine, file_id: int, record: int, *, by: str) -> HeldOverpayment:
    """Records that a held overpayment becomes no credit, with the person `by`; a repeated call changes nothing.

    Raises:
        LedgerError: the record is no held overpayment, or was released.
    """
    return _decide(engine, file_id, record, HeldDecision.REJECTED, by)


def _decide(engine: Engine, file_id: int, record: int, decision: HeldDecision, by: str) -> HeldOverpayment:
    of_record = {"file_id": file_id, "record": record}
    with engine.begin() as connection:
        connection.execute(query("imports/lock_record"), of_record)
        held = get_held_overpayment(connection, file_id, record)
        if held.decision is decision:
            log.info("Record %s of file %s was %s before.", record, file_id, decision)
            return held
        if held.decision:
            raise LedgerError(
                f"Record {record} of file {file_id}, overpaid by {format_money(held.amount, held.currency)}, was "
                f"{held.decision} by {held.decided_by}. That is final. To give the student money all the same, add a "
                "credit at the desk (`bin/bursar desk credit`); to take a credit back, waive it there "
                "(`bin/bursar desk waive`)."
            )
        credit = None
        if decision is HeldDecision.RELEASED and held.is_taken_back:
            raise LedgerError(
                f"Record {record} of file {file_id}, overpaid by {format_money(held.amount, held.currency)}, can't be "
                f"released: the bursar has sent a sum of the opposite sign for fine {held.fine_id} since, which takes "
                f"the payment back. Rejected (`bin/bursar overpayments reject {file_id} {record}`), it becomes no "
                "credit. If the student is owed money all the same, add one at the desk (`bin/bursar desk credit`)."
            )
        if decision is HeldDecision.RELEASED:
            with error_messages.translate_database_errors(connection, of_record):
                credit = connection.execute(query("imports/post_released_credit"), {**of_record, "by": by}).scalar_one()
        decided = {**of_record, "decision": decision, "by": by, "credit": credit}
        connection.execute(query("imports/record_held_decision"), decided)
        held = get_held_overpayment(connection, file_id, record)
    log.info("Record %s of file %s is %s.", record, file_id, decision)
    return held


def get_held_overpayment(connection: Connection, file_id: int, record: int) -> HeldOverpayment:
    """Returns an overpayment beyond the limit, and the decision about it.

    Raises:
        LedgerError: the record is no such overpayment.
    """
    of_record = {"profile": None, "file_id": file_id, "record": record, "waiting_only": False}
    row = connection.execute(query("imports/list_held_overpayments"), of_record).first()
    if row is None:
        raise LedgerNotFoundError(
            f"Record {record} of file {file_id} is no overpayment beyond the limit. {Page.WAITING} lists those that "
            "wait (`bin/bursar overpayments list`)."
        )
    return HeldOverpayment.from_row(row)
