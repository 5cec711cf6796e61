"""Answers and listings that are larger than the limits, or contradict themselves."""

import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any, cast

import pytest
from paramiko import Channel, SFTPError, SSHException
from paramiko.sftp import CMD_ATTRS, CMD_HANDLE, CMD_NAME, CMD_STATUS

from bursar.errors import RemoteFolderError, TransientError
from bursar.remote_files.deadline import Deadline
from bursar.remote_files.ftp_client import FtpClient
from bursar.remote_files.sftp_client import BoundedSftpClient
from demo.servers import HOST
from tests.support.servers import RemoteServer, make_limits, serve_ftp

KILOBYTE = 1_000
LIMITS = make_limits(max_answer_kilobytes=2, timeout_seconds=1)


def test_a_folder_with_too_many_entries_is_an_error_that_names_the_limit(remote: RemoteServer) -> None:
    for number in range(30):
        (remote.disk / f"{number}.xml").touch()
    with (
        remote.open(limits=make_limits(max_listing_entries=29)) as folder,
        pytest.raises(RemoteFolderError, match=r"more than 29 entries, .*max_listing_entries"),
    ):
        list(folder.files())
    with remote.open(limits=make_limits(max_listing_entries=30)) as folder:
        assert len(list(folder.files())) == 30


def test_a_file_that_is_too_large_has_a_problem(remote: RemoteServer) -> None:
    (remote.disk / "large.xml").write_bytes(bytes(1_000_001))
    (remote.disk / "small.xml").write_bytes(bytes(1_000_000))
    with remote.open(limits=make_limits(max_file_megabytes=1)) as folder:
        problems = {entry.name: entry.problem for entry in folder.files()}
    assert problems == {
        "large.xml": "it has 1,000,001 bytes, and server_limits.max_file_megabytes in include/bursar.yaml allows "
        "1,000,000",
        "small.xml": None,
    }


@contextmanager
def serve_once(answer: bytes) -> Iterator[int]:
    """Sends an answer to the first client, again and again; yields the port."""
    with socket.create_server((HOST, 0)) as listener:

        def serve() -> None:
            client, _ = listener.accept()
            with client, suppress(OSError):
                while True:
                    client.sendall(answer)

        thread = Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
    thread.join()


@pytest.mark.parametrize("answer", [b"220-still more\r\n", b"220 " + b"x" * 100], ids=["lines", "one line"])
def test_an_ftp_answer_without_an_end_is_refused(answer: bytes) -> None:
    with serve_once(answer) as port, FtpClient(LIMITS) as client:
        with pytest.raises(Exception, match="the answer has more than 2,000 bytes"):
            client.connect(HOST, port)
        assert len(cast("Any", client.file)._received) < 100 * KILOBYTE  # noqa: SLF001


def packet(kind: int, body: bytes, size: int | None = None) -> bytes:
    return struct.pack(">IB", len(body) + 1 if size is None else size, kind) + body


def number(value: int) -> bytes:
    return struct.pack(">I", value)


HANDLE = packet(CMD_HANDLE, number(1) + number(1) + b"h")
NAMES = number(2) + number(2**32 - 1)


@pytest.mark.parametrize(
    ("answers", "step", "error"),
    [
        (packet(CMD_ATTRS, b"", size=2**24), lambda client: client.stat("."), SSHException),
        (packet(CMD_ATTRS, b"", size=0), lambda client: client.stat("."), SSHException),
        (packet(CMD_ATTRS, number(1) + number(2**31) + number(2**32 - 1)), lambda client: client.stat("."), SFTPError),
        (HANDLE + packet(CMD_NAME, NAMES), lambda client: list(client.list_entries()), SFTPError),
        (packet(CMD_STATUS, number(1) + number(4) + number(1) + b"\xff"), lambda client: client.stat("."), OSError),
    ],
    ids=["too large", "empty", "more attributes than bytes", "more names than bytes", "a message that is not UTF-8"],
)
def test_an_sftp_answer_that_contradicts_itself_is_an_error(
    answers: bytes, step: Callable[[BoundedSftpClient], object], error: type[Exception]
) -> None:
    ours, theirs = socket.socketpair()
    channel = SimpleNamespace(send=ours.send, recv=ours.recv, close=ours.close, closed=True, get_name=str)
    with ours, theirs:
        theirs.sendall(packet(2, number(3)) + answers)
        client = BoundedSftpClient(cast("Channel", channel), LIMITS, Deadline(1))
        with pytest.raises(error):
            step(client)


def test_a_line_of_a_listing_without_an_end_is_refused(tmp_path: Path) -> None:
    def send_line(handler: Any, _: str) -> None:
        handler.push_dtp_data(b"type=file;" + b"n" * 5_000, isproducer=False, cmd="MLSD")

    with (
        serve_ftp(tmp_path, ftp_MLSD=send_line) as remote,
        remote.open(limits=LIMITS) as folder,
        pytest.raises(RemoteFolderError, match="a line has more than 2,000 bytes"),
    ):
        list(folder.files())


def test_the_rest_of_a_refused_listing_is_not_taken_for_another_answer(remote: RemoteServer) -> None:
    for name in range(300):
        (remote.disk / f"{name}.xml").touch()
    with remote.open(limits=make_limits(max_listing_entries=20)) as folder:
        with pytest.raises(RemoteFolderError, match="more than 20 entries"):
            list(folder.files())
        with pytest.raises(TransientError):
            folder.size("1.xml")
