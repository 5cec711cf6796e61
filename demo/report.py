"""The demo's words to a librarian."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from bursar.commands.surroundings import printable
from bursar.exporting.selection import REASONS
from bursar.ledger.imports import in_order
from bursar.money import money, monies
from demo.accounts import Places, Position
from demo.exports import Export
from demo.imports import Import
from demo.mail import mails

PROJECT = Path(__file__).resolve().parents[1]
FIRST_LINES = 16
POSITIONS_SHOWN = 12
Positions = Mapping[tuple[int, str], Position]


def print_export(out: Console, export: Export) -> None:
    """One export: what went, what stayed and why, where the file is and what it looks like."""
    batch = export.batch
    out.rule(f"[bold]{export.profile.name}[/] ({batch.profile}): export {batch.id}", align="left")
    went = Table(box=None, padding=(0, 2), show_header=True)
    for heading in ("", "Users", "Fines", "Charges", "Credits", "Net"):
        went.add_column(heading, justify="left" if not heading else "right")
    for number, (currency, sums) in enumerate(batch.totals.items()):
        charges, returned = Decimal(sums["charges"]), Decimal(sums["credits"])
        counts = (f"{batch.users:,}", f"{batch.fines:,}") if number == 0 else ("", "")
        amounts = (money(amount, currency) for amount in (charges, returned, charges + returned))
        went.add_row("Sent" if number == 0 else "", *counts, *amounts, style="green")
    out.print(went)

    stayed = Table("Left behind, because", box=None, padding=(0, 2))
    for heading in ("Users", "Fines", "Net"):
        stayed.add_column(heading, justify="right")
    for reason, words in REASONS.items():
        if left := batch.left_behind.get(reason):
            stayed.add_row(words, f"{left['users']:,}", f"{left['fines']:,}", monies(left["net"]))
    out.print(stayed)

    if export.file:
        out.print(f"  File      {_short(export.file)}", soft_wrap=True)
        out.print(f"  SHA-256   {export.sha256}")
        agree = export.in_file == export.in_ledger
        out.print(
            f"  Check     ledger {monies(export.in_ledger)}, file {monies(export.in_file)}: "
            + ("[green]they agree to the cent[/]" if agree else "[bold red]they do not agree[/]")
        )
        with export.file.open(encoding="utf-8") as file:
            lines = [escape(line.rstrip("\n").expandtabs(2)) for _, line in zip(range(FIRST_LINES), file, strict=False)]
        out.print(Panel("\n".join([*lines, "..."]), title="the first lines", title_align="left", border_style="dim"))
    out.print()


def print_second_run(out: Console, exports: list[Export]) -> None:
    """What the second run of each export did: the bursar hears of what was taken back, and nothing goes twice."""
    table = Table("Profile", "Second run", box=None, padding=(0, 2))
    for export in exports:
        reversals = {code: sums["reversals"] for code, sums in export.batch.totals.items() if "reversals" in sums}
        sent = "[green]nothing to send, no file[/]"
        if export.file:
            sent = f"reversals of what the bursar has, {monies(reversals)}: {export.file.name}"
        table.add_row(export.profile.name, sent)
    out.print(table)
    out.print()


def print_imports(out: Console, imports: list[Import]) -> None:
    """What each file of payments did."""
    for one in imports:
        out.rule(f"[bold]{one.profile.name}[/] ({one.profile.code}): payments from the bursar", align="left")
        for file in one.files:
            if file.refusal:
                out.print(f"  [bold red]{file.name} was refused and changed nothing:[/] {escape(file.refusal)}")
                continue
            out.print(f"  {file.name}: {file.records:,} records, each with one outcome")
            table = Table("Outcome", box=None, padding=(0, 2))
            for heading in ("Records", "Sum in the file", "Paid on fines", "Became a credit"):
                table.add_column(heading, justify="right")
            for outcome, found in in_order(file.outcomes or {}).items():
                amounts = (monies(_without_zeros(found[name])) for name in ("sums", "applied", "credited"))
                table.add_row(outcome, f"{found['records']:,}", *amounts)
            out.print(table)
        out.print()


def print_positions(out: Console, before: Positions, after: Positions, file: Path) -> None:
    """What users owed before the payments and after them: the first here, all in a file."""
    table = Table("User", box=None, padding=(0, 2))
    for heading in ("Library before", "Bursar before", "Library after", "Bursar after"):
        table.add_column(heading, justify="right")
    moved = [key for key in after if after[key] != before.get(key)]
    lines = []
    for key in after:
        then, now = before.get(key, after[key]), after[key]
        amounts = [money(amount, now.currency) for one in (then, now) for amount in (one.balance, one.outstanding)]
        lines.append("\t".join([now.name, *amounts]))
        if key in moved[:POSITIONS_SHOWN]:
            table.add_row(printable(now.name), *amounts)
    file.write_text("\n".join(["User\tLibrary before\tBursar before\tLibrary after\tBursar after", *lines, ""]))
    out.print(table)
    out.print(f"  ... and {max(len(moved) - POSITIONS_SHOWN, 0)} more whose position moved; all in {_short(file)}\n")


def print_places(out: Console, places: list[Places]) -> None:
    """Where every cent is."""
    out.print("[bold]Every cent is accounted for[/], fine by fine, in the whole ledger:")
    table = Table(box=None, padding=(0, 2))
    table.add_column("")
    for place in places:
        table.add_column(place.currency, justify="right")
    rows = {
        "charged, less credits given": [place.original for place in places],
        "= paid at the desk": [place.desk for place in places],
        "+ waived": [place.waived for place in places],
        "+ balance at the library": [place.balance for place in places],
        "+ paid at the bursar": [place.bursar for place in places],
        "+ outstanding at the bursar": [place.outstanding for place in places],
        "- credits made of overpayments": [place.credits for place in places],
    }
    for name, amounts in rows.items():
        table.add_row(name, *(f"{amount:,.2f}" for amount in amounts))
    out.print(table)
    out.print()


def _without_zeros(amounts: Mapping[str, str]) -> dict[str, Decimal]:
    return {currency: Decimal(amount) for currency, amount in amounts.items() if Decimal(amount)}


def print_mails(out: Console, folder: Path) -> None:
    """What the library's staff was told meanwhile."""
    out.print(f"[bold]Mails to the library's staff[/], as HTML for a browser in {_short(folder)}:")
    for mail in mails(folder):
        out.print(f"  to {escape(mail['To'])}: {escape(mail['Subject'])}")
    out.print()


def print_verdict(out: Console, exports: list[Export], problems: list[str]) -> None:
    """The last word."""
    for problem in problems:
        out.print(f"[bold red]Wrong:[/] {escape(problem)}")
    if problems:
        return
    fines = sum(export.batch.fines for export in exports)
    out.print(
        f"[bold green]All is well:[/] {fines:,} fines went out in {len(exports)} files, each fine once; "
        "ledger and files agree to the cent, and every cent that the bursar was paid has come home."
    )
    out.print("`make up` starts the same library to stay, with Airflow in the browser.")


def _short(path: Path) -> str:
    return str(path.relative_to(PROJECT)) if path.is_relative_to(PROJECT) else str(path)
