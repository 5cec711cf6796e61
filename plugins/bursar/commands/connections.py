"""The bursars' servers, as commands open them, and `bin/bursar profiles test-connection`, which tries one out."""

import logging
import sys
from contextlib import AbstractContextManager

import click

from bursar.commands.context import get_profile, get_settings, strip_controls
from bursar.errors import MissingFolderError
from bursar.exports.probe_server import CONTENT, TEST_NAME, probe_looks, probe_upload, propose_settings
from bursar.ledger.batches import Batch
from bursar.money import pluralize
from bursar.profiles import Profile
from bursar.remote_files.base import RemoteFolder

_QUESTION = (
    f"To find out how the server treats uploads, Bursar can write a file of {len(CONTENT)} bytes into the output "
    f"folder. Its name is {TEST_NAME.format('<random>')}, with a dot before it if the server allows that: no name of "
    "an export. It is removed after a few seconds. A bursar's system that collects files whatever their name gets it, "
    "so warn the bursar first. Write the test file?"
)


@click.command("test-connection")
@click.argument("code")
@click.option(
    "--test-file/--no-test-file",
    default=None,
    help="Whether to find out by a small file how the server treats uploads. On a terminal you are asked; otherwise "
    "no file is written.",
)
def check_connection(code: str, test_file: bool | None) -> None:  # noqa: FBT001  click passes flags by name
    """Open the folders of a profile on the bursar's server, and count the files there.

    Proposes the settings below `export.upload` that suit the server. Changes nothing, unless you allow a small test
    file, which is removed again.
    """
    from bursar.airflow.connections import open_folder  # noqa: PLC0415  Airflow is slow to load

    logging.getLogger("paramiko").setLevel(logging.WARNING)  # its steps are of no use here
    profile, limits = get_profile(code), get_settings().server_limits
    if profile.export.active:
        path = profile.export.output_file_path
        try:
            with open_folder(profile.sftp_connection, path, may_create=False, limits=limits) as folder:
                click.echo(f"{code} exports to {_describe_folder(folder)}")
                _propose_settings(profile, folder, test_file=test_file)
        except MissingFolderError:
            click.echo(
                f"{code} reaches the server, but the folder {path} does not exist, or the account may not enter it. "
                "If it does not exist, the first export creates it."
            )
    if profile.import_.active:
        path = profile.import_.input_file_path
        with open_folder(profile.sftp_connection, path, may_create=False, limits=limits) as folder:
            click.echo(f"{code} imports from {_describe_folder(folder)}")


def open_batch_folder(batch: Batch) -> AbstractContextManager[RemoteFolder]:
    """Opens the folder on the bursar's server to which a batch is uploaded; it is not created."""
    from bursar.airflow.connections import open_folder  # noqa: PLC0415  Airflow is slow to load

    limits = get_settings().server_limits
    return open_folder(batch.sftp_connection, batch.output_file_path, may_create=False, limits=limits)


def print_remark(sentence: str) -> None:
    """Prints a sentence beside the output of a command."""
    click.echo(strip_controls(sentence), err=True)


def _describe_folder(folder: RemoteFolder) -> str:
    return f"{strip_controls(folder.address)}: {pluralize(sum(entry.is_regular for entry in folder.files()), 'file')}."


def _is_terminal() -> bool:
    return sys.stdin.isatty()


def _propose_settings(profile: Profile, folder: RemoteFolder, *, test_file: bool | None) -> None:
    probe = probe_looks(folder)
    if test_file is None:
        test_file = _is_terminal() and click.confirm(_QUESTION)
    try:
        if test_file:
            probe_upload(folder, probe)
    finally:
        for sentence in probe.sentences:
            click.echo(f"  {strip_controls(sentence)}")
        if probe.left_over:
            click.echo(f"  The test file {probe.left_over} was not removed: it is still there, or was collected.")
    if not probe.is_possible:
        return
    proposal = propose_settings(probe, profile.export.upload) if test_file or probe.settings else None
    if proposal:
        click.echo(f"  These settings suit the server; paste them into the profile:\n\n{proposal}\n")
    elif test_file:
        click.echo("  The profile's settings suit the server.")
    else:
        click.echo("  How it treats uploads was not tested; --test-file does, by a small file.")
