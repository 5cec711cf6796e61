"""`bin/bursar fines`: a fine from its charge to its payment."""

from decimal import Decimal
from typing import Any

import click
from sqlalchemy import Connection, Row

from bursar.commands.context import console, get_engine, sanitize
from bursar.commands.output import (
    format_moment,
    format_option,
    make_table,
    print_data,
    print_facts,
    print_table,
)
from bursar.db.queries import query
from bursar.errors import NotFoundError
from bursar.money import format_money, plain_amount
from bursar.reporting.fine_history import describe_pending_reversal, list_events

FACTS = ("status", "fine_fee_type", "currency", "amount", "balance", "outstanding", "pending_reversal",
         "created_at", "patron_name", "primary_id", "owner_library", "title", "barcode", "comment", "source_id",
         "reverses", "claimed_by", "reversal_claimed_by")  # fmt: skip
ENTRY_FACTS = ("posted_at", "entry_type", "balance_change", "outstanding_change", "comment", "posted_by", "load_id",
               "moved_to", "batch_id",
               "file_name", "remote_folder", "transaction_id", "reversed_transaction_id", "payment_file",
               "payment_line", "outcome", "credit_amount", "reason")  # fmt: skip
RECORD_FACTS = ("applied_at", "name", "line", "outcome", "sum", "currency", "reason")
RESEND_FACTS = ("delivered_at", "batch_id", "file_name", "remote_folder", "requested_by", "run_id")


@click.group()
def fines() -> None:
    """Fines and fees, and credits."""


@fines.command("show")
@click.argument("fine")
@format_option
def show_fine(fine: str, output_format: str) -> None:
    """Show a fine and its journal. FINE is the internal id or a bursar transaction id. Changes nothing.

    If the internal id of one fine is the transaction id of another, both are shown. JSON is always an array.
    """
    with get_engine().connect() as connection:
        found = connection.execute(query("commands/find_fine"), {"wanted": fine}).scalars().all()
        if not found:
            raise NotFoundError(f"There is no fine with the internal id {fine} or the bursar transaction id {fine}.")
        if output_format != "table":
            fines = [_get_fields(connection, fine_id) for fine_id in found]
            print_data(output_format, fines if output_format == "json" else _make_rows(fines))
            return
        if len(found) > 1:
            others = " and ".join(f"fine {fine_id}" for fine_id in found if str(fine_id) != fine.lstrip("0"))
            console.print(
                f"{sanitize(fine)} is the internal id of fine {fine.lstrip('0')}, and the transaction id under which "
                f"{others} was exported. Both follow."
            )
        for fine_id in found:
            _print_fine(connection, fine_id)


def _fetch(connection: Connection, statement: str, fine_id: int) -> list[Row[Any]]:
    return list(connection.execute(query(f"commands/{statement}"), {"fine_id": fine_id}))


def get_facts(fine: Row[Any]) -> dict[str, Any]:
    """Returns the facts of a fine, for programs; `fine` is a row of `commands/get_fine.sql`."""
    credits_ = (fine.reversed_by_credits or "").split(", ")
    return {
        "fine": fine.id,
        **_plain(fine, FACTS, fine.currency),
        "reversed_by": [int(credit) for credit in credits_ if credit],
    }


def _get_fields(connection: Connection, fine_id: int) -> dict[str, Any]:
    (fine,) = _fetch(connection, "get_fine", fine_id)
    return {
        **get_facts(fine),
        "journal": [
            _plain(entry, ENTRY_FACTS, fine.currency) for entry in _fetch(connection, "list_journal_entries", fine_id)
        ],
        "records_without_effect": [
            _plain(record, RECORD_FACTS, fine.currency)
            for record in _fetch(connection, "list_ineffective_records", fine_id)
        ],
        "resends": [
            _plain(resend, RESEND_FACTS, fine.currency)
            for resend in _fetch(connection, "list_resends_of_fine", fine_id)
        ],
    }


def _make_rows(fines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns a row for each journal entry, ineffective record and resend of fines, with the facts of its fine."""
    kinds = ("journal", "records_without_effect", "resends")
    return [
        {name: value for name, value in fine.items() if name not in kinds} | {"kind": kind, "entry": entry}
        for fine in fines
        for kind in kinds
        for entry in fine[kind]
    ]


def _plain(row: Row[Any], names: tuple[str, ...], currency: str) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in names}
    return {
        name: plain_amount(value, currency) if isinstance(value, Decimal) else value for name, value in values.items()
    }


def _print_fine(connection: Connection, fine_id: int) -> None:
    (fine,) = _fetch(connection, "get_fine", fine_id)
    charged = f"{sanitize(fine.fine_fee_type)}  {format_money(fine.amount, fine.currency)}"
    console.print(f"\n[bold]Fine {fine.id}[/]  {charged}  [bold]{fine.status}[/]")
    print_facts(
        {
            "User": f"{fine.patron_name} ({fine.primary_id or 'no primary id'})",
            "Owner": fine.owner_library or "the institution",
            "Item": f"{fine.title} ({fine.barcode})" if fine.barcode else "",
            "Comment": fine.comment or "",
            "Id in library system": fine.source_id or "",
            "Reverses": f"fine {fine.reverses}" if fine.reverses else "",
            "Reversed by": f"credit {fine.reversed_by_credits}" if fine.reversed_by_credits else "",
            "Being exported": f"in batch {fine.claimed_by}" if fine.claimed_by else "",
            "Being reversed": f"in batch {fine.reversal_claimed_by}" if fine.reversal_claimed_by else "",
        }
    )
    journal = make_table(("  Date (UTC)", "Entry"), ("Balance", "Outstanding"), ("Details",))
    for event in list_events(connection, fine):
        changes = (event.balance_change, event.outstanding_change)
        journal.add_row(
            f"  {format_moment(event.moment)}",
            event.kind,
            *(_format_change(change, fine.currency) if change else "" for change in changes),
            sanitize(event.details),
        )
    console.print()
    print_table(journal)
    console.print()
    console.print(
        f"  Owed at the library [bold]{format_money(fine.balance, fine.currency)}[/], "
        f"outstanding at the bursar [bold]{format_money(fine.outstanding, fine.currency)}[/]"
    )
    if pending := describe_pending_reversal(fine):
        console.print(f"  {sanitize(pending)}")


def _format_change(change: Decimal, currency: str) -> str:
    return f"{'+' if change > 0 else ''}{format_money(change, currency)}"
