"""The errors of the circulation desk: the impossible operation, the reason, and an alternative."""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import psycopg
from sqlalchemy import Connection, Row
from sqlalchemy.exc import DBAPIError

from bursar.db.queries import query
from bursar.errors import LedgerError, LedgerNotFoundError
from bursar.ledger.entry_type import FineStatus
from bursar.money import format_money
from bursar.page_names import Page

CLAIMED_BY_AN_EXPORT = "BU001"
OF_A_DELETED_USER = "BU004"
FOREIGN_KEY_VIOLATION = "23503"
CONSTRAINTS = {
    "fines_user_id_fkey": "there is no user {user_id}.",
    "fines_item_id_fkey": "there is no item {item_id}.",
    "fines_owner_library_fkey": "there is no library {owner_library}. Leave it out if the institution owns the fine.",
    "fines_source_id_key": "the fine {source_id} of the library system is in the ledger already.",
    "credits_are_negative": "type CREDIT is for credits, which reverse a charge or give money; add it as one.",
}
"""Messages for the ledger's constraints on new fines."""


@contextmanager
def translate_database_errors(connection: Connection, facts: dict[str, Any]) -> Iterator[None]:
    """Translates an error of the database in the block into a LedgerError; the transaction stays usable."""
    try:
        with connection.begin_nested():
            yield
    except DBAPIError as error:
        if not isinstance(error.orig, psycopg.Error):
            raise
        diagnosis = error.orig.diag
        if diagnosis.sqlstate == CLAIMED_BY_AN_EXPORT:
            raise LedgerError(
                f"Not now: {diagnosis.message_primary}; it can be changed when that batch has been closed or released. "
                f"{Page.WAITING} shows its state (`bin/bursar batches list`)."
            ) from error
        if diagnosis.sqlstate == OF_A_DELETED_USER:
            raise LedgerError(f"Nothing was changed: {diagnosis.message_primary}.") from error
        if diagnosis.constraint_name in CONSTRAINTS:
            reason = CONSTRAINTS[diagnosis.constraint_name].format(**facts)
            is_unknown = diagnosis.sqlstate == FOREIGN_KEY_VIOLATION
            raise (LedgerNotFoundError if is_unknown else LedgerError)(f"The fine was not added: {reason}") from error
        raise


def nothing_to_settle_error(connection: Connection, fine: Row[Any]) -> LedgerError:
    """Returns the error for a payment or waiver of a fine without a balance."""
    sent = connection.execute(query("ledger/get_exporting_batch"), {"fine_id": fine.id}).first()
    if sent is None or (fine.status == FineStatus.TRANSFERRED and fine.outstanding == 0):
        at_the_bursar = " It was paid at the bursar." if fine.status == FineStatus.TRANSFERRED else ""
        return LedgerError(f"Nothing is owed on fine {fine.id} any more.{at_the_bursar}")
    exported = _describe_export(fine, sent)
    if fine.outstanding == 0:
        return LedgerError(
            f"{exported}; nothing is owed at the library. If it should not have been charged, give a credit for it: "
            "the next export reports it to the bursar."
        )
    if fine.amount < 0:
        return LedgerError(
            f"{exported}; {format_money(-fine.outstanding, fine.currency)} of this credit is outstanding there, and "
            "the bursar gives it to the student. To reverse it, add a fine."
        )
    return held_by_bursar_error(connection, fine)


def held_by_bursar_error(connection: Connection, fine: Row[Any]) -> LedgerError:
    """Returns the error for an operation at the desk on a charge that is outstanding at the bursar."""
    sent = connection.execute(query("ledger/get_exporting_batch"), {"fine_id": fine.id}).one()
    return LedgerError(
        f"{_describe_export(fine, sent)}; {format_money(fine.outstanding, fine.currency)} is outstanding there, and "
        "is paid there. If the item was returned, give a credit for it: the next export reports it to the bursar. To "
        "let the desk settle such fines, set allow_activity_on_transferred_finesfees to yes in bursar.yaml."
    )


def too_late_to_dispute_error(connection: Connection, fine: Row[Any]) -> LedgerError:
    """Returns the error for a dispute of an exported fine."""
    sent = connection.execute(query("ledger/get_exporting_batch"), {"fine_id": fine.id}).one()
    return LedgerError(
        f"{_describe_export(fine, sent)}; a dispute would only prevent its export. Dispute it at the bursar. If it "
        "should not have been charged, give a credit for it: the next export reports it to the bursar."
    )


