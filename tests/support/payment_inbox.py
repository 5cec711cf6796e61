"""The bursar's folder for payments on a real server: files arrive, are imported step by step, and are archived."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from sqlalchemy import text

from bursar.imports import load
from bursar.imports.apply import apply_payments
from bursar.imports.archive import archive_file
from bursar.imports.detect import WatchedFolder, select_ready_files
from bursar.layouts.alma_xml.namespace import NAMESPACE
from bursar.ledger.import_files import ImportFile
from bursar.profiles import Profile
from bursar.remote_files.base import RemoteFolder
from tests.support.fake_bursar import FakeBursar, Payment
from tests.support.fault_injection import KillableFolder, KillSwitch
from tests.support.fixtures import Library, make_profile
from tests.support.servers import RemoteServer

FILE_TABLES = {"import_files", "file_arrivals", "observed_files"}
"""The tables of files: what was observed, what arrived, why it was rejected."""


def xml(*payments: Payment) -> bytes:
    """Returns a payment file as a bursar writes it."""
    records = (
        "<xb:userFineFee>"
        f"<xb:compositeSum><xb:currency>{payment.currency}</xb:currency><xb:sum>{payment.sum}</xb:sum></xb:compositeSum>"
        f"<xb:bursarTransactionId>{escape(payment.transaction_id or '')}</xb:bursarTransactionId></xb:userFineFee>\n"
        for payment in payments
    )
    return (
        f'<xb:xml-fragment xmlns:xb="{NAMESPACE}"><xb:userExportedFineFees><xb:userExportedList>'
        f"<xb:userExportedFineFeesList><xb:finefeeList>\n{''.join(records)}</xb:finefeeList>"
        "</xb:userExportedFineFeesList></xb:userExportedList></xb:userExportedFineFees></xb:xml-fragment>"
    ).encode()


@dataclass
class PaymentInbox:
    """The folder `in` of a server, and the steps of an import."""

    library: Library
    remote: RemoteServer
    staging: Path
    profile: Profile = field(default_factory=make_profile)

    def __post_init__(self) -> None:
        self.disk.mkdir(parents=True, exist_ok=True)

    @property
    def disk(self) -> Path:
        """The folder on the disk of the server."""
        return self.remote.disk / "in"

    def change(self, **section: object) -> None:
        """Changes the import section of the profile."""
        section_ = self.profile.import_.model_copy(update=section)
        self.profile = self.profile.model_copy(update={"import_": section_})

    def put(self, name: str, content: bytes) -> Path:
        """Writes a file into the folder, as the bursar does."""
        path = self.disk / name
        path.write_bytes(content)
        return path

    def find_ready_files(self) -> list[str]:
        """Returns the names of the files that are ready, as the sensor finds them."""
        with self.folder() as folder:
            return select_ready_files(self.library.ledger, WatchedFolder.of_import(self.profile), folder.files())

    def load_file(self, name: str, run_id: str = "run 1", kill_switch: KillSwitch | None = None) -> ImportFile:
        with self.folder(kill_switch) as folder:
            return load.load_file(
                self.library.ledger, self.profile, name, run_id=run_id, folder=folder, work_dir=self.staging
            )

    def archive_file(self, name: str, run_id: str = "run 1", kill_switch: KillSwitch | None = None) -> str | None:
        with self.folder(kill_switch) as folder:
            return archive_file(self.library.ledger, self.profile, name, run_id=run_id, folder=folder)

    def import_file(self, name: str, run_id: str = "run 1") -> str | None:
        """Imports a file; returns its archived path."""
        apply_payments(self.library.ledger, self.load_file(name, run_id).id, run_id=run_id)
        return self.archive_file(name, run_id)

    @contextmanager
    def folder(self, kill_switch: KillSwitch | None = None) -> Iterator[RemoteFolder]:
        with self.remote.open("in") as folder:
            yield KillableFolder.wrap(folder, kill_switch) if kill_switch else folder

    def files(self) -> dict[str, bytes]:
        """Returns the contents of all files in the folder and below, by their relative paths."""
        return {
            path.relative_to(self.disk).as_posix(): path.read_bytes()
            for path in sorted(self.disk.rglob("*"))
            if path.is_file() and not path.is_symlink()
        }

    def read_ledger(self) -> dict[str, list[str]]:
        """Returns every row of the ledger as text, except those of files."""
        with self.library.ledger.connect() as connection:
            tables = connection.scalars(
                text("SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'")
            ).all()
            return {
                table: list(connection.scalars(text(f"SELECT t::text FROM {table} AS t ORDER BY 1")))
                for table in tables
                if table not in FILE_TABLES
            }

    def set_unchanged_since(self, moment: datetime | str) -> None:
        """Sets the moment since which all observed files have not changed."""
        with self.library.ledger.begin() as connection:
            connection.execute(
                text("UPDATE observed_files SET unchanged_since = CAST(:moment AS timestamptz)"), {"moment": moment}
            )


@pytest.fixture
def office(library: Library) -> FakeBursar:
    """Returns a bursar that can receive fines and report payments."""
    return FakeBursar(library)


@pytest.fixture
def inbox(library: Library, sftp_remote: RemoteServer, tmp_path: Path) -> PaymentInbox:
    """Returns the bursar's folder for payments, on an SFTP server."""
    return PaymentInbox(library, sftp_remote, tmp_path / "staging")
