"""Complete parts whose renaming was not requested, was rejected, was accepted, or has no known end."""

from collections.abc import Callable
from pathlib import Path

import pytest
from asyncssh import SFTPPermissionDenied, SFTPServer
from asyncssh.sftp import SFTPConnectionLost

from bursar.errors import BursarError, RemoteFolderError, TransientError, UnclearDeliveryError
from bursar.exports.recover import release_batch
from bursar.exports.selection import select_fines
from bursar.exports.upload import upload_file
from bursar.ledger.batches import Batch, BatchState
from bursar.profiles.upload import UploadSettings
from tests.support.export_server import ExportServer, get_state
from tests.support.fault_injection import KilledError, KillSwitch
from tests.support.fixtures import NOW, Library, make_profile, make_settings
from tests.support.odd_servers import DeniesMissingFiles, RenamesNothing, ShowsNothing, odd_server

BLIND = UploadSettings(look_before=False, confirm_size=False)
NO_SIZES = UploadSettings(confirm_size=False)
RECORDED_AS_COMPLETE = 4
"""The commit that records a part as complete, counted from 0."""
COLLECTED = UploadSettings(method="direct", collected_immediately=True)


class BreaksOffAfterRenaming(SFTPServer):
    """Renames a file, and ends the connection before its answer."""

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        super().rename(oldpath, newpath)
        self.connection.abort()
        raise SFTPConnectionLost("dropped for the test's sake")


class RejectsAfterRenaming(SFTPServer):
    """Renames a file, and answers that it did not."""

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        super().rename(oldpath, newpath)
        raise SFTPPermissionDenied("permission denied")


class Truncates(SFTPServer):
    """Has a part of a file after its renaming, like a server whose disk is full."""

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        super().rename(oldpath, newpath)
        Path(self.map_path(newpath).decode()).write_bytes(b"<")


@pytest.fixture
def selected(library: Library) -> Batch:
    library.fines(3)
    return select_fines(library.ledger, make_profile(), make_settings(), run_id="run 1", as_of=NOW)


def reason(library: Library) -> str:
    return library.one("SELECT unclear_reason FROM deliveries")  # type: ignore[no-any-return]


def empty(server: ExportServer) -> None:
    for file in (server.folder / "out").iterdir():
        file.unlink()


def part(server: ExportServer) -> Path:
    (found,) = (server.folder / "out").glob(".*")
    return found


def upload(
    library: Library, found: Batch, server: ExportServer, tmp_path: Path, settings: UploadSettings | None = None
) -> Batch:
    return upload_file(library.ledger, found.id, server.open(), tmp_path, settings or UploadSettings())


def check_person_decides(library: Library, found: Batch, repeat: Callable[[], Batch], expected: str) -> None:
    for _ in range(2):
        with pytest.raises(UnclearDeliveryError):
            repeat()
    assert (get_state(library, found), reason(library)) == (BatchState.UNCLEAR, expected)


def test_a_part_that_is_removed_after_a_rejected_renaming_is_unclear(
    library: Library, selected: Batch, tmp_path: Path
) -> None:
    with odd_server(RenamesNothing, tmp_path) as server:
        with pytest.raises(RemoteFolderError, match="does not let us rename"):
            upload(library, selected, server, tmp_path)
        empty(server)
        with pytest.raises(UnclearDeliveryError, match="under its temporary name, and has it no more"):
            upload(library, selected, server, tmp_path)
        check_person_decides(library, selected, lambda: upload(library, selected, server, tmp_path), "PART_GONE")
    release_batch(library.ledger, selected.id, confirmed_not_received=True)
    assert select_fines(library.ledger, make_profile(), make_settings(), run_id="run 2", as_of=NOW).fines == 3


def test_a_part_that_is_removed_before_its_renaming_was_requested_is_unclear(
    library: Library, bursar: ExportServer, selected: Batch, tmp_path: Path
) -> None:
    kill_switch = KillSwitch(RECORDED_AS_COMPLETE, after=True)
    with pytest.raises(KilledError), kill_switch.watch_commits(library.ledger):
        upload(library, selected, bursar, tmp_path)
    assert get_state(library, selected) is BatchState.PART_COMPLETE
    assert library.one("SELECT rename_requested_at FROM upload_attempts") is None
    empty(bursar)
    check_person_decides(library, selected, lambda: upload(library, selected, bursar, tmp_path), "PART_GONE")


