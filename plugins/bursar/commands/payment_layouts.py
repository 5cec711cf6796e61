"""`bin/bursar layouts read`: what a job would read in a file of payments, or in a statement."""

import logging
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import click

from bursar.commands.context import console, sanitize
from bursar.commands.output import format_option, make_table, print_data, print_table
from bursar.imports.decompress import open_decompressed
from bursar.layouts.payments.parse import parse_records
from bursar.layouts.payments.read import get_row_layout
from bursar.layouts.payments.records import PaymentRecord
from bursar.money import pluralize
from bursar.profiles import INCLUDE

_HIDDEN = {"number", "payment_key"}
_COLUMNS = tuple(name for name in PaymentRecord._fields if name not in _HIDDEN)


@click.command("read")
@click.argument("name")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--limit",
    metavar="NUMBER",
    default=100,
    show_default="100",
    type=click.IntRange(min=1),
    help="Payments or lines to show.",
)
@format_option
def read_file(name: str, file: Path, limit: int, output_format: str) -> None:
    """Show the payments, or the lines of a statement, that a job would read in a file. Changes nothing.

    The whole file is read, so that its totals are compared, too. A payment with a problem would have no effect.
    """
    logging.disable(logging.INFO)
    layout = get_row_layout(name, INCLUDE / "layouts")
    days: dict[str, int] = {}
    records = parse_records(layout, partial(open_decompressed, file, file.name), file.name, days)
    shown = list(islice(records, limit))
    more, problems = _count(records)
    problems += sum(record.problem is not None for record in shown)
    if output_format != "table":
        print_data(output_format, [{column: getattr(record, column) for column in _COLUMNS} for record in shown])
        return
    used = [column for column in _COLUMNS if any(getattr(record, column) is not None for record in shown)]
    table = make_table(tuple(column.replace("_", " ").capitalize() for column in used))
    for record in shown:
        values = (getattr(record, column) for column in used)
        table.add_row(*("" if value is None else sanitize(str(value)) for value in values))
    if shown:
        print_table(table)
    total = pluralize(len(shown) + more, layout.noun)
    console.print(f"The file has {total}, {problems:,} with a problem. Shown: {len(shown):,}.", soft_wrap=True)
    if days:
        console.print(f"It counts for {', '.join(days)}.")


def _count(records: Iterator[PaymentRecord]) -> tuple[int, int]:
    """Returns how many records are left, and how many of them have a problem."""
    count = problems = 0
    for record in records:
        count += 1
        problems += record.problem is not None
    return count, problems
