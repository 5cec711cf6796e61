"""`bin/bursar batches`: exports as the ledger records them, and what a person decides about them."""

from pathlib import Path
from tempfile import TemporaryDirectory

import click
from sqlalchemy import RowMapping

from bursar.commands.batch_decisions import confirm_delivered, release_batch, repeat_upload
from bursar.commands.batch_fields import get_fields
from bursar.commands.context import ID, console, get_engine, sanitize
from bursar.commands.output import (
    format_moment,
    format_option,
    limit_option,
    make_table,
    print_data,
    print_facts,
    print_list,
    print_result,
    print_section,
    print_table,
    print_totals,
)
from bursar.db.queries import query
from bursar.exports.build import build_files
from bursar.exports.sent_file import get_name_of_content
from bursar.exports.skip_reason import SkipReason
from bursar.exports.unclear import describe_unclear_batch
from bursar.ledger.approvals import RejectionReason
from bursar.ledger.batches import Batch, BatchState, get_batch
from bursar.money import format_totals, pluralize
from bursar.page_names import Page
from bursar.reporting.batch_files import describe_files


@click.group()
def batches() -> None:
    """Exported fines and the files they are sent in."""


@batches.command("list")
@click.option("--all", "all_", is_flag=True, help="Also completed and released batches and dry runs.")
@limit_option
@format_option
def list_batches(all_: bool, limit: int, output_format: str) -> None:  # noqa: FBT001  click passes flags by name
    """List the batches that are not completed. No other export takes their fines. Changes nothing."""
    with get_engine().connect() as connection:
        parameters = {"unfinished_only": not all_, "limit": limit}
        rows = connection.execute(query("commands/list_batches"), parameters).mappings().all()
    none = "No batch has been selected yet." if all_ else "Every batch has been completed or released."
    if not print_list(output_format, rows, get_fields, none):
        return
    table = make_table(("Batch", "Profile", "State", "Selected (UTC)", "File"), ("Fines", "Net", "Resends"))
    for row in rows:
        batch = Batch.from_row(row)
        table.add_row(
            str(batch.id),
            sanitize(batch.profile),
            batch.state,
            format_moment(batch.selected_at),
            sanitize(batch.file_name),
            f"{batch.fines:,}",
            format_totals(batch.net).replace(", ", "\n") if batch.net else "",
            str(row["resends"] or ""),
        )
    print_table(table, ("Resends", "Selected (UTC)", "Net"))
    if not all_:
        console.print(
            "\nThe next export run of a profile completes its batches. So does clearing the failed task in Airflow."
        )
    for row in rows:
        _print_question(Batch.from_row(row), row)


@batches.command("show")
@click.argument("batch", type=ID)
@format_option
def show_batch(batch: int, output_format: str) -> None:
    """Show all that is known about a batch: state, file, amounts, skipped fines and why. Changes nothing."""
    with get_engine().connect() as connection:
        get_batch(connection, batch)  # or the error that there is none
        row = connection.execute(query("commands/get_batch"), {"batch_id": batch}).mappings().one()
        resends = connection.execute(query("commands/list_resends_of_batch"), {"batch_id": batch}).mappings().all()
        answers = connection.execute(query("commands/list_answers"), {"batch_id": batch}).mappings().all()
    if output_format != "table":
        print_data(
            output_format, get_fields(row) | {"answers": list(map(dict, answers)), "resends": list(map(dict, resends))}
        )
        return
    found = Batch.from_row(row)
    console.print(f"[bold]Batch {found.id}[/] of {sanitize(found.profile)}: [bold]{found.state}[/]")
    print_facts(
        {
            "Airflow run": found.run_id,
            "Triggered by": found.requested_by or "",
            "As of": f"{format_moment(found.as_of)} UTC",
            "Selected": f"{format_moment(found.selected_at)} UTC",
            "Delivered": f"{format_moment(found.delivered_at)} UTC" if found.delivered_at else "",
            "Confirmed by": row["confirmed_by"] or "",
            "Released by": row["released_by"] or "",
            "Closed": f"{format_moment(found.closed_at)} UTC" if found.closed_at else "",
            **dict(describe_files(found)),
            "Uploaded to": found.remote_folder or "",
            "Fines": f"{pluralize(found.fines, 'fine')} of {pluralize(found.users, 'user')}",
        }
    )
    print_totals(found.totals)
    print_section(
        ("Skipped because",),
        ("Users", "Fines", "Net"),
        [
            (
                SkipReason.describe(reason),
                f"{left.users:,}",
                f"{left.fines:,}",
                format_totals(left.net),
            )
            for reason, left in SkipReason.sort(found.skipped).items()
        ],
    )
    print_section(
        ("Answered (UTC)", "Approval", "By", "Without effect because"),
        (),
        [
            (
                format_moment(answer["answered_at"]),
                answer["answer"],
                answer["answered_by"] or "",
                RejectionReason.describe(answer["rejection"] or ""),
            )
            for answer in answers
        ],
    )
    print_section(
        ("Resent (UTC)", "State", "Requested by", "Uploaded to", "Files"),
        (),
        [
            (
                format_moment(resend["delivered_at"] or resend["requested_at"]),
                resend["state"],
                resend["requested_by"] or "",
                resend["remote_folder"] or "",
                resend["file_name"],
            )
            for resend in resends
        ],
    )
    _print_question(found, row)


@batches.command("build-file")
@click.argument("batch", type=ID)
@click.option(
    "--into",
    type=click.Path(exists=True, file_okay=False, writable=True, path_type=Path),
    default=Path(),
    help="The folder to write it to; the current one if not given.",
)
@format_option
def build_file_of_batch(batch: int, into: Path, output_format: str) -> None:
    """Write the files of a batch or a dry run to a folder, to look at. Sends nothing; the batch does not change.

    They are neither compressed nor encrypted, and their names have no ending such as .gz or .pgp.
    """
    engine = get_engine()
    with engine.connect() as connection:
        found = get_batch(connection, batch)
    folder = into.resolve()
    with TemporaryDirectory(dir=folder, prefix=".bursar-") as work_dir:
        built = [
            (file, file.path.replace(folder / get_name_of_content(found, file.number)))
            for file in build_files(engine, batch, Path(work_dir))
        ]
    rows, lines = [], []
    for file, path in built:
        fines = found.get_file(file.number).fines
        rows.append({"batch": batch, "path": str(path), "fines": fines, "size": file.size, "sha256": file.sha256})
        counts = f"{pluralize(fines, 'fine')}, {pluralize(file.size, 'byte')}"
        lines.append(f"{sanitize(str(path))}  ({counts}, SHA-256 {file.sha256})")
    print_result(output_format, rows[0] if len(rows) == 1 else rows, *lines)


for decision in (release_batch, confirm_delivered, repeat_upload):
    batches.add_command(decision)


def _print_question(batch: Batch, row: RowMapping) -> None:
    if row["approval_requested_at"]:
        console.print(
            f"\n[bold]Batch {batch.id} waits for approval since {format_moment(row['approval_requested_at'])} UTC. "
            f"Answer it under {Page.WAITING}, or in Airflow; no other run sends it.[/]"
        )
    if batch.state is BatchState.UNCLEAR:
        with get_engine().connect() as connection:
            console.print(f"\n[bold]{sanitize(describe_unclear_batch(connection, batch))}[/]")
