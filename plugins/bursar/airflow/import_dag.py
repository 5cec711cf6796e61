"""The import DAG of a profile: wait for payment files; load, apply and archive each; report."""

import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from airflow.sdk import DAG, task_group

from bursar.airflow import assets, config
from bursar.airflow.base_dag import RUN_TYPES_WITHOUT_BACKFILL, base_dag, task_of_run
from bursar.airflow.dag_docs import import_docs
from bursar.airflow.inbox_sensor import InboxSensor
from bursar.airflow.profile_run import InboxRun
from bursar.airflow.report_task import report_task
from bursar.airflow.task_summaries import AppliedFile, ArchivedFile, LoadedFile
from bursar.errors import InputFileError
from bursar.imports import apply, archive, load, rejects
from bursar.imports.apply_again import list_repeated_arrivals
from bursar.ledger.jobs import Job
from bursar.ledger.totals import to_json
from bursar.profiles import Profile, Settings
from bursar.reporting.report_sentences import describe_repeated_file

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ImportRun(InboxRun):
    """A run of a profile's import: the first argument of its tasks."""

    job = Job.IMPORT

    @property
    def work_dir(self) -> Path:
        """The folder of this machine that holds the working files of the profile."""
        return config.work_dir(self.settings, self.profile)


def import_dag(profile: Profile, settings: Settings) -> DAG:
    """Builds the DAG of a profile's active import section; the same profile always gives the same DAG.

    Files are imported one after the other, oldest first: cumulative amounts are right only in the order in which the
    bursar wrote them.
    """
    with base_dag(
        profile,
        Job.IMPORT,
        profile.import_.schedule,
        description=profile.description,
        doc_md=import_docs(profile, settings),
        allowed_run_types=RUN_TYPES_WITHOUT_BACKFILL,
    ) as dag:
        task = partial(task_of_run, Job.IMPORT, profile, partial(ImportRun.from_context, profile, settings))
        server = config.server_placement(profile.sftp_connection, settings)
        ledger, files = assets.ledger_asset(), assets.payment_files_asset(profile)
        # Airflow shows these labels in the place of the numbers of mapped tasks.
        one_by_one = partial(task, max_active_tis_per_dagrun=1, map_index_template="{{ task.op_args[0].file_name }}")

        @task_group
        def import_file(name: str) -> None:
            """Imports one file. An error in it does not stop the import of the others."""
            load = one_by_one(load_file, **server, inlets=[files], map_index_template="{{ task.op_args[0] }}")(name)
            apply = one_by_one(apply_payments, outlets=[ledger])(load)
            archive = one_by_one(archive_file, **server)(apply)
            load >> apply >> archive

        wait = InboxSensor(task_id="wait_for_files", profile=profile, job=Job.IMPORT)
        wait >> import_file.expand(name=wait.output) >> report_task(Job.IMPORT, profile)
    return dag


def load_file(run: ImportRun, name: str) -> LoadedFile:
    """Loads the records of a payment file into the ledger; moves a file that is rejected to `failed`.

    Raises:
        InputFileError: the file is rejected.
    """
    with run.open_folder() as folder:
        try:
            file = load.load_file(
                run.engine, run.profile, name, run_id=run.run_id, folder=folder, work_dir=run.work_dir
            )
        except InputFileError:
            archive.archive_file(run.engine, run.profile, name, run_id=run.run_id, folder=folder)
            raise
    return {
        "file_id": file.id,
        "file_name": name,
        "size": file.size,
        "sha256": file.sha256,
        "records": file.records,
        "totals": to_json(file.totals or {}),
    }


def apply_payments(run: ImportRun, loaded: LoadedFile) -> AppliedFile:
    """Applies the payments of the file to the fines, once."""
    limit = run.profile.import_.max_overpayment
    file = apply.apply_payments(run.engine, loaded["file_id"], run_id=run.run_id, max_overpayment=limit)
    with run.engine.connect() as connection:
        for arrival in list_repeated_arrivals(connection, run.profile.code, run.run_id):
            if arrival.name == loaded["file_name"]:
                log.warning("%s", describe_repeated_file(arrival))
    return {"file_id": file.id, "file_name": loaded["file_name"], "outcomes": to_json(file.outcomes or {})}


def archive_file(run: ImportRun, applied: AppliedFile) -> ArchivedFile:
    """Writes the records without effect into a report, and moves the file to `processed`."""
    rejects.save_rejects(run.engine, applied["file_id"], run.work_dir / "rejects")
    with run.open_folder() as folder:
        path = archive.archive_file(run.engine, run.profile, applied["file_name"], run_id=run.run_id, folder=folder)
    return {"file_id": applied["file_id"], "file_name": applied["file_name"], "archived_path": path}
