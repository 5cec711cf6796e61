"""Runs one of the product's stages in a fresh process that has loaded the modules of an Airflow task.

`python -m bench.product <stage> <parameters as JSON>` prints one JSON object: `seconds` of the stage alone,
`memory` (bytes, the peak of the process), `loaded` (bytes, the peak before the stage began) and `result`.
"""

import json
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from sqlalchemy import event

from bench.meter import get_peak
from bench.profile import AS_OF, PROFILE, SETTINGS
from bench.system_stages import read_system, write_system
from bursar.airflow import dag_factory  # noqa: F401  as a task's process has it
from bursar.airflow.connections import open_folder
from bursar.db.engine import ledger_engine
from bursar.exports import build, close, selection, upload
from bursar.imports import apply, archive, detect, load, rejects
from bursar.ledger.batches import Batch
from bursar.ledger.totals import to_json
from bursar.remote_files.base import RemoteFolder
from bursar.sources.csv.load import load as load_csv
from bursar.sources.load_types import SourceRules

RUN = "bench"

Given = dict[str, Any]  # ledger: URL; staging: folder; batch, file: id; name: of the payment file


def select_fines(given: Given) -> Given:
    """Selects all open fines."""
    batch = selection.select_fines(ledger_engine(given["ledger"]), PROFILE, SETTINGS, run_id=RUN, as_of=AS_OF)
    return {"batch": batch.id, "fines": batch.fines}


def select_dry_run(given: Given) -> Given:
    """Selects all open fines in a dry run, for a file in a layout; in XML if it is None."""
    export = PROFILE.export.model_copy(update={"layout": given["layout"], "currencies": ("USD",)})
    profile = PROFILE.model_copy(update={"export": export})
    engine = ledger_engine(given["ledger"])
    batch = selection.select_fines(engine, profile, SETTINGS, run_id=given["run"], as_of=AS_OF, dry_run=True)
    return {"batch": batch.id, "fines": batch.fines}


def build_file(given: Given) -> Given:
    """Builds and checks the file of a batch."""
    built = build.build_file(ledger_engine(given["ledger"]), given["batch"], Path(given["staging"]))
    return {"file": str(built.path), "bytes": built.size, "sha256": built.sha256}


def upload_file(given: Given) -> Given:
    """Uploads the file of a batch."""

    def folder_of(batch: Batch) -> AbstractContextManager[RemoteFolder]:
        return open_folder(batch.sftp_connection, batch.output_file_path, may_create=True)

    batch = upload.upload_file(ledger_engine(given["ledger"]), given["batch"], folder_of, Path(given["staging"]))
    return {"name": batch.file_name}


def close_fines(given: Given) -> Given:
    """Closes the fines of a batch."""
    return {"fines": close.close_fines(ledger_engine(given["ledger"]), given["batch"]).fines}


def detect_files(given: Given) -> Given:
    """Detects payment files, as the sensor does."""
    with _input_folder() as folder:
        ready = detect.select_ready_files(
            ledger_engine(given["ledger"]), detect.WatchedFolder.of_import(PROFILE), folder.files(), limit=1024
        )
    return {"ready": len(ready)}


def load_file(given: Given) -> Given:
    """Downloads a payment file and loads its records into the ledger."""
    engine, staging = ledger_engine(given["ledger"]), Path(given["staging"])
    with _input_folder() as folder:
        file = load.load_file(engine, PROFILE, given["name"], run_id=RUN, folder=folder, work_dir=staging)
    return {"file": file.id, "records": file.records}


def apply_payments(given: Given) -> Given:
    """Applies the records of a payment file."""
    applied = apply.apply_payments(ledger_engine(given["ledger"]), given["file"], run_id=RUN)
    return {"outcomes": to_json(applied.outcomes or {})}


def archive_file(given: Given) -> Given:
    """Saves the rejects of a payment file and archives it."""
    engine = ledger_engine(given["ledger"])
    rejects.save_rejects(engine, given["file"], Path(given["staging"]) / "rejects")
    with _input_folder() as folder:
        path = archive.archive_file(engine, PROFILE, given["name"], run_id=RUN, folder=folder)
    return {"archived_path": path}


def load_fines(given: Given) -> Given:
    """Loads a file of fines; also returns how many seconds it held the lock on the table of fines."""
    engine, moments = ledger_engine(given["ledger"]), []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "LOCK TABLE fines_lock" in statement:
            moments.append(time.monotonic())

    event.listen(engine, "after_cursor_execute", note)
    event.listen(engine, "commit", lambda _connection: moments.append(time.monotonic()))
    rules = SourceRules(currency="USD", time_zone="UTC")
    counts = load_csv(engine, rules, fines=Path(given["file"])).counts
    return {
        "counts": [counts.fines_added, counts.fines_changed, counts.fines_unchanged],
        "locked": moments[-1] - moments[0],
    }


STAGES: dict[str, Callable[[Given], Given]] = {
    stage.__name__: stage
    for stage in (
        select_fines,
        select_dry_run,
        build_file,
        upload_file,
        close_fines,
        detect_files,
        load_file,
        apply_payments,
        archive_file,
        read_system,
        write_system,
    )
}
STAGES.update(dict.fromkeys(("load_new_fines", "load_known_fines", "load_more_fines"), load_fines))


def _input_folder() -> AbstractContextManager[RemoteFolder]:
    return open_folder(PROFILE.sftp_connection, PROFILE.import_.input_file_path, may_create=False)


if __name__ == "__main__":
    loaded = get_peak()
    began = time.monotonic()
    result = STAGES[sys.argv[1]](json.loads(sys.argv[2]))
    seconds = time.monotonic() - began
    print(json.dumps({"seconds": seconds, "loaded": loaded, "memory": get_peak(), "result": result}))
