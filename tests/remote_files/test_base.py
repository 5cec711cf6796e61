"""Remote folders on every kind of server: SFTP, FTP and FTPS.

The module is long because every operation is tested on every kind of server.
"""

import gc
import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import PurePosixPath

import pytest
from asyncssh.constants import FXP_CLOSE
from asyncssh.packet import SSHPacket
from asyncssh.sftp import SFTPServerHandler

from bursar.errors import RemoteFolderError, TransientError
from bursar.remote_files import ftp
from bursar.remote_files.base import RemoteFolder
from tests.support.ftp_server import FTPHandler
from tests.support.servers import RemoteServer

CALLS: dict[str, Callable[[RemoteFolder, str], object]] = {
    "size": lambda folder, name: folder.size(name),
    "write": lambda folder, name: folder.write(name, BytesIO(b"")),
    "rename": lambda folder, name: folder.rename(name, "new.xml"),
    "rename to": lambda folder, name: folder.rename("old.xml", name),
    "move": lambda folder, name: folder.move(f"processed/{name}", "new.xml"),
    "move to": lambda folder, name: folder.move("old.xml", f"processed/{name}"),
    "move into": lambda folder, name: folder.move("old.xml", f"{name}/new.xml"),
    "create folder": lambda folder, name: folder.create_folder(name),
    "entry": lambda folder, name: folder.entry(f"processed/{name}"),
    "delete": lambda folder, name: folder.delete(name),
    "read": lambda folder, name: list(folder.read(f"processed/{name}")),
}


