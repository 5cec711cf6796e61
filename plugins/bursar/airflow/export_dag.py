"""The export DAG of a profile: recover unfinished batches; select, build, upload, close; report."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, BaseOperator, Context, chain
from airflow.sdk.exceptions import AirflowSkipException

from bursar.airflow import assets, config, connections
from bursar.airflow.base_dag import base_dag, task_of_run
from bursar.airflow.dag_docs import export_docs
from bursar.airflow.profile_run import ProfileRun
from bursar.airflow.profile_store import find_credits_of
from bursar.airflow.report_task import report_task
from bursar.airflow.run_params import ExportParams, export_params, parse_params
from bursar.airflow.task_summaries import BuiltFiles, ClosedBatch, RecoveredBatch, SelectedBatch, UploadedFiles
from bursar.exports import approval, build, close, recover, selection, upload
from bursar.exports.resend import choose_files, get_resendable_batch, resend_batch
from bursar.ledger.batches import Batch, BatchState
from bursar.ledger.jobs import Job
from bursar.ledger.totals import to_json
from bursar.profiles import Profile, Settings
from bursar.remote_files.base import RemoteFolder
from bursar.work_dir import batch_folder, remove_folder

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ExportRun(ProfileRun):
    """A run of a profile's export: the first argument of its tasks.

    `requested_by` is the user who started the run, None for the schedule. `is_running` says whether another run of the
    DAG, given by its id, is queued or running.
    """

    job = Job.EXPORT

    params: ExportParams
    requested_by: str | None
    is_running: Callable[[str], bool]

    @classmethod
    def _read(cls, context: Context, profile: Profile) -> dict[str, Any]:
        ti, active = context["ti"], ["queued", "running"]
        return {
            "params": parse_params(context, profile),
            "requested_by": context["dag_run"].triggering_user_name,
            "is_running": lambda run_id: ti.get_dr_count(ti.dag_id, run_ids=[run_id], states=active) > 0,
        }

    @property
    def work_dir(self) -> Path:
        """The folder of this machine that holds the working folders of the profile's batches."""
        return config.work_dir(self.settings, self.profile)

    def open_folder(self, batch: Batch) -> AbstractContextManager[RemoteFolder]:
        """Opens the remote folder that a batch is uploaded to."""
        # Once the part is complete, a missing part means that the bursar has taken the file. In a folder that was
        # created anew it would be missing as well.
        may_create = self.profile.export.create_missing_folder and batch.state is not BatchState.PART_COMPLETE
        return connections.open_folder(
            batch.sftp_connection, batch.output_file_path, may_create=may_create, limits=self.settings.server_limits
        )


def export_dag(profile: Profile, settings: Settings) -> DAG:
    """Builds the DAG of a profile's active export section; the same profile always gives the same DAG."""
    with base_dag(
        profile,
        Job.EXPORT,
        profile.export.schedule,
        description=profile.description,
        doc_md=export_docs(profile, settings),
        params=export_params(),
    ) as dag:
        task = partial(task_of_run, Job.EXPORT, profile, partial(ExportRun.from_context, profile, settings))
        server = config.server_placement(profile.sftp_connection, settings)
        ledger, files = assets.ledger_asset(), assets.exported_files_asset(profile)

        recover = task(recover_unfinished_batches, **server)()
        select = task(select_fines)()
        build = task(build_file)(select)
        upload = task(upload_file, **server, inlets=[ledger], outlets=[files])(build)
        close = task(close_fines, outlets=[ledger])(upload)
        report = report_task(Job.EXPORT, profile)

        recover >> select >> build >> upload >> close >> report
        waits: list[BaseOperator] = []
        if profile.export.approval.is_limited:
            # Imported here: few profiles have limits, and the operator brings Airflow's human in the loop along.
            from bursar.airflow.export_approval import ExportApprovalOperator  # noqa: PLC0415

            waits.append(ExportApprovalOperator(task_id="wait_for_approval", profile=profile, settings=settings))
        if profile.export.upload.previous_file == "wait":
            from bursar.airflow.previous_file_sensor import PreviousFileSensor  # noqa: PLC0415  few profiles wait

            limits = settings.server_limits
            waits.append(PreviousFileSensor(task_id="wait_for_previous_file", profile=profile, limits=limits, **server))
        chain(build, *waits, upload)
    return dag


