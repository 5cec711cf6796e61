"""`bin/bursar desk`: the circulation desk, for libraries without a platform that has one."""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation

import click
from sqlalchemy import Connection

from bursar.commands.context import ID, get_engine, get_person, get_settings, sanitize
from bursar.commands.fines import get_facts
from bursar.commands.output import format_option, print_result
from bursar.db.queries import query
from bursar.errors import LedgerError, TransientError
from bursar.ledger import desk as operations
from bursar.money import format_money
from bursar.reporting.fine_history import describe_pending_reversal
from bursar.users.deletion import find_user


class Amount(click.ParamType[Decimal]):
    """An amount of money, with a decimal point."""

    name = "amount"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        """Reads an amount. The desk checks that the ledger can hold it."""
        try:
            amount = Decimal(value)
        except InvalidOperation:
            self.fail(f"{value!r} is not an amount; write it as in 12.50", param, ctx)
        if not amount.is_finite() or amount <= 0:
            self.fail(f"{value!r} is not above zero; write an amount as in 12.50", param, ctx)
        return amount


@click.group()
def desk() -> None:
    """Circulation desk: payments, waivers, disputes.

    FINE is the internal id of a fine. Each command adds to the journal of a fine, or adds a credit, under
    your name.
    """


fine_argument = click.argument("fine", type=ID)
amount_argument = click.argument("amount", type=Amount(), required=False)
optional_comment = click.option("--comment", help="Recorded in the journal of the fine.")
required_comment = click.option("--comment", required=True, help="Recorded in the journal of the fine.")


@desk.command()
@fine_argument
@amount_argument
@optional_comment
@format_option
def pay(fine: int, amount: Decimal | None, comment: str | None, output_format: str) -> None:
    """Record a payment of AMOUNT, or of all that is owed."""
    _settle(operations.pay, fine, amount, comment, output_format)


@desk.command()
@fine_argument
@amount_argument
@optional_comment
@format_option
def waive(fine: int, amount: Decimal | None, comment: str | None, output_format: str) -> None:
    """Waive AMOUNT of a fine, or all that is owed."""
    _settle(operations.waive, fine, amount, comment, output_format)


@desk.command()
@fine_argument
@amount_argument
@optional_comment
@format_option
def refund(fine: int, amount: Decimal | None, comment: str | None, output_format: str) -> None:
    """Record a refund of AMOUNT, or of all that was paid at the library. The user does not owe it again."""
    _settle(operations.refund, fine, amount, comment, output_format)


@desk.command()
@click.argument("user")
@click.argument("amount", type=Amount())
@click.option("--currency", metavar="CODE", help="ISO 4217 code; the institution's default currency if not given.")
@click.option("--owner", metavar="LIBRARY", help="Code of the library that gives it; the institution if not given.")
@optional_comment
@format_option
def credit(
    user: str, amount: Decimal, currency: str | None, owner: str | None, comment: str | None, output_format: str
) -> None:
    """Add a credit of AMOUNT for a USER, by primary id or internal id. To reverse a charge, use `desk reverse`."""
    code = currency or get_settings().default_currency

    def add(connection: Connection) -> int:
        user_id = find_user(connection, user)
        return operations.credit(
            connection,
            user_id=user_id,
            amount=amount,
            currency=code,
            owner_library=owner,
            comment=comment,
            by=get_person(),
        )

    _commit(None, add, output_format)


@desk.command()
@fine_argument
@amount_argument
@optional_comment
@format_option
def reverse(fine: int, amount: Decimal | None, comment: str | None, output_format: str) -> None:
    """Reverse a charge, or AMOUNT of it: add a credit for it, because its item was returned or it was wrong."""

    def reverse_charge(connection: Connection) -> int:
        return operations.reverse_charge(connection, fine, amount, comment, by=get_person())

    _commit(fine, reverse_charge, output_format)


@desk.command()
@fine_argument
@required_comment
@format_option
def dispute(fine: int, comment: str, output_format: str) -> None:
    """Mark a fine as disputed. It is not exported until the dispute is resolved."""
    _commit(fine, lambda connection: operations.dispute(connection, fine, comment, by=get_person()), output_format)


@desk.command("resolve-dispute")
@fine_argument
@required_comment
@format_option
def resolve_dispute(fine: int, comment: str, output_format: str) -> None:
    """Resolve a dispute. The balance can be exported again."""
    _commit(
        fine, lambda connection: operations.resolve_dispute(connection, fine, comment, by=get_person()), output_format
    )


def _settle(
    operation: Callable[..., Decimal], fine: int, amount: Decimal | None, comment: str | None, output_format: str
) -> None:
    allowed = get_settings().allow_activity_on_transferred_finesfees

    def settle(connection: Connection) -> None:
        operation(connection, fine, amount, comment, allow_activity_on_transferred_finesfees=allowed, by=get_person())

    _commit(fine, settle, output_format)


def _commit(fine: int | None, operation: Callable[[Connection], int | None], output_format: str) -> None:
    """Runs an operation in one transaction, then prints the state of the fine, or of the new one that it returns.

    Raises:
        LedgerError: the connection ended during the commit, so it is unknown whether the operation was recorded.
    """
    with get_engine().connect() as connection:
        shown = operation(connection) or fine
        row = connection.execute(query("commands/get_fine"), {"fine_id": shown}).one()
        try:
            connection.commit()
        except TransientError as error:
            raise LedgerError(
                "It is unknown whether this has been recorded, because the connection to the ledger ended at that "
                f"moment. Before you repeat it, look whether it is there: `bin/bursar fines show {fine or shown}`."
            ) from error
    print_result(
        output_format,
        get_facts(row),
        f"Fine {row.id} ({sanitize(row.fine_fee_type)}) is [bold]{row.status}[/]: owed at the library "
        f"{format_money(row.balance, row.currency)}, outstanding at the bursar "
        f"{format_money(row.outstanding, row.currency)}",
        sanitize(describe_pending_reversal(row)),
    )
