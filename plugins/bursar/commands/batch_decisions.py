"""`bin/bursar batches release`, `confirm-delivered` and `repeat-upload`: a person decides about an unfinished batch."""

from functools import partial

import click

from bursar.commands.batch_fields import read_fields
from bursar.commands.connections import open_batch_folder, print_remark
from bursar.commands.context import ID, get_engine, get_person, sanitize
from bursar.commands.output import format_option, print_result
from bursar.errors import BatchError
from bursar.exports import recover, repeat, upload
from bursar.exports.release_check import check_not_on_server
from bursar.ledger.batches import Batch, get_batch
from bursar.ledger.deliveries import DeliveryState
from bursar.money import pluralize


@click.command("release")
@click.argument("batch", type=ID)
@click.option(
    "--confirm-not-received",
    is_flag=True,
    help="Needed once the upload has begun: you have asked the bursar, who has not received the file.",
)
@click.option(
    "--despite-file",
    is_flag=True,
    help="Release although the file is still on the server: the bursar has confirmed not to use it.",
)
@format_option
def release_batch(batch: int, confirm_not_received: bool, despite_file: bool, output_format: str) -> None:  # noqa: FBT001  click passes flags by name
    """Release a batch that was not delivered, unless its file is on the server. The next export selects its fines."""
    engine = get_engine()
    with engine.connect() as connection:
        get_batch(connection, batch)  # or the error that there is none

    def look(found: Batch) -> None:
        check_not_on_server(engine, found, open_batch_folder, despite_file=despite_file, say=print_remark)

    released = recover.release_batch(
        engine, batch, confirmed_not_received=confirm_not_received, look=look, by=get_person()
    )
    print_result(
        output_format,
        read_fields(batch),
        f"Batch {released.id} has been released. Open again: {pluralize(released.fines, 'fine')}.",
    )


@click.command("confirm-delivered")
@click.argument("batch", type=ID)
@click.option("--yes", is_flag=True, help="Confirm without being asked.")
@format_option
def confirm_delivered(batch: int, yes: bool, output_format: str) -> None:  # noqa: FBT001  click passes flags by name
    """Record, with your name, that the bursar has received the file of an unclear batch.

    Of several files, these are the files whose upload has begun; the others are still uploaded.
    """
    engine = get_engine()
    with engine.connect() as connection:
        found = get_batch(connection, batch)
    upload.check_confirmable(found)
    if not yes:
        names = ", ".join(upload.list_confirmable_files(found)) if len(found.files) > 1 else "the whole file"
        click.confirm(f"Has the bursar confirmed that {sanitize(names)} has arrived?", abort=True, err=True)
    confirmed = upload.confirm_delivered(engine, batch, look=partial(_require_same_files, found), by=get_person())
    then = "closes its fines" if confirmed.was_delivered else "uploads its other files, and closes its fines"
    print_result(
        output_format,
        read_fields(batch),
        f"Batch {confirmed.id} is {confirmed.state}. The next export run of the profile {then}; clearing the task "
        "upload_file of its run does that immediately.",
    )


@click.command("repeat-upload")
@click.argument("batch", type=ID)
@click.option("--yes", is_flag=True, help="Confirm without being asked.")
@format_option
def repeat_upload(batch: int, yes: bool, output_format: str) -> None:  # noqa: FBT001  click passes flags by name
    """Record, with your name, that the bursar has not received an unclear file. The next upload sends it again.

    Other files of the batch that have been delivered are not sent again.
    """
    engine = get_engine()
    with engine.connect() as connection:
        found = get_batch(connection, batch)
    repeat.check_repeatable(found)
    if not yes:
        names = ", ".join(file.name for file in found.files if file.state is DeliveryState.UNCLEAR)
        click.confirm(f"Has the bursar confirmed not to have {sanitize(names)}?", abort=True, err=True)

    def look(unclear: Batch) -> None:
        _require_same_files(found, unclear)
        check_not_on_server(engine, unclear, open_batch_folder, only_unclear=True, say=print_remark)

    repeated = repeat.repeat_upload(engine, batch, look=look, by=get_person())
    print_result(
        output_format,
        read_fields(batch),
        f"Batch {repeated.id} is {repeated.state}. The next export run of the profile uploads what is missing and "
        "closes its fines; clearing the task upload_file of its run does that immediately.",
    )


def _require_same_files(asked: Batch, now: Batch) -> None:
    """Raises a BatchError if the files of a batch have changed since a person was asked about them."""
    if [file.state for file in asked.files] != [file.state for file in now.files]:
        raise BatchError(f"Batch {now.id} has changed since you were asked. Nothing was changed. Look at it again.")