def test_a_renaming_of_unknown_end_with_neither_name_left_is_unclear(
    library: Library, selected: Batch, tmp_path: Path
) -> None:
    with odd_server(BreaksOffAfterRenaming, tmp_path) as server:
        with pytest.raises(TransientError):
            upload(library, selected, server, tmp_path)
        empty(server)
        check_person_decides(library, selected, lambda: upload(library, selected, server, tmp_path), "RENAME_UNKNOWN")


def test_it_is_delivered_if_the_server_collects_immediately(library: Library, selected: Batch, tmp_path: Path) -> None:
    with odd_server(BreaksOffAfterRenaming, tmp_path) as server:
        with pytest.raises(TransientError):
            upload(library, selected, server, tmp_path)
        empty(server)
        assert upload(library, selected, server, tmp_path, COLLECTED).was_delivered


@pytest.mark.parametrize("settings", [UploadSettings(), NO_SIZES])
def test_a_renaming_of_unknown_end_is_delivered_if_the_final_name_is_there(
    library: Library, selected: Batch, content: bytes, tmp_path: Path, settings: UploadSettings
) -> None:
    with odd_server(BreaksOffAfterRenaming, tmp_path) as server:
        with pytest.raises(TransientError):
            upload(library, selected, server, tmp_path, settings)
        assert upload(library, selected, server, tmp_path, settings).was_delivered
        assert server.files() == {selected.file_name: content}


def test_an_accepted_renaming_is_delivered_though_the_bursar_was_quick(
    library: Library, bursar: ExportServer, selected: Batch, tmp_path: Path
) -> None:
    with pytest.raises(KilledError):  # when it looks at the renamed file
        upload_file(library.ledger, selected.id, bursar.open(kill_at=5), tmp_path)
    assert library.one("SELECT rename_accepted FROM upload_attempts") is True
    empty(bursar)
    assert upload(library, selected, bursar, tmp_path).was_delivered


def test_a_renamed_file_with_other_bytes_is_unclear_even_if_it_is_removed_then(
    library: Library, selected: Batch, tmp_path: Path
) -> None:
    with odd_server(Truncates, tmp_path) as server:
        with pytest.raises(UnclearDeliveryError, match="another size or other bytes"):
            upload(library, selected, server, tmp_path)
        empty(server)
        check_person_decides(library, selected, lambda: upload(library, selected, server, tmp_path), "CHANGED")


def test_a_rejection_after_the_renaming_is_no_rejection(
    library: Library, selected: Batch, content: bytes, tmp_path: Path
) -> None:
    with odd_server(RejectsAfterRenaming, tmp_path) as server:
        assert upload(library, selected, server, tmp_path).was_delivered
        assert server.files() == {selected.file_name: content}


def test_a_foreign_file_beside_a_part_is_never_replaced_or_counted(
    library: Library, selected: Batch, tmp_path: Path
) -> None:
    with odd_server(RenamesNothing, tmp_path) as server:
        with pytest.raises(RemoteFolderError):
            upload(library, selected, server, tmp_path, NO_SIZES)
        foreign = server.folder / "out" / selected.file_name
        foreign.write_bytes(b"theirs")
        for _ in range(2):
            with pytest.raises(RemoteFolderError, match="never replaced"):
                upload(library, selected, server, tmp_path, NO_SIZES)
        part(server).unlink()
        check_person_decides(
            library, selected, lambda: upload(library, selected, server, tmp_path, NO_SIZES), "PART_GONE"
        )
        assert foreign.read_bytes() == b"theirs"


def test_a_part_that_an_administrator_renames_is_delivered(
    library: Library, selected: Batch, content: bytes, tmp_path: Path
) -> None:
    with odd_server(RenamesNothing, tmp_path) as server:
        with pytest.raises(RemoteFolderError):
            upload(library, selected, server, tmp_path)
        part(server).rename(server.folder / "out" / selected.file_name)
        assert upload(library, selected, server, tmp_path).was_delivered
        assert server.files() == {selected.file_name: content}


@pytest.mark.parametrize(
    ("kind", "settings"), [(DeniesMissingFiles, UploadSettings(denied_means_missing=True)), (ShowsNothing, BLIND)]
)
def test_a_removed_part_is_unclear_if_nobody_can_look(
    library: Library, selected: Batch, tmp_path: Path, kind: type[SFTPServer], settings: UploadSettings
) -> None:
    class Rejects(kind, RenamesNothing):  # type: ignore[misc, valid-type]
        """Rejects each renaming, too."""

    with odd_server(Rejects, tmp_path) as server:
        with pytest.raises(BursarError):
            upload(library, selected, server, tmp_path, settings)
        empty(server)
        with pytest.raises(UnclearDeliveryError):
            upload(library, selected, server, tmp_path, settings)
    assert get_state(library, selected) is BatchState.UNCLEAR
