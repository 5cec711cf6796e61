"""The DAG of a source: wait for its files; load and archive them; report."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial

from airflow.sdk import DAG

from bursar.airflow import assets, config
from bursar.airflow.base_dag import task_of_run
from bursar.airflow.dag_docs import sync_docs
from bursar.airflow.report_task import report_task
from bursar.airflow.source_file_sensor import SourceFileSensor
from bursar.airflow.source_folder import open_source_folder
from bursar.airflow.source_run import LoadRun, source_dag
from bursar.airflow.task_summaries import LoadedSet
from bursar.errors import InputFileError
from bursar.ledger.jobs import Job
from bursar.profiles import Settings
from bursar.reporting.load_report import describe_previews
from bursar.sources.csv.model import CsvSource
from bursar.sources.load_types import InvalidRowsError, LoadResult, OlderFileError
from bursar.sources.ready_files import FileSet
from bursar.sources.records import LoadRecord
from bursar.sources.refusals import describe_format
from bursar.sources.sync import SyncRun


class SourceRun(LoadRun[CsvSource]):
    """A run that loads files of a source: the first argument of its tasks."""

    @contextmanager
    def open(self) -> Iterator[SyncRun]:
        """Opens the folder of the source."""
        with open_source_folder(self.source, self.settings.server_limits) as folder:
            yield SyncRun(
                engine=self.engine,
                source=self.source,
                folder=folder,
                work_dir=config.source_work_dir(self.settings, self.source),
                run_id=self.run_id,
                requested_by=self.requested_by,
            )


def sync_dag(source: CsvSource, settings: Settings) -> DAG:
    """Builds the DAG of an active source; the same source always gives the same DAG."""
    with source_dag(
        source,
        dry_run="Count what a load would change. Nothing is loaded, and the files stay where they are.",
        doc_md=sync_docs(source, settings),
    ) as dag:
        task = partial(task_of_run, Job.SYNC, source, partial(SourceRun.from_context, source, settings))
        server = config.server_placement(source.connection, settings)
        wait = SourceFileSensor(task_id="wait_for_files", source=source)
        load = task(load_files, **server, inlets=[assets.source_files_asset(source)], outlets=[assets.ledger_asset()])(
            wait.output
        )
        wait >> load >> report_task(Job.SYNC, source)
    return dag


def load_files(run: SourceRun, sets: list[FileSet]) -> list[LoadedSet]:
    """Loads the files that are ready, each set in one transaction, oldest first, and moves them away.

    Raises:
        InputFileError: a set was refused, or would be, and nothing of it was loaded. The others have been loaded.
    """
    with run.open() as sync:
        if run.dry_run:
            return _preview(sync, sets)
        return [_summarize(load, [file["name"] for file in load.files]) for load in sync.load_sets(sets)]


def _preview(sync: SyncRun, sets: list[FileSet]) -> list[LoadedSet]:
    previews = sync.preview_sets(sets)
    counted = [_summarize(found, list(files.values())) for files, found in previews if isinstance(found, LoadResult)]
    refusals = [_describe_refusal(sync, files, found) for files, found in previews if isinstance(found, InputFileError)]
    if refusals:
        raise InputFileError("\n".join([*refusals, *describe_previews(counted)]))
    return counted


def _describe_refusal(sync: SyncRun, files: FileSet, error: InputFileError) -> str:
    """Says why a load would be refused, without the values of rows, which name people."""
    start = f"A load of {', '.join(files.values())} would be refused:"
    if isinstance(error, OlderFileError):
        return f"{start} {error}."
    what = describe_format(error) or (
        f"its rows have {error.count:,} faults" if isinstance(error, InvalidRowsError) else "its heading is wrong"
    )
    return f"{start} {what} (`bin/bursar sources load {sync.source.code} --dry-run` prints the first)."


def _summarize(load: LoadRecord | LoadResult, files: list[str]) -> LoadedSet:
    return {
        "load_id": load.id if isinstance(load, LoadRecord) else None,
        "files": files,
        "counts": asdict(load.counts),
        "rejected": dict(load.rejected),
    }