def nothing_to_refund_error(connection: Connection, fine: Row[Any]) -> LedgerError:
    """Returns the error for a refund of a fine for which the library has received no money."""
    if fine.amount < 0:
        return LedgerError(f"Fine {fine.id} is a credit; what was paid out can't be refunded. Add a fine instead.")
    sent = connection.execute(query("ledger/get_exporting_batch"), {"fine_id": fine.id}).first()
    at_the_bursar = (
        f" {_describe_export(fine, sent)}; the bursar received any payment for it. Give a credit for it: the next "
        "export reports it to the bursar."
        if sent
        else ""
    )
    return LedgerError(f"Nothing was paid for fine {fine.id} at the library.{at_the_bursar}")


def reversal_too_large_error(charge: Row[Any], totals: Row[Any], asked: Decimal | None) -> LedgerError:
    """Returns the error for a credit above the reversible part of a charge; `totals` is its row of charge_totals."""
    reversible = totals.reversible
    advice = (
        f"Give a credit of at most {format_money(reversible, charge.currency)}."
        if reversible > 0
        else "The whole charge has been given up, so no credit is needed."
    )
    return _error(_describe_limit("reverse", charge, reversible, asked), _describe_given_up(charge, totals), advice)


def waiver_too_large_error(charge: Row[Any], totals: Row[Any], asked: Decimal) -> LedgerError:
    """Returns the error for a waiver of more than the credits that reverse a charge leave of it."""
    advice = (
        f"{format_money(totals.open_credits, charge.currency)} of these credits is still open. Leave the charge and "
        "its credits to the next export, or waive the credits first."
        if totals.open_credits > 0
        else "The student has had that part already, so it can only be paid."
    )
    return _error(
        _describe_limit("waive", charge, totals.reversible, asked), _describe_given_up(charge, totals), advice
    )


def refund_too_large_error(charge: Row[Any], totals: Row[Any], asked: Decimal) -> LedgerError:
    """Returns the error for a refund of more than the credits that reverse a charge leave of it."""
    given_back = (
        f"Of the {format_money(totals.paid, charge.currency)} paid for it, "
        f"{format_money(totals.given_back, charge.currency)} has been given back by credits."
        if totals.given_back > 0
        else ""
    )
    advice = (
        f"{format_money(totals.open_credits, charge.currency)} of its credits is still open: pay that out instead."
        if totals.open_credits > 0
        else ""
    )
    limit = min(totals.reversible, totals.returnable)
    return _error(
        _describe_limit("refund", charge, limit, asked), _describe_given_up(charge, totals), given_back, advice
    )


def payout_too_large_error(credit: Row[Any], totals: Row[Any], asked: Decimal) -> LedgerError:
    """Returns the error for a payout above a credit's limit; `totals` is the row of the charge that it reverses."""
    currency = credit.currency
    why = (
        f"It reverses fine {totals.fine_id}, for which {format_money(totals.paid, currency)} has been paid and "
        f"{format_money(totals.given_back, currency)} given back."
    )
    if totals.balance > 0:
        advice = (
            f"{format_money(totals.balance, currency)} of that fine is still open: leave both to the next export, or "
            "let the student pay the fine first."
        )
    elif totals.outstanding > 0:
        advice = (
            f"{format_money(totals.outstanding, currency)} of that fine is outstanding at the bursar: leave the "
            "credit to the next export, which reports it there."
        )
    else:
        advice = "If the credit is wrong, waive it."
    return _error(_describe_limit("pay out", credit, totals.returnable, asked), why, advice)


def _error(*sentences: str) -> LedgerError:
    return LedgerError(" ".join(sentence for sentence in sentences if sentence))


def _describe_limit(act: str, fine: Row[Any], limit: Decimal, asked: Decimal | None) -> str:
    if limit <= 0 or asked is None:
        return f"Nothing of fine {fine.id} is left to {act}."
    left = format_money(limit, fine.currency)
    return f"Only {left} of fine {fine.id} is left to {act}; {format_money(asked, fine.currency)} is more."


def _describe_given_up(charge: Row[Any], totals: Row[Any]) -> str:
    """Returns a sentence about the parts of a charge that have been given up; blank if there are none."""
    parts = {"waived or refunded": totals.waived, "reversed by credits": totals.reversed}
    given_up = " and ".join(
        f"{format_money(part, charge.currency)} has been {how}" for how, part in parts.items() if part > 0
    )
    return f"Of the {format_money(charge.amount, charge.currency)} charged, {given_up}." if given_up else ""


def _describe_export(fine: Row[Any], sent: Row[Any]) -> str:
    transaction = f" as transaction {sent.transaction_id}" if sent.transaction_id else ""
    return f"Fine {fine.id} was exported to the bursar in batch {sent.batch_id}{transaction}"
