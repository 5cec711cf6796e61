"""SFTP servers that drop the connection or answer with an error, at every operation."""

import hashlib
from collections.abc import Callable
from io import BytesIO
from itertools import count

import pytest
from asyncssh import SFTPFailure, SFTPNoSuchFile, SFTPPermissionDenied, SFTPServer
from asyncssh.constants import FXP_EXTENDED_REPLY
from asyncssh.packet import SSHPacket, String
from asyncssh.sftp import SFTPLimits, SFTPServerHandler

from bursar.errors import RemoteFolderError, TransientError
from bursar.remote_files.base import RemoteFolder
from tests.support.servers import Faults, RemoteServer, make_limits

LARGE = b"<fine/>" * 500_000

CALLS: dict[str, Callable[[RemoteFolder], object]] = {
    "stat": lambda folder: folder.size("fines.xml"),
    "open": lambda folder: folder.write("new.xml", BytesIO(LARGE)),
    "write": lambda folder: folder.write("new.xml", BytesIO(LARGE)),
    "read": lambda folder: list(folder.read("fines.xml")),
    "rename": lambda folder: folder.rename("fines.xml", "new.xml"),
    "mkdir": lambda folder: folder.create_folder("processed"),
    "remove": lambda folder: folder.delete("fines.xml"),
    "scandir": lambda folder: list(folder.files()),
}


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("operation", CALLS)
def test_a_dropped_sftp_connection_is_a_transient_error(
    sftp_remote: RemoteServer, faults: Faults, operation: str, *, after: bool
) -> None:
    (sftp_remote.disk / "fines.xml").write_bytes(LARGE)
    with sftp_remote.open() as folder:
        faults.drop(operation, after=after)
        with pytest.raises(
            TransientError, match=r"^sftp://bursar\.example\.edu.*: the connection to the server failed"
        ):
            CALLS[operation](folder)
        with pytest.raises(TransientError):
            folder.size("fines.xml")


@pytest.mark.parametrize("operation", CALLS)
def test_a_refused_operation_is_an_error_for_a_person(
    sftp_remote: RemoteServer, faults: Faults, operation: str
) -> None:
    (sftp_remote.disk / "fines.xml").write_bytes(LARGE)
    with sftp_remote.open() as folder:
        faults.refuse(operation, SFTPPermissionDenied("not yours"))
        with pytest.raises(RemoteFolderError, match=r"^sftp://bursar\.example\.edu.* \(not yours\).* administrator"):
            CALLS[operation](folder)
        assert folder.size("fines.xml") == len(LARGE)


@pytest.mark.parametrize("skip", [0, 1, 50, len(LARGE) // (32 * 1024)])
def test_a_refused_write_of_any_block_is_an_error(sftp_remote: RemoteServer, faults: Faults, skip: int) -> None:
    with sftp_remote.open() as folder:
        faults.refuse("write", SFTPFailure("no space left on device"), skip=skip)
        with pytest.raises(RemoteFolderError, match=r"new\.xml: .*no space left on device"):
            folder.write("new.xml", BytesIO(LARGE))


BLOCK = 32 * 1024
BYTES = bytes(number * number % 251 for number in range(70 * BLOCK + 7))


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 63 * BLOCK + 1, len(BYTES)])
def test_a_file_of_any_size_is_read_with_prefetching(sftp_remote: RemoteServer, size: int) -> None:
    (sftp_remote.disk / "fines.xml").write_bytes(BYTES[:size])
    with sftp_remote.open() as folder:
        assert b"".join(folder.read("fines.xml")) == BYTES[:size]
        assert folder.size("fines.xml") == size


@pytest.mark.parametrize("skip", [0, 1, 2, 10, 40, 69])
def test_the_rest_of_a_short_block_is_requested(
    sftp_remote: RemoteServer, monkeypatch: pytest.MonkeyPatch, skip: int
) -> None:
    (sftp_remote.disk / "fines.xml").write_bytes(BYTES)
    original, calls = SFTPServer.read, count()

    def read(server: SFTPServer, file: object, offset: int, size: int) -> object:
        return original(server, file, offset, 1_000 if next(calls) == skip else size)

    monkeypatch.setattr(SFTPServer, "read", read)
    with sftp_remote.open() as folder:
        assert b"".join(folder.read("fines.xml")) == BYTES


