"""`bin/bursar overpayments`: overpayments beyond the limit of a profile, and what a person decides about them."""

from typing import Any

import click

from bursar.commands.context import ID, get_engine, get_person, get_profile, sanitize
from bursar.commands.output import (
    format_moment,
    format_option,
    make_table,
    print_list,
    print_result,
    print_table,
)
from bursar.imports import overpayments as held_overpayments
from bursar.money import format_money, plain_amount


@click.group()
def overpayments() -> None:
    """Overpayments that wait for a person.

    They are beyond the limit of their profile, and become credits only if a person releases them. FILE is the number
    of a payment file, RECORD that of a record in it.
    """


@overpayments.command("list")
@click.option("--profile", metavar="CODE", help="Of files of this profile only.")
@click.option("--all", "all_", is_flag=True, help="Also those that were released or rejected.")
@format_option
def list_overpayments(profile: str | None, all_: bool, output_format: str) -> None:  # noqa: FBT001  click passes flags by name
    """List the overpayments that wait for a person, oldest first. Changes nothing."""
    with get_engine().connect() as connection:
        found = held_overpayments.list_held_overpayments(connection, profile=profile, waiting_only=not all_)
    if profile and not found:
        get_profile(profile)  # or the error that there is none
    none = "No overpayment has been held." if all_ else "No overpayment waits for a person."
    if not print_list(output_format, found, _get_fields, none):
        return
    table = make_table(("File", "Record", "Since (UTC)"), ("Overpaid",), ("Fine", "Transaction", "Name", "Decision"))
    for one in found:
        decision = f"{one.decision} by {one.decided_by}" if one.decision else "waits"
        table.add_row(
            *(str(one.file_id), str(one.record), format_moment(one.held_since), format_money(one.amount, one.currency)),
            *(str(one.fine_id), sanitize(one.transaction_id), sanitize(one.file_name), sanitize(decision)),
        )
    print_table(table, ("Name", "Since (UTC)", "Transaction"))


def _get_fields(held: held_overpayments.HeldOverpayment) -> dict[str, Any]:
    return vars(held) | {"amount": plain_amount(held.amount, held.currency)}


file_argument = click.argument("file", type=ID)
record_argument = click.argument("record", type=ID)


@overpayments.command("release")
@file_argument
@record_argument
@format_option
def release_overpayment(file: int, record: int, output_format: str) -> None:
    """Make a credit of an overpayment, once, because the bursar has confirmed it. Records your name."""
    released = held_overpayments.release_overpayment(get_engine(), file, record, by=get_person())
    print_result(
        output_format,
        _get_fields(released),
        f"Released by {sanitize(released.decided_by or '')}: credit {released.credit_id} of "
        f"{format_money(released.amount, released.currency)} for overpaid fine {released.fine_id}. The next export "
        "can send it.",
    )


@overpayments.command("reject")
@file_argument
@record_argument
@format_option
def reject_overpayment(file: int, record: int, output_format: str) -> None:
    """Record, with your name, that an overpayment becomes no credit, because the bursar corrects it."""
    rejected = held_overpayments.reject_overpayment(get_engine(), file, record, by=get_person())
    print_result(
        output_format,
        _get_fields(rejected),
        f"Rejected by {sanitize(rejected.decided_by or '')}: {format_money(rejected.amount, rejected.currency)} "
        f"overpaid for fine {rejected.fine_id} become no credit.",
    )
