"""What happens at the circulation desk: a fine is added, paid, waived, disputed, or taken back by a credit.

The caller owns the transaction. Each operation locks its fine until that transaction ends, and only writes to the
journal; the ledger keeps balance and status by itself. A refusal leaves the transaction as it was.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

import psycopg
from sqlalchemy import Connection, Row
from sqlalchemy.exc import DBAPIError

from bursar.errors import LedgerError
from bursar.ledger.amounts import exact, positive
from bursar.ledger.statements import statement
from bursar.money import money

CLAIMED_BY_AN_EXPORT = "BU001"
CONSTRAINTS = {
    "fines_user_id_fkey": "there is no user {user_id}.",
    "fines_item_id_fkey": "there is no item {item_id}.",
    "fines_owner_library_fkey": "there is no library {owner_library}. Leave it out if the institution owns the fine.",
    "fines_source_id_key": "the fine {source_id} of the library system is in the ledger already.",
    "fines_currency_check": "{currency} is no currency; write its three capital letters, such as EUR.",
    "credits_are_negative": "type CREDIT is for credits, which take a charge back or give money; add it as one.",
}
"""What the ledger's constraints on new fines mean at the desk."""


def add_fine(  # noqa: PLR0913 - so many things belong to a fine
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
) -> int:
    """Adds a charge to a user's account and returns its internal id.

    `owner_library` (a library's code; None: the institution) owns the fine for ever, wherever the item moves.
    `created_at` is now, unless given; datetimes are aware. `source_id` is the fine's id in the library system.

    Raises:
        LedgerError: the amount is not a sum of money above 0, a datetime has no time zone, or the user, item or
            library does not exist.
    """
    return _add(
        connection,
        {
            "user_id": user_id,
            "fine_fee_type": fine_fee_type,
            "amount": positive(amount),
            "currency": currency,
            "created_at": _aware(created_at),
            "owner_library": owner_library,
            "item_id": item_id,
            "comment": comment,
            "vat": exact(vat) if vat is not None else None,
            "item_due_date": _aware(item_due_date),
            "source_id": source_id,
            "reverses": None,
        },
    )


def credit(  # noqa: PLR0913 - so many things belong to a credit
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
) -> int:
    """Gives a user a credit (a fine of type CREDIT) and returns its internal id.

    `amount` is given as a positive sum, and kept as a negative one. A credit that `reverses` a charge has that
    charge's owner and item, whether the charge is open, paid or with the bursar; leave `owner_library` and `item_id`
    out. The rest is as for `add_fine`.

    Raises:
        LedgerError: as for `add_fine`; or the charge is another user's, in another currency, itself a credit, or
            would be taken back more than whole.
    """
    amount = positive(amount)
    if reverses is not None:
        if owner_library is not None or item_id is not None:
            raise LedgerError(f"A credit for fine {reverses} has that fine's owner and item: give neither.")
        charge = _lock(connection, reverses)
        _check_reversal(connection, charge, user_id, amount, currency)
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
        },
    )


def pay(connection: Connection, fine_id: int, amount: Decimal | None = None, comment: str | None = None) -> Decimal:
    """Records a payment, of the whole balance unless `amount` is given, and returns the balance that is left.

    Of a credit, it records the amount as paid out. Amounts are given as positive sums in either case.

    Raises:
        LedgerError: there is no such fine, nothing or less is owed, the fine is with the bursar, or an export that
            has not ended holds it.
    """
    return _settle(connection, "PAID", fine_id, amount, comment)


def waive(connection: Connection, fine_id: int, amount: Decimal | None = None, comment: str | None = None) -> Decimal:
    """Gives up the whole balance, or `amount` of it, and returns the balance that is left; refused as `pay` is."""
    return _settle(connection, "WAIVED", fine_id, amount, comment)


def dispute(connection: Connection, fine_id: int, comment: str) -> None:
    """Marks a fine as disputed: it can be paid or waived, but is not exported until the dispute is settled.

    Raises:
        LedgerError: as for `pay`, or the fine is disputed already.
    """
    fine = _lock(connection, fine_id)
    _check_open(connection, fine)
    if fine.status == "DISPUTED":
        raise LedgerError(f"Fine {fine_id} is disputed already.")
    _enter(connection, fine_id, "DISPUTED", Decimal(0), comment)


