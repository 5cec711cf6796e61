"""The forms in which commands print: tables for people, JSON for programs, CSV for spreadsheets."""

import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

import click
from rich.measure import Measurement
from rich.table import Table

from bursar.commands.context import MAX_WIDTH, console, sanitize, strip_controls
from bursar.escaping import escape_formula
from bursar.ledger.totals import OutcomeTotals, Skipped, Totals, read_amounts, to_json
from bursar.money import format_money, plain_amount
from bursar.profiles import Problem

RowT = TypeVar("RowT")
GAP = 2
MIN_WRAPPED_WIDTH = 20

format_option = click.option(
    "--format",
    "output_format",
    type=click.Choice(["table", "json", "csv"]),
    default="table",
    show_default=True,
    help="A table for people, JSON for programs, or CSV for spreadsheets.",
)

limit_option = click.option(
    "--limit",
    metavar="NUMBER",
    default=20,
    show_default="20",
    type=click.IntRange(min=1),
    help="How many to list, newest first.",
)


def print_data(output_format: str, records: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
    """Prints a record, or a list of records, as JSON or CSV."""
    if output_format == "json":
        print_json(records)
    else:
        print_csv([records] if isinstance(records, Mapping) else records)


def print_result(output_format: str, records: Mapping[str, Any] | Sequence[Mapping[str, Any]], *sentences: str) -> None:
    """Prints the result of a command: for people the sentences that are not empty, else the record or records.

    Text from outside in the sentences is sanitized.
    """
    if output_format != "table":
        print_data(output_format, records)
        return
    for sentence in filter(None, sentences):
        console.print(sentence, soft_wrap=True)


def print_list(
    output_format: str, rows: Sequence[RowT], get_fields: Callable[[RowT], Mapping[str, Any]], none: str
) -> bool:
    """Prints rows for programs, or the sentence `none` for people; returns whether a table of them is to be printed."""
    if output_format != "table":
        print_data(output_format, list(map(get_fields, rows)))
    elif not rows:
        console.print(none)
    return output_format == "table" and bool(rows)


def print_problems(output_format: str, problems: Iterable[Problem], warnings: Iterable[Problem]) -> None:
    """Prints problems of YAML files, then warnings: for people as `file:line: message`, else as records."""
    found = [("problem", problem) for problem in problems] + [("warning", warning) for warning in warnings]
    if output_format != "table":
        print_data(output_format, [{"kind": kind, **asdict(problem)} for kind, problem in found])
        return
    for kind, problem in found:
        click.echo(strip_controls(problem.render("warning: " if kind == "warning" else "")))


def print_json(value: object) -> None:
    """Prints a value as JSON. Characters beyond ASCII are escaped, so that no terminal obeys them."""
    click.echo(json.dumps(value, indent=2, default=_encode))


def print_csv(records: Sequence[Mapping[str, Any]]) -> None:
    """Prints records as CSV, one a line below a heading; no record, no heading.

    A record inside a record has a column for each of its values, as `totals.USD.net`. The values of a list are in one
    cell. A cell that a spreadsheet would run as a formula gets an apostrophe in front.
    """
    rows = [dict(_flatten(record)) for record in records]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    if rows:
        print_csv_rows(columns, ([row.get(name, "") for name in columns] for row in rows))


def print_csv_rows(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Prints a heading and rows as CSV, row by row; cells are escaped as by `print_csv`."""
    writer = csv.writer(sys.stdout)
    writer.writerow(map(escape_formula, columns))
    writer.writerows(map(escape_formula, row) for row in rows)


def _flatten(record: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in record.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", _format_cell(value)


def _format_cell(value: object) -> str:
    match value:
        case None:
            return ""
        case str() | int():
            return json.dumps(value) if isinstance(value, bool) else str(value)
        case list() | tuple():
            return "; ".join(map(_format_cell, value))
        case Mapping():
            return ", ".join(f"{name} {cell}" for name, cell in _flatten(value) if cell)
        case _:
            return str(_encode(value)) if isinstance(value, datetime | Decimal) else str(value)


def _encode(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    if isinstance(value, Decimal):
        return f"{value:f}"
    raise TypeError(f"{type(value)} has no form in JSON")


def plain_amounts(amounts: Mapping[str, Decimal | str]) -> dict[str, str]:
    """Returns amounts by currency as text for programs."""
    return {currency: plain_amount(amount, currency) for currency, amount in amounts.items()}


def plain_totals(totals: Totals) -> dict[str, dict[str, str]]:
    """Returns totals as text for programs, each currency with its net amount."""
    return {
        currency: {
            name: plain_amount(amount, currency) for name, amount in (sums.to_json() | {"net": f"{sums.net:f}"}).items()
        }
        for currency, sums in totals.items()
    }


def plain_counts(counts: Mapping[str, Skipped] | Mapping[str, OutcomeTotals]) -> dict[str, dict[str, Any]]:
    """Returns counts by reason or outcome, with their amounts as text for programs."""
    return {
        key: {
            name: plain_amounts(read_amounts(one)) if isinstance(one, Mapping) else one for name, one in values.items()
        }
        for key, values in to_json(counts).items()
    }


def make_table(left: Sequence[str], right: Sequence[str] = (), wrapped: Sequence[str] = ()) -> Table:
    """Returns an empty table with headings from left to right.

    Cells under the headings `right` are counts and amounts. Only cells under the headings `wrapped` break into lines.
    """
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False)
    for heading in left:
        table.add_column(heading, no_wrap=True)
    for heading in right:
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in wrapped:
        table.add_column(heading, overflow="fold")
    return table


def print_table(table: Table, optional: Sequence[str] = ()) -> None:
    """Prints a table without cutting off any cell.

    On a screen that is too narrow, columns with the headings `optional` are left out, the first of them first, and a
    line names them. If that is not enough, lines are longer than the screen.
    """
    hidden: list[str] = []
    while _set_widths(table) and len(hidden) < len(optional):
        hidden.append(optional[len(hidden)])
        table = _without(table, hidden[-1])
    console.print(table, crop=False)
    if hidden:
        names = ", ".join(hidden)
        console.print(f"[dim]Left out, for lack of room: {names}. --format csv has all columns.[/]", soft_wrap=True)


def _without(table: Table, heading: str) -> Table:
    kept = [column for column in table.columns if column.header != heading]
    copy = make_table(())
    for column in kept:
        copy.add_column(column.header, justify=column.justify, no_wrap=column.no_wrap, overflow=column.overflow)
    for cells in zip(*(column.cells for column in kept), strict=True):
        copy.add_row(*cells)
    return copy


def _set_widths(table: Table) -> bool:
    """Sets the widths of columns so that no cell is cut off; returns whether the table is wider than the screen."""
    options = console.options.update(width=MAX_WIDTH)
    for column in table.columns:
        widths = [Measurement.get(console, options, cell).maximum for cell in (column.header, *column.cells)]
        column.min_width = max(widths) if column.no_wrap else min(max(widths), MIN_WRAPPED_WIDTH)
    width = sum(column.min_width or 0 for column in table.columns) + GAP * (len(table.columns) - 1)
    table.width = width if width > console.width else None
    return width > console.width


def print_section(left: Sequence[str], right: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Prints a table after an empty line; nothing if there are no rows."""
    table = make_table(left, right)
    for row in rows:
        table.add_row(*map(sanitize, row))
    if table.row_count:
        console.print()
        print_table(table)


def print_facts(facts: Mapping[str, str]) -> None:
    """Prints names and values in two columns, without those that are empty."""
    for name, value in facts.items():
        if value:
            console.print(f"  {name + ':':22}{sanitize(value)}", soft_wrap=True)


def print_totals(totals: Totals) -> None:
    """Prints charges, credits and net amount of each currency, below facts."""
    for code, sums in totals.items():
        charges, credits_, net = (format_money(amount, code) for amount in (sums.charges, sums.credits, sums.net))
        amounts = f"charges {charges}, credits {credits_}, net {net}"
        console.print(f"  {'':22}{sanitize(amounts)}", soft_wrap=True)


def format_moment(moment: datetime | None) -> str:
    """`2026-03-02 12:00`, in UTC; an empty text for None."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}" if moment else ""
