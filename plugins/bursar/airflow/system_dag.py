"""The DAG of a source that is a library's system: write what is due; read, and load what was read; report."""

from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial

from airflow.sdk import DAG

from bursar.airflow import assets, config
from bursar.airflow.base_dag import task_of_run
from bursar.airflow.dag_docs import system_docs
from bursar.airflow.library_systems import open_library_system
from bursar.airflow.report_task import report_task
from bursar.airflow.source_run import LoadRun, source_dag
from bursar.airflow.task_summaries import LoadedSet, WrittenEvents
from bursar.ledger.jobs import Job
from bursar.profiles import Settings
from bursar.sources.outbox import Outbox
from bursar.sources.readings import ReadingRun
from bursar.sources.source_lock import lock_source
from bursar.sources.system_model import SystemSource, describe_job


class SystemRun(LoadRun[SystemSource]):
    """A run of a source that is a library's system: the first argument of its tasks."""


def system_dag(source: SystemSource, settings: Settings) -> DAG:
    """Builds the DAG of an active source; the same source always gives the same DAG."""
    with source_dag(
        source,
        dry_run="Read, and count what a load would change. Nothing is loaded, and nothing is written.",
        dag_display_name=describe_job(Job.SYNC, source),
        doc_md=system_docs(source, settings),
    ) as dag:
        task = partial(task_of_run, Job.SYNC, source, partial(SystemRun.from_context, source, settings))
        server = config.server_placement(source.connection, settings)
        write = task(write_events, **server)()
        # Also if events could not be written: else exports would bill what has been settled at the library meanwhile.
        read = task(load_fines, **server, outlets=[assets.ledger_asset()], trigger_rule="all_done")()
        write >> read >> report_task(Job.SYNC, source)
    return dag


def write_events(run: SystemRun) -> WrittenEvents:
    """Informs the library's system of what happened to its fines: writes the events that are due, each once."""
    if run.dry_run:
        return {"done": 0, "refused": 0, "unknown": 0, "held": 0}
    with open_library_system(run.source) as system:
        counts = Outbox(run.engine, run.source).write(system)
    return {"done": counts.done, "refused": counts.refused, "unknown": counts.unknown, "held": counts.held}


def load_fines(run: SystemRun) -> list[LoadedSet]:
    """Reads the fines that changed, and once a day all that are open, and loads them.

    Raises:
        InputFileError: a load was refused, or would be, and changed nothing.
    """
    source = run.source
    with open_library_system(source) as system, lock_source(run.engine, source.code) as lock:
        results = ReadingRun(
            engine=run.engine,
            lock=lock,
            source=source,
            system=system,
            work_dir=config.source_work_dir(run.settings, source),
            run_id=run.run_id,
            requested_by=run.requested_by,
            now=datetime.now(UTC),
        ).load(dry_run=run.dry_run)
    return [
        {
            "load_id": None if run.dry_run else result.load_id,
            "files": [f"reading {number} of {source.name}"],
            "counts": asdict(result.counts),
            "rejected": dict(result.rejected),
        }
        for number, result in enumerate(results, 1)
    ]
