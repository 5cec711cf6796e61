"""Uploads to servers that deny looks, show other sizes, rename nothing or reject dot names, as the profile says."""

from contextlib import AbstractContextManager, suppress
from pathlib import Path

import pytest
from asyncssh import SFTPServer

from bursar.errors import BatchError, BursarError, RemoteFolderError, TransientError
from bursar.exports.close import close_fines
from bursar.exports.resend import resend_batch
from bursar.exports.upload import confirm_delivered, upload_file
from bursar.ledger.batches import Batch, BatchState
from bursar.profiles.upload import UploadSettings
from bursar.remote_files.base import RemoteFolder
from tests.support.export_server import ExportServer, get_state
from tests.support.fault_injection import KilledError
from tests.support.fixtures import Library
from tests.support.ftp_server import COMMANDS
from tests.support.odd_servers import (
    CollectsImmediately,
    DeniesMissingFiles,
    RejectsDotNames,
    RenamesNothing,
    ShowsNothing,
    ShowsOtherSizes,
    odd_server,
    received,
)
from tests.support.servers import serve_ftp

BLIND = {"look_before": False, "confirm_size": False}


@pytest.mark.parametrize(
    ("kind", "settings", "complaint"),
    [
        (DeniesMissingFiles, {"denied_means_missing": True}, "does not let us look"),
        (ShowsNothing, BLIND, "does not let us look"),
        (ShowsOtherSizes, {"confirm_size": False}, "write `confirm_size: no`"),
        (RenamesNothing, {"method": "direct"}, "does not let us rename"),
        (RejectsDotNames, {"method": "suffix"}, "does not let us write"),
        (RejectsDotNames, {"method": "folder", "folder": "incoming"}, "does not let us write"),
        (RejectsDotNames, {"method": "folder", "folder": "out/incoming"}, "does not let us write"),
    ],
)
def test_a_server_that_the_defaults_do_not_suit_gets_the_file_once_the_profile_describes_it(
    library: Library,
    selected: Batch,
    content: bytes,
    tmp_path: Path,
    kind: type[SFTPServer],
    settings: dict[str, object],
    complaint: str,
) -> None:
    with odd_server(kind, tmp_path) as server:
        for folder in ("incoming", "out/incoming"):
            (server.folder / folder).mkdir()
        with pytest.raises((RemoteFolderError, TransientError), match=complaint):
            upload_file(library.ledger, selected.id, server.open(), tmp_path)
        described = UploadSettings.model_validate(settings)
        assert upload_file(library.ledger, selected.id, server.open(), tmp_path, described).was_delivered
        assert [file.name for file in server.folder.rglob("*") if file.is_file()] == [selected.file_name]
        assert (server.folder / "out" / selected.file_name).read_bytes() == content


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("kill_at", range(4))  # write, rename; then the same again
def test_killed_anywhere_on_a_server_that_shows_nothing_it_arrives_once_or_a_person_is_asked(
    library: Library, selected: Batch, content: bytes, tmp_path: Path, kill_at: int, after: bool
) -> None:
    blind = UploadSettings.model_validate(BLIND)
    with odd_server(ShowsNothing, tmp_path) as server:
        with suppress(KilledError):
            upload_file(
                library.ledger, selected.id, server.open(kill_at=kill_at, after_the_call=after), tmp_path, blind
            )
        for _ in range(3):
            with suppress(BursarError):
                upload_file(library.ledger, selected.id, server.open(), tmp_path, blind)
        expected = {BatchState.DELIVERED: [[content]], BatchState.UNCLEAR: [[], [content]]}
        assert received(server) in expected[get_state(library, selected)]


@pytest.mark.parametrize(
    ("settings", "kill_at"),
    [
        *(({"method": "folder", "folder": "incoming"}, kill_at) for kill_at in range(8)),
        *(({"method": "suffix"}, kill_at) for kill_at in (1, 4)),  # the part is written, and renamed
    ],
)
def test_killed_anywhere_with_another_temporary_name_it_arrives_once(
    library: Library, selected: Batch, content: bytes, tmp_path: Path, settings: dict[str, object], kill_at: int
) -> None:
    described = UploadSettings.model_validate(settings)
    with odd_server(SFTPServer, tmp_path) as server:
        (server.folder / "incoming").mkdir()
        with suppress(KilledError):
            upload_file(
                library.ledger, selected.id, server.open(kill_at=kill_at, after_the_call=True), tmp_path, described
            )
        upload_file(library.ledger, selected.id, server.open(), tmp_path, described)
        assert received(server) == [content]
        assert not any((server.folder / "incoming").iterdir())


