"""Archives an imported file: moves it in the bursar's folder to `processed/` or `failed/`.

The report of the run has the warnings of `bursar.remote_files.archive`.
"""

import logging

from sqlalchemy import Engine

from bursar.db.queries import query
from bursar.errors import InputFileError
from bursar.ledger.import_files import FileArrival, FileState, get_arrival, get_import_file
from bursar.profiles import Profile
from bursar.remote_files.archive import Archive
from bursar.remote_files.base import RemoteFile, RemoteFolder

log = logging.getLogger(__name__)

FOLDERS = {FileState.APPLIED: "processed", FileState.REJECTED: "failed"}


def archive_file(engine: Engine, profile: Profile, name: str, *, run_id: str, folder: RemoteFolder) -> str | None:
    """Moves an applied or rejected file, and its done file, to its archive folder, and records that.

    Returns its new path below the folder; None if it was removed or replaced, or if it stays, as it always does with
    `after_import: leave`. A repeated call changes
    nothing.

    Raises:
        InputFileError: it was neither applied nor rejected; it stays where it is.
        TransientError: the server can't be reached.
        RemoteFolderError: the server does not move it; or another file was moved and cannot be moved back.
    """
    with engine.connect() as connection:
        arrival = get_arrival(connection, profile.code, run_id, name)
        file = get_import_file(connection, arrival.file_id) if arrival else None
    if arrival is None or file is None or file.state not in FOLDERS:
        state = file.state if file else "not loaded"
        raise InputFileError(f"{name} is {state} and stays where it is. Repeat its import first.")
    if arrival.archived_at:
        log.info("%s has already been archived: %s.", name, arrival.archived_path)
        return arrival.archived_path
    if profile.import_.files_stay:
        _mark_archived(engine, arrival, None, None)
        log.info("%s stays in %s, as the profile says.", name, folder.address)
        return None

    def is_of_another(path: str, moved: RemoteFile) -> bool:
        facts = {"profile": profile.code, "path": path, "size": moved.size, "modified": moved.modified}
        with engine.connect() as connection:
            known = connection.execute(query("imports/is_archived"), {"arrival_id": arrival.id, **facts})
            return bool(known.scalar_one())

    archive = Archive(
        folder=folder,
        loaded=RemoteFile(name, arrival.size, arrival.modified, is_regular=True),
        sha256=file.sha256,
        name=FOLDERS[file.state],
        number=arrival.id,
        record=f"payment file {file.id} of the job report (`bin/bursar imports list`)",
        is_of_another=is_of_another,
    )
    path = archive.move(profile.import_.done_file_suffix)
    _mark_archived(engine, arrival, path, archive.warning)
    return path


def _mark_archived(engine: Engine, arrival: FileArrival, path: str | None, warning: str | None) -> None:
    outcome = {"archived_path": path, "warning": warning}
    with engine.begin() as connection:
        connection.execute(
            query("imports/mark_archived"), {"arrival_id": arrival.id, "file_id": arrival.file_id, **outcome}
        )
