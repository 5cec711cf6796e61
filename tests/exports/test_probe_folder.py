"""What `bin/bursar profiles test-connection` finds out about a folder for temporary names."""

import os
from pathlib import Path
from typing import Any

import pytest
from asyncssh import SFTPPermissionDenied, SFTPServer

from bursar.exports.bursar_folder import get_temporary_folder
from bursar.exports.probe_server import Probe, probe_looks, probe_upload, propose_settings
from bursar.exports.selection import select_fines
from bursar.exports.upload import upload_file
from bursar.profiles.upload import UploadSettings
from tests.support.export_server import ExportServer
from tests.support.fixtures import NOW, Library, make_profile, make_settings
from tests.support.odd_servers import CollectsImmediately, odd_server, received

FOLDER = UploadSettings(method="folder", folder="incoming")


class HasTwoDisks(SFTPServer):
    """Renames no file into another folder."""

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        if os.path.dirname(oldpath) != os.path.dirname(newpath):  # noqa: PTH120
            raise SFTPPermissionDenied("cross-device link")
        super().rename(oldpath, newpath)


class ProtectsTheFolder(SFTPServer):
    """Rejects uploads into the folder for temporary names."""

    def open(self, path: bytes, *arguments: Any) -> Any:
        if b"incoming/" in path:
            raise SFTPPermissionDenied("permission denied")
        return super().open(path, *arguments)


class RejectsHiddenNames(HasTwoDisks):
    """And names that begin with a dot."""

    def open(self, path: bytes, *arguments: Any) -> Any:
        if os.path.basename(path).startswith(b"."):  # noqa: PTH119
            raise SFTPPermissionDenied("permission denied")
        return super().open(path, *arguments)


def probe(server: ExportServer, library: Library) -> Probe:
    """Probes the folder for temporary names beside the output folder of a server."""
    library.fine()
    batch = select_fines(library.ledger, make_profile(), make_settings(), run_id="run 1", as_of=NOW)
    with server.open()(batch) as folder:
        found = probe_looks(folder)
        path = get_temporary_folder(FOLDER, batch.output_file_path)
        probe_upload(folder, found, temporary_folder=path, pause=lambda _: None)
    return found


@pytest.mark.parametrize(
    ("kind", "proposed", "sentence"),
    [
        (SFTPServer, FOLDER, "The server renames files."),
        (HasTwoDisks, UploadSettings(), "The server renames no files from ../incoming into the output folder"),
        (ProtectsTheFolder, UploadSettings(), "The server rejects the name ../incoming/bursar-connection-test-"),
        (RejectsHiddenNames, UploadSettings(method="suffix"), "The server rejects the name .bursar-connection-test-"),
        (
            CollectsImmediately,
            UploadSettings(method="direct", collected_immediately=True),
            "The server collects each upload immediately, whatever its name.",
        ),
    ],
)
def test_a_folder_for_temporary_names_is_tried_out(
    library: Library, tmp_path: Path, kind: type[SFTPServer], proposed: UploadSettings, sentence: str
) -> None:
    with odd_server(kind, tmp_path) as server:
        (server.folder / "incoming").mkdir()
        found = probe(server, library)
        assert any(one.startswith(sentence) for one in found.sentences), found.sentences
        assert propose_settings(found, FOLDER) == proposed
        left = [file.name for folder in ("out", "incoming", "taken") for file in (server.folder / folder).iterdir()]
        assert left == [Path(name).name for name in found.left_over]
        for file in (server.folder / "taken").iterdir():
            file.unlink()
        assert upload_file(library.ledger, 1, server.open(), tmp_path, proposed).was_delivered
        assert len(received(server)) == 1


def test_a_folder_that_was_not_tested_stays_in_the_proposal() -> None:
    found = Probe(settings={"confirm_size": False})
    assert propose_settings(found, FOLDER) == FOLDER.model_copy(update={"confirm_size": False})
