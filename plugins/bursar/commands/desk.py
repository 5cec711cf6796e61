"""`bin/bursar desk`: the circulation desk, for libraries without a platform that has one."""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation

import click
from sqlalchemy import Connection

from bursar.commands.context import console, get_engine, get_settings, sanitize
from bursar.commands.fines import still_to_tell
from bursar.db.queries import query
from bursar.errors import LedgerError, TransientError
from bursar.ledger import desk as the_desk
from bursar.money import format_money


class Amount(click.ParamType[Decimal]):
    """A sum of money, with a point."""

    name = "amount"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        """Reads a sum; what the ledger can keep of it, the desk says."""
        try:
            return Decimal(value)
        except InvalidOperation:
            self.fail(f"{value!r} is no amount; write it as in 12.50", param, ctx)


@click.group()
def desk() -> None:
    """Pay, waive, refund or dispute a fine at the library. FINE is the fine's internal id."""


fine_argument = click.argument("fine", type=int)
amount_argument = click.argument("amount", type=Amount(), required=False)
optional_comment = click.option("--comment", help="Kept in the fine's journal.")
comment_option = click.option("--comment", required=True, help="Kept in the fine's journal.")


@desk.command()
@fine_argument
@amount_argument
@optional_comment
def pay(fine: int, amount: Decimal | None, comment: str | None) -> None:
    """Record a payment, of all that is open unless AMOUNT is given."""
    _move(the_desk.pay, fine, amount, comment)


@desk.command()
@fine_argument
@amount_argument
@optional_comment
def waive(fine: int, amount: Decimal | None, comment: str | None) -> None:
    """Give up all that is open, or AMOUNT of it."""
    _move(the_desk.waive, fine, amount, comment)


@desk.command()
@fine_argument
@amount_argument
@optional_comment
def refund(fine: int, amount: Decimal | None, comment: str | None) -> None:
    """Give back all that was paid at the library, or AMOUNT of it, and give the charge up."""
    _move(the_desk.refund, fine, amount, comment)


@desk.command()
@fine_argument
@amount_argument
@optional_comment
def credit(fine: int, amount: Decimal | None, comment: str | None) -> None:
    """Take a charge back, whole or AMOUNT of it: its item came back, or it was wrong."""
    _commit(fine, lambda connection: the_desk.reverse_charge(connection, fine, amount, comment))


@desk.command()
@fine_argument
@comment_option
def dispute(fine: int, comment: str) -> None:
    """Keep a fine from being exported until its dispute is settled."""
    _commit(fine, lambda connection: the_desk.dispute(connection, fine, comment))


@desk.command()
@fine_argument
@comment_option
def settle(fine: int, comment: str) -> None:
    """End a dispute; what is still owed can be exported again."""
    _commit(fine, lambda connection: the_desk.resolve_dispute(connection, fine, comment))


def _move(operation: Callable[..., Decimal], fine: int, amount: Decimal | None, comment: str | None) -> None:
    allowed = get_settings().allow_activity_on_transferred_finesfees

    def move(connection: Connection) -> None:
        operation(connection, fine, amount, comment, allow_activity_on_transferred_finesfees=allowed)

    _commit(fine, move)


def _commit(fine: int, act: Callable[[Connection], int | None]) -> None:
    """Acts on a fine in one transaction, then prints how the fine stands, or the new fine that `act` returns.

    Raises:
        LedgerError: the connection ended during the commit, so that nobody knows whether it was recorded.
    """
    with get_engine().connect() as connection:
        shown = act(connection) or fine
        now = connection.execute(query("commands/get_fine"), {"fine_id": shown}).one()
        try:
            connection.commit()
        except TransientError as error:
            raise LedgerError(
                f"It is unknown whether this has been recorded, because the connection to the ledger ended at that "
                f"moment. Before you repeat it, look at the last entries of the fine: `bin/bursar fine {fine}`."
            ) from error
    console.print(
        f"Fine {now.id} ({sanitize(now.fine_fee_type)}) is [bold]{now.status}[/]: owed at the library "
        f"{format_money(now.balance, now.currency)}, outstanding at the bursar "
        f"{format_money(now.outstanding, now.currency)}"
    )
    if told := still_to_tell(now):
        console.print(sanitize(told))
