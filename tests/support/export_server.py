"""A bursar's SFTP server for exports without Airflow."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bursar.exports.recover import recover_unfinished_batches
from bursar.ledger.batches import Batch, BatchState, get_batch
from bursar.remote_files.base import RemoteFolder
from bursar.remote_files.sftp import SftpFolder
from bursar.remote_files.sftp_client import open_sftp_client, watch_connection
from tests.support.fault_injection import KillableFolder, KillSwitch
from tests.support.fixtures import Library
from tests.support.servers import LIMITS, connect_sftp


@dataclass
class ExportServer:
    """The bursar's server: its folder on disk, and its address. `kill_switches` has one for each opened folder."""

    folder: Path
    host: str
    port: int
    kill_switches: list[KillSwitch] = field(default_factory=list)

    def open(
        self, *, kill_at: int | None = None, after_the_call: bool = False
    ) -> Callable[[Batch], AbstractContextManager[RemoteFolder]]:
        """Returns a function that opens the folder of a batch; its user can be killed at a call, counted from 0."""

        @contextmanager
        def open_folder(batch: Batch) -> Iterator[RemoteFolder]:
            with connect_sftp(self.host, self.port, "library", "secret") as transport:
                kill_switch = KillSwitch(kill_at, after_the_call)
                self.kill_switches.append(kill_switch)
                with watch_connection(LIMITS, transport.sock) as deadline:
                    client = open_sftp_client(transport, LIMITS, deadline)
                    folder = SftpFolder(client, f"sftp://{self.host}", batch.output_file_path, may_create=True)
                    yield KillableFolder.wrap(folder, kill_switch)

        return open_folder

    def files(self) -> dict[str, bytes]:
        """Returns the contents of the files in the folder `out` by their names."""
        return {file.name: file.read_bytes() for file in (self.folder / "out").iterdir()}

    def recover_batches(
        self, library: Library, work_dir: Path, *, profile: str = "STUDENTS", active: str = ""
    ) -> list[Batch]:
        """Recovers the unfinished batches of a profile in the run `run 2`, except that of an active run."""
        return recover_unfinished_batches(
            library.ledger,
            profile,
            run_id="run 2",
            is_running=lambda run_id: run_id == active,
            open_folder=self.open(),
            work_dir=work_dir,
        )


def get_state(library: Library, batch: Batch) -> BatchState:
    """Returns the state of a batch as the ledger has it now."""
    with library.ledger.connect() as connection:
        return get_batch(connection, batch.id).state