def test_a_direct_upload_follows_when_no_part_could_be_renamed(
    library: Library, selected: Batch, content: bytes, tmp_path: Path
) -> None:
    with odd_server(RenamesNothing, tmp_path) as server:
        with pytest.raises(RemoteFolderError, match="does not let us rename"):
            upload_file(library.ledger, selected.id, server.open(), tmp_path)
        assert get_state(library, selected) is BatchState.PART_COMPLETE
        direct = UploadSettings(method="direct")
        for _ in range(2):
            upload_file(library.ledger, selected.id, server.open(), tmp_path, direct)
        assert server.files() == {selected.file_name: content}


def test_an_ftp_server_without_the_command_size_is_looked_at_by_its_list_of_names(
    library: Library, selected: Batch, content: bytes, tmp_path: Path
) -> None:
    commands = {name: rule for name, rule in COMMANDS.items() if name != "SIZE"}
    with serve_ftp(tmp_path, proto_cmds=commands) as server:
        (server.disk / "out").mkdir()

        def open_folder(found: Batch) -> AbstractContextManager[RemoteFolder]:
            return server.open(found.output_file_path)

        with pytest.raises(RemoteFolderError, match="does not let us look"):
            upload_file(library.ledger, selected.id, open_folder, tmp_path)
        no_sizes = UploadSettings(confirm_size=False)
        assert upload_file(library.ledger, selected.id, open_folder, tmp_path, no_sizes).was_delivered
        assert [file.read_bytes() for file in (server.disk / "out").iterdir()] == [content]


@pytest.mark.parametrize(
    ("missing", "settings"),
    [
        ("RNFR", {"method": "direct"}),
        ("", {"method": "suffix"}),
        ("", {"method": "folder", "folder": "incoming"}),
    ],
)
def test_an_ftp_server_gets_the_file_by_each_method(
    library: Library, selected: Batch, content: bytes, tmp_path: Path, missing: str, settings: dict[str, object]
) -> None:
    commands = {name: rule for name, rule in COMMANDS.items() if name != missing}
    with serve_ftp(tmp_path, proto_cmds=commands) as server:
        for folder in ("out", "incoming"):
            (server.disk / folder).mkdir()

        def open_folder(found: Batch) -> AbstractContextManager[RemoteFolder]:
            return server.open(found.output_file_path)

        if missing:
            with pytest.raises(RemoteFolderError, match="does not let us rename"):
                upload_file(library.ledger, selected.id, open_folder, tmp_path)
        described = UploadSettings.model_validate(settings)
        assert upload_file(library.ledger, selected.id, open_folder, tmp_path, described).was_delivered
        assert [file.read_bytes() for file in server.disk.rglob("*") if file.is_file()] == [content]


def test_a_resend_gives_up_after_some_uploads_and_its_error_is_final(
    library: Library, selected: Batch, tmp_path: Path
) -> None:
    def resend(server: ExportServer, kill_at: int | None = None) -> None:
        resend_batch(
            library.ledger,
            "STUDENTS",
            selected.id,
            run_id="again",
            requested_by="lea",
            open_folder=server.open(kill_at=kill_at),
            work_dir=tmp_path,
        )

    with odd_server(SFTPServer, tmp_path) as server:
        upload_file(library.ledger, selected.id, server.open(), tmp_path)
        close_fines(library.ledger, selected.id)
        (server.folder / "out" / selected.file_name).unlink()
        for number in range(5):
            with pytest.raises(KilledError):
                resend(server, kill_at=1 + max(number, 1))  # when it writes, after it has looked for earlier parts
        with pytest.raises(BatchError, match="has begun to send batch 1 again 5 times") as raised:
            resend(server)
        assert not isinstance(raised.value, TransientError)
        assert received(server) == []


def test_what_a_person_confirmed_is_not_looked_at_again(
    library: Library, selected: Batch, content: bytes, tmp_path: Path
) -> None:
    with odd_server(CollectsImmediately, tmp_path) as server:
        with pytest.raises(BursarError):
            upload_file(library.ledger, selected.id, server.open(), tmp_path)
        confirm_delivered(library.ledger, selected.id, by="lea")
        assert upload_file(library.ledger, selected.id, server.open(), tmp_path).was_delivered
        assert len(received(server)) == 1
        assert content in received(server)
