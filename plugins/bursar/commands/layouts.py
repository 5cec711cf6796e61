"""`bin/bursar layouts`: how the files of exports, payments and statements look."""

import sys
from pathlib import Path

import click
import pendulum

from bursar.commands.context import ID, console, get_engine, get_settings, sanitize, strip_controls
from bursar.commands.output import format_option, make_table, print_data, print_problems, print_section, print_table
from bursar.commands.payment_layouts import read_file
from bursar.commands.schemas import write_schemas
from bursar.errors import BursarError
from bursar.exports.encryption import require_gpg
from bursar.exports.skip_reason import SkipReason
from bursar.layouts.flat.render import get_batch_values, make_batch_values
from bursar.layouts.flat.trial import Trial, try_layout
from bursar.layouts.layout import Layout
from bursar.layouts.payments.read import load_payment_layouts, load_statement_layouts, payment_layout_schemas
from bursar.layouts.payments.row_layout import RowLayout
from bursar.layouts.read import get_layout, layout_schemas, load_layouts
from bursar.ledger.batches import get_batch
from bursar.money import pluralize
from bursar.profiles import INCLUDE, Problem


@click.group()
def layouts() -> None:
    """Layouts of files: include/layouts/*.yaml."""


layouts.add_command(read_file)


@layouts.command("list")
@format_option
def list_layouts(output_format: str) -> None:
    """List the valid layouts of include/layouts. Changes nothing."""
    good, problems = load_layouts(INCLUDE / "layouts")
    read, more_problems = _load_layouts_of_rows(INCLUDE / "layouts")
    problems += more_problems
    rows: list[dict[str, str | None]] = [
        {
            "name": name,
            "for": layout.for_,
            "kind": layout.kind,
            "encoding": layout.encoding,
            "file_name": ", ".join(layout.file_names),
        }
        for name, layout in good.items()
    ]
    rows += [
        {
            "name": name,
            "for": layout.for_,
            "kind": layout.kind,
            "encoding": ", ".join(layout.encoding),
            "file_name": None,
        }
        for name, layout in read.items()
    ]
    if output_format != "table":
        print_data(output_format, rows)
    elif not rows:
        console.print(sanitize(f"There are no layouts in {INCLUDE / 'layouts'}."), soft_wrap=True)
    else:
        table = make_table(("Name", "For", "Kind", "Encoding", "File name"))
        for row in rows:
            table.add_row(*(sanitize(value or "") for value in row.values()))
        print_table(table)
    if problems:
        click.echo(f"Found: {pluralize(len(problems), 'problem')}; see `bin/bursar layouts check`.", err=True)


@layouts.command("check")
@format_option
def check_layouts(output_format: str) -> None:
    """Print each problem of a layout as file:line: message, and exit with 1 if there is one. Changes nothing.

    Warnings name layouts whose payments can't be matched, since no column has the transaction id.
    """
    folder = INCLUDE / "layouts"
    good, problems = load_layouts(folder)
    read, more_problems = _load_layouts_of_rows(folder)
    problems = sorted([*problems, *more_problems])
    warnings = [
        Problem(str(folder / f"{name}.yaml"), 1, "records", _NO_TRANSACTION)
        for name, layout in good.items()
        if not layout.shows_transactions
    ]
    encrypting = [name for name, layout in good.items() if layout.encrypt]
    try:
        if encrypting:
            require_gpg()
    except BursarError as error:
        warnings += [Problem(str(folder / f"{name}.yaml"), 1, "encrypt", str(error)) for name in encrypting]
    print_problems(output_format, problems, warnings)
    names = ", ".join([*good, *read]) or "none"
    click.echo(f"{pluralize(len(good) + len(read), 'good layout')} in {strip_controls(str(folder))}: {names}", err=True)
    sys.exit(1 if problems else 0)


def _load_layouts_of_rows(folder: Path) -> tuple[dict[str, RowLayout], list[Problem]]:
    """Returns the valid layouts of payments and of statements by name, and the problems of the others."""
    payments, problems = load_payment_layouts(folder)
    statements, more_problems = load_statement_layouts(folder)
    return {**payments, **statements}, [*problems, *more_problems]


_NO_TRANSACTION = (
    "no line of a fine has {transaction_id}: the bursar can't report payments by it, so import them another way"
)


@layouts.command("try")
@click.argument("name")
@click.option(
    "--batch",
    "batch_id",
    metavar="NUMBER",
    type=ID,
    help="The batch whose fines are shown; invented fines, if not given.",
)
@click.option(
    "--limit", metavar="NUMBER", default=100, show_default="100", type=click.IntRange(min=1), help="Fines to show."
)
@format_option
def try_out(name: str, batch_id: int | None, limit: int, output_format: str) -> None:
    """Show the files of invented fines, or of an old batch, in a layout, with a ruler. Changes nothing.

    Fines that do not fit are listed with the reason for which an export would skip them. Totals are of the fines that
    are shown. No batch is needed to try a layout, and none is changed.
    """
    with get_engine().connect() as connection:
        if batch_id:
            batch = get_batch(connection, batch_id)
            values, time_zone = get_batch_values(batch), batch.render_options["time_zone"]
        else:
            time_zone = get_settings().time_zone
            values = make_batch_values(1, "STUDENTS", pendulum.now("UTC"), time_zone)
        layout = get_layout(name, Layout, INCLUDE / "layouts")
        trials = try_layout(connection, layout, values, time_zone=time_zone, batch_id=batch_id, limit=limit)
    if output_format != "table":
        records = [
            {
                "file_name": trial.file_name,
                "lines": list(trial.lines),
                "unfit": {
                    transaction: {"reason": unfit.reason, "column": str(unfit.column) if unfit.column else None}
                    for transaction, unfit in trial.unfit.items()
                },
                "problem": trial.problem or None,
            }
            for trial in trials
        ]
        print_data(output_format, records[0] if len(records) == 1 else records)
        return
    for trial in trials:
        _print_trial(layout, trial)


def _print_trial(layout: Layout, trial: Trial) -> None:
    console.print(f"[bold]{sanitize(trial.file_name)}[/], {layout.encoding}, {layout.line_end}", soft_wrap=True)
    if layout.kind == "fixed":
        console.print(trial.ruler, soft_wrap=True, highlight=False)
    for line in trial.lines:
        console.print(sanitize(line), soft_wrap=True, highlight=False)
    if not trial.lines:
        console.print("No fine fits, so there would be no file.")
    rows = [
        (transaction, SkipReason.describe(unfit.reason), str(unfit.column or ""))
        for transaction, unfit in trial.unfit.items()
    ]
    print_section(("Would stay open: transaction", "Reason", "Column"), (), rows)
    if trial.problem:
        console.print(f"\nAn export of these fines would fail: {sanitize(trial.problem)}.", soft_wrap=True)
    if len(trial.currencies) > 1 and layout.needs_one_currency:
        console.print(
            f"\nThe fines are in {', '.join(trial.currencies)}. A profile with this layout exports one currency.",
            soft_wrap=True,
        )


@layouts.command("write-schema")
@format_option
def write_layout_schema(output_format: str) -> None:
    """Write the JSON Schema, with which editors complete and check layouts, into include/."""
    write_schemas(layout_schemas() | payment_layout_schemas(), output_format)
