"""Probes the bursar's server: how it answers looks at files and, with a small test file, how it treats uploads."""

from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from secrets import token_hex
from time import sleep
from typing import Any, Literal

from bursar.errors import PermissionDeniedError, RemoteFolderError
from bursar.profiles.upload import UploadSettings
from bursar.remote_files.base import RemoteFolder

CONTENT = b"A test of Bursar, the library's program for fines. This is not an export. You may delete it.\n"
COLLECT_SECONDS = 3
"""How long the test file stays on the server before the second look, so that the server can collect it."""
TEST_NAME = "bursar-connection-test-{}.tmp"
"""The name of the test file. It is no name of an export: those begin with the code of a profile and end in .xml."""

Presence = Literal["there", "missing", "denied", "rejected"]


@dataclass
class Probe:
    """What a server does.

    `sentences` are for people, `settings` the values of the profile that differ from the defaults. `left_over` is the
    test file, if it could not be removed or was collected. `is_possible` is False if the account can't upload.
    """

    sentences: list[str] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    left_over: str | None = None
    is_possible: bool = True


def probe_looks(folder: RemoteFolder) -> Probe:
    """Finds out how the server answers a look at a missing file. Changes nothing."""
    probe = Probe()
    presence, size_error = _look(folder, TEST_NAME.format(token_hex(4)))
    if presence == "denied":
        probe.sentences.append("Asked for a missing file, the server answers that permission is denied.")
        probe.settings["denied_means_missing"] = True
    elif presence == "rejected":
        _forbid_looks(probe, f"The server does not let the account look for files ({size_error}).")
    elif size_error:
        probe.sentences.append(f"The server shows no sizes ({size_error}).")
        probe.settings["confirm_size"] = False
    else:
        probe.sentences.append("Asked for a missing file, the server answers that there is none.")
    return probe


def probe_upload(folder: RemoteFolder, probe: Probe, *, pause: Callable[[float], None] = sleep) -> None:
    """Finds out how the server treats an upload, by a small file that is removed again, and completes the probe."""
    name = TEST_NAME.format(token_hex(4))
    written = _write(folder, probe, f".{name}", name)
    if written is None:
        probe.sentences.append("The account can't upload into this folder.")
        probe.is_possible = False
        return
    probe.left_over = written
    pause(COLLECT_SECONDS)
    presence = _look_at_upload(folder, probe, written)
    if presence == "missing":
        probe.sentences.append("The server collects each upload immediately, whatever its name.")
        probe.settings |= {"method": "direct", "collected_immediately": True}
        return
    renamed = f"renamed-{name}"
    try:
        folder.rename(written, renamed, look=False)
    except RemoteFolderError as error:
        probe.sentences.append(f"The server renames no files ({error}).")
        probe.settings["method"] = "direct"
    else:
        probe.sentences.append("The server renames files.")
        probe.left_over = written = renamed
        _note_hidden(probe, presence)
    try:
        folder.delete(written)
    except RemoteFolderError as error:
        if presence in ("denied", "rejected") and written != renamed:
            probe.sentences.append(
                "After the upload the server lets the account neither look, rename nor delete. It may collect uploads "
                "immediately. Its acknowledgement of an upload is all that Bursar gets to know."
            )
            _forbid_looks(probe)
        else:
            probe.sentences.append(
                f"The account can't delete its files ({error}). After an upload that broke off, somebody has to remove "
                "its part."
            )
    else:
        probe.left_over = None
        _note_hidden(probe, presence)


def propose_settings(probe: Probe, current: UploadSettings) -> str | None:
    """Returns the section of the profile that suits the server, as YAML; None if that is what the profile says."""
    kept = current.model_dump(include={"previous_file", "previous_file_timeout_minutes", "suffix"})
    if current.method == "folder" and "method" not in probe.settings:
        kept |= {"method": "folder", "folder": current.folder}  # a person's choice, which was not tested
    proposed = UploadSettings.model_validate(kept | probe.settings)
    if proposed == current:
        return None
    lines = [
        f"    {name}: {('no', 'yes')[value] if isinstance(value, bool) else value}"
        for name, value in proposed.model_dump(exclude_defaults=True).items()
    ]
    return "\n".join(["export:", "  upload:" if lines else "  upload:      # blank: the defaults suit", *lines])


def _look(folder: RemoteFolder, name: str) -> tuple[Presence, RemoteFolderError | None]:
    """Returns what the server answers to a look, and the error if it shows no size."""
    try:
        return ("missing" if folder.size(name) is None else "there"), None
    except PermissionDeniedError as error:
        return "denied", error
    except RemoteFolderError as error:
        try:
            return ("there" if folder.exists(name) else "missing"), error
        except RemoteFolderError:
            return "rejected", error


def _write(folder: RemoteFolder, probe: Probe, hidden: str, plain: str) -> str | None:
    """Writes the test file under the first name that the server accepts; returns the name."""
    for name in (hidden, plain):
        try:
            folder.write(name, BytesIO(CONTENT), new=True)
        except RemoteFolderError as error:
            probe.sentences.append(f"The server rejects the name {name} ({error}).")
        else:
            if name == plain:
                probe.settings["method"] = "suffix"
            return name
    return None


def _look_at_upload(folder: RemoteFolder, probe: Probe, name: str) -> Presence:
    presence, error = _look(folder, name)
    if presence == "there":
        size = None if error else folder.size(name)
        if size != len(CONTENT):
            shown = "no size" if size is None else f"a size of {size}"
            probe.sentences.append(
                f"The server shows {shown} for a file of {len(CONTENT)} bytes. It may encrypt or convert files."
            )
            probe.settings["confirm_size"] = False
    return presence


def _note_hidden(probe: Probe, presence: Presence) -> None:
    """Notes that the server does not show a file that is there."""
    if presence in ("denied", "rejected") and probe.settings.get("look_before", True):
        _forbid_looks(probe, "The server does not let the account look at its own upload.")


def _forbid_looks(probe: Probe, sentence: str | None = None) -> None:
    probe.settings.pop("denied_means_missing", None)
    probe.settings |= {"look_before": False, "confirm_size": False}
    if sentence:
        probe.sentences.append(sentence)