def recover_unfinished_batches(run: ExportRun) -> list[RecoveredBatch]:
    """Closes batches of earlier runs that may have been delivered, and releases the others.

    A dry run and a resend recover nothing.

    Raises:
        BatchError: the run is to resend a batch that can't be sent again, or files that the batch does not have.
    """
    if run.params.resend_batch:
        resendable = get_resendable_batch(run.engine, run.profile.code, run.params.resend_batch)
        choose_files(resendable, run.params.resend_files)
    if run.params.resend_batch or run.params.dry_run:
        log.info("This run does not recover batches of earlier runs.")
        return []
    recovered = recover.recover_unfinished_batches(
        run.engine,
        run.profile.code,
        run_id=run.run_id,
        is_running=run.is_running,
        open_folder=run.open_folder,
        work_dir=run.work_dir,
        settings=run.profile.export.upload,
    )
    return [{"batch_id": batch.id, "state": batch.state, "fines": batch.fines} for batch in recovered]


def select_fines(run: ExportRun) -> SelectedBatch:
    """Selects the fines that are due, and claims them for a batch. A resend returns the batch to send again."""
    if run.params.resend_batch:
        log.info("No fines are selected: this run sends batch %s again.", run.params.resend_batch)
        batch = get_resendable_batch(run.engine, run.profile.code, run.params.resend_batch)
    else:
        batch = selection.select_fines(
            run.engine,
            find_credits_of(run.settings, run.profile, get_engine=lambda: run.engine),
            run.settings,
            run_id=run.run_id,
            as_of=run.params.as_of,
            dry_run=run.params.dry_run,
            requested_by=run.requested_by,
        )
    return {
        "batch_id": batch.id,
        "users": batch.users,
        "fines": batch.fines,
        "totals": to_json(batch.totals),
        "skipped": to_json(batch.skipped),
    }


def build_file(run: ExportRun, selected: SelectedBatch) -> BuiltFiles:
    """Builds the file of the batch, or its files, and checks them against the format and the batch.

    Raises:
        AirflowSkipException: the batch has no fines.
    """
    if not selected["fines"]:
        raise AirflowSkipException("There is nothing to do: no fine is due for export, so no file is built.")
    batch_id = selected["batch_id"]
    files = build.build_files(run.engine, batch_id, run.work_dir)
    if run.params.dry_run:
        remove_folder(batch_folder(run.work_dir, batch_id))
    return {
        "batch_id": batch_id,
        "files": [{"file_name": file.name, "size": file.size, "sha256": file.sha256} for file in files],
    }


def upload_file(run: ExportRun, built: BuiltFiles) -> UploadedFiles:
    """Uploads the files into the bursar's folder, each once.

    Raises:
        AirflowSkipException: the run is a dry run.
        BatchError: the batch needs an approval and has none.
    """
    batch_id = built["batch_id"]
    if run.params.dry_run:
        raise AirflowSkipException(
            "A dry run uploads nothing. The page of the batch has the file "
            f"(`bin/bursar batches build-file {batch_id}`)."
        )
    if run.params.resend_batch:
        batch = resend_batch(
            run.engine,
            run.profile.code,
            batch_id,
            run_id=run.run_id,
            requested_by=run.requested_by,
            open_folder=run.open_folder,
            work_dir=run.work_dir,
            file_names=run.params.resend_files,
            settings=run.profile.export.upload,
        )
    else:
        approval.require_approved(run.engine, batch_id, run.profile.export.approval)
        batch = upload.upload_file(run.engine, batch_id, run.open_folder, run.work_dir, run.profile.export.upload)
    names = [file.name for file in choose_files(batch, run.params.resend_files)]
    return {"batch_id": batch.id, "file_names": names, "remote_folder": batch.remote_folder}


def close_fines(run: ExportRun, uploaded: UploadedFiles) -> ClosedBatch:
    """Closes the fines of the delivered batch."""
    batch = close.close_fines(run.engine, uploaded["batch_id"])
    return {"batch_id": batch.id, "fines": batch.fines, "totals": to_json(batch.totals)}
