"""Loads a file of the bursar's folder into the ledger as records, once, even if the step is killed and repeated.

A file is identified by its bytes, not by its name. Its row is locked while its records are copied, in one transaction.
The module is long because each step, from the server to the records, can be killed and repeated.
"""

import json
import logging
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine

from bursar.db.queries import query
from bursar.errors import BursarError, InputFileError, RemoteFolderError, TransientError
from bursar.imports.download import (
    Download,
    KeptState,
    download,
    find_entry,
    list_kept_downloads,
    open_kept_download,
)
from bursar.imports.records import copy_records, describe_layout, get_payment_layout
from bursar.layouts.payments.model import PaymentLayout
from bursar.ledger.import_files import FileState, ImportFile, get_arrival, get_import_file
from bursar.ledger.totals import to_json
from bursar.money import pluralize
from bursar.page_names import Page
from bursar.profiles import Profile
from bursar.remote_files.base import RemoteFile, RemoteFolder

log = logging.getLogger(__name__)

LOADED = (FileState.READ, FileState.APPLIED)


def load_file(
    engine: Engine, profile: Profile, name: str, *, run_id: str, folder: RemoteFolder, work_dir: Path
) -> ImportFile:
    """Loads a file of the bursar's folder into the ledger; a file with the bytes of a loaded one is not loaded again.

    A repeated call returns the file that the run has loaded, even if another file has its name by now. If another
    worker has loaded the file and moved it, its file is returned.

    Args:
        engine: the ledger.
        profile: the profile of the folder.
        name: the name of the file in the folder.
        run_id: the Airflow run in which the file arrived.
        folder: the profile's input folder on the bursar's server.
        work_dir: the working directory of the profile; it has the file while it is loaded.

    Raises:
        TransientError: the file is still being written, is not in the folder at the moment, the server can't be
            reached, or the disk of this machine is full.
        InputFileError: it is no valid payment file and was rejected as a whole; nothing else was changed.
        RemoteFolderError: the server does not give it, or an earlier try fetched the file and did not load it.
        BursarError: the layout of the profile is missing or invalid, or does not suit the profile.
    """
    with engine.connect() as connection:
        registered = get_arrival(connection, profile.code, run_id, name)
        earlier = get_import_file(connection, registered.file_id) if registered else None
    if earlier and earlier.state in LOADED:
        log.info("%s has already been loaded by this run, as file %s.", name, earlier.id)
        return earlier
    layout = get_payment_layout(profile)
    entry = find_entry(folder, name)
    arrived = {"profile": profile.code, "run_id": run_id, "name": name, "amount_mode": profile.import_.amount_mode}
    get_state = partial(_get_kept_state, engine, profile.code)
    with open_kept_download(work_dir, name, entry, get_state) as (kept, warnings):
        file = _load_download(engine, kept, arrived, folder, layout) if kept else None
    if file is None and entry is not None:
        file = _fetch_and_load(engine, entry, arrived, folder, work_dir, layout)
    file = file or _get_loaded_by_another(engine, profile, name, run_id, folder)
    for warning in warnings:
        with engine.begin() as connection:
            _record_warning(connection, arrived, warning)
    for repeated in list_kept_downloads(work_dir, get_state, KeptState.REPEATED):
        _register_repeated(engine, arrived, repeated)
    return file


def remove_loaded_downloads(engine: Engine, profile: str, work_dir: Path) -> None:
    """Removes the bytes that a killed worker left on this machine, if the ledger has them with their arrival."""
    for kept in list_kept_downloads(work_dir, partial(_get_kept_state, engine, profile), KeptState.RECORDED):
        kept.discard()


def _fetch_and_load(
    engine: Engine,
    entry: RemoteFile,
    arrived: dict[str, Any],
    folder: RemoteFolder,
    work_dir: Path,
    layout: PaymentLayout | None,
) -> ImportFile | None:
    """Loads a listed file from the server; returns None if it has left the folder meanwhile."""
    try:
        with download(folder, entry, work_dir, run_id=arrived["run_id"]) as fetched:
            return _load_download(engine, fetched, arrived, folder, layout)
    except RemoteFolderError:
        if find_entry(folder, entry.name) is not None:
            raise
    return None


def _load_download(
    engine: Engine, fetched: Download, arrived: dict[str, Any], folder: RemoteFolder, layout: PaymentLayout | None
) -> ImportFile:
    """Registers and loads a file; its bytes are discarded when the ledger has it.

    The bytes of a rejected file are discarded if the server still has it, and kept for a person otherwise.
    """
    entry = fetched.entry
    arrived |= {"modified": entry.modified}
    file_id = _register(engine, arrived | {"size": entry.size, "sha256": fetched.sha256})
    try:
        file = _load(engine, file_id, fetched.path, arrived, layout)
    except InputFileError as error:
        rejection = str(error)
        if _is_on_server(folder, entry):
            fetched.discard()
        else:
            rejection += (
                f" The server has removed the file, so the only copy is {fetched.place}. It names people: remove its "
                "folder when it is not needed any more."
            )
        with engine.begin() as connection:
            connection.execute(query("imports/reject_file"), arrived | {"file_id": file_id, "rejection": rejection})
        raise InputFileError(rejection) from error
    fetched.discard()
    return file


def _is_on_server(folder: RemoteFolder, entry: RemoteFile) -> bool:
    """Returns whether the server certainly has a file; False if it can't be asked."""
    try:
        return find_entry(folder, entry.name) == entry
    except BursarError:
        return False


