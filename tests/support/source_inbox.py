"""The folder of a source, into which a library's system writes CSV files, and the runs that load it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from bursar.remote_files.base import RemoteFolder
from bursar.remote_files.local import LocalFolder
from bursar.sources.csv.model import CsvSource
from bursar.sources.ready_files import FileSet, find_ready_sets
from bursar.sources.records import LoadRecord
from bursar.sources.sync import SyncRun
from tests.support.fault_injection import KillableFolder, KillSwitch
from tests.support.fixtures import Library
from tests.support.servers import LIMITS, RemoteServer

USERS = "primary_id,last_name,first_name,user_group,expiry_date,purge_date\nada,Okonkwo,Ada,STUDENT,,\n"
FINES_HEADING = "fine_id,primary_id,fine_fee_type,amount,created_at,owner_library\n"


def make_source(**changes: Any) -> CsvSource:
    """Makes a source of users and fines, which are ready at the first check."""
    return CsvSource.model_validate(
        {
            "code": "LAW",
            "name": "Law Library",
            "kind": "csv",
            "connection": "law_system",
            "folder": "out",
            "files": {"users": "users*.csv", "fines": "fines*.csv"},
            "stable_for_seconds": 0,
            "complete": True,
            "closes_exported_fines": False,
            "schedule": "daily at 02:00",
            "currency": "USD",
            "time_zone": "America/New_York",
        }
        | changes
    )


def write_fines(*amounts: str, user: str = "ada", first: int = 1) -> str:
    """Returns a file of fines with these amounts, numbered F1, F2 and so on."""
    rows = (f"F{n},{user},OVERDUEFINE,{amount},2026-01-01,MAIN\n" for n, amount in enumerate(amounts, first))
    return FINES_HEADING + "".join(rows)


def set_time(path: Path, seconds: int) -> None:
    """Sets the time of a file to so many seconds after a moment of long ago."""
    os.utime(path, (1_700_000_000 + seconds,) * 2)


@dataclass
class SourceInbox:
    """The folder of a source on a disk, and runs that load it; `remote` is its server, None for a local folder."""

    library: Library
    disk: Path
    work_dir: Path
    source: CsvSource
    remote: RemoteServer | None = None

    def change(self, **changes: Any) -> None:
        """Changes settings of the source."""
        self.source = self.source.model_copy(update=changes)

    def put(self, name: str, content: str) -> Path:
        """Writes a file into the folder, as the library's system does."""
        path = self.disk / name
        path.write_text(content, encoding="utf-8")
        return path

    @contextmanager
    def open(self, kill_switch: KillSwitch | None = None) -> Iterator[RemoteFolder]:
        """Opens the folder as a task does."""
        if self.remote is None:
            yield LocalFolder(LIMITS, str(self.disk))
            return
        with self.remote.open("out") as folder:
            yield KillableFolder.wrap(folder, kill_switch) if kill_switch else folder

    def find_sets(self, *, is_last_check: bool = False) -> list[FileSet]:
        """Returns what is ready, as a check of the sensor does."""
        with self.open() as folder:
            return find_ready_sets(self.library.ledger, self.source, folder.files(), is_last_check=is_last_check)

    @contextmanager
    def run(self, run_id: str | None = "run 1", kill_switch: KillSwitch | None = None) -> Iterator[SyncRun]:
        """Opens a run."""
        with self.open(kill_switch) as folder:
            yield SyncRun(
                engine=self.library.ledger,
                source=self.source,
                folder=folder,
                work_dir=self.work_dir,
                run_id=run_id,
                requested_by=None if run_id else "anna",
            )

    def load(self, sets: list[FileSet] | None = None, run_id: str | None = "run 1", **options: Any) -> list[LoadRecord]:
        """Loads what is ready, or these sets; returns the loads."""
        sets = self.find_sets(is_last_check=True) if sets is None else sets
        with self.run(run_id) as run:
            return replace(run, **options).load_sets(sets)

    def files(self) -> list[str]:
        """Returns the paths of the files in the folder and below."""
        return sorted(path.relative_to(self.disk).as_posix() for path in self.disk.rglob("*") if path.is_file())

    def balances(self) -> dict[str, str]:
        """Returns the balances of the fines by their ids in the library's system."""
        with self.library.ledger.connect() as connection:
            rows = connection.execute(text("SELECT source_id, balance FROM fines ORDER BY source_id"))
            return {row.source_id: f"{row.balance:.2f}" for row in rows}


@pytest.fixture
def source_inbox(library: Library, sftp_remote: RemoteServer, tmp_path: Path) -> SourceInbox:
    """Returns the folder of a source on an SFTP server."""
    disk = sftp_remote.disk / "out"
    disk.mkdir(parents=True)
    return SourceInbox(library, disk, tmp_path / "work", make_source(), sftp_remote)


@pytest.fixture
def local_inbox(library: Library, tmp_path: Path) -> SourceInbox:
    """Returns the folder of a source on this machine."""
    disk = tmp_path / "out"
    disk.mkdir()
    source = make_source(connection=None, folder=str(disk))
    return SourceInbox(library, disk, tmp_path / "work", source)


@pytest.fixture(params=["sftp", "local"])
def any_source_inbox(request: pytest.FixtureRequest) -> SourceInbox:
    """Runs a test with the folder of a source on an SFTP server, and with one of this machine."""
    inbox: SourceInbox = request.getfixturevalue("source_inbox" if request.param == "sftp" else "local_inbox")
    return inbox
