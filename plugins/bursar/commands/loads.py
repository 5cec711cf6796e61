"""`bin/bursar sources loads`: what each load from a library system read, changed, rejected and deferred."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click

from bursar.commands.context import ID, console, get_engine, sanitize
from bursar.commands.output import (
    format_moment,
    format_option,
    limit_option,
    make_table,
    print_data,
    print_list,
    print_table,
)
from bursar.money import format_money, plain_amount, pluralize
from bursar.sources.load_types import EntrySum, LoadCounts, LoadResult
from bursar.sources.messages import RowMessage
from bursar.sources.records import LoadRecord, get_load, list_load_messages, write_load_messages
from bursar.sources.records import list_loads as read_loads

MAX_MESSAGES_SHOWN = 20


@click.group()
def loads() -> None:
    """Loads from library systems."""


@loads.command("list")
@click.option("--source", metavar="CODE", help="Loads of this source only.")
@limit_option
@format_option
def list_loads(source: str | None, limit: int, output_format: str) -> None:
    """List the newest loads: what they read, changed and rejected. Changes nothing."""
    with get_engine().connect() as connection:
        found = read_loads(connection, source=source, limit=limit)
    none = "Nothing has been loaded yet." if source is None else "Nothing has been loaded from this source."
    if not print_list(output_format, found, get_fields, none):
        return
    table = make_table(
        ("Load", "Source", "Ended (UTC)", "Outcome"),
        ("Rows", "Rejected", "Added", "Changed", "Unchanged", "Deferred", "Warnings"),
        ("Files",),
    )
    for load in found:
        counts = load.counts
        numbers = (counts.rows, counts.rejected, counts.fines_added, counts.fines_changed, counts.fines_unchanged)
        table.add_row(
            str(load.id),
            sanitize(load.source),
            format_moment(load.ended_at),
            load.outcome,
            *(f"{number:,}" for number in (*numbers, counts.fines_deferred, counts.warnings)),
            "\n".join(sanitize(file["name"].rpartition("/")[2]) for file in load.files),
        )
    print_table(table, ("Files", "Unchanged", "Warnings"))


@loads.command("show")
@click.argument("load", type=ID)
@format_option
def show_load(load: int, output_format: str) -> None:
    """Show a load: its files, its counts, what it posted, and its first messages. Changes nothing."""
    with get_engine().connect() as connection:
        found = get_load(connection, load)
        messages = list_load_messages(connection, load, limit=MAX_MESSAGES_SHOWN + 1)
    if output_format != "table":
        print_data(output_format, get_fields(found))
        return
    origin = f"source {found.source}" if found.source else "files"
    console.print(sanitize(f"Load {load} from {origin}, {format_moment(found.ended_at)} UTC: {found.outcome}."))
    for file in found.files:
        checksum = f", SHA-256 {file['sha256']}" if file["sha256"] else ""
        console.print(sanitize(f"{file['name']}: {pluralize(file['rows'], 'row')}{checksum}"), soft_wrap=True)
    console.print(describe_counts(found.counts))
    print_entries(found.entries)
    print_messages(messages, load)


@loads.command("rejects")
@click.argument("load", type=ID)
@format_option
def list_rejects(load: int, output_format: str) -> None:
    """List the rows that a load rejected or deferred, and its warnings, with what to do. Changes nothing."""
    with get_engine().connect() as connection:
        get_load(connection, load)  # or the error that there is none
        if output_format == "csv":
            write_load_messages(connection, load, sys.stdout)
            return
        messages = list_load_messages(connection, load)
    if output_format == "json":
        print_data(output_format, [asdict(message) for message in messages])
        return
    if not messages:
        console.print(f"Load {load} rejected no row.")
        return
    table = make_table(("Line", "", "Fine"), wrapped=("Reason", "What to do"))
    for message in messages:
        line = "" if message.line is None else str(message.line)
        cells = (message.source_id or "", message.reason, message.remedy)
        table.add_row(line, message.kind, *map(sanitize, cells))
    print_table(table, ("Fine",))


def print_load(output_format: str, result: LoadResult, *, dry_run: bool) -> None:
    """Prints the result of a load: its counts, the entries, and the first messages."""
    if output_format != "table":
        print_data(output_format, get_result_fields(result))
        return
    if dry_run:
        console.print("This was a dry run: nothing was changed. A load now would do this:")
    console.print(describe_counts(result.counts))
    print_entries(result.entries)
    print_messages(result.messages, None if dry_run else result.load_id)
    if not dry_run:
        console.print(f"`bin/bursar sources loads show {result.load_id}` shows this load again.")


def get_result_fields(result: LoadResult) -> dict[str, Any]:
    """Returns the result of a load, with its first messages, for programs."""
    return get_fields(result) | {"messages": [asdict(message) for message in result.messages]}


def get_fields(load: LoadRecord | LoadResult) -> dict[str, Any]:
    """Returns a load for programs."""
    entries = [
        asdict(entry)
        | {
            name: plain_amount(getattr(entry, name), entry.currency)
            for name in ("balance_change", "outstanding_change")
        }
        for entry in load.entries
    ]
    outcome = {"outcome": load.outcome} if isinstance(load, LoadRecord) else {}
    return vars(load) | outcome | {"counts": asdict(load.counts), "entries": entries}


def describe_counts(counts: LoadCounts) -> str:
    """Returns the counts of a load as sentences."""
    sentences = [
        f"{pluralize(counts.rows, 'row')} read, {counts.rejected:,} rejected.",
        f"Users: {counts.users_added:,} added, {counts.users_updated:,} known.",
    ]
    numbers = (counts.fines_added, counts.fines_changed, counts.fines_unchanged, counts.fines_deferred)
    sentences.append("Fines: {:,} added, {:,} changed, {:,} unchanged, {:,} deferred.".format(*numbers))
    if counts.fines_rounded:
        rounded = pluralize(counts.fines_rounded, "fine")
        sentences.append(f"The amounts of {rounded} were rounded to the decimals of their currency.")
    return "\n".join(sentences)


def print_entries(entries: Sequence[EntrySum]) -> None:
    """Prints the entries that a load posted, by type and currency."""
    if not entries:
        return
    table = make_table(("Entry",), ("Fines", "At the library", "At the bursar"))
    for entry in entries:
        amounts = (format_money(amount, entry.currency) for amount in (entry.balance_change, entry.outstanding_change))
        table.add_row(entry.entry_type, f"{entry.fines:,}", *amounts)
    print_table(table)


def print_messages(messages: Sequence[RowMessage], load: int | None) -> None:
    """Prints the first messages of a load, each with its file and line. A dry run has no load that lists the others."""
    for message in messages[:MAX_MESSAGES_SHOWN]:
        place = f"{message.place}: " if message.line is not None or message.is_rejection else ""
        console.print(sanitize(f"{message.kind.capitalize()}: {place}{message}."), soft_wrap=True)
    if len(messages) > MAX_MESSAGES_SHOWN:
        console.print("There are more." if load is None else f"`bin/bursar sources loads rejects {load}` lists all.")
