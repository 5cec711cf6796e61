"""A bursar with a server of its own, for exports without Airflow."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import paramiko

from bursar.ledger.batches import Batch
from bursar.remote_files.base import RemoteFolder
from bursar.remote_files.sftp import SftpFolder
from tests.support.fault_injection import KillableFolder, KillSwitch


@dataclass
class ExportServer:
    """The bursar's server: its folder, as the bursar sees it, and a way in for us."""

    folder: Path
    host: str
    port: int
    opened: list[KillSwitch] = field(default_factory=list)

    def open(
        self, *, dies_at: int | None = None, after_the_call: bool = False
    ) -> Callable[[Batch], AbstractContextManager[RemoteFolder]]:
        @contextmanager
        def open_folder(found: Batch) -> Iterator[RemoteFolder]:
            transport = paramiko.Transport((self.host, self.port))
            try:
                transport.connect(username="library", password="secret")
                client = paramiko.SFTPClient.from_transport(transport)
                assert client
                server = f"sftp://{self.host}"
                kill_switch = KillSwitch(dies_at, after_the_call)
                self.opened.append(kill_switch)
                yield KillableFolder.of(
                    SftpFolder(client, server, found.output_file_path, may_create=True), kill_switch
                )
            finally:
                transport.close()

        return open_folder

    def files(self) -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in (self.folder / "out").iterdir()}
