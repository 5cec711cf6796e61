"""`bin/bursar fine`: a fine's whole life."""

from decimal import Decimal

import click
from rich.table import Table
from sqlalchemy import Connection, Row

from bursar.commands.context import console, get_engine, sanitize
from bursar.db.queries import query
from bursar.errors import BursarError
from bursar.ledger.journal import EntryType
from bursar.money import format_money


@click.command()
@click.argument("number", metavar="ID")
def fine(number: str) -> None:
    """Print a fine's whole life; ID is its internal id or a bursar transaction id."""
    with get_engine().connect() as connection:
        found = connection.execute(query("commands/find_fine"), {"wanted": number}).scalars().all()
        if not found:
            raise BursarError(f"No fine has the internal id {number}, and none went out under that transaction id.")
        if len(found) > 1:
            console.print(
                f"{sanitize(number)} is the internal id of one fine and the transaction id of another. Both follow."
            )
        for fine_id in found:
            _print_life(connection, fine_id)


def _print_life(connection: Connection, fine_id: int) -> None:
    now = connection.execute(query("commands/get_fine"), {"fine_id": fine_id}).one()
    charged = f"{sanitize(now.fine_fee_type)}  {format_money(now.amount, now.currency)}"
    console.print(f"\n[bold]Fine {now.id}[/]  {charged}  [bold]{now.status}[/]")
    facts = {
        "User": f"{sanitize(now.patron_name)} ({sanitize(now.primary_id or 'no primary id')})",
        "Owner": sanitize(now.owner_library or "the institution"),
        "Item": sanitize(f"{now.title} ({now.barcode})") if now.barcode else "",
        "Comment": sanitize(now.comment or ""),
        "In the library system": sanitize(now.source_id or ""),
        "Takes back": f"fine {now.reverses}" if now.reverses else "",
        "Taken back by": f"credit {now.reversed_by_credits}" if now.reversed_by_credits else "",
        "On its way to the bursar": f"in batch {now.claimed_by}" if now.claimed_by else "",
        "Reversal on its way to the bursar": f"in batch {now.reversal_claimed_by}" if now.reversal_claimed_by else "",
    }
    for name, value in facts.items():
        if value:
            console.print(f"  {name}: {value}")

    life = Table("When (UTC)", "What", box=None, padding=(0, 2))
    for heading in ("Balance", "Outstanding"):
        life.add_column(heading, justify="right")
    life.add_column("Where", overflow="fold")
    for entry in connection.execute(query("commands/list_journal_entries"), {"fine_id": fine_id}):
        changes = (entry.balance_change, entry.outstanding_change)
        life.add_row(
            f"{entry.posted_at:%Y-%m-%d %H:%M}",
            entry.entry_type,
            *(_signed(change, now.currency) if change else "" for change in changes),
            sanitize(_where(entry, now)),
        )
    for record in connection.execute(query("commands/list_ineffective_records"), {"fine_id": fine_id}):
        told = sanitize(
            f"{record.name}, line {record.line}: {record.outcome}, sum {record.sum or '-'}: {record.reason}"
        )
        life.add_row(
            f"{record.applied_at:%Y-%m-%d %H:%M}",
            "NO EFFECT",
            "",
            "",
            told,
        )
    for resend in connection.execute(query("commands/list_resends_of_fine"), {"fine_id": fine_id}):
        who = f", asked for by {resend.requested_by}" if resend.requested_by else ""
        where = sanitize(f"batch {resend.batch_id}: {resend.remote_folder}/{resend.file_name}{who}")
        life.add_row(f"{resend.delivered_at:%Y-%m-%d %H:%M}", "SENT AGAIN", *[""] * (len(life.columns) - 3), where)
    console.print(life)
    console.print(
        f"  Owed at the library [bold]{format_money(now.balance, now.currency)}[/], "
        f"outstanding at the bursar [bold]{format_money(now.outstanding, now.currency)}[/]"
    )
    if told := still_to_tell(now):
        console.print(f"  {sanitize(told)}")


def _signed(change: Decimal, currency: str) -> str:
    return f"{'+' if change > 0 else ''}{format_money(change, currency)}"


def still_to_tell(now: Row) -> str:  # type: ignore[type-arg]
    """Returns what the bursar does not know yet of a row of `commands/get_fine.sql`, or an empty text."""
    if now.pending_reversal:
        return (
            f"The bursar is still to be told: {format_money(now.pending_reversal, now.currency)} of transaction "
            f"{now.sent_as} was "
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
        more = (
            f", {format_money(entry.credit_amount, now.currency)} of it became a credit" if entry.credit_amount else ""
        )
        line = f", line {entry.payment_line}: {entry.outcome}{more}" if entry.payment_line else ""
        told = f": {entry.reason}" if entry.reason else ""
        return f"{entry.payment_file}{line}{told}"
    if entry.entry_type == EntryType.REVERSED and not entry.transaction_id:
        other = f"fine {now.reverses}, which it takes back" if now.reverses else "the credit that takes it back"
        return f"batch {entry.batch_id}: set off against {other}"
    if entry.entry_type == EntryType.REVERSED:
        return (
            f"{entry.file_name}, transaction {entry.transaction_id}, batch {entry.batch_id}, takes "
            f"{format_money(-entry.reversal_change, now.currency)} of transaction {entry.reversed_transaction_id} back"
        )
    if entry.batch_id:
        return (
            f"{entry.file_name}, transaction {entry.transaction_id}, batch {entry.batch_id}, in {entry.remote_folder}"
        )
    return entry.comment or ""
