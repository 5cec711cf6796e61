"""`bin/bursar fine`: a fine's whole life."""

from decimal import Decimal

import click
from rich.table import Table
from sqlalchemy import Connection, Row

from bursar.commands.surroundings import out, printable, the_ledger
from bursar.errors import BursarError
from bursar.ledger.statements import statement
from bursar.money import money


@click.command()
@click.argument("number", metavar="ID")
def fine(number: str) -> None:
    """Print a fine's whole life; ID is its internal id or a bursar transaction id."""
    with the_ledger().connect() as connection:
        found = connection.execute(statement("history/find_fine"), {"wanted": number}).scalars().all()
        if not found:
            raise BursarError(f"No fine has the internal id {number}, and none went out under that transaction id.")
        if len(found) > 1:
            out.print(
                f"{printable(number)} is the internal id of one fine and the transaction id of another. Both follow."
            )
        for fine_id in found:
            _print_life(connection, fine_id)


def _print_life(connection: Connection, fine_id: int) -> None:
    now = connection.execute(statement("history/fine"), {"fine_id": fine_id}).one()
    charged = f"{printable(now.fine_fee_type)}  {money(now.amount, now.currency)}"
    out.print(f"\n[bold]Fine {now.id}[/]  {charged}  [bold]{now.status}[/]")
    facts = {
        "User": f"{printable(now.patron_name)} ({printable(now.primary_id or 'no primary id')})",
        "Owner": printable(now.owner_library or "the institution"),
        "Item": printable(f"{now.title} ({now.barcode})") if now.barcode else "",
        "Comment": printable(now.comment or ""),
        "In the library system": printable(now.source_id or ""),
        "Takes back": f"fine {now.reverses}" if now.reverses else "",
        "Taken back by": f"credit {now.reversed_by_credits}" if now.reversed_by_credits else "",
        "On its way to the bursar": f"in batch {now.claimed_by}" if now.claimed_by else "",
        "Reversal on its way to the bursar": f"in batch {now.reversal_claimed_by}" if now.reversal_claimed_by else "",
    }
    for name, value in facts.items():
        if value:
            out.print(f"  {name}: {value}")

    life = Table("When (UTC)", "What", box=None, padding=(0, 2))
    for heading in ("Balance", "Outstanding"):
        life.add_column(heading, justify="right")
    life.add_column("Where", overflow="fold")
    for entry in connection.execute(statement("history/entries"), {"fine_id": fine_id}):
        changes = (entry.balance_change, entry.outstanding_change)
        life.add_row(
            f"{entry.at:%Y-%m-%d %H:%M}",
            entry.kind,
            *(_signed(change, now.currency) if change else "" for change in changes),
            printable(_where(entry, now)),
        )
    for record in connection.execute(statement("history/without_effect"), {"fine_id": fine_id}):
        told = printable(
            f"{record.name}, line {record.line}: {record.outcome}, sum {record.sum or '-'}: {record.reason}"
        )
        life.add_row(
            f"{record.applied_at:%Y-%m-%d %H:%M}",
            "NO EFFECT",
            "",
            "",
            told,
        )
    for resend in connection.execute(statement("history/sent_again"), {"fine_id": fine_id}):
        who = f", asked for by {resend.requested_by}" if resend.requested_by else ""
        where = printable(f"batch {resend.batch_id}: {resend.remote_folder}/{resend.file_name}{who}")
        life.add_row(f"{resend.delivered_at:%Y-%m-%d %H:%M}", "SENT AGAIN", *[""] * (len(life.columns) - 3), where)
    out.print(life)
    out.print(
        f"  Owed at the library [bold]{money(now.balance, now.currency)}[/], "
        f"outstanding at the bursar [bold]{money(now.outstanding, now.currency)}[/]"
    )
    if told := still_to_tell(now):
        out.print(f"  {printable(told)}")


def _signed(change: Decimal, currency: str) -> str:
    return f"{'+' if change > 0 else ''}{money(change, currency)}"


def still_to_tell(now: Row) -> str:  # type: ignore[type-arg]
    """What the bursar has not been told yet of a fine as `history/fine.sql` gives it; empty if there is nothing."""
    if now.to_reverse:
        return (
            f"The bursar is still to be told: {money(now.to_reverse, now.currency)} of transaction {now.sent_as} was "
            f"settled at the library. The next export of {now.sent_by} reverses it."
        )
    if now.balance < 0 and now.charge_outstanding:
        return (
            f"The bursar is still to be told: it takes back transaction {now.charge_sent_as}. The next export of "
            f"{now.charge_sent_by} reverses it."
        )
    return ""


def _where(entry: Row, now: Row) -> str:  # type: ignore[type-arg]
    if entry.payment_file:
        more = f", {money(entry.credited, now.currency)} of it became a credit" if entry.credited else ""
        line = f", line {entry.payment_line}: {entry.outcome}{more}" if entry.payment_line else ""
        told = f": {entry.reason}" if entry.reason else ""
        return f"{entry.payment_file}{line}{told}"
    if entry.kind == "REVERSED" and not entry.transaction_id:
        other = f"fine {now.reverses}, which it takes back" if now.reverses else "the credit that takes it back"
        return f"batch {entry.batch_id}: set off against {other}"
    if entry.kind == "REVERSED":
        return (
            f"{entry.file_name}, transaction {entry.transaction_id}, batch {entry.batch_id}, takes "
            f"{money(-entry.reversal_change, now.currency)} of transaction {entry.reversed_transaction_id} back"
        )
    if entry.batch_id:
        return (
            f"{entry.file_name}, transaction {entry.transaction_id}, batch {entry.batch_id}, in {entry.remote_folder}"
        )
    return entry.comment or ""
