"""Probes the bursar's server: how it answers looks at files and, with a small test file, how it treats uploads."""

import posixpath
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

    `sentences` are for people, `settings` the values of the profile that differ from the defaults. `left_over` are the
    test files that could not be removed or were collected. `is_possible` is False if the account can't upload.
    """

    sentences: list[str] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    left_over: list[str] = field(default_factory=list)
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


def probe_upload(
    folder: RemoteFolder,
    probe: Probe,
    *,
    temporary_folder: str | None = None,
    pause: Callable[[float], None] = sleep,
) -> None:
    """Finds out how the server treats an upload, by a small file that is removed again, and completes the probe.

    `temporary_folder` is the folder for temporary names of the profile, as a path from `folder`; it is tried first.
    """
    name = TEST_NAME.format(token_hex(4))
    if temporary_folder is not None:
        path = posixpath.join(temporary_folder, name)
        if _write(folder, probe, path) and _probe_file(folder, probe, path, pause):
            return
        probe.settings["method"] = "dot"
    if _write(folder, probe, f".{name}"):
        name = f".{name}"
    elif _write(folder, probe, name):
        probe.settings["method"] = "suffix"
    else:
        probe.sentences.append("The account can't upload into this folder.")
        probe.is_possible = False
        return
    if not _probe_file(folder, probe, name, pause):
        probe.settings["method"] = "direct"


def propose_settings(probe: Probe, current: UploadSettings) -> UploadSettings:
    """Returns the settings that suit the server: those of the profile, with what the probe has found out."""
    kept = current.model_dump(include={"previous_file", "previous_file_timeout_minutes", "suffix"})
    if current.method == "folder" and "method" not in probe.settings:
        kept |= {"method": "folder", "folder": current.folder}
    return UploadSettings.model_validate(kept | probe.settings)


def render_settings(proposed: UploadSettings) -> str:
    """Returns settings as the section of a profile, in YAML."""
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


def _write(folder: RemoteFolder, probe: Probe, path: str) -> bool:
    """Writes the test file; returns whether the server accepts the path."""
    try:
        folder.write(path, BytesIO(CONTENT), new=True)
    except RemoteFolderError as error:
        probe.sentences.append(f"The server rejects the name {path} ({error}).")
        return False
    probe.left_over.append(path)
    return True


def _probe_file(folder: RemoteFolder, probe: Probe, path: str, pause: Callable[[float], None]) -> bool:
    """Looks at the test file, renames it into the folder and removes it; returns False if it can't be renamed."""
    pause(COLLECT_SECONDS)
    presence = _look_at_upload(folder, probe, path)
    if presence == "missing":
        probe.sentences.append("The server collects each upload immediately, whatever its name.")
        probe.settings |= {"method": "direct", "collected_immediately": True}
        return True
    written, renamed = path, f"renamed-{posixpath.basename(path).removeprefix('.')}"
    try:
        folder.rename(path, renamed, look=False)
    except RemoteFolderError as error:
        source = f"from {posixpath.dirname(path)} into the output folder " if "/" in path else ""
        probe.sentences.append(f"The server renames no files {source}({error}).")
    else:
        probe.sentences.append("The server renames files.")
        written = probe.left_over[-1] = renamed
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
        probe.left_over.pop()
        _note_hidden(probe, presence)
    return written == renamed


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