def settle_dispute(connection: Connection, fine_id: int, comment: str) -> None:
    """Ends a dispute: what is still owed stays owed, and can be exported again.

    Raises:
        LedgerError: there is no such fine, or it is not disputed.
    """
    if _lock(connection, fine_id).status != "DISPUTED":
        raise LedgerError(f"Fine {fine_id} is not disputed.")
    _enter(connection, fine_id, "DISPUTE_SETTLED", Decimal(0), comment)


def _add(connection: Connection, fine: dict[str, Any]) -> int:
    if not fine["fine_fee_type"].strip():
        raise LedgerError("The fine was not added: its fine/fee type is missing.")
    with _refusals(connection, fine):
        fine_id: int = connection.execute(statement("desk/add_fine"), fine).scalar_one()
    return fine_id


def _settle(
    connection: Connection, kind: Literal["PAID", "WAIVED"], fine_id: int, amount: Decimal | None, comment: str | None
) -> Decimal:
    fine = _lock(connection, fine_id)
    _check_open(connection, fine)
    settled = abs(fine.balance) if amount is None else positive(amount)
    if settled > abs(fine.balance):
        open_, asked = money(abs(fine.balance), fine.currency), money(settled, fine.currency)
        raise LedgerError(f"Only {open_} of fine {fine_id} is open; {asked} is more.")
    change = settled.copy_sign(-fine.balance)
    _enter(connection, fine_id, kind, change, comment)
    left: Decimal = fine.balance + change
    return left


def _lock(connection: Connection, fine_id: int) -> Row[Any]:
    fine = connection.execute(statement("desk/lock_fine"), {"fine_id": fine_id}).first()
    if fine is None:
        raise LedgerError(f"There is no fine {fine_id}.")
    return fine


def _enter(connection: Connection, fine_id: int, kind: str, balance_change: Decimal, comment: str | None) -> None:
    entry = {"fine_id": fine_id, "kind": kind, "balance_change": balance_change, "comment": comment}
    with _refusals(connection, entry):
        connection.execute(statement("desk/enter"), entry)


@contextmanager
def _refusals(connection: Connection, facts: dict[str, Any]) -> Iterator[None]:
    try:
        with connection.begin_nested():
            yield
    except DBAPIError as error:
        if not isinstance(error.orig, psycopg.Error):
            raise
        diagnosis = error.orig.diag
        if diagnosis.sqlstate == CLAIMED_BY_AN_EXPORT:
            raise LedgerError(f"Not now: {diagnosis.message_primary}; it is free again when that ends.") from error
        if diagnosis.constraint_name in CONSTRAINTS:
            reason = CONSTRAINTS[diagnosis.constraint_name].format(**facts)
            raise LedgerError(f"The fine was not added: {reason}") from error
        raise


def _check_open(connection: Connection, fine: Row[Any]) -> None:
    if fine.balance != 0:
        return
    batch = connection.execute(statement("desk/exported_in"), {"fine_id": fine.id}).scalar()
    if batch is None:
        raise LedgerError(f"Nothing is owed on fine {fine.id} any more.")
    left = "nothing is owed at the library"
    if fine.outstanding != 0:
        left = f"{money(abs(fine.outstanding), fine.currency)} is outstanding there: it is with the bursar"
    raise LedgerError(f"Fine {fine.id} went to the bursar in batch {batch}; {left}.")


def _check_reversal(connection: Connection, charge: Row[Any], user_id: int, amount: Decimal, currency: str) -> None:
    if charge.amount < 0:
        raise LedgerError(f"Fine {charge.id} is a credit itself; only a charge can be taken back.")
    if (charge.user_id, charge.currency) != (user_id, currency):
        raise LedgerError(
            f"Fine {charge.id} was charged to user {charge.user_id} in {charge.currency}: a credit for it goes to "
            "the same user, in the same currency."
        )
    left = charge.amount - connection.execute(statement("desk/credited"), {"fine_id": charge.id}).scalar_one()
    if amount > left:
        raise LedgerError(
            f"Only {money(left, currency)} of fine {charge.id} can be taken back, not {money(amount, currency)}."
        )


def _aware(moment: datetime | None) -> datetime | None:
    if moment is not None and moment.tzinfo is None:
        raise LedgerError(f"The time {moment} says nothing without its time zone.")
    return moment
