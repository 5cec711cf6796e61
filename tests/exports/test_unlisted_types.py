"""Servers whose listing does not say which entries are files, and looks that are denied."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from pyftpdlib.filesystems import AbstractedFS

from bursar.errors import PreviousFileError, RemoteFolderError, UnclearDeliveryError
from bursar.exports.close import close_fines
from bursar.exports.selection import select_fines
from bursar.exports.upload import upload_file
from bursar.ledger.batches import Batch
from bursar.profiles.upload import UploadSettings
from bursar.remote_files.base import RemoteFolder
from tests.support.fault_injection import KilledError, KillSwitch
from tests.support.fixtures import NOW, Library, make_profile, make_settings
from tests.support.odd_servers import DropBox, ShowsNothing, odd_server, received
from tests.support.servers import serve_ftp


class TellsNoTypes(AbstractedFS):  # type: ignore[misc]  # pyftpdlib has no types
    """Lists entries without the fact `type`."""

    def format_mlsx(self, *arguments: object, **named: object) -> Iterator[bytes]:
        for line in super().format_mlsx(*arguments, **named):
            yield b";".join(fact for fact in line.split(b";") if not fact.startswith(b"type="))


def select(library: Library, run_id: str) -> Batch:
    library.fine()
    return select_fines(library.ledger, make_profile(), make_settings(), run_id=run_id, as_of=NOW)


def test_a_previous_file_counts_though_the_server_does_not_say_that_it_is_a_file(
    library: Library, tmp_path: Path
) -> None:
    with serve_ftp(tmp_path, abstracted_fs=TellsNoTypes) as server:
        (server.disk / "out").mkdir()

        def open_folder(found: Batch) -> AbstractContextManager[RemoteFolder]:
            return server.open(found.output_file_path)

        earlier = select(library, "run 1")
        upload_file(library.ledger, earlier.id, open_folder, tmp_path / "work")
        close_fines(library.ledger, earlier.id)
        following = select(library, "run 2")
        with pytest.raises(PreviousFileError, match=earlier.file_name):
            upload_file(
                library.ledger, following.id, open_folder, tmp_path / "work", UploadSettings(previous_file="fail")
            )
        assert [file.name for file in (server.disk / "out").iterdir()] == [earlier.file_name]


def test_a_denied_look_after_a_direct_upload_is_no_delivery(library: Library, tmp_path: Path) -> None:
    settings = UploadSettings(method="direct", denied_means_missing=True, confirm_size=False)
    found = select(library, "run 1")
    with odd_server(DropBox, tmp_path) as server:
        with pytest.raises(UnclearDeliveryError, match="then had no such file"):
            upload_file(library.ledger, found.id, server.open(), tmp_path, settings)
        assert len(received(server)) == 1
        collected = settings.model_copy(update={"collected_immediately": True})
        other = select(library, "run 2")
        assert upload_file(library.ledger, other.id, server.open(), tmp_path, collected).was_delivered


def test_a_file_of_another_is_not_removed_if_nothing_was_sent_and_nobody_can_look(
    library: Library, tmp_path: Path
) -> None:
    blind = UploadSettings(method="direct", look_before=False, confirm_size=False)
    found = select(library, "run 1")
    with odd_server(ShowsNothing, tmp_path) as server:
        kill_switch = KillSwitch(ATTEMPT_BEGUN, after=True)
        with pytest.raises(KilledError), kill_switch.watch_commits(library.ledger):
            upload_file(library.ledger, found.id, server.open(), tmp_path, blind)
        assert library.one("SELECT count(*) - count(first_block_at) FROM upload_attempts") == 1
        foreign = server.folder / "out" / found.file_name
        foreign.write_bytes(b"theirs")
        with pytest.raises(RemoteFolderError, match="does not let us write"):
            upload_file(library.ledger, found.id, server.open(), tmp_path, blind)
        assert foreign.read_bytes() == b"theirs"


ATTEMPT_BEGUN = 2
"""The commit that records the first attempt, counted from 0."""
