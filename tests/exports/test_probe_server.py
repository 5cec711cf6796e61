"""What `bin/bursar profiles test-connection` finds out about odd servers, and whether uploads then work."""

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from asyncssh import SFTPPermissionDenied, SFTPServer

from bursar.exports.probe_server import Probe, probe_looks, probe_upload, propose_settings, render_settings
from bursar.exports.selection import select_fines
from bursar.exports.upload import upload_file
from bursar.profiles.upload import DEFAULT_UPLOAD, UploadSettings
from tests.support.export_server import ExportServer
from tests.support.fixtures import NOW, Library, make_profile, make_settings
from tests.support.ftp_server import COMMANDS
from tests.support.odd_servers import (
    CollectsImmediately,
    DeniesMissingFiles,
    DropBox,
    RejectsDotNames,
    RenamesNothing,
    ShowsNothing,
    ShowsOtherSizes,
    odd_server,
    received,
)
from tests.support.servers import serve_ftp


class AcceptsNothing(SFTPServer):
    """Rejects uploads."""

    def open(self, *_: Any) -> Any:
        raise SFTPPermissionDenied("read-only")


class DeletesNothing(SFTPServer):
    """Rejects removals."""

    def remove(self, path: bytes) -> None:  # noqa: ARG002
        raise SFTPPermissionDenied("permission denied")


def probe(server: ExportServer, library: Library) -> Probe:
    """Probes the output folder of a server, as a person allows it."""
    library.fine()
    batch = select_fines(library.ledger, make_profile(), make_settings(), run_id="run 1", as_of=NOW)
    with server.open()(batch) as folder:
        found = probe_looks(folder)
        probe_upload(folder, found, pause=lambda _: None)
    return found


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (SFTPServer, {}),
        (DeniesMissingFiles, {"denied_means_missing": True}),
        (ShowsNothing, {"look_before": False, "confirm_size": False}),
        (ShowsOtherSizes, {"confirm_size": False}),
        (RenamesNothing, {"method": "direct"}),
        (RejectsDotNames, {"method": "suffix"}),
        (CollectsImmediately, {"method": "direct", "collected_immediately": True}),
        (DropBox, {"method": "direct", "look_before": False, "confirm_size": False}),
        (DeletesNothing, {}),
    ],
)
def test_the_proposed_settings_deliver_a_file_once(
    library: Library, tmp_path: Path, kind: type[SFTPServer], settings: dict[str, object]
) -> None:
    with odd_server(kind, tmp_path) as server:
        found = probe(server, library)
        assert found.is_possible
        assert found.settings == settings
        left = [file for folder in ("out", "taken") for file in (server.folder / folder).iterdir()]
        assert [file.name for file in left] == found.left_over
        assert bool(left) == (kind in (CollectsImmediately, DropBox, DeletesNothing))
        for file in left:
            file.unlink()
        proposed = propose_settings(found, DEFAULT_UPLOAD)
        assert (proposed == DEFAULT_UPLOAD) == (not settings)
        described = UploadSettings.model_validate(yaml.safe_load(render_settings(proposed))["export"]["upload"] or {})
        assert described == proposed
        for _ in range(2):
            assert upload_file(library.ledger, 1, server.open(), tmp_path, described).was_delivered
        assert len(received(server)) == 1


def test_a_folder_without_the_right_to_upload_has_no_settings(library: Library, tmp_path: Path) -> None:
    with odd_server(AcceptsNothing, tmp_path) as server:
        found = probe(server, library)
    assert not found.is_possible
    assert found.left_over == []
    assert found.sentences[-1] == "The account can't upload into this folder."


def test_a_person_is_asked_nothing_of_what_stays(library: Library, tmp_path: Path) -> None:
    """What the profile says for other reasons is kept."""
    current = UploadSettings(method="folder", folder="incoming", previous_file="wait", confirm_size=False)
    with odd_server(SFTPServer, tmp_path) as server:
        proposal = render_settings(propose_settings(probe(server, library), current))
    assert yaml.safe_load(proposal)["export"]["upload"] == {
        "method": "folder",
        "folder": "incoming",
        "previous_file": "wait",
    }


def test_a_server_that_the_defaults_suit_gets_a_blank_section() -> None:
    proposal = render_settings(propose_settings(Probe(), UploadSettings(method="direct")))
    assert yaml.safe_load(proposal) == {"export": {"upload": None}}


def test_an_ftp_server_without_sizes_is_recognised(tmp_path: Path) -> None:
    commands = {name: rule for name, rule in COMMANDS.items() if name != "SIZE"}
    with serve_ftp(tmp_path, proto_cmds=commands) as server, server.open() as folder:
        found = probe_looks(folder)
        probe_upload(folder, found, pause=lambda _: None)
        assert found.settings == {"confirm_size": False}
        folder.write("after.tmp", BytesIO(b""))
    assert [file.name for file in server.disk.iterdir()] == ["after.tmp"]
