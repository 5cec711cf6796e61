"""The work of a worker: it writes what is due into the library's system, and reads it, as the tasks of the DAG do."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, Engine

from bursar.airflow.connections import ledger_url
from bursar.db.engine import ledger_engine
from bursar.sources.folio.session import FolioSession
from bursar.sources.folio.system import FolioSystem
from bursar.sources.http_client import HttpClient
from bursar.sources.koha.client import KohaClient
from bursar.sources.koha.system import KohaSystem
from bursar.sources.outbox import Outbox, describe_counts
from bursar.sources.readings import ReadingRun
from bursar.sources.source_lock import lock_source
from bursar.sources.system import LibrarySystem
from bursar.sources.system_account import SystemAccount
from bursar.sources.system_model import SystemSource
from tests.campaign.systems.server import Kind
from tests.support.folio import make_folio_source
from tests.support.folio_server import PASSWORD, TENANT, USER
from tests.support.koha_library import make_koha_source
from tests.support.koha_traps import CLIENT_ID, CLIENT_SECRET
from tests.support.koha_traps import LOGIN as KOHA_USER
from tests.support.koha_traps import PASSWORD as KOHA_PASSWORD

REPEAT_AFTER_SECONDS = 4
"""How long after an attempt an event is written again; no request of a campaign arrives so late."""
TIMEOUT_SECONDS = 1
ALL_ON = dict.fromkeys(("handed_over", "paid_at_bursar", "reversed", "owed_again"), "on")


@dataclass(frozen=True)
class Sync:
    """A run for one system; `day` counts the nights that have passed. Without `reads`, it only writes."""

    kind: Kind
    url: str
    source: SystemSource
    work_dir: Path
    day: int
    reads: bool = True

    def run(self) -> str:
        """Writes and reads, also after an error in writing; returns what became of the events."""
        engine = ledger_engine(ledger_url())
        with self._open() as system:
            try:
                counts = Outbox(engine, self.source, repeat_after_seconds=REPEAT_AFTER_SECONDS).write(system)
            finally:
                if self.reads:
                    with lock_source(engine, self.source.code) as lock:
                        self._make_reading(engine, lock, system).load()
        return describe_counts(counts)

    def _make_reading(self, engine: Engine, lock: Connection, system: LibrarySystem) -> ReadingRun:
        return ReadingRun(
            engine=engine,
            lock=lock,
            source=self.source,
            system=system,
            work_dir=self.work_dir,
            run_id=f"day {self.day}",
            requested_by=None,
            now=datetime.now(UTC) + timedelta(days=self.day),
        )

    @contextmanager
    def _open(self) -> Iterator[LibrarySystem]:
        is_folio = self.kind == "folio"
        account = SystemAccount(
            connection_id=self.kind,
            url=self.url,
            login=USER if is_folio else KOHA_USER,
            password=PASSWORD if is_folio else KOHA_PASSWORD,
            timeout_seconds=TIMEOUT_SECONDS,
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
        )
        with HttpClient(account, pauses_seconds=(0.05, 0.2)) as client:
            if is_folio:
                yield FolioSystem(self.source, FolioSession(client, TENANT))  # type: ignore[arg-type]
            else:
                yield KohaSystem(self.source, KohaClient(client))  # type: ignore[arg-type]


def make_source(kind: Kind, *, closes_when: str, overlap_minutes: int) -> SystemSource:
    """Makes the source of a system, to which all kinds of events are written."""
    changes = {"write_back": ALL_ON, "closes_fines_when": closes_when, "overlap_minutes": overlap_minutes}
    if kind == "folio":
        return make_folio_source(**changes)
    return make_koha_source(**changes, time_zone="UTC")  # the server's clock
