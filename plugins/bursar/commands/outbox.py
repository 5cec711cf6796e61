"""`bin/bursar sources outbox`: what a library's system is informed of, and what a person decides about it."""

from dataclasses import asdict
from decimal import Decimal, InvalidOperation
from typing import Any

import click

from bursar.commands.context import ID, console, get_engine, get_person, sanitize
from bursar.commands.output import (
    format_moment,
    format_option,
    limit_option,
    make_table,
    print_data,
    print_list,
    print_result,
    print_table,
)
from bursar.money import format_money, plain_amount, pluralize
from bursar.sources import outbox_events
from bursar.sources.outbox_events import EventState, OutboxEvent

ACTIVE = tuple(state for state in EventState if state is not EventState.OFF)


@click.group()
def outbox() -> None:
    """What the library's systems are informed of."""


@outbox.command("list")
@click.option("--source", metavar="CODE", help="Events of this source only.")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([state.value for state in EventState]),
    help="Events in this state; may be repeated. Default: all but off.",
)
@click.option("--fine", type=ID, help="Events about this fine only.")
@limit_option
@format_option
def list_events(source: str | None, states: tuple[str, ...], fine: int | None, limit: int, output_format: str) -> None:
    """List the newest events: what is to be written, was written, refused, or may have arrived. Changes nothing."""
    with get_engine().connect() as connection:
        events = outbox_events.list_events(
            connection,
            source=source,
            states=[EventState(state) for state in states] or ACTIVE,
            fine_id=fine,
            limit=limit,
        )
    if not print_list(output_format, events, get_fields, "There are no such events."):
        return
    table = make_table(("Event", "Source", "Fine", "What", "State"), ("Amount",), ("Answer",))
    for event in events:
        table.add_row(
            str(event.id),
            sanitize(event.source),
            str(event.fine_id),
            event.kind.description,
            event.state.value,
            format_money(event.amount, event.currency),
            sanitize(event.answer),
        )
    print_table(table, ("Answer",))


@outbox.command("show")
@click.argument("event", type=ID)
@format_option
def show_event(event: int, output_format: str) -> None:
    """Show an event: the entry that it is about, its key in the library's system, and the last answer."""
    with get_engine().connect() as connection:
        found = outbox_events.get_event(connection, event)
    fields = get_fields(found)
    if output_format != "table":
        print_data(output_format, fields)
        return
    for name, value in fields.items():
        shown = format_moment(value) if hasattr(value, "tzinfo") else value
        console.print(sanitize(f"{name.replace('_', ' ')}: {'' if shown is None else shown}"), soft_wrap=True)


@outbox.command("retry")
@click.argument("events", type=ID, nargs=-1, metavar="[EVENT]...")
@click.option("--source", metavar="CODE", help="The source of --all-refused and --all-unknown.")
@click.option("--all-refused", is_flag=True, help="All events of the source that were refused.")
@click.option("--all-unknown", is_flag=True, help="All events of the source of which it is not known.")
@format_option
def retry_events(
    events: tuple[int, ...],
    source: str | None,
    all_refused: bool,  # noqa: FBT001  click passes flags by name
    all_unknown: bool,  # noqa: FBT001
    output_format: str,
) -> None:
    """Have the next run try EVENTs again: those that were refused, are not known, or were only listed.

    The run looks for each in the library's system first. The ledger records who decided it.
    """
    flags = {EventState.REFUSED: all_refused, EventState.UNKNOWN: all_unknown}
    states = [state for state, is_chosen in flags.items() if is_chosen]
    if bool(states) != bool(source) or bool(states) == bool(events):
        raise click.UsageError("Name events, or a source (--source) with --all-refused, --all-unknown or both.")
    engine = get_engine()
    ids = list(dict.fromkeys(events))
    if states:
        with engine.connect() as connection:
            ids = [event.id for event in outbox_events.list_events(connection, source=source, states=states)]
    outbox_events.retry_event(engine, *ids, by=get_person())
    if output_format == "table":
        if not ids:
            console.print(f"{source} has no such events.")
            return
        named = f"event {ids[0]}" if len(ids) == 1 else pluralize(len(ids), "event")
        console.print(f"The next run of the source tries {named} again.")
        return
    with engine.connect() as connection:
        print_data(output_format, [get_fields(event) for event in outbox_events.get_events(connection, ids)])


@outbox.command("mark-done")
@click.argument("event", type=ID)
@click.option(
    "--balance", metavar="AMOUNT", help="What the fine owes in the library's system now, as you see it there."
)
@format_option
def mark_done(event: int, balance: str | None, output_format: str) -> None:
    """Record that a person has dealt with an EVENT, which is not written any more. The ledger records who.

    Without a balance, what has changed in the library's system counts as done by the library, and what was settled
    there is reversed at the bursar.
    """
    engine = get_engine()
    try:
        amount = None if balance is None else Decimal(balance)
    except InvalidOperation:
        raise click.BadParameter(
            f"{balance!r} is not an amount; write it as in 12.50", param_hint="--balance"
        ) from None
    outbox_events.mark_event_done(engine, event, by=get_person(), balance=amount)
    with engine.connect() as connection:
        fields = get_fields(outbox_events.get_event(connection, event))
    print_result(output_format, fields, f"Event {event} is done, and is not written any more.")


def get_fields(event: OutboxEvent) -> dict[str, Any]:
    """Returns an event as data: amounts as text, the key as it stands in the library's system."""
    fields = asdict(event) | {"key": f"bursar:{event.key}"}
    return fields | {name: plain_amount(fields[name], event.currency) for name in ("amount", "balance_change")}
