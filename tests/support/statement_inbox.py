"""The folder of a bursar's statements on a real server, and the ledger with which they are compared."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy import Engine, text

from bursar.imports.detect import select_ready_files
from bursar.layouts import read
from bursar.profiles import Profile
from bursar.remote_files.base import RemoteFolder
from bursar.statements.files import StatementRun, watch_folder
from bursar.statements.records import Statement
from bursar.statements.results import list_results
from tests.support.fault_injection import KillableFolder, KillSwitch
from tests.support.fixtures import Library, make_profile
from tests.support.servers import RemoteServer

OPEN = """\
for: statement
lists: open
kind: delimited
encoding: utf-8
delimiter: ","
fields:
  transaction_id: {column: Id}
  sum: {column: Open, as: "0.00"}
  currency: {column: Currency}
"""
"""A list of open fines by their transaction ids."""
OF_USERS = """\
for: statement
lists: open
kind: delimited
encoding: utf-8
delimiter: ","
fields:
  identifier: {column: Id}
  sum: {column: Open, as: "0.00"}
  currency: {column: Currency}
"""
"""A list of the totals of users."""
BILLED = OPEN.replace("lists: open", "lists: billed")
"""A list of billed fines by their transaction ids."""


class Found(NamedTuple):
    """A result: its outcome, what it is about, and both amounts."""

    outcome: str
    subject: str
    ours: Decimal
    theirs: Decimal


@dataclass
class StatementInbox:
    """The folder `statements` of a server, and the comparison of its files by a profile with the layout `office`."""

    library: Library
    owner: Engine
    remote: RemoteServer
    staging: Path
    layouts: Path
    profile: Profile = field(default_factory=make_profile)

    def __post_init__(self) -> None:
        self.disk.mkdir(parents=True, exist_ok=True)
        self.change(
            active=True,
            input_file_path="statements",
            layout="office",
            stable_for_seconds=0,
            schedule=self.profile.import_.schedule,
        )
        self.write_layout(OPEN)

    @property
    def disk(self) -> Path:
        """The folder on the disk of the server."""
        return self.remote.disk / "statements"

    def write_layout(self, layout: str) -> None:
        (self.layouts / "office.yaml").write_text(layout, encoding="utf-8")

    def change(self, **section: object) -> None:
        """Changes the statement section of the profile."""
        self.profile = self.profile.model_copy(update={"statement": self.profile.statement.model_copy(update=section)})

    def put(self, *lines: str, name: str = "open.csv", days_ago: float = 0) -> Path:
        """Writes a statement into the folder, as the bursar does: lines of id, sum and currency below a heading."""
        path = self.disk / name
        path.write_text("\n".join(["Id,Open,Currency", *lines, ""]), encoding="utf-8")
        moment = (datetime.now(UTC) + timedelta(hours=1) - timedelta(days=days_ago)).timestamp()
        os.utime(path, (moment, moment))  # a file is never newer than now for the comparison
        return path

    def find_ready_files(self) -> list[str]:
        with self.remote.open("statements") as folder:
            return select_ready_files(self.library.ledger, watch_folder(self.profile), folder.files())

    @contextmanager
    def run(self, run_id: str = "run 1", kill_switch: KillSwitch | None = None) -> Iterator[StatementRun]:
        with self.remote.open("statements") as folder:
            yield StatementRun(
                engine=self.library.ledger,
                profile=self.profile,
                folder=self.wrap(folder, kill_switch),
                work_dir=self.staging,
                run_id=run_id,
            )

    def wrap(self, folder: RemoteFolder, kill_switch: KillSwitch | None) -> RemoteFolder:
        return KillableFolder.wrap(folder, kill_switch) if kill_switch else folder

    def compare(self, *lines: str, name: str = "open.csv", days_ago: float = 0, run_id: str = "run 1") -> Statement:
        """Puts a statement, compares and archives it."""
        self.put(*lines, name=name, days_ago=days_ago)
        with self.run(run_id) as run:
            statement = run.compare_file(name)
            run.archive_file(name)
        return statement

    def find(self, statement: Statement) -> list[Found]:
        """Returns the results of a statement, in their order."""
        with self.library.ledger.connect() as connection:
            return [
                Found(row.outcome, row.transaction_id or row.identifier or "", row.ours, row.theirs)
                for row in list_results(connection, statement.id)
            ]

    def list_reasons(self, statement: Statement) -> list[str | None]:
        with self.library.ledger.connect() as connection:
            return [row.reason for row in list_results(connection, statement.id)]

    def age(self, days: float = 30) -> None:
        """Makes everything that has happened so many days older."""
        with self.owner.begin() as connection:
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            for table, column in (
                ("journal_entries", "posted_at"),
                ("batches", "closed_at"),
                ("fines", "last_transaction_at"),
            ):
                sql = f"UPDATE {table} SET {column} = {column} - :days * interval '1 day'"
                connection.execute(text(sql), {"days": days})


@pytest.fixture
def statements(
    library: Library,
    owned_ledger: Engine,
    sftp_remote: RemoteServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> StatementInbox:
    """Returns the bursar's folder for statements, on an SFTP server."""
    layouts = tmp_path / "include" / "layouts"
    layouts.mkdir(parents=True)
    monkeypatch.setattr(read, "INCLUDE", layouts.parent)
    return StatementInbox(library, owned_ledger, sftp_remote, tmp_path / "staging", layouts)
