"""`bin/bursar preview` and `bin/bursar batches`: what would go out, and what has not arrived."""

from collections.abc import Sequence
from getpass import getuser
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import pendulum
from rich.table import Table
from sqlalchemy import RowMapping

from bursar.commands.context import console, get_engine, get_profile, sanitize, strip_controls
from bursar.db.queries import query
from bursar.errors import BursarError
from bursar.exports import close, selection, upload
from bursar.exports.build import build_file
from bursar.exports.skip_reason import SkipReason
from bursar.exports.upload_attempts import unclear_delivery
from bursar.ledger.batches import Batch, BatchState, get_batch, get_unfinished_batches
from bursar.moments import parse_moment
from bursar.money import format_money, format_totals, pluralize


@click.command()
@click.argument("profile")
@click.option(
    "--as-of",
    metavar="MOMENT",
    help="Measure ages from this moment, 2026-03-01T02:00, in the profile's time zone.",
)
@click.option("--limit", default=20, show_default=True, help="Fines listed for each reason; the sums are of all.")
def preview(profile: str, as_of: str | None, limit: int) -> None:
    """Print what an export would take now, and why each other fine would stay. Changes nothing."""
    chosen = get_profile(profile)
    if not chosen.export.active:
        raise BursarError(f"The export section of profile {chosen.code} is not active; it has nothing to preview.")
    moment = pendulum.now("UTC") if as_of is None else parse_moment(as_of, chosen.time_zone)
    taken, verdicts = selection.preview(get_engine(), chosen, as_of=moment, limit=limit)
    shown = moment.astimezone(pendulum.timezone(chosen.time_zone))
    console.print(f"[bold]{sanitize(chosen.name)}[/] ({chosen.code}), as of {shown:%Y-%m-%d %H:%M %Z}")
    groups = {reason: list(fines) for reason, fines in groupby(verdicts, lambda verdict: verdict.reason)}
    console.print(
        f"\n[bold green]Would be exported:[/] {pluralize(taken.fines, 'fine')} of {pluralize(taken.users, 'user')}"
    )
    for currency, sums in taken.totals.items():
        reversals = f" (of them reversals {format_money(sums.reversals, currency)})" if sums.reversals else ""
        console.print(
            f"  charges {format_money(sums.charges, currency)}, credits "
            f"{format_money(sums.credits, currency)}{reversals}"
        )
    _print_fines(groups.get(None, []), taken.fines)
    for reason, left in SkipReason.sort(taken.skipped).items():
        of_whom = f"{pluralize(left.fines, 'fine')} of {pluralize(left.users, 'user')}, {format_totals(left.net)}"
        console.print(f"\n[bold yellow]Stays:[/] {sanitize(SkipReason.describe(reason))}: {of_whom}")
        _print_fines(groups.get(reason, []), left.fines)


@click.group(invoke_without_command=True)
@click.option("--all", "all_", is_flag=True, help="Also what was sent, and dry runs; the newest first.")
@click.option("--limit", default=20, show_default=True, help="With --all, how many.")
@click.pass_context
def batches(context: click.Context, all_: bool, limit: int) -> None:  # noqa: FBT001  click passes flags by name
    """List the batches that are not finished; their fines wait."""
    if context.invoked_subcommand:
        return
    with get_engine().connect() as connection:
        if all_:
            _print_all(connection.execute(query("commands/list_batches"), {"limit": limit}).mappings().all())
            return
        unfinished = get_unfinished_batches(connection)
    if not unfinished:
        console.print("Nothing is unsent: every batch is finished.")
        return
    table = Table("Batch", "Profile", "Run", "BatchState", "Selected (UTC)", "Fines", "Net", "File")
    for batch in unfinished:
        table.add_row(
            str(batch.id),
            sanitize(batch.profile),
            sanitize(batch.run_id),
            batch.state,
            f"{batch.selected_at:%Y-%m-%d %H:%M}",
            f"{batch.fines:,}",
            format_totals(batch.net),
            sanitize(f"{batch.file_name} {batch.remote_folder or 'not sent'}"),
        )
    console.print(table)
    console.print("The next run of a profile ends its batches by itself; so does repeating (Clear) the failed task.")
    for batch in unfinished:
        if batch.state is BatchState.UNCLEAR:
            console.print(f"[bold]{sanitize(str(unclear_delivery(batch)))}[/]")


