"""The bursars' servers, as commands open them, and `bin/bursar profiles test-connection`, which tries one out."""

import logging
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import click

from bursar.commands.context import get_profile, get_settings, strip_controls
from bursar.commands.output import format_option, print_result
from bursar.errors import MissingFolderError
from bursar.exports.bursar_folder import get_temporary_folder
from bursar.exports.probe_server import (
    CONTENT,
    TEST_NAME,
    probe_looks,
    probe_upload,
    propose_settings,
    render_settings,
)
from bursar.ledger.batches import Batch
from bursar.money import pluralize
from bursar.profiles import Profile
from bursar.remote_files.base import RemoteFolder

_QUESTION = (
    f"To find out how the server treats uploads, Bursar can write a file of {len(CONTENT)} bytes into the output "
    "folder, or into the folder for temporary names. Its name is "
    f"{TEST_NAME.format('<random>')}, with a dot before it if the server allows that: no name of an export. It is "
    "removed after a few seconds. A bursar's system that collects files whatever their name gets it, so warn the "
    "bursar first. Write the test file?"
)


@click.command("test-connection")
@click.argument("code")
@click.option(
    "--test-file/--no-test-file",
    default=None,
    help="Whether to find out by a small file how the server treats uploads. On a terminal you are asked; otherwise "
    "no file is written.",
)
@format_option
def check_connection(code: str, test_file: bool | None, output_format: str) -> None:  # noqa: FBT001  click passes flags by name
    """Open the folders of a profile on the bursar's server, and count the files there.

    Proposes the settings below `export.upload` that suit the server. Changes nothing, unless you allow a small test
    file, which is removed again.
    """
    from bursar.airflow.connections import open_folder  # noqa: PLC0415  Airflow is slow to load

    logging.getLogger("paramiko").setLevel(logging.WARNING)  # its steps are of no use here
    profile, limits = get_profile(code), get_settings().server_limits
    say = (lambda sentence: click.echo(strip_controls(sentence))) if output_format == "table" else print_remark
    records: list[dict[str, Any]] = []
    if profile.export.active:
        path = profile.export.output_file_path
        try:
            with open_folder(profile.sftp_connection, path, may_create=False, limits=limits) as folder:
                records.append(_count_files("export", folder))
                say(f"{code} exports to {_describe_folder(records[-1])}")
                records[-1] |= _propose_settings(profile, folder, say, test_file=test_file)
        except MissingFolderError:
            say(
                f"{code} reaches the server, but the folder {path} does not exist, or the account may not enter it. "
                "If it does not exist, the first export creates it."
            )
    for name, section in profile.inboxes.items():
        path, act = section.input_file_path, "imports" if name == "import" else "reads statements"
        with open_folder(profile.sftp_connection, path, may_create=False, limits=limits) as folder:
            records.append(_count_files(name, folder))
            say(f"{code} {act} from {_describe_folder(records[-1])}")
    print_result(output_format, records)


def open_batch_folder(batch: Batch) -> AbstractContextManager[RemoteFolder]:
    """Opens the folder on the bursar's server to which a batch is uploaded; it is not created."""
    from bursar.airflow.connections import open_folder  # noqa: PLC0415  Airflow is slow to load

    limits = get_settings().server_limits
    return open_folder(batch.sftp_connection, batch.output_file_path, may_create=False, limits=limits)


def print_remark(sentence: str) -> None:
    """Prints a sentence beside the output of a command."""
    click.echo(strip_controls(sentence), err=True)


def _count_files(section: str, folder: RemoteFolder) -> dict[str, Any]:
    count = sum(entry.is_regular for entry in folder.files())
    return {"section": section, "folder": folder.address, "files": count}


def _describe_folder(record: dict[str, Any]) -> str:
    return f"{record['folder']}: {pluralize(record['files'], 'file')}."


def _is_terminal() -> bool:
    return sys.stdin.isatty()


def _propose_settings(
    profile: Profile, folder: RemoteFolder, say: Callable[[str], None], *, test_file: bool | None
) -> dict[str, Any]:
    """Says how the server treats uploads, and returns the result: whether it was tested, and the settings proposed."""
    current, probe = profile.export.upload, probe_looks(folder)
    if test_file is None:
        test_file = _is_terminal() and click.confirm(_QUESTION, err=True)
    try:
        if test_file:
            probe_upload(folder, probe, temporary_folder=get_temporary_folder(current, profile.export.output_file_path))
    finally:
        for sentence in probe.sentences:
            say(f"  {sentence}")
        for name in probe.left_over:
            say(f"  The test file {name} was not removed: it is still there, or was collected.")
    proposed = propose_settings(probe, current) if probe.is_possible and (test_file or probe.settings) else current
    result = {
        "is_upload_tested": test_file,
        "is_upload_possible": probe.is_possible if test_file else None,
        "proposed_settings": proposed.model_dump(exclude_defaults=True) if proposed != current else None,
        "left_over": probe.left_over,
    }
    if not probe.is_possible:
        return result
    if proposed != current:
        say("  These settings suit the server; paste them into the profile:")
        for line in ("", *render_settings(proposed).splitlines(), ""):
            say(line)
    elif test_file:
        say("  The profile's settings suit the server.")
    else:
        say("  How it treats uploads was not tested; --test-file does, by a small file.")
    return result
