"""Reads a library's system, and loads what was read into the ledger: the same gate as for files.

What changed since the last reading is read, and once a day also all that is open. The moment up to which the system was
read is stored in the transaction of the load, so a killed run reads again what it has not loaded. So does the next run
after one that has rejected the row of a fine that was settled, since no complete reading has it.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine

from bursar.db.queries import query
from bursar.errors import InputFileError
from bursar.money import pluralize
from bursar.sources.csv.load import CsvFile, load
from bursar.sources.load_types import InvalidRowsError, LoadResult, SourceRules
from bursar.sources.records import list_loads
from bursar.sources.refusals import describe_rejected
from bursar.sources.source_lock import confirm_lock
from bursar.sources.system import LibrarySystem, Reading
from bursar.sources.system_model import SystemSource
from bursar.work_dir import incoming_folder

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ReadingRun:
    """A run that reads a system and loads what it says. `lock` is the connection that holds the lock of the source.

    `run_id` is None, and `requested_by` set, for a command. `now` is the moment that decides whether a complete reading
    is due today.
    """

    engine: Engine
    lock: Connection
    source: SystemSource
    system: LibrarySystem
    work_dir: Path
    run_id: str | None
    requested_by: str | None
    now: datetime

    def load(self, *, dry_run: bool = False) -> list[LoadResult]:
        """Reads and loads what changed, and all that is open if no complete reading was loaded today.

        A dry run changes nothing, and returns what the loads would do, each compared with the ledger as it is now.

        Raises:
            InputFileError: a load was refused, and changed nothing.
            TransientError: the system can't be reached, or does not answer in time; or the lock was lost.
            BursarError: the system refuses the login, or its answer can't be read.
        """
        return [self._load_since(since, dry_run=dry_run) for since in self._list_readings(dry_run=dry_run)]

    def _list_readings(self, *, dry_run: bool) -> Iterator[datetime | None]:
        """Yields where each reading begins; None stands for a complete one."""
        with self.engine.begin() as connection:
            if not dry_run:
                add_system(connection, self.source)
            facts = {"source": self.source.code}
            bookmark = connection.execute(query("sources/get_bookmark"), facts).one_or_none()
        if bookmark and bookmark.read_at:
            yield bookmark.read_at - timedelta(minutes=self.source.overlap_minutes)
        zone = ZoneInfo(self.source.time_zone)
        last = bookmark.complete_at if bookmark else None
        if last is None or last.astimezone(zone).date() < self.now.astimezone(zone).date():
            yield None

    def _load_since(self, since: datetime | None, *, dry_run: bool) -> LoadResult:
        with incoming_folder(self.work_dir) as folder:
            reading = self.system.read(since, folder)
            log.info("Read %s.", "all fines that are open" if reading.complete else f"the changes since {since}")
            try:
                return self._load(reading, dry_run=dry_run)
            except InvalidRowsError as error:
                raise self._describe(error, dry_run=dry_run) from None  # its text has values, which name people

    def _load(self, reading: Reading, *, dry_run: bool) -> LoadResult:
        source = self.source

        def record(connection: Connection) -> None:
            connection.execute(
                query("sources/record_reading"),
                {
                    "source": source.code,
                    "read_at": reading.read_at,
                    "complete": reading.complete,
                    "now": self.now,
                },
            )
            # What was read is of the past if another worker has written meanwhile. From now on none can: the load
            # holds the table of fines.
            confirm_lock(self.lock)

        files: dict[str, Any] = {kind: CsvFile(path, f"{source.code} {kind}") for kind, path in reading.files.items()}
        return load(
            self.engine,
            make_rules(source, complete=reading.complete),
            **files,
            dry_run=dry_run,
            run_id=self.run_id,
            requested_by=self.requested_by,
            on_loaded=record,
        )

    def _describe(self, error: InvalidRowsError, *, dry_run: bool) -> InputFileError:
        """Returns the error of a refused load, without the values of its rows."""
        if dry_run:
            return InputFileError(
                f"The load would be refused: its rows have {pluralize(error.count, 'fault')}, and more are rejected "
                f"than `max_rejected_percent` allows. The check of the source names what its maps lack "
                f"(`bin/bursar sources check {self.source.code}`). A load that is no dry run is refused alike, and "
                "lists the rows."
            )
        with self.engine.connect() as connection:
            [record] = list_loads(connection, source=self.source.code, limit=1)
        return InputFileError(
            f"Load {record.id} of the source {self.source.code} was refused, and changed nothing: "
            f"{describe_rejected(record)}. Correct the rows in the library's system, or the maps of the source "
            f"(`bin/bursar sources loads rejects {record.id}` lists them with what to do). The next run reads them "
            "again."
        )


def add_system(connection: Connection, source: SystemSource) -> None:
    """Makes a system known to the ledger: it is not informed of what happened before."""
    connection.execute(query("sources/add_system_source"), {"source": source.code})


def make_rules(source: SystemSource, *, complete: bool) -> SourceRules:
    """Returns the rules by which a reading is loaded."""
    return SourceRules(
        currency=source.currency,
        time_zone=source.time_zone,
        code=source.code,
        complete=complete,
        closes_exported_fines=source.closes_exported_fines,
        max_rejected_percent=source.max_rejected_percent,
        min_rejected_rows=source.min_rejected_rows,
        maps=source.maps,
        libraries=source.libraries,
    )
