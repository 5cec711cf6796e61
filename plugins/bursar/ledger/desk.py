"""The circulation desk: adds, pays, waives, refunds, disputes and reverses fines.

The caller owns the transaction. Each operation locks its fine until that transaction ends, and only writes to the
journal, from which the trigger derives balance and status. An impossible operation raises a LedgerError that
names an alternative, and leaves the transaction as it was. The journal records the person who acts (`by`).

The institution's parameter `allow_activity_on_transferred_finesfees` says whether the desk may settle a charge that is
outstanding at the bursar. The next export reports such a settlement to the bursar as a reversal.

Payments out never exceed payments in. Each part of a charge is given up once: it is waived, refunded, or reversed by a
credit. A refund, and a credit that reverses a charge, pay out only money that was paid for that charge and has not been
given back yet. A credit without a charge is a gift of the library.

All operations are in one module, since they share the lock and the limits of a charge.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from sqlalchemy import Connection, Row

from bursar.db.queries import query
from bursar.errors import LedgerError, LedgerNotFoundError
from bursar.ledger import error_messages
from bursar.ledger.entry_type import EntryType, FineStatus
from bursar.money import (
    format_money,
    get_currency_decimals,
    smallest_unit,
    validate_amount,
    validate_positive_amount,
)


def add_fine(  # noqa: PLR0913 - a fine has that many attributes
    connection: Connection,
    *,
    user_id: int,
    fine_fee_type: str,
    amount: Decimal,
    currency: str,
    created_at: datetime | None = None,
    owner_library: str | None = None,
    item_id: int | None = None,
    comment: str | None = None,
    vat: Decimal | None = None,
    item_due_date: datetime | None = None,
    source_id: str | None = None,
    by: str | None = None,
) -> int:
    """Adds a charge to a user's account and returns its internal id.

    `owner_library` (a library's code; None: the institution) owns the fine forever, even if the item moves.
    `created_at` is now, unless given; datetimes are aware. `source_id` is the fine's id in the library system.

    Raises:
        LedgerError: the amount is not a sum of money above 0, or has more decimals than its currency; the currency is
            unknown, a datetime has no time zone, or the user, item or library does not exist.
    """
    return _add(
        connection,
        {
            "user_id": user_id,
            "fine_fee_type": fine_fee_type,
            "amount": validate_positive_amount(amount, currency),
            "currency": currency,
            "created_at": _aware(created_at),
            "owner_library": owner_library,
            "item_id": item_id,
            "comment": comment,
            "vat": validate_amount(vat, currency) if vat is not None else None,
            "item_due_date": _aware(item_due_date),
            "source_id": source_id,
            "reverses": None,
            "posted_by": by,
        },
    )


def credit(  # noqa: PLR0913 - a credit has that many attributes
    connection: Connection,
    *,
    user_id: int,
    amount: Decimal,
    currency: str,
    reverses: int | None = None,
    created_at: datetime | None = None,
    owner_library: str | None = None,
    item_id: int | None = None,
    comment: str | None = None,
    source_id: str | None = None,
    by: str | None = None,
) -> int:
    """Gives a user a credit (a fine of type CREDIT) and returns its internal id.

    `amount` is a positive sum, and is stored as a negative one. A credit that `reverses` a charge has that
    charge's owner and item, whether the charge is open, paid or with the bursar; leave `owner_library` and `item_id`
    out. The rest is as for `add_fine`.

    Raises:
        LedgerError: as for `add_fine`; or the charge is another user's, in another currency, itself a credit, or less
            than `amount` of it can still be reversed: parts that were waived, refunded or reversed can't.
    """
    if reverses is None:
        validate_positive_amount(amount, currency)
    else:
        if owner_library is not None or item_id is not None:
            raise LedgerError(f"A credit for fine {reverses} has that fine's owner and item: give neither.")
        charge = _lock(connection, reverses)
        amount = _check_reversal(connection, charge, user_id, amount, currency)
        owner_library, item_id = charge.owner_library, charge.item_id
    return _add(
        connection,
        {
            "user_id": user_id,
            "fine_fee_type": "CREDIT",
            "amount": -amount,
            "currency": currency,
            "created_at": _aware(created_at),
            "owner_library": owner_library,
            "item_id": item_id,
            "comment": comment,
            "vat": None,
            "item_due_date": None,
            "source_id": source_id,
            "reverses": reverses,
            "posted_by": by,
        },
    )


def reverse_charge(
    connection: Connection,
    fine_id: int,
    amount: Decimal | None = None,
    comment: str | None = None,
    *,
    by: str | None = None,
) -> int:
    """Gives the user a credit for all of a charge that can be reversed, or `amount` of it, and returns its internal id.

    Raises:
        LedgerError: as for `credit`.
    """
    charge = _lock(connection, fine_id)
    totals = _reversible_charge(connection, charge)
    if totals.reversible <= 0:
        raise error_messages.reversal_too_large_error(charge, totals, amount)
    return credit(
        connection,
        user_id=charge.user_id,
        amount=totals.reversible if amount is None else amount,
        currency=charge.currency,
        reverses=fine_id,
        comment=comment,
        by=by,
    )


def pay(
    connection: Connection,
    fine_id: int,
    amount: Decimal | None = None,
    comment: str | None = None,
    *,
    allow_activity_on_transferred_finesfees: bool = False,
    by: str | None = None,
) -> Decimal:
    """Records a payment of `amount`, by default of all that is open, and returns the amount that stays open.

    Open is the balance or, if the parameter allows it, the amount outstanding at the bursar. Of a credit, the
    amount is recorded as paid out. Amounts are positive sums in either case.

    Raises:
        LedgerError: there is no such fine, nothing or less is open, the bursar holds the fine and the parameter does
            not allow it, or an export that has not ended holds it; or the credit reverses a charge for which less was
            paid, at the library and at the bursar, than this payment and earlier ones give back.
    """
    return _post_settlement(
        connection, EntryType.PAID, fine_id, amount, comment, allowed=allow_activity_on_transferred_finesfees, by=by
    )


def waive(
    connection: Connection,
    fine_id: int,
    amount: Decimal | None = None,
    comment: str | None = None,
    *,
    allow_activity_on_transferred_finesfees: bool = False,
    by: str | None = None,
) -> Decimal:
    """Waives `amount`, by default all that is open, and returns the amount that stays open.

    Raises:
        LedgerError: as for `pay`; or credits have reversed so much of the charge that `amount` is not left to waive.
    """
    return _post_settlement(
        connection, EntryType.WAIVED, fine_id, amount, comment, allowed=allow_activity_on_transferred_finesfees, by=by
    )


def refund(
    connection: Connection,
    fine_id: int,
    amount: Decimal | None = None,
    comment: str | None = None,
    *,
    allow_activity_on_transferred_finesfees: bool = False,
    by: str | None = None,
) -> Decimal:
    """Refunds `amount`, by default all that was paid at the library for a charge, and returns the refunded amount.

    The refunded part of the charge is given up, so that nobody is billed for it again. The open part stays open.

    Raises:
        LedgerError: there is no such fine, nothing or less was paid for it here, or as for `pay`; or credits have
            reversed so much of the charge, or given back so much of the money, that `amount` is not left to refund.
    """
    fine = _lock(connection, fine_id)
    totals = _charge_totals(connection, fine_id) if fine.amount > 0 else None
    if totals is None or totals.paid_here <= 0:
        raise error_messages.nothing_to_refund_error(connection, fine)
    if fine.outstanding != 0 and not allow_activity_on_transferred_finesfees:
        raise error_messages.held_by_bursar_error(connection, fine)
    refunded = _amount_or_all(amount, totals.paid_here, fine.currency)
    if refunded > totals.paid_here:
        raise LedgerError(
            f"Only {format_money(totals.paid_here, fine.currency)} was paid for fine {fine_id} at the library; "
            f"{format_money(refunded, fine.currency)} is more."
        )
    if refunded > min(totals.reversible, totals.returnable):
        raise error_messages.refund_too_large_error(fine, totals, refunded)
    parameters = {"fine_id": fine_id, "amount": refunded, "comment": comment, "posted_by": by}
    with error_messages.translate_database_errors(connection, parameters):
        connection.execute(query("ledger/post_refund"), parameters)
    return refunded


def dispute(connection: Connection, fine_id: int, comment: str, *, by: str | None = None) -> None:
    """Marks a fine as disputed: it can be paid or waived, but is not exported before the dispute is resolved.

    Raises:
        LedgerError: there is no such fine, nothing is owed, the fine was exported or a batch holds it, or it is
            disputed already.
    """
    fine = _lock(connection, fine_id)
    if fine.balance == 0:
        if fine.outstanding > 0:
            raise error_messages.too_late_to_dispute_error(connection, fine)
        raise error_messages.nothing_to_settle_error(connection, fine)
    if fine.status == FineStatus.DISPUTED:
        raise LedgerError(f"Fine {fine_id} is disputed already.")
    _post_entry(connection, fine_id, EntryType.DISPUTED, comment, by)


def resolve_dispute(connection: Connection, fine_id: int, comment: str, *, by: str | None = None) -> None:
    """Ends a dispute: the balance stays owed, and can be exported again.

    Raises:
        LedgerError: there is no such fine, or it is not disputed.
    """
    if _lock(connection, fine_id).status != FineStatus.DISPUTED:
        raise LedgerError(f"Fine {fine_id} is not disputed.")
    _post_entry(connection, fine_id, EntryType.DISPUTE_SETTLED, comment, by)


def _add(connection: Connection, fine: dict[str, Any]) -> int:
    if not fine["fine_fee_type"].strip():
        raise LedgerError("The fine was not added: its fine/fee type is missing.")
    if fine["reverses"] is None and fine["currency"] not in get_currency_decimals():
        raise LedgerNotFoundError(
            f"The fine was not added: {fine['currency']} is no currency; write its code of ISO 4217, such as EUR."
        )
    with error_messages.translate_database_errors(connection, fine):
        fine_id: int = connection.execute(query("ledger/insert_fine"), fine).scalar_one()
    return fine_id


def _post_settlement(
    connection: Connection,
    entry_type: Literal[EntryType.PAID, EntryType.WAIVED],
    fine_id: int,
    amount: Decimal | None,
    comment: str | None,
    *,
    allowed: bool,
    by: str | None,
) -> Decimal:
    fine = _lock(connection, fine_id)
    open_: Decimal = fine.balance
    if open_ == 0 and fine.outstanding > 0 and allowed:
        open_ = fine.outstanding
    if open_ == 0:
        raise error_messages.nothing_to_settle_error(connection, fine)
    settled = _amount_or_all(amount, abs(open_), fine.currency)
    if settled > abs(open_):
        available, asked = format_money(abs(open_), fine.currency), format_money(settled, fine.currency)
        raise LedgerError(f"Only {available} of fine {fine_id} is open; {asked} is more.")
    if entry_type is EntryType.WAIVED and fine.amount > 0:
        totals = _charge_totals(connection, fine_id)
        if settled > totals.reversible:
            raise error_messages.waiver_too_large_error(fine, totals, settled)
    if entry_type is EntryType.PAID and fine.amount < 0 and fine.reverses is not None:
        totals = _charge_totals(connection, fine.reverses)
        if settled > totals.returnable:
            raise error_messages.payout_too_large_error(fine, totals, settled)
    parameters = {
        "fine_ids": [fine_id],
        "entry_type": entry_type,
        "amount": settled,
        "comment": comment,
        "posted_by": by,
    }
    with error_messages.translate_database_errors(connection, parameters):
        connection.execute(query("ledger/post_settlement"), parameters)
    return open_ - settled.copy_sign(open_)


def _lock(connection: Connection, fine_id: int) -> Row[Any]:
    fine = connection.execute(query("ledger/lock_fine"), {"fine_id": fine_id}).first()
    if fine is None:
        raise LedgerNotFoundError(f"There is no fine {fine_id}.")
    return fine


def _post_entry(connection: Connection, fine_id: int, entry_type: EntryType, comment: str, by: str | None) -> None:
    entry = {"fine_id": fine_id, "entry_type": entry_type, "comment": comment, "posted_by": by}
    with error_messages.translate_database_errors(connection, entry):
        connection.execute(query("ledger/post_entry"), entry)


def _charge_totals(connection: Connection, fine_id: int) -> Row[Any]:
    return connection.execute(query("ledger/get_charge_totals"), {"fine_id": fine_id}).one()


def _reversible_charge(connection: Connection, charge: Row[Any]) -> Row[Any]:
    if charge.amount < 0:
        raise LedgerError(f"Fine {charge.id} is a credit itself; only a charge can be reversed.")
    return _charge_totals(connection, charge.id)


def _check_reversal(connection: Connection, charge: Row[Any], user_id: int, amount: Decimal, currency: str) -> Decimal:
    totals = _reversible_charge(connection, charge)
    if (charge.user_id, charge.currency) != (user_id, currency):
        raise LedgerError(
            f"Fine {charge.id} was charged to user {charge.user_id} in {charge.currency}: a credit for it must be "
            "for the same user, in the same currency."
        )
    reversed_ = _amount_or_all(amount, totals.reversible, currency)
    if reversed_ > totals.reversible:
        raise error_messages.reversal_too_large_error(charge, totals, amount)
    return reversed_


def _amount_or_all(amount: Decimal | None, available: Decimal, currency: str) -> Decimal:
    """Returns a valid amount; all that is available if the amount is None, or differs by less than the smallest unit.

    Only fines that were loaded with more decimals than their currency has can differ by less: 3.34 settles 3.335.
    """
    if amount is None or (isinstance(amount, Decimal) and amount == available > 0):
        return available
    validate_positive_amount(amount, currency)
    return available if abs(amount - available) < smallest_unit(currency) else amount


def _aware(moment: datetime | None) -> datetime | None:
    if moment is not None and moment.tzinfo is None:
        raise LedgerError(f"The time {moment} has no time zone: give one.")
    return moment
