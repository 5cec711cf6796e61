"""SFTP servers that treat uploads in ways that were seen at real sites."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from asyncssh import SFTPAttrs, SFTPFailure, SFTPPermissionDenied, SFTPServer
from asyncssh.constants import FXF_WRITE
from asyncssh.sftp import SFTPConnectionLost

from demo.servers import Account, Files, sftp_server
from tests.support.export_server import ExportServer


class CollectsImmediately(SFTPServer):
    """Moves each upload into the folder `taken` as soon as it is closed, as managed transfer does."""

    def close(self, file_obj: object) -> None:
        super().close(file_obj)
        name = Path(os.fsdecode(file_obj.name))  # type: ignore[attr-defined]
        if file_obj.mode != "rb":  # type: ignore[attr-defined]
            name.rename(name.parents[1] / "taken" / name.name)


class DeniesMissingFiles(SFTPServer):
    """Answers "permission denied" when it is asked for a file that is not there."""

    def stat(self, path: bytes) -> Any:
        if not os.path.exists(self.map_path(path)):  # noqa: PTH110
            raise SFTPPermissionDenied("permission denied")
        return super().stat(path)

    lstat = stat


class ShowsNothing(SFTPServer):
    """Lets the account write and rename, but look at nothing except folders."""

    def stat(self, path: bytes) -> Any:
        if not os.path.isdir(self.map_path(path)):  # noqa: PTH112
            raise SFTPFailure("stat is switched off")
        return super().stat(path)

    lstat = stat


class DropBox(CollectsImmediately, DeniesMissingFiles):
    """Collects immediately, and denies what it has collected."""


class ShowsOtherSizes(SFTPServer):
    """Encrypts what it receives, so that files have another size."""

    def stat(self, path: bytes) -> Any:
        found: Any = super().stat(path)
        attributes = SFTPAttrs.from_local(found) if isinstance(found, os.stat_result) else found
        if os.path.isfile(self.map_path(path)):  # noqa: PTH113
            attributes.size = (attributes.size or 0) + 16
        return attributes


class RenamesNothing(SFTPServer):
    """Rejects each renaming."""

    def rename(self, oldpath: bytes, newpath: bytes) -> None:  # noqa: ARG002
        raise SFTPPermissionDenied("permission denied")


class RejectsDotNames(SFTPServer):
    """Rejects names that begin with a dot."""

    def open(self, path: bytes, pflags: int, attrs: SFTPAttrs) -> Any:
        if pflags & FXF_WRITE and os.path.basename(path).startswith(b"."):  # noqa: PTH119
            raise SFTPPermissionDenied("permission denied")
        return super().open(path, pflags, attrs)


class BreaksOff(SFTPServer):
    """Drops the connection at the n-th write since the start, once; keeps what it has of the file, or collects it."""

    drops_at: ClassVar[int | None] = None
    keeps: ClassVar[bool] = True
    writes: ClassVar[int] = 0

    def write(self, file_obj: Any, offset: int, data: bytes) -> Any:
        kind = type(self)
        kind.writes += 1
        if kind.writes == kind.drops_at:
            file_obj.flush()
            name = Path(os.fsdecode(file_obj.name))
            if not self.keeps:
                name.rename(name.parents[1] / "taken" / name.name)
            self.connection.abort()
            raise SFTPConnectionLost("dropped for the test's sake")
        return super().write(file_obj, offset, data)


@contextmanager
def odd_server(kind: Files, folder: Path) -> Iterator[ExportServer]:
    """Runs such a server with the folders `out` and `taken` until the block ends."""
    disk = folder / "server"
    for name in ("out", "taken"):
        (disk / name).mkdir(parents=True)
    with sftp_server({"library": Account(disk, password="secret")}, folder / "state", files=kind) as address:
        yield ExportServer(disk, address.host, address.port)


def received(server: ExportServer) -> list[bytes]:
    """Returns the files that the bursar has, or can see under a final name."""
    visible = [file for file in (server.folder / "out").iterdir() if not file.name.startswith(".")]
    return [file.read_bytes() for file in (*(server.folder / "taken").iterdir(), *visible)]