def test_a_large_file_is_written_and_read_unchanged(remote: RemoteServer) -> None:
    content = b"".join(hashlib.sha256(str(n).encode()).digest() for n in range(5 * 1024 * 1024 // 32)) + b"\r\n\x00end"
    with remote.open() as folder:
        folder.write("fines.xml", BytesIO(content))
        assert folder.size("fines.xml") == len(content)
        assert b"".join(folder.read("fines.xml")) == content
    assert (remote.disk / "fines.xml").read_bytes() == content


def test_a_file_of_any_size_is_written_and_read_unchanged(remote: RemoteServer) -> None:
    with remote.open() as folder:
        for size in (0, 1, 32 * 1024 - 1, 32 * 1024, 32 * 1024 + 1):
            folder.write(f"{size}.xml", BytesIO(b"x" * size))
            assert folder.size(f"{size}.xml") == size
            assert b"".join(folder.read(f"{size}.xml")) == b"x" * size


def test_an_existing_part_is_overwritten(remote: RemoteServer) -> None:
    with remote.open() as folder:
        folder.write(".fines.xml.part", BytesIO(b"a longer first attempt"))
        folder.write(".fines.xml.part", BytesIO(b"the second"))
    assert (remote.disk / ".fines.xml.part").read_bytes() == b"the second"


def test_a_stream_is_written_from_its_position(remote: RemoteServer) -> None:
    source = BytesIO(b"head,rest")
    source.seek(5)
    with remote.open() as folder:
        folder.write("fines.xml", source)
    assert (remote.disk / "fines.xml").read_bytes() == b"rest"


def test_each_block_is_reported(remote: RemoteServer) -> None:
    content = bytes(range(256)) * 1_000
    written: list[bytes] = []
    with remote.open() as folder:
        folder.write("fines.xml", BytesIO(content), written.append)
    assert b"".join(written) == content
    assert len(written) > 2


def test_a_missing_file_has_no_size(remote: RemoteServer) -> None:
    (remote.disk / "fines.xml.old").write_bytes(b"")
    with remote.open() as folder:
        assert folder.size("fines.xml") is None
        assert folder.size("fines.xml.old") == 0


def test_the_size_of_a_file_in_a_removed_folder_is_an_error(remote: RemoteServer) -> None:
    (remote.disk / "out").mkdir()
    with remote.open("out") as folder:
        (remote.disk / "out").rmdir()
        with pytest.raises(RemoteFolderError):
            folder.size("fines.xml")


def test_a_renamed_file_has_only_its_new_name(remote: RemoteServer) -> None:
    (remote.disk / ".fines.xml.part").write_bytes(b"fines")
    with remote.open() as folder:
        folder.rename(".fines.xml.part", "fines.xml")
    assert [file.name for file in remote.disk.iterdir()] == ["fines.xml"]


def test_a_rename_never_replaces_a_file(remote: RemoteServer) -> None:
    (remote.disk / ".fines.xml.part").write_bytes(b"new")
    (remote.disk / "fines.xml").write_bytes(b"not collected yet")
    with (
        remote.open() as folder,
        pytest.raises(RemoteFolderError, match=r"bursar\.example\.edu/fines\.xml: .* there already"),
    ):
        folder.rename(".fines.xml.part", "fines.xml")
    assert (remote.disk / "fines.xml").read_bytes() == b"not collected yet"
    assert (remote.disk / ".fines.xml.part").read_bytes() == b"new"


@pytest.mark.parametrize("exists", [False, True])
def test_a_file_is_moved_into_a_subfolder_that_is_created_if_missing(remote: RemoteServer, exists: bool) -> None:
    (remote.disk / "in").mkdir()
    (remote.disk / "in" / "paid.xml").write_bytes(b"paid")
    if exists:
        (remote.disk / "in" / "processed").mkdir()
    with remote.open("in") as folder:
        folder.create_folder("processed")
        folder.move("paid.xml", "processed/paid.xml")
        assert [file.name for file in folder.files()] == ["processed"]
        assert b"".join(folder.read("processed/paid.xml")) == b"paid"
        folder.move("processed/paid.xml", "back.xml")
    assert (remote.disk / "in" / "back.xml").read_bytes() == b"paid"


def test_a_move_never_replaces_a_file(remote: RemoteServer) -> None:
    (remote.disk / "processed").mkdir()
    (remote.disk / "paid.xml").write_bytes(b"2")
    (remote.disk / "processed" / "paid.xml").write_bytes(b"1")
    with remote.open() as folder:
        with pytest.raises(RemoteFolderError, match=r"bursar\.example\.edu/processed/paid\.xml: .* there already"):
            folder.move("paid.xml", "processed/paid.xml")
        with pytest.raises(RemoteFolderError, match=r"bursar\.example\.edu/paid\.xml: .* there already"):
            folder.move("processed/paid.xml", "paid.xml")
    assert ((remote.disk / "paid.xml").read_bytes(), (remote.disk / "processed" / "paid.xml").read_bytes()) == (
        b"2",
        b"1",
    )


def test_a_file_in_place_of_a_folder_is_an_error(remote: RemoteServer) -> None:
    (remote.disk / "processed").write_bytes(b"a file, not a folder")
    with remote.open() as folder:
        with pytest.raises(RemoteFolderError, match=r"bursar\.example\.edu: .*create processed"):
            folder.create_folder("processed")
        assert folder.size("processed") == 20


@pytest.mark.parametrize("path", ["paid.xml", "processed/Gebühren für Ωmega.xml"])
def test_the_entry_of_a_file_equals_that_of_the_listing(remote: RemoteServer, path: str) -> None:
    (remote.disk / "processed").mkdir()
    (remote.disk / path).write_bytes(b"paid")
    os.utime(remote.disk / path, (1_767_225_601.75,) * 2)
    with remote.open(str(PurePosixPath(path).parent)) as parent:
        (listed,) = (file for file in parent.files() if file.name != "processed")
    with remote.open() as folder:
        assert folder.entry(path) == listed
        assert listed.modified == datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)
        entry = folder.entry("processed")
        assert entry is not None
        assert not entry.is_regular


def test_a_missing_file_has_no_entry(remote: RemoteServer) -> None:
    (remote.disk / "processed").mkdir()
    with remote.open() as folder:
        for path in ("missing.xml", "processed/missing.xml", "missing/paid.xml"):
            assert folder.entry(path) is None


def test_a_deleted_file_is_missing(remote: RemoteServer) -> None:
    (remote.disk / "fines.xml").write_bytes(b"fines")
    with remote.open() as folder:
        folder.delete("fines.xml")
        assert folder.size("fines.xml") is None


def test_a_call_with_a_missing_file_is_an_error(remote: RemoteServer) -> None:
    with remote.open() as folder:
        for call in ("rename", "move", "delete", "read"):
            with pytest.raises(RemoteFolderError, match=r"bursar\.example\.edu/.*fines\.xml: .*"):
                CALLS[call](folder, "fines.xml")


@pytest.mark.parametrize("call", CALLS)
def test_a_name_with_path_parts_or_control_characters_is_an_error(sftp_remote: RemoteServer, call: str) -> None:
    (sftp_remote.disk / "old.xml").write_bytes(b"")
    with sftp_remote.open() as folder:
        for name in ("", ".", "..", "out/../fines.xml", "/fines.xml", "..\\fines.xml", "fines\r\nDELE x", "a\0b"):
            with pytest.raises(RemoteFolderError, match="no plain file name"):
                CALLS[call](folder, name)


def test_a_file_may_have_any_plain_name(remote: RemoteServer) -> None:
    with remote.open() as folder:
        for name in ("BAN-1.xml", ".BAN.xml.part", "fines of today.xml", "Gebühren-für-Ωmega.xml", "a..b"):
            folder.write(name, BytesIO(b"fines"))
            assert folder.size(name) == 5
            assert name in [file.name for file in folder.files()]
            assert (remote.disk / name).exists()


def test_a_listing_has_size_time_and_kind_of_each_entry(remote: RemoteServer) -> None:
    (remote.disk / "paid.xml").write_bytes(b"12345")
    (remote.disk / "processed").mkdir()
    with remote.open() as folder:
        found = {file.name: file for file in folder.files()}
    assert {name: file.is_regular for name, file in found.items()} == {"paid.xml": True, "processed": False}
    assert found["paid.xml"].size == 5
    assert abs(datetime.now(UTC) - found["paid.xml"].modified) < timedelta(minutes=1)


def test_an_empty_folder_lists_nothing(remote: RemoteServer) -> None:
    with remote.open() as folder:
        assert list(folder.files()) == []


def test_reading_can_be_stopped_early(remote: RemoteServer) -> None:
    (remote.disk / "fines.xml").write_bytes(b"x" * 5_000_000)
    with remote.open() as folder:
        blocks = folder.read("fines.xml")
        next(blocks)
        blocks.close()
        assert folder.size("fines.xml") == 5_000_000


def test_a_missing_folder_is_created_with_its_parents(remote: RemoteServer) -> None:
    (remote.disk / "alma").mkdir()
    with remote.open("alma/bursar/out", may_create=True) as folder:
        folder.write("fines.xml", BytesIO(b"fines"))
        assert folder.address.endswith("://bursar.example.edu/alma/bursar/out")
    assert (remote.disk / "alma" / "bursar" / "out" / "fines.xml").exists()


def test_an_existing_folder_is_used(remote: RemoteServer) -> None:
    (remote.disk / "alma").mkdir()
    with remote.open("alma", may_create=True) as folder:
        folder.write("fines.xml", BytesIO(b"fines"))
    with remote.open("/alma", may_create=False) as folder:
        assert folder.size("fines.xml") == 5


def test_a_missing_folder_is_an_error_unless_it_may_be_created(remote: RemoteServer) -> None:
    with (
        pytest.raises(RemoteFolderError, match=r"bursar\.example\.edu/alma/out: there is no such folder"),
        remote.open("alma/out"),
    ):
        pass
    assert list(remote.disk.iterdir()) == []


def test_a_folder_that_cannot_be_created_is_an_error(remote: RemoteServer) -> None:
    (remote.disk / "alma").write_bytes(b"a file, not a folder")
    with (
        pytest.raises(RemoteFolderError, match=r"bursar\.example\.edu/alma/out: "),
        remote.open("alma/out", may_create=True),
    ):
        pass


def test_a_file_in_place_of_the_folder_is_an_error(remote: RemoteServer) -> None:
    (remote.disk / "alma").write_bytes(b"")
    with pytest.raises(RemoteFolderError, match=r"bursar\.example\.edu/alma: "), remote.open("alma", may_create=True):
        pass


class BrokenError(Exception):
    """A local error during an upload."""


class BrokenFile(BytesIO):
    """A file whose first 100,000 bytes can be read."""

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() > 100_000:
            raise BrokenError
        return super().read(size)


@pytest.mark.parametrize("size", [0, 300_000])
def test_an_upload_with_a_local_error_is_incomplete_for_the_server(
    remote: RemoteServer, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete: list[str] = []
    monkeypatch.setattr(ftp, "ABORT_SECONDS", 0.1)  # the server answers once if no byte of the upload has arrived
    monkeypatch.setattr(FTPHandler, "on_file_received", lambda _, file: complete.append(file))
    original = SFTPServerHandler._process_close  # noqa: SLF001

    async def record_close(handler: SFTPServerHandler, packet: SSHPacket) -> None:
        complete.append("closed")
        await original(handler, packet)

    monkeypatch.setitem(SFTPServerHandler._packet_handlers, FXP_CLOSE, record_close)  # noqa: SLF001
    source = BrokenFile(bytes(size))
    if not size:
        source.seek(100_001)
    with suppress(OSError, EOFError), remote.open() as folder:
        with pytest.raises(BrokenError):
            folder.write("new.xml", source)
        with suppress(TransientError):  # an FTP connection has ended
            folder.delete("new.xml")
    gc.collect()
    assert complete == []
    with remote.open() as folder:
        folder.write("whole.xml", BytesIO(bytes(300_000)))
        assert folder.size("whole.xml") == 300_000
    assert len(complete) == 1
