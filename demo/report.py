"""The output of the demo on the screen: counts and amounts for a librarian, and the names of the report files."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from bursar.commands.context import sanitize
from bursar.ledger.totals import sum_by_currency
from bursar.money import format_amount, format_totals, pluralize
from bursar.sources.records import LoadRecord
from demo.accounts import FileTotals, Places
from demo.exports import Export
from demo.imports import Import
from demo.loads import Outcome

PROJECT = Path(__file__).resolve().parents[1]
ROOMY = 100  # columns of a terminal
EXCERPT_TAGS = (
    "userFineFee",
    "fineFeeComment",
    "fineFeeType",
    "compositeSum",
    "currency",
    "sum",
    "bursarTransactionId",
    "internalId",
)


def print_exports(out: Console, exports: list[Export], reports: Path) -> None:
    """Prints what was sent to each bursar, the totals, and the names of the report files."""
    table = _table(out, "Sent to the bursar", ["Users", "Fines"], ["Charges", "Credits", "Net"])
    totals: dict[str, list[Decimal]] = {}
    for export in exports:
        amounts = {}
        for currency, sums in export.batch.totals.items():
            amounts[currency] = [sums.charges, sums.credits, sums.net]
        _add_amounts(totals, amounts)
        _add_rows(table, [export.profile.name, f"{export.batch.users:,}", f"{export.batch.fines:,}"], amounts)
    _add_rows(table, ["All", "", f"{sum(export.batch.fines for export in exports):,}"], totals, style="bold")
    out.print(table)
    last = exports[-1]
    skipped = sum(left.fines for left in last.batch.skipped.values())
    out.print(
        f"`bin/bursar profiles preview {last.profile.code}` showed the same {pluralize(last.batch.fines, 'fine')} "
        f"before, and why {pluralize(skipped, 'other fine')} would be skipped:\n"
        f"{short(reports / f'preview-{last.profile.code}.txt')}\n"
        f"Each export in full, with its file and checksum: {short(reports / 'exports.txt')}"
    )


def print_excerpt(out: Console, file: Path, fine: int) -> None:
    """Prints the main elements of one fine in an exported file, and dots in place of the others."""
    lines = file.read_text(encoding="utf-8").splitlines()
    found = next(number for number, line in enumerate(lines) if f"<xb:internalId>{fine}<" in line)
    start = max(number for number, line in enumerate(lines[:found]) if "<xb:userFineFee>" in line)
    end = found + next(number for number, line in enumerate(lines[found:]) if "</xb:userFineFee>" in line)
    name = next(line.strip() for line in reversed(lines[:start]) if "<xb:patronName>" in line)
    indent = len(lines[start]) - len(lines[start].lstrip("\t"))
    shown = [name]
    for line in ["...", *lines[start : end + 1]]:
        tag = line.strip().lstrip("</").removeprefix("xb:").partition(">")[0].partition(" ")[0]
        if tag in EXCERPT_TAGS:
            shown.append(line[indent:].expandtabs(2))
        elif not shown[-1].strip().startswith("..."):
            nested = len(line) - len(line.lstrip("\t")) - indent
            shown.append("\t".expandtabs(2) * max(nested, 0) + "...")
    text = "\n".join(map(escape, shown))
    out.print(Panel(text, title=file.name, title_align="left", border_style="dim", expand=False))


def print_changes(out: Console, outcomes: Sequence[Outcome], second: list[Export]) -> None:
    """Prints what became of each change in the library's system."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for heading, width in (("The library's system says", 26), ("Fine", 13), ("Bursar", 24), ("To the bursar", 22)):
        table.add_column(heading, max_width=width)
    table.add_column("USD", justify="right", no_wrap=True)
    for one in outcomes:
        fine = f"{one.change.ids[0]}\n{sanitize(one.user)}"
        table.add_row(one.change.said, fine, escape(one.done), one.line, format_amount(one.sent, "USD"))
        table.add_row()
    net = sum((one.sent for one in outcomes), Decimal())
    table.add_row("All", "", "", "", format_amount(net, "USD"), style="bold")
    out.print(table)
    for export in second:
        if export.file:
            out.print(
                f"{export.profile.name} sent {pluralize(export.batch.fines, 'fine')} in {export.file.name}, "
                f"{format_totals(export.in_file)}."
            )
    out.print("The other exports had nothing to send. The fines of the returned books below are among those sent.")


def print_loads(out: Console, loads: Sequence[LoadRecord]) -> None:
    """Prints the rows of the files that were loaded, and what became of those of fines."""
    table = _table(
        out, "Rows", ["Users", "Fines", "of these: added", "changed", "unchanged", "deferred", "rejected"], []
    )
    for name, load in zip(("First files", "New files"), loads, strict=True):
        rows = {file["table"]: file["rows"] for file in load.files}
        counts = load.counts
        numbers = (
            *(rows["users"], rows["fines"], counts.fines_added, counts.fines_changed, counts.fines_unchanged),
            *(counts.fines_deferred, counts.rejected),
        )
        table.add_row(name, *(f"{number:,}" for number in numbers))
    out.print(table)


