"""Deletes users: erases their personal data and keeps their fines and journal.

Fines and journal stay, under the user's number. Names, identifiers, dates and comments are erased, also from the lines
of past exports and from what loads said about rows of the user. The files of these exports can't be built again; their
batches keep the SHA-256 that identifies the bursar's copy.
"""

import logging
from collections.abc import Sequence

from sqlalchemy import Connection, Engine, Row

from bursar.db.queries import query
from bursar.errors import LedgerError, LedgerNotFoundError
from bursar.money import format_money, pluralize
from bursar.page_names import Page

log = logging.getLogger(__name__)

FINES_SHOWN = 20
HOW_FINES_END = (
    "Debts at the library can be paid or waived there. Outstanding amounts end when the bursar reports them as paid "
    "and the file is imported."
)


def find_user(connection: Connection, wanted: str) -> int:
    """Returns the internal id of the user with this primary id or this internal id.

    Raises:
        LedgerError: there is no such user, or the primary id of one user is the internal id of another.
    """
    ids = connection.execute(query("users/find_user"), {"wanted": wanted}).scalars().all()
    if not ids:
        raise LedgerNotFoundError(f"No user has the primary id or the internal id {wanted}.")
    if len(ids) > 1:
        first, second = ids
        raise LedgerError(
            f"{wanted} is the primary id of one user and the internal id of another, of users {first} and {second}. "
            "Give the other id of the intended user."
        )
    return int(ids[0])


def delete_user(engine: Engine, user_id: int, *, by: str | None = None) -> bool:
    """Deletes a user none of whose fines is considered active; returns False if the user was deleted before.

    `by` is the member of staff who deletes the user.

    Raises:
        LedgerError: there is no such user, or fines are active; the message has their ids, amounts and places.
    """
    with engine.begin() as connection:
        connection.execute(query("ledger/lock_loads"))  # a load would give identifiers to a deleted user
        connection.execute(query("ledger/lock_fines_table"))
        user = connection.execute(query("users/get_user_state"), {"user_id": user_id}).first()
        if user is None:
            raise LedgerNotFoundError(f"There is no user {user_id}.")
        if user.deleted_at:
            log.info("User %s was deleted before, at %s.", user_id, user.deleted_at)
            return False
        active = connection.execute(query("users/list_active_fines"), {"user_id": user_id}).all()
        if active:
            raise LedgerError(_describe_active_fines(user_id, active))
        connection.execute(query("users/create_users_to_delete"))
        connection.execute(query("users/add_user_to_delete"), {"user_id": user_id})
        erase_personal_data(connection, by=by)
    log.info("Deleted user %s.", user_id)
    return True


def erase_personal_data(connection: Connection, *, by: str | None) -> None:
    """Erases the personal data of the users in the temporary table `users_to_delete`; fines and journal stay.

    The names of staff who acted on their fines stay too, and that of the person who deletes them (`by`) is recorded.
    """
    connection.execute(query("users/analyze_users_to_delete"))
    connection.execute(query("users/create_erased_identifiers"))
    # These three first, since they find the rows of users by their identifiers.
    for name in (
        "import_records",
        "load_messages",
        "statement_results",
        "identifiers",
        "claims",
        "deferred_fines",
        "batch_lines",
        "comments",
    ):
        connection.execute(query(f"users/erase_{name}"))
    connection.execute(query("users/erase_users"), {"deleted_by": by})


def _describe_active_fines(user_id: int, active: Sequence[Row]) -> str:  # type: ignore[type-arg]
    more = [f"  and {len(active) - FINES_SHOWN:,} more"] if len(active) > FINES_SHOWN else []
    verb = "is" if len(active) == 1 else "are"
    return "\n".join(
        [
            f"User {user_id} can't be deleted: {pluralize(len(active), 'fine')} {verb} considered active.",
            *(f"  fine {fine.id}: {_describe_fine(fine)}" for fine in active[:FINES_SHOWN]),
            *more,
            HOW_FINES_END,
        ]
    )


def _describe_fine(fine: Row) -> str:  # type: ignore[type-arg]
    parts = []
    if fine.balance:
        parts.append(f"{format_money(fine.balance, fine.currency)} owed at the library")
    if fine.outstanding:
        amount = format_money(fine.outstanding, fine.currency)
        parts.append(f"{amount} outstanding at the bursar {fine.sent_to}, transaction {fine.transaction_id}")
    if fine.pending_reversal:
        parts.append(
            f"the bursar {fine.sent_to} has not been notified yet that "
            f"{format_money(fine.pending_reversal, fine.currency)} was settled"
        )
    if fine.held_overpayment:
        amount = format_money(fine.held_overpayment, fine.currency)
        parts.append(
            f"{amount} overpaid at the bursar waits for a person: {Page.WAITING} (`bin/bursar overpayments list`)"
        )
    if fine.going_in:
        parts.append(f"on its way to the bursar {fine.going_to} in batch {fine.going_in}")
    return ", ".join(parts)
