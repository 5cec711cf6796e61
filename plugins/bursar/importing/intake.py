"""Intake: a file in the bursar's folder becomes records in the ledger, once, whatever is killed on the way.

A file is known by its bytes, not by its name. While its records are copied, its row is locked; they are there all
together or not at all.
"""

import hashlib
import json
import logging
import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Connection, Engine

from bursar.errors import InputFileError, PassingError, RemoteFolderError
from bursar.exchange.folder import RemoteFile, RemoteFolder
from bursar.importing.plain import records
from bursar.importing.reading import Record
from bursar.importing.unpacking import opened
from bursar.ledger.copying import copying_into
from bursar.ledger.imports import FileState, ImportFile, arrival, import_file
from bursar.ledger.statements import statement
from bursar.money import many
from bursar.profiles import Profile
from bursar.progress import told, transfer_told
from bursar.work_dir import disk_errors, incoming_folder

log = logging.getLogger(__name__)

DONE = (FileState.READ, FileState.APPLIED)
MOST_CURRENCIES = 100
_MONEY = re.compile(r"[+-]?[0-9]{1,11}([.][0-9]{0,3}0{0,20})?")  # as in import/apply_parse.sql
_CENTS = Decimal("0.001")


def read_file(
    engine: Engine, profile: Profile, name: str, *, run: str, folder: RemoteFolder, work_dir: Path
) -> ImportFile:
    """Reads a file of the bursar's folder into the ledger; a file whose bytes were read before is left as it is.

    The run stays with what it read: a repeated call gives that, even if another file lies under the name by now.

    Args:
        engine: the ledger.
        profile: whose folder it is.
        name: of the file in the folder.
        run: of Airflow, in which the file arrived.
        folder: the profile's input folder on the bursar's server.
        work_dir: of the profile; the file is kept in a folder there while it is read.

    Raises:
        PassingError: the file is still being written, or is not there at the moment, or the server can't be reached.
        InputFileError: it is not the file that it should be, and is refused as a whole; nothing else was changed.
        RemoteFolderError: the server refuses, or there is no file under the name any more.
    """
    with engine.connect() as connection:
        registered = arrival(connection, profile.code, run, name)
        earlier = import_file(connection, registered.file_id) if registered else None
    if earlier and earlier.state in DONE:
        log.info("%s was read by this run before, as file %s.", name, earlier.id)
        return earlier
    entry = entry_of(folder, name)
    if entry is None:
        # Not for a person yet: who replaces a file may have deleted the old one first.
        if earlier and earlier.refusal:
            raise InputFileError(earlier.refusal)
        raise PassingError(
            f"{name} was in {folder.address}, but is not there any more. Nothing of it was read. If it does not come "
            "back, ask the bursar; a file that comes later is imported by the next run."
        )
    with incoming_folder(work_dir) as own_folder:
        path = own_folder / "fetched"
        with disk_errors(path), path.open("wb") as fetched:
            sha256 = _fetch(folder, entry, fetched)
        arrived = {"profile": profile.code, "run": run, "name": name, "modified": entry.modified}
        arrived["amounts"] = profile.import_.amounts
        file_id = _register(engine, arrived | {"size": entry.size, "sha256": sha256})
        return _read(engine, file_id, path, arrived)


def entry_of(folder: RemoteFolder, name: str) -> RemoteFile | None:
    """The entry of a file in its folder's listing, which alone tells size, time and kind; None if it is not there.

    Raises:
        RemoteFolderError: what is there is no file.
    """
    entry = {entry.name: entry for entry in folder.files() if entry.name == name}.get(name)
    if entry and not entry.is_regular:
        raise RemoteFolderError(
            f"{folder.address}/{name}: a folder, a link or the like took the place of the file. Ask the bursar."
        )
    return entry


def _fetch(folder: RemoteFolder, entry: RemoteFile, into: IO[bytes]) -> str:
    """Copies a file that does not change meanwhile, and returns its SHA-256."""
    log.info("Fetching %s (%s) from %s.", entry.name, many(entry.size, "byte"), folder.address)
    digest = hashlib.sha256()
    size = 0
    tell = transfer_told(f"Fetched {entry.name}", entry.size)
    with closing(folder.read(entry.name)) as blocks:
        for block in blocks:
            size += len(block)
            if size > entry.size:
                break
            digest.update(block)
            into.write(block)
            tell(block)
    if size != entry.size or entry_of(folder, entry.name) != entry:
        raise PassingError(
            f"{entry.name} in {folder.address} changed while it was read: it is still being written. Nothing of it was "
            "used. If this repeats, raise settle_seconds in the profile or agree on a marker with the bursar."
        )
    into.flush()
    return digest.hexdigest()


def _register(engine: Engine, facts: dict[str, Any]) -> int:
    with engine.begin() as connection:
        connection.execute(statement("import/register_file"), facts)
        return int(connection.execute(statement("import/register_arrival"), facts).scalar_one())


def _read(engine: Engine, file_id: int, path: Path, arrived: dict[str, Any]) -> ImportFile:
    name = arrived["name"]
    try:
        with engine.begin() as connection:
            found = import_file(connection, file_id, lock=True)
            if found.state in DONE:
                log.info(
                    "%s has the same bytes as %s of %s (file %s, %s), and nothing is read twice.",
                    *(name, found.name, found.run, found.id, found.state),
                )
                return found
            connection.execute(statement("import/forget_records"), {"file_id": file_id})
            with opened(path, name) as source:
                count, totals = _copy(connection, file_id, name, records(source, name))
            facts = {"file_id": file_id, "records": count, "totals": json.dumps(totals)}
            connection.execute(statement("import/read_file"), arrived | facts)
            read = import_file(connection, file_id)
    except InputFileError as error:
        with engine.begin() as connection:
            connection.execute(statement("import/refuse_file"), arrived | {"file_id": file_id, "refusal": str(error)})
        raise
    log.info("Read %s as file %s: %s, %s.", name, file_id, many(read.size, "byte"), many(count, "record"))
    return read


def _copy(connection: Connection, file_id: int, name: str, found: Iterator[Record]) -> tuple[int, dict[str, str]]:
    """Copies records into the ledger; returns how many, and by the currency in the file the sums that are money."""
    totals: dict[str, Decimal] = defaultdict(Decimal)
    count = 0
    columns = f"file_id, {', '.join(Record._fields)}"
    with copying_into(connection, f"import_records ({columns})") as copy:
        for record in told(found, f"Read records of {name}"):
            copy.write_row((file_id, *record))
            count += 1
            if record.sum and _MONEY.fullmatch(record.sum):
                totals[record.currency or ""] += Decimal(record.sum)
                if len(totals) > MOST_CURRENCIES:
                    raise InputFileError(
                        f"{name}:{record.line}: more than {MOST_CURRENCIES} different currencies. Ask the bursar for a "
                        "file with the structure of the export."
                    )
    return count, {currency: str(total.quantize(_CENTS)) for currency, total in totals.items()}