@batches.command("file")
@click.argument("batch", type=int)
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="The folder to put it in; if not given, the one where you stand.",
)
def file_of_batch(batch: int, into: Path) -> None:
    """Build the file of a batch, of a dry run too, from the ledger, to look at."""
    engine = get_engine()
    with engine.connect() as connection:
        found = get_batch(connection, batch)
    folder = into.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder, prefix=".bursar-") as work_dir:
        built = build_file(engine, batch, Path(work_dir))
        path = built.path.replace(folder / built.path.name)
    counts = f"{pluralize(found.fines, 'fine')}, {pluralize(built.size, 'byte')}"
    click.echo(f"{strip_controls(str(path))}  ({counts}, SHA-256 {built.sha256})")


@batches.command("release")
@click.argument("batch", type=int)
@click.option("--confirm-not-received", is_flag=True, help="You looked, and asked the bursar: the file never arrived.")
def release_batch(batch: int, confirm_not_received: bool) -> None:  # noqa: FBT001  click passes flags by name
    """Let the fines of a batch go, so that the next export selects them afresh."""
    released = close.release_batch(get_engine(), batch, confirmed_not_received=confirm_not_received)
    click.echo(f"Batch {released.id} is released. Open again: {pluralize(released.fines, 'fine')}.")


@batches.command("confirm-delivered")
@click.argument("batch", type=int)
@click.confirmation_option(prompt="The bursar has said that the whole file has arrived?")
def confirm_delivered(batch: int) -> None:
    """Record that the bursar has the file of a batch whose delivery is unclear."""
    confirmed = upload.confirm_delivered(get_engine(), batch, by=getuser())
    click.echo(
        f"Batch {confirmed.id} is {confirmed.state}. Clear the task upload_file of its run, or leave it to the next "
        "run of the export: its fines are then closed."
    )


def _print_all(rows: Sequence[RowMapping]) -> None:
    table = Table("Batch", "Profile", "BatchState", "Selected (UTC)", "As of (UTC)", "File", box=None, padding=(0, 2))
    for heading in ("Fines", "Net", "Sent again"):
        table.add_column(heading, justify="right")
    for row in rows:
        batch = Batch.from_row(row)
        moments = (f"{moment:%Y-%m-%d %H:%M}" for moment in (batch.selected_at, batch.as_of))
        again = f"{row['sent_again']} x" if row["sent_again"] else ""
        counts = (f"{batch.fines:,}", format_totals(batch.net), again)
        names = sanitize(batch.profile), batch.state, *moments, sanitize(batch.file_name)
        table.add_row(str(batch.id), *names, *counts)
    console.print(table)


def _print_fines(verdicts: list[selection.FineDecision], of: int) -> None:
    if not verdicts:
        return
    table = Table("Fine", "User", "Identifier", "Type", "Created (UTC)", box=None, padding=(0, 2))
    table.add_column("Amount", justify="right")
    for verdict in verdicts:
        table.add_row(
            str(verdict.fine_id),
            sanitize(verdict.patron_name),
            sanitize(verdict.identifier or "none"),
            "reversal" if verdict.is_reversal else sanitize(verdict.fine_fee_type),
            f"{verdict.created_at:%Y-%m-%d %H:%M}",
            format_money(verdict.amount, verdict.currency),
        )
    console.print(table)
    if len(verdicts) < of:
        console.print(f"  ... and {of - len(verdicts):,} more; --limit shows them")
