"""Deletes users: erases their personal data and keeps their fines and journal.

Fines and journal stay, under the user's number; names, identifiers, dates and comments go, from the lines of past
exports too. With them goes the way to build those files again: the batch keeps the SHA-256 by which the bursar's copy
is known.
"""

import logging
from collections.abc import Sequence

from sqlalchemy import Connection, Engine, Row

from bursar.db.queries import query
from bursar.errors import LedgerError
from bursar.money import format_money, pluralize

log = logging.getLogger(__name__)

FINES_SHOWN = 20
HOW_FINES_END = (
    "What is owed at the library can be paid or waived there. What is outstanding ends when the bursar reports it as "
    "paid and the file is imported."
)


def find_user(connection: Connection, wanted: str) -> int:
    """The internal id of the user with this primary id or this internal id.

    Raises:
        LedgerError: there is none, or the primary id of one user is the internal id of another.
    """
    found = connection.execute(query("users/find_user"), {"wanted": wanted}).scalars().all()
    if not found:
        raise LedgerError(f"No user has the primary id or the internal id {wanted}.")
    if len(found) > 1:
        first, second = found
        raise LedgerError(
            f"{wanted} is the primary id of one user and the internal id of another, of users {first} and {second}. "
            "Name the one that you mean by the other of its two ids."
        )
    return int(found[0])


def delete_user(engine: Engine, user_id: int) -> bool:
    """Deletes a user none of whose fines is considered active; returns False if that was done before.

    Raises:
        LedgerError: there is no such user, or fines are active; the message says which, how much, and where.
    """
    with engine.begin() as connection:
        connection.execute(query("ledger/lock_fines_table"))
        user = connection.execute(query("users/get_user_state"), {"user_id": user_id}).first()
        if user is None:
            raise LedgerError(f"There is no user {user_id}.")
        if user.deleted_at:
            log.info("User %s was deleted before, at %s.", user_id, user.deleted_at)
            return False
        active = connection.execute(query("users/list_active_fines"), {"user_id": user_id}).all()
        if active:
            raise LedgerError(_denial(user_id, active))
        connection.execute(query("users/create_users_to_delete"))
        connection.execute(query("users/add_user_to_delete"), {"user_id": user_id})
        erase_personal_data(connection)
    log.info("Deleted user %s.", user_id)
    return True


def erase_personal_data(connection: Connection) -> None:
    """Erases the personal data of the users in the temporary table `users_to_delete`; fines and journal stay."""
    for name in ("analyze_users_to_delete", "erase_identifiers", "erase_batch_lines", "erase_comments", "erase_users"):
        connection.execute(query(f"users/{name}"))


def _denial(user_id: int, active: Sequence[Row]) -> str:  # type: ignore[type-arg]
    more = [f"  and {len(active) - FINES_SHOWN:,} more"] if len(active) > FINES_SHOWN else []
    verb = "is" if len(active) == 1 else "are"
    return "\n".join(
        [
            f"User {user_id} can't be deleted: {pluralize(len(active), 'fine')} {verb} considered active.",
            *(f"  fine {fine.id}: {_where(fine)}" for fine in active[:FINES_SHOWN]),
            *more,
            HOW_FINES_END,
        ]
    )


def _where(fine: Row) -> str:  # type: ignore[type-arg]
    where = []
    if fine.balance:
        where.append(f"{format_money(fine.balance, fine.currency)} owed at the library")
    if fine.outstanding:
        amount = format_money(fine.outstanding, fine.currency)
        where.append(f"{amount} outstanding at the bursar {fine.sent_to}, transaction {fine.transaction_id}")
    if fine.pending_reversal:
        where.append(
            f"the bursar {fine.sent_to} has not been notified yet that "
            f"{format_money(fine.pending_reversal, fine.currency)} was settled"
        )
    if fine.going_in:
        where.append(f"on its way to the bursar {fine.going_to} in batch {fine.going_in}")
    return ", ".join(where)
