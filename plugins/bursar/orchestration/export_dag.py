"""The export DAG of a profile: finish what was left, select, build, upload, close."""

import logging
from contextlib import AbstractContextManager
from pathlib import Path

from airflow.sdk import DAG, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from bursar.exchange.folder import RemoteFolder
from bursar.exporting import approval, closing, document, selection
from bursar.exporting.delivery import OpenFolder, deliver
from bursar.exporting.resending import send_again, sendable_again
from bursar.ledger.batches import Batch, State
from bursar.ledger.connection import ledger_engine
from bursar.orchestration import lineage
from bursar.orchestration.connections import ledger_url, open_folder
from bursar.orchestration.deployment import at_the_server, work_dir
from bursar.orchestration.documentation import export_documentation
from bursar.orchestration.export_approval import ExportApproval
from bursar.orchestration.integration_dag import Summary, integration_dag
from bursar.orchestration.job_reporting import report_job, timed
from bursar.orchestration.run_request import RunRequest, check_request, read_request, request_form
from bursar.profiles import Profile, Settings
from bursar.work_dir import batch_folder, remove

log = logging.getLogger(__name__)


def export_dag(profile: Profile, settings: Settings) -> DAG:
    """Builds the DAG of a profile's active export section; the same profile always gives the same DAG."""
    folder = work_dir(settings, profile)

    def folder_of(batch: Batch) -> AbstractContextManager[RemoteFolder]:
        # Once a part was complete, a missing file means that the bursar took it. A folder made anew would say that too.
        may_create = profile.export.may_create_folder and batch.state is not State.PART_COMPLETE
        return open_folder(batch.sftp_connection, batch.output_file_path, may_create=may_create)

    with integration_dag(
        profile,
        "export",
        profile.export.schedule,
        dag_display_name=f"Export to Bursar Using Profile {profile.name}",
        doc_md=export_documentation(profile, settings),
        params=request_form(),
    ) as dag:

        @task(**at_the_server(profile))
        @timed(profile, "export")
        def finish_earlier_batches() -> list[Summary]:
            """Carries to its end what an earlier run may have sent, and lets go what it can't have sent."""
            context = get_current_context()
            ti, run = context["ti"], context["run_id"]
            engine, request = ledger_engine(ledger_url()), read_request(context, profile)
            check_request(engine, profile, request)
            if request.dry_run or request.resend_batch:
                log.info("What earlier runs left is not touched by this run.")
                return []
            ended = closing.finish_earlier_batches(
                engine,
                profile.code,
                run=run,
                is_running=lambda other: ti.get_dr_count(dag.dag_id, run_ids=[other], states=["queued", "running"]) > 0,
                open_folder=folder_of,
                work_dir=folder,
            )
            return [{"batch": batch.id, "state": batch.state, "fines": batch.fines} for batch in ended]

        @task
        @timed(profile, "export")
        def select_fines() -> Summary:
            """Freezes the fines that the profile asks for into a batch, and claims them."""
            context = get_current_context()
            request = read_request(context, profile)
            batch = _selected(profile, settings, request, context["run_id"])
            return {
                "batch": batch.id,
                "users": batch.users,
                "fines": batch.fines,
                "totals": batch.totals,
                "left_behind": batch.left_behind,
            }

        @task
        @timed(profile, "export")
        def build_document(selected: Summary) -> Summary:
            """Builds the XML file of the batch and checks it against the format and the lines."""
            if not selected["fines"]:
                raise AirflowSkipException("Nothing to do: no fine is due for export, so there is no file.")
            return _built(profile, selected["batch"], folder)

        @task(**at_the_server(profile), inlets=[lineage.ledger()], outlets=[lineage.exported_files(profile)])
        @timed(profile, "export")
        def upload_file(built: Summary) -> Summary:
            """Brings the file into the bursar's folder, once."""
            request = read_request(get_current_context(), profile)
            batch = _delivered(profile, request, built["batch"], folder_of, folder)
            return {"batch": batch.id, "file": batch.file_name, "folder": batch.remote_folder}

        @task(outlets=[lineage.ledger()])
        @timed(profile, "export")
        def close_fines(uploaded: Summary) -> Summary:
            """Closes the fines of the delivered batch."""
            batch = closing.close_fines(ledger_engine(ledger_url()), uploaded["batch"])
            return {"batch": batch.id, "fines": batch.fines, "totals": batch.totals}

        selected = select_fines()
        finish_earlier_batches() >> selected
        built = build_document(selected)  # type: ignore[arg-type]
        uploaded = upload_file(built)  # type: ignore[arg-type]
        if profile.export.approval.is_limited:
            built >> ExportApproval(task_id="approve", profile=profile) >> uploaded
        close_fines(uploaded) >> report_job(profile, "export", dag)  # type: ignore[arg-type]

    return dag


def _selected(profile: Profile, settings: Settings, request: RunRequest, run: str) -> Batch:
    engine = ledger_engine(ledger_url())
    if request.resend_batch:
        log.info("Nothing is selected: batch %s is sent again.", request.resend_batch)
        return sendable_again(engine, profile.code, request.resend_batch)
    return selection.select_fines(engine, profile, settings, run=run, as_of=request.as_of, dry_run=request.dry_run)


def _built(profile: Profile, batch_id: int, work_dir: Path) -> Summary:
    built = document.build_document(ledger_engine(ledger_url()), batch_id, work_dir)
    if read_request(get_current_context(), profile).dry_run:
        remove(batch_folder(work_dir, batch_id))
    return {"batch": batch_id, "file": built.path.name, "size": built.size, "sha256": built.sha256}


def _delivered(profile: Profile, request: RunRequest, batch_id: int, folder_of: OpenFolder, work_dir: Path) -> Batch:
    if request.dry_run:
        raise AirflowSkipException(
            f"A dry run sends nothing. `bin/bursar batches file {batch_id}` builds the file to look at."
        )
    engine = ledger_engine(ledger_url())
    if not request.resend_batch:
        approval.require_approved(engine, batch_id, profile.export.approval)
        return deliver(engine, batch_id, folder_of, work_dir)
    context = get_current_context()
    return send_again(
        engine,
        profile.code,
        batch_id,
        run=context["run_id"],
        requested_by=context["dag_run"].triggering_user_name,
        open_folder=folder_of,
        work_dir=work_dir,
    )
