"""The report files of the demo: details that are not shown on the screen."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from sqlalchemy import Engine

from bursar.commands.context import sanitize
from bursar.exports.skip_reason import SkipReason
from bursar.ledger.import_files import PaymentOutcome
from bursar.money import format_money, format_totals, pluralize
from bursar.sources.records import LoadRecord, list_load_messages
from demo.accounts import Position
from demo.exports import Export
from demo.imports import Import
from demo.report import short

FIRST_LINES = 16
WIDTH = 120
FILES = {
    "library_system": "the files of the library's system, after they were loaded",
    "systems": "what FOLIO and Koha have, as JSON and in SQLite",
    "bursars": "the exported files and the payment files",
    "mails": "mails to the library's staff, as HTML pages",
    "reports/preview-STUDENTS.txt": "each fine that would be exported or skipped, and why",
    "reports/exports.txt": "each export: fines sent, fines skipped and why",
    "reports/loads.txt": "the rejected row, and what to do about it",
    "reports/imports.txt": "each payment file, and the outcomes of its payments",
    "reports/positions.txt": "what each user owed before and after the payments",
    "reports/jobs.txt": "users and fines that were kept at the end of term, and why",
    "reports/commands.txt": "commands and their output; the list of all runs",
}
"""The files that the demo leaves, and their contents."""
Positions = Mapping[tuple[int, str], Position]


@contextmanager
def report_file(file: Path) -> Iterator[Console]:
    """Yields a console that appends to a file."""
    file.parent.mkdir(exist_ok=True)
    with file.open("a", encoding="utf-8") as text:
        yield Console(file=text, width=WIDTH, highlight=False, emoji=False)


def write_export(out: Console, export: Export) -> None:
    """Writes one export: fines sent, fines skipped and why, its file and the first lines of it."""
    batch = export.batch
    out.rule(f"{export.profile.name} ({batch.profile}): export {batch.id}", align="left")
    sent = Table(box=None, padding=(0, 2), show_header=True)
    for heading in ("", "Users", "Fines", "Charges", "Credits", "Net"):
        sent.add_column(heading, justify="left" if not heading else "right")
    for number, (currency, sums) in enumerate(batch.totals.items()):
        counts = (f"{batch.users:,}", f"{batch.fines:,}") if number == 0 else ("", "")
        amounts = (format_money(amount, currency) for amount in (sums.charges, sums.credits, sums.net))
        sent.add_row("Sent" if number == 0 else "", *counts, *amounts)
    out.print(sent)

    skipped = Table("Skipped because", box=None, padding=(0, 2))
    for heading in ("Users", "Fines", "Net"):
        skipped.add_column(heading, justify="right")
    for reason in SkipReason:
        if left := batch.skipped.get(reason):
            skipped.add_row(reason.description, f"{left.users:,}", f"{left.fines:,}", format_totals(left.net))
    out.print(skipped)

    if export.file:
        out.print(f"  File      {short(export.file)}", soft_wrap=True)
        out.print(f"  SHA-256   {export.sha256}")
        agree = "they agree to the cent" if export.in_file == export.in_ledger else "they do not agree"
        out.print(
            f"  Check     ledger {format_totals(export.in_ledger)}, file {format_totals(export.in_file)}: {agree}"
        )
        with export.file.open(encoding="utf-8") as file:
            lines = [escape(line.rstrip("\n").expandtabs(2)) for _, line in zip(range(FIRST_LINES), file, strict=False)]
        out.print(Panel("\n".join([*lines, "..."]), title="the first lines", title_align="left"))
    out.print()


def write_messages(out: Console, engine: Engine, loads: Sequence[LoadRecord]) -> None:
    """Writes the messages of loads about single rows: the row, what is wrong, and what to do."""
    with engine.connect() as connection:
        for load in loads:
            out.rule(f"Load {load.id} of the source {load.source}: {load.outcome}", align="left")
            for message in list_load_messages(connection, load.id):
                out.print(f"  Row {message.kind}: {message.file}, line {message.line}, fine {message.source_id}")
                out.print(f"  {escape(str(message))}.")
            out.print()


def write_import(out: Console, one: Import) -> None:
    """Writes the outcomes of each payment file of one import."""
    out.rule(f"{one.profile.name} ({one.profile.code}): payments from the bursar", align="left")
    for file in one.files:
        if file.rejection:
            out.print(f"  {file.name} was rejected and changed nothing: {escape(file.rejection)}")
            continue
        out.print(f"  {file.name}: {pluralize(file.records or 0, 'record')}, each with one outcome")
        table = Table("Outcome", box=None, padding=(0, 2))
        for heading in ("Records", "Sum in the file", "Paid on fines", "Became a credit"):
            table.add_column(heading, justify="right")
        for outcome, found in PaymentOutcome.sort(file.outcomes or {}).items():
            amounts = (
                format_totals({currency: amount for currency, amount in amounts.items() if amount})
                for amounts in (found.sums, found.applied, found.credited)
            )
            table.add_row(outcome, f"{found.records:,}", *amounts)
        out.print(table)
    out.print()


def write_positions(out: Console, before: Positions, after: Positions) -> None:
    """Writes what each user owed before and after the payments; a star marks changes."""
    table = Table("", "User", box=None, padding=(0, 2))
    for heading in ("Library before", "Bursar before", "Library after", "Bursar after"):
        table.add_column(heading, justify="right")
    for key, now in after.items():
        then = before.get(key, now)
        amounts = [
            format_money(amount, now.currency) for one in (then, now) for amount in (one.balance, one.outstanding)
        ]
        table.add_row("" if before.get(key) == now else "*", sanitize(now.name), *amounts)
    out.print(table)
