"""Servers that remove each file after its first download."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, cast

import pytest
from asyncssh import SFTPServer, SSHServerChannel

from tests.support.fixtures import Library
from tests.support.payment_inbox import PaymentInbox
from tests.support.servers import serve_ftp, serve_sftp

Hook = Callable[[Path], object]


class ReadOnceServer(SFTPServer):
    """An SFTP server that removes a file when it is closed, if it was read to its end."""

    on_removal: Hook = staticmethod(lambda _path: None)

    def __init__(self, channel: SSHServerChannel[bytes], chroot: bytes) -> None:
        super().__init__(channel, chroot)
        self._at_end: set[object] = set()

    def read(self, file_obj: object, offset: int, size: int) -> bytes:
        block = cast("bytes", super().read(file_obj, offset, size))
        if len(block) < size:
            self._at_end.add(file_obj)
        return block

    def close(self, file_obj: object) -> None:
        super().close(file_obj)
        if file_obj in self._at_end:
            path = Path(os.fsdecode(cast("IO[bytes]", file_obj).name))
            path.unlink()
            self.on_removal(path)


@pytest.fixture
def on_removal() -> list[Hook]:
    """The functions that a mailbox calls with the path of a file that it has removed."""
    return []


@pytest.fixture(params=["sftp", "ftp"])
def mailbox(
    request: pytest.FixtureRequest, library: Library, tmp_path: Path, on_removal: list[Hook]
) -> Iterator[PaymentInbox]:
    """Runs a test with the bursar's folder on servers that remove each file after the first download."""

    def removed(path: Path) -> None:
        for hook in on_removal:
            hook(path)

    def sent(_handler: object, name: str) -> None:
        Path(name).unlink()
        removed(Path(name))

    server = type("Server", (ReadOnceServer,), {"on_removal": staticmethod(removed)})
    with serve_sftp(tmp_path, server) if request.param == "sftp" else serve_ftp(tmp_path, on_file_sent=sent) as remote:
        yield PaymentInbox(library, remote, tmp_path / "staging")