def print_imports(out: Console, imports: list[Import], reports: Path) -> None:
    """Prints the outcomes of each bursar's payment files, the totals, and the rejected file."""
    counts = ["\nPayments", "in\nfull", "in\npart", "too\nmuch", "no\neffect"]
    table = _table(out, "\nPaid at the bursar", counts, ["On\nfines", "New\ncredits"])
    totals: dict[str, list[Decimal]] = {}
    sums = [0] * len(counts)
    for one in imports:
        applied = sum_by_currency(found.applied for found in one.outcomes)
        credited = sum_by_currency(found.credited for found in one.outcomes)
        amounts = {currency: [applied[currency], credited[currency]] for currency in applied}
        amounts = {currency: both for currency, both in amounts.items() if any(both)}
        records, paid = one.records(), [one.records(outcome) for outcome in ("PAID", "PARTLY_PAID", "OVERPAID")]
        numbers = [records, *paid, records - sum(paid)]
        sums = [total + number for total, number in zip(sums, numbers, strict=True)]
        _add_amounts(totals, amounts)
        _add_rows(table, [one.profile.name, *(f"{number:,}" for number in numbers)], amounts)
    _add_rows(table, ["All", *(f"{number:,}" for number in sums)], totals, style="bold")
    out.print(table)
    out.print("Overpayments became credits of the users. No effect: the fine is unknown, or was settled before.")
    for file in (file for one in imports for file in one.files if file.rejection):
        out.print(f"[yellow]A file was rejected and changed nothing:[/] {escape(file.rejection or '')}")
    out.print(
        f"Each file in full: {short(reports / 'imports.txt')}\n"
        f"What each user owed before and after: {short(reports / 'positions.txt')}"
    )


def print_balance(out: Console, places: list[Places], files: FileTotals) -> None:
    """Prints where the money of the whole ledger is, and how much of the exported amounts has been paid."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("Where the money is", min_width=44)
    for place in places:
        table.add_column(place.currency, justify="right", min_width=11)

    def row(name: str, amounts: Iterable[Decimal], style: str | None = None) -> None:
        table.add_row(
            name,
            *(format_amount(amount, place.currency) for amount, place in zip(amounts, places, strict=True)),
            style=style,
        )

    def of(sums: Mapping[str, Decimal]) -> list[Decimal]:
        return [sums.get(place.currency, Decimal()) for place in places]

    row("All charges, less all credits", [place.original for place in places], "bold")
    row("  paid at the desk", [place.desk for place in places])
    row("  waived", [place.waived for place in places])
    row("  cancelled", [place.cancelled for place in places])
    row("  still owed at the library", [place.balance for place in places])
    row("  sent to the bursars", of(files.sent))
    row("  sent after the new files", of(files.sent_later))
    row(
        "Sent to the bursars in all",
        [place.bursar - place.credits + place.outstanding for place in places],
        "bold",
    )
    row("  paid, according to their files", of(files.reported))
    row("  counted as paid when sent (no import)", of(files.paid_when_sent))
    row("  still owed there (below zero: credits)", [place.outstanding for place in places])
    out.print(table)


def print_files(out: Console, folder: Path, files: Mapping[str, str]) -> None:
    """Prints the files of a folder and their contents."""
    out.print(f"In {short(folder)}:")
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column()
    for file, content in files.items():
        table.add_row(file, content)
    out.print(table)


def print_problems(out: Console, first: list[Export], second: list[Export], problems: list[str]) -> None:
    """Prints the problems, or that there are none."""
    for problem in problems:
        out.print(f"[bold red]Wrong:[/] {escape(problem)}")
    if problems:
        return
    out.print(
        f"[bold green]All is well:[/] {_count_sent(first)}, then {_count_sent(second)}, were sent, each fine once. "
        "FOLIO, Koha, ledger and files agree to the cent, and every cent is accounted for.\n"
        "`make up` starts the same library and keeps it running, with Airflow in the browser."
    )


def short(path: Path) -> str:
    """Returns a path relative to the project's folder."""
    return sanitize(str(path.relative_to(PROJECT) if path.is_relative_to(PROJECT) else path))


def _count_sent(exports: list[Export]) -> str:
    fines, files = (sum(export.batch.fines for export in exports), sum(export.file is not None for export in exports))
    return f"{pluralize(fines, 'fine')} in {pluralize(files, 'file')}"


def _table(out: Console, name: str, counts: Sequence[str], amounts: Sequence[str]) -> Table:
    table = Table(box=None, padding=(0, 1 if out.width < ROOMY else 2, 0, 0), pad_edge=False)
    table.add_column(name, no_wrap=True)
    for heading in (*counts, *amounts):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("")
    return table


def _add_rows(
    table: Table, cells: Sequence[str], amounts: Mapping[str, Sequence[Decimal]], style: str | None = None
) -> None:
    """Adds one row for each currency; the first holds the other cells too."""
    for number, (currency, values) in enumerate(sorted(amounts.items())):
        shown = [format_amount(value, currency) for value in values]
        table.add_row(*(cells if number == 0 else [""] * len(cells)), *shown, currency, style=style)


def _add_amounts(totals: dict[str, list[Decimal]], amounts: Mapping[str, Sequence[Decimal]]) -> None:
    for currency, values in amounts.items():
        before = totals.get(currency, [Decimal()] * len(values))
        totals[currency] = [one + other for one, other in zip(before, values, strict=True)]
