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
            out.print(f"{number} is the internal id of one fine and the transaction id of another. Both follow.")
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
        "On its way to the bursar": f"in batch {now.claimed_by}" if now.claimed_by else "",
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
            _where(entry, now.currency),
        )
    for record in connection.execute(statement("history/without_effect"), {"fine_id": fine_id}):
        told = f"{record.outcome}, sum {printable(record.sum or '-')}: {record.reason}"
        life.add_row(
            f"{record.applied_at:%Y-%m-%d %H:%M}",
            "NO EFFECT",
            "",
            "",
            f"{printable(record.name)}, line {record.line}: {told}",
        )
    out.print(life)
    out.print(
        f"  Owed at the library [bold]{money(now.balance, now.currency)}[/], "
        f"outstanding at the bursar [bold]{money(now.outstanding, now.currency)}[/]"
    )


def _signed(change: Decimal, currency: str) -> str:
    return f"{'+' if change > 0 else ''}{money(change, currency)}"


def _where(entry: Row, currency: str) -> str:  # type: ignore[type-arg]
    if entry.payment_file:
        more = f", {money(entry.credited, currency)} of it became a credit" if entry.credited else ""
        line = f", line {entry.payment_line}: {entry.outcome}{more}" if entry.payment_line else ""
        return f"{printable(entry.payment_file)}{line}"
    if entry.batch_id:
        return printable(
            f"{entry.file_name}, transaction {entry.transaction_id}, batch {entry.batch_id}, in {entry.remote_folder}"
        )
    return printable(entry.comment or "")