def _get_kept_state(engine: Engine, profile: str, kept: Download) -> KeptState:
    """Returns the state of kept bytes in the ledger."""
    with engine.connect() as connection:
        row = connection.execute(query("imports/get_kept_file"), _get_facts(kept) | {"profile": profile}).first()
    if row is None or row.state == FileState.REGISTERED:
        return KeptState.UNKNOWN
    if row.state == FileState.REJECTED:
        return KeptState.RECORDED if row.is_archived else KeptState.REJECTED
    return KeptState.RECORDED if row.is_registered else KeptState.REPEATED


def _register_repeated(engine: Engine, arrived: dict[str, Any], kept: Download) -> None:
    """Registers the arrival of kept bytes that the ledger knows, in their own run, with a warning in this one."""
    with engine.begin() as connection:
        registered = connection.execute(query("imports/insert_file_arrival"), arrived | _get_facts(kept)).first()
        arrival = get_arrival(connection, arrived["profile"], kept.run_id, kept.entry.name)
        if registered is None or arrival is None:  # that run has loaded another file of this name
            log.warning("%s has the same bytes as a file in the ledger. Compare them, then remove it.", kept.place)
            return
        _record_warning(
            connection,
            arrived,
            f"{kept.entry.name}, which run {kept.run_id} fetched and did not load, has the same content as a file that "
            "was loaded before; it changed nothing. Ask the bursar whether it repeats a report, or reports another "
            f"payment of the same amounts. In that case apply it, once, under {Page.WAITING} (`bin/bursar imports "
            f"apply-again {arrival.id}`).",
        )
    kept.discard()


def _record_warning(connection: Connection, arrived: dict[str, Any], warning: str) -> None:
    log.warning("%s", warning)
    connection.execute(query("imports/record_warning"), arrived | {"warning": warning})


def _get_facts(kept: Download) -> dict[str, Any]:
    entry = kept.entry
    facts = {"name": entry.name, "size": entry.size, "modified": entry.modified}
    return facts | {"sha256": kept.sha256, "run_id": kept.run_id}


def _get_loaded_by_another(
    engine: Engine, profile: Profile, name: str, run_id: str, folder: RemoteFolder
) -> ImportFile:
    """Returns a file that has left the folder, as another worker or run has loaded it.

    Raises:
        TransientError: the ledger does not know it.
        InputFileError: it was rejected.
        RemoteFolderError: an earlier try fetched it, and did not load it.
    """
    with engine.begin() as connection:
        registered = get_arrival(connection, profile.code, run_id, name)
        file_id = registered.file_id if registered else _register_same(connection, profile.code, run_id, name)
        # The lock waits for a worker that is loading the file at the moment.
        file = get_import_file(connection, file_id, lock=True) if file_id else None
    if file is None:
        # No person is needed yet: a file may be deleted first and then replaced.
        raise TransientError(
            f"{name} is not in {folder.address} any more, and has not been loaded. If it does not come back, ask "
            "the bursar to send it again: an earlier try may have fetched it from a server that gives each file once. "
            "The next run imports a file that comes later."
        )
    if file.state in LOADED:
        log.info("%s has been loaded by another worker, as file %s.", name, file.id)
        return file
    if file.rejection:
        raise InputFileError(file.rejection)
    raise RemoteFolderError(
        f"{name} (file {file.id}, {pluralize(file.size, 'byte')}) is not in {folder.address} any more. An earlier "
        "try fetched it and ended before its payments were in the ledger, so none of them has been applied. If another "
        "machine fetched it, its bytes may be there: repeat the step on that machine. Otherwise ask the bursar to send "
        "the file again. If it has the same name, repeat the step; if not, the next run imports it."
    )


def _register_same(connection: Connection, profile: str, run_id: str, name: str) -> int | None:
    """Registers for a run a file that another run has registered; returns its id, None if it is unknown."""
    of_run = {"profile": profile, "run_id": run_id, "name": name}
    file_id: int | None = connection.execute(query("imports/insert_repeated_arrival"), of_run).scalar_one_or_none()
    return file_id


def _register(engine: Engine, facts: dict[str, Any]) -> int:
    """Registers a file and its arrival; returns its id, or that of the file that the run has already loaded."""
    with engine.begin() as connection:
        connection.execute(query("imports/insert_import_file"), facts)
        file_id = connection.execute(query("imports/insert_file_arrival"), facts).scalar_one_or_none()
        if file_id is not None:
            return int(file_id)
        read = get_import_file(connection, connection.execute(query("ledger/get_file_arrival"), facts).one().file_id)
        if read.sha256 != facts["sha256"]:
            log.warning(
                "Another worker of this run has loaded another file named %s, as file %s. The one that was fetched "
                "here is not used (`bin/bursar imports list` lists it as registered).",
                *(facts["name"], read.id),
            )
        return read.id


def _load(
    engine: Engine, file_id: int, path: Path, arrived: dict[str, Any], layout: PaymentLayout | None
) -> ImportFile:
    """Copies the records of a registered file into the ledger, unless it has them.

    Raises:
        InputFileError: it is no valid payment file; the ledger is as before.
    """
    name = arrived["name"]
    with engine.begin() as connection:
        found = get_import_file(connection, file_id, lock=True)
        if found.state in LOADED:
            log.info(
                "%s has the same bytes as %s of %s (file %s, %s). Nothing is loaded twice.",
                *(name, found.name, found.run_id, found.id, found.state),
            )
            return found
        connection.execute(query("imports/delete_records"), {"file_id": file_id})
        count, totals = copy_records(connection, file_id, name, path, layout)
        facts = {"file_id": file_id, "records": count, "totals": json.dumps(to_json(totals))} | describe_layout(layout)
        connection.execute(query("imports/mark_loaded"), arrived | facts)
        read = get_import_file(connection, file_id)
    log.info("Loaded %s as file %s: %s, %s.", name, file_id, pluralize(read.size, "byte"), pluralize(count, "record"))
    return read
