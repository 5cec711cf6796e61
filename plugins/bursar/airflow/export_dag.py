"""The export DAG of a profile: finish what was left, select, build, upload, close."""

import logging
from contextlib import AbstractContextManager
from pathlib import Path

from airflow.sdk import DAG, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from bursar.airflow import assets
from bursar.airflow.approval_operator import ExportApprovalOperator
from bursar.airflow.base_dag import Summary, base_dag
from bursar.airflow.config import server_pool, work_dir
from bursar.airflow.connections import ledger_url, open_folder
from bursar.airflow.dag_docs import export_docs
from bursar.airflow.report_task import recorded, report_run
from bursar.airflow.run_params import ExportParams, check_params, export_params, parse_params
from bursar.db.engine import ledger_engine
from bursar.exports import approval, build, close, selection
from bursar.exports.resend import get_resendable_batch, resend_batch
from bursar.exports.upload import OpenFolder, upload_file
from bursar.ledger.batches import Batch, BatchState
from bursar.ledger.jobs import Job
from bursar.ledger.totals import to_json
from bursar.profiles import Profile, Settings
from bursar.remote_files.base import RemoteFolder
from bursar.work_dir import batch_folder, remove_folder

log = logging.getLogger(__name__)


def export_dag(profile: Profile, settings: Settings) -> DAG:
    """Builds the DAG of a profile's active export section; the same profile always gives the same DAG."""
    folder = work_dir(settings, profile)

    def folder_of(batch: Batch) -> AbstractContextManager[RemoteFolder]:
        # Once a part was complete, a missing file means that the bursar took it. A folder made anew would say that too.
        may_create = profile.export.create_missing_folder and batch.state is not BatchState.PART_COMPLETE
        return open_folder(batch.sftp_connection, batch.output_file_path, may_create=may_create)

    with base_dag(
        profile,
        Job.EXPORT,
        profile.export.schedule,
        dag_display_name=Job.EXPORT.display_name(profile.name),
        doc_md=export_docs(profile, settings),
        params=export_params(),
    ) as dag:

        @task(**server_pool(profile))
        @recorded(profile, Job.EXPORT)
        def recover_unfinished_batches() -> list[Summary]:
            """Carries to its end what an earlier run may have sent, and lets go what it can't have sent."""
            context = get_current_context()
            ti, run_id = context["ti"], context["run_id"]
            engine, request = ledger_engine(ledger_url()), parse_params(context, profile)
            check_params(engine, profile, request)
            if request.dry_run or request.resend_batch:
                log.info("What earlier runs left is not touched by this run.")
                return []
            ended = close.recover_unfinished_batches(
                engine,
                profile.code,
                run_id=run_id,
                is_running=lambda other: ti.get_dr_count(dag.dag_id, run_ids=[other], states=["queued", "running"]) > 0,
                open_folder=folder_of,
                work_dir=folder,
            )
            return [{"batch": batch.id, "state": batch.state, "fines": batch.fines} for batch in ended]

        @task
        @recorded(profile, Job.EXPORT)
        def select_fines() -> Summary:
            """Freezes the fines that the profile asks for into a batch, and claims them."""
            context = get_current_context()
            request = parse_params(context, profile)
            batch = _selected(profile, settings, request, context["run_id"])
            return {
                "batch": batch.id,
                "users": batch.users,
                "fines": batch.fines,
                "totals": to_json(batch.totals),
                "skipped": to_json(batch.skipped),
            }

        @task
        @recorded(profile, Job.EXPORT)
        def build_file(selected: Summary) -> Summary:
            """Builds the XML file of the batch and checks it against the format and the lines."""
            if not selected["fines"]:
                raise AirflowSkipException("Nothing to do: no fine is due for export, so there is no file.")
            return _built(profile, selected["batch"], folder)

        @task(**server_pool(profile), inlets=[assets.ledger_asset()], outlets=[assets.exported_files_asset(profile)])
        @recorded(profile, Job.EXPORT)
        def upload_file(built: Summary) -> Summary:
            """Brings the file into the bursar's folder, once."""
            request = parse_params(get_current_context(), profile)
            batch = _delivered(profile, request, built["batch"], folder_of, folder)
            return {"batch": batch.id, "file": batch.file_name, "folder": batch.remote_folder}

        @task(outlets=[assets.ledger_asset()])
        @recorded(profile, Job.EXPORT)
        def close_fines(uploaded: Summary) -> Summary:
            """Closes the fines of the delivered batch."""
            batch = close.close_fines(ledger_engine(ledger_url()), uploaded["batch"])
            return {"batch": batch.id, "fines": batch.fines, "totals": to_json(batch.totals)}

        selected = select_fines()
        recover_unfinished_batches() >> selected
        built = build_file(selected)  # type: ignore[arg-type]
        uploaded = upload_file(built)  # type: ignore[arg-type]
        if profile.export.approval.is_limited:
            built >> ExportApprovalOperator(task_id="wait_for_approval", profile=profile) >> uploaded
        close_fines(uploaded) >> report_run(profile, Job.EXPORT, dag)  # type: ignore[arg-type]

    return dag


def _selected(profile: Profile, settings: Settings, request: ExportParams, run_id: str) -> Batch:
    engine = ledger_engine(ledger_url())
    if request.resend_batch:
        log.info("Nothing is selected: batch %s is sent again.", request.resend_batch)
        return get_resendable_batch(engine, profile.code, request.resend_batch)
    return selection.select_fines(
        engine, profile, settings, run_id=run_id, as_of=request.as_of, dry_run=request.dry_run
    )


def _built(profile: Profile, batch_id: int, work_dir: Path) -> Summary:
    built = build.build_file(ledger_engine(ledger_url()), batch_id, work_dir)
    if parse_params(get_current_context(), profile).dry_run:
        remove_folder(batch_folder(work_dir, batch_id))
    return {"batch": batch_id, "file": built.path.name, "size": built.size, "sha256": built.sha256}


def _delivered(profile: Profile, request: ExportParams, batch_id: int, folder_of: OpenFolder, work_dir: Path) -> Batch:
    if request.dry_run:
        raise AirflowSkipException(
            f"A dry run sends nothing. `bin/bursar batches file {batch_id}` builds the file to look at."
        )
    engine = ledger_engine(ledger_url())
    if not request.resend_batch:
        approval.require_approved(engine, batch_id, profile.export.approval)
        return upload_file(engine, batch_id, folder_of, work_dir)
    context = get_current_context()
    return resend_batch(
        engine,
        profile.code,
        batch_id,
        run_id=context["run_id"],
        requested_by=context["dag_run"].triggering_user_name,
        open_folder=folder_of,
        work_dir=work_dir,
    )