@pytest.mark.parametrize("skip", [1, 2, 10, 69])
def test_a_refused_read_of_any_block_is_an_error(sftp_remote: RemoteServer, faults: Faults, skip: int) -> None:
    (sftp_remote.disk / "fines.xml").write_bytes(BYTES)
    with sftp_remote.open() as folder:
        faults.refuse("read", SFTPFailure("a bad sector"), skip=skip)
        with pytest.raises(RemoteFolderError, match=r"fines\.xml: .*a bad sector"):
            list(folder.read("fines.xml"))
        assert b"".join(folder.read("fines.xml")) == BYTES


def test_an_existing_file_is_checked_before_the_rename(sftp_remote: RemoteServer, faults: Faults) -> None:
    (sftp_remote.disk / "fines.xml").write_bytes(b"not collected yet")
    (sftp_remote.disk / ".part").write_bytes(b"new")
    with sftp_remote.open() as folder:
        faults.drop("rename")
        with pytest.raises(RemoteFolderError, match="there already"):
            folder.rename(".part", "fines.xml")


def test_a_file_that_appears_before_the_rename_is_not_replaced(sftp_remote: RemoteServer, faults: Faults) -> None:
    (sftp_remote.disk / "fines.xml").write_bytes(b"not collected yet")
    (sftp_remote.disk / ".part").write_bytes(b"new")
    with sftp_remote.open() as folder:
        faults.refuse("stat", SFTPNoSuchFile("not there yet"))
        with pytest.raises(RemoteFolderError, match="already exists"):
            folder.rename(".part", "fines.xml")
    assert (sftp_remote.disk / "fines.xml").read_bytes() == b"not collected yet"


def test_a_folder_that_another_run_has_just_created_is_used(sftp_remote: RemoteServer, faults: Faults) -> None:
    faults.refuse("mkdir", SFTPFailure("it is there"), after=True)
    with sftp_remote.open("alma/out", may_create=True) as folder:
        folder.write("fines.xml", BytesIO(b"fines"))
    assert (sftp_remote.disk / "alma" / "out" / "fines.xml").exists()


def test_the_error_of_a_folder_that_may_not_be_created_has_the_reason(
    sftp_remote: RemoteServer, faults: Faults
) -> None:
    faults.refuse("mkdir", SFTPPermissionDenied("not yours"))
    expected = r"bursar\.example\.edu/alma/out: the server does not let us create alma \(not yours\)"
    with pytest.raises(RemoteFolderError, match=expected), sftp_remote.open("alma/out", may_create=True):
        pass


def test_an_sftp_server_that_stops_answering_times_out(sftp_remote: RemoteServer, faults: Faults) -> None:
    with sftp_remote.open(limits=make_limits(timeout_seconds=1)) as folder:
        faults.stall("stat")
        with pytest.raises(TransientError, match="timed out"):
            folder.size("fines.xml")


def test_an_sftp_server_with_checksums_returns_the_sha256(
    sftp_remote: RemoteServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    (sftp_remote.disk / "fines.xml").write_bytes(LARGE)

    class Answer(SFTPLimits):
        """An answer of a type that asyncssh does not have."""

        def log(self, *_: object) -> None:
            """Logs nothing."""

        def encode(self) -> bytes:
            return String("check-file") + String("sha256") + hashlib.sha256(LARGE).digest()

    async def check_file(_: SFTPServerHandler, packet: SSHPacket) -> SFTPLimits:
        packet.get_string()  # the handle
        assert packet.get_string() == b"sha256"
        return Answer(0, 0, 0, 0)

    with sftp_remote.open() as folder:
        assert folder.sha256("fines.xml") is None
        monkeypatch.setitem(SFTPServerHandler._packet_handlers, b"check-file", check_file)  # noqa: SLF001
        assert folder.sha256("fines.xml") is None  # an OK without a checksum
        monkeypatch.setitem(SFTPServerHandler._return_types, b"check-file", FXP_EXTENDED_REPLY)  # noqa: SLF001
        assert folder.sha256("fines.xml") == hashlib.sha256(LARGE).hexdigest()
        assert folder.sha256("missing.xml") is None
