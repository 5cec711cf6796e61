"""Finds the loads of files, and removes bytes from this machine that a killed worker has left and the ledger has."""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from bursar.db.queries import query
from bursar.imports.download import Download, KeptState, list_kept_downloads
from bursar.remote_files.base import RemoteFile
from bursar.remote_files.entries import UNKNOWN_TIME
from bursar.sources.ready_files import FileSet
from bursar.sources.records import LoadRecord


def find_loads(engine: Engine, source: str, file: Mapping[str, Any]) -> dict[int, bool]:
    """Returns the ids of the loads of a file, by facts that loads record of it, and whether each was refused."""
    parameters = {"source": source, "file": json.dumps([file])}
    with engine.connect() as connection:
        return {row.id: row.is_refused for row in connection.execute(query("sources/find_loads_of_file"), parameters)}


def find_load_of_run(
    engine: Engine, source: str, run_id: str | None, files: FileSet, *, is_refused: bool
) -> LoadRecord | None:
    """Returns the newest load of these files by a run, refused or not; `run_id` is None for commands."""
    names = [{"table": kind, "name": name} for kind, name in files.items()]
    parameters = {"source": source, "run_id": run_id, "is_refused": is_refused, "files": json.dumps(names)}
    with engine.connect() as connection:
        row = connection.execute(query("sources/find_load_of_files"), parameters).first()
    return LoadRecord.of_row(row) if row else None


def is_of_another_load(engine: Engine, record: LoadRecord, path: str, moved: RemoteFile) -> bool:
    """Returns whether the ledger knows a file that was moved to a path as one of another load than the record's."""
    name = path.rpartition("/")[2]
    names = {name, name.partition("-")[2]} - {""}
    facts = {"size": moved.size, "modified": moved.modified.isoformat()}
    return any(id_ != record.id for one in names for id_ in find_loads(engine, record.source, facts | {"name": one}))


def get_facts(entry: RemoteFile) -> dict[str, Any]:
    """Returns the size and the time of a file, as loads record them."""
    return {"size": entry.size, "modified": entry.modified.isoformat()}


def get_kept_state(engine: Engine, source: str, kept: Download) -> KeptState:
    """Returns whether the ledger has the bytes of a file of a source under its name and time."""
    if kept.entry.modified == UNKNOWN_TIME:
        return KeptState.UNKNOWN
    loads = find_loads(engine, source, {"name": kept.entry.name, "sha256": kept.sha256} | get_facts(kept.entry))
    if not loads:
        return KeptState.UNKNOWN
    return KeptState.REJECTED if all(loads.values()) else KeptState.RECORDED


def remove_loaded_files(engine: Engine, source: str, work_dir: Path) -> None:
    """Removes the bytes that a killed worker left on this machine, if the ledger has them."""
    for kept in list_kept_downloads(work_dir, partial(get_kept_state, engine, source), KeptState.RECORDED):
        kept.discard()
