"""The import DAG of a profile: wait for files; read, apply and put away each."""

from contextlib import AbstractContextManager

from airflow.sdk import DAG, get_current_context, task, task_group

from bursar.airflow import assets
from bursar.airflow.base_dag import Summary, base_dag
from bursar.airflow.config import server_pool, work_dir
from bursar.airflow.connections import ledger_url, open_folder
from bursar.airflow.dag_docs import import_docs
from bursar.airflow.payment_file_sensor import PaymentFileSensor
from bursar.airflow.report_task import recorded, report_run
from bursar.db.engine import ledger_engine
from bursar.errors import InputFileError
from bursar.imports import apply, archive, load, rejects
from bursar.ledger.jobs import Job
from bursar.ledger.totals import to_json
from bursar.profiles import Profile, Settings
from bursar.remote_files.base import RemoteFolder


def import_dag(profile: Profile, settings: Settings) -> DAG:
    """Builds the DAG of a profile's active import section; the same profile always gives the same DAG.

    Files are worked off one after the other, oldest first: totals so far only make sense in the order they were made.
    """
    folder = work_dir(settings, profile)
    server = server_pool(profile)
    payments, ledger = [assets.payment_files_asset(profile)], [assets.ledger_asset()]

    def input_folder() -> AbstractContextManager[RemoteFolder]:
        return open_folder(profile.sftp_connection, profile.import_.input_file_path, may_create=False)

    with base_dag(
        profile,
        Job.IMPORT,
        profile.import_.schedule,
        dag_display_name=Job.IMPORT.display_name(profile.name),
        doc_md=import_docs(profile, settings),
        # A file is imported when it comes: a past day has none. Airflow refuses a backfill when it is asked for.
        allowed_run_types=["scheduled", "manual", "operator_triggered", "asset_triggered"],
    ) as dag:

        @task(
            max_active_tis_per_dagrun=1,
            map_index_template="{{ file_name }}",
            **server,
            inlets=payments,
        )
        @recorded(profile, Job.IMPORT)
        def load_file(name: str) -> Summary:
            """Brings the records of a file into the ledger; what is no file of payments is moved to failed."""
            engine, run_id = ledger_engine(ledger_url()), _run_with(name)
            with input_folder() as remote:
                try:
                    file = load.load_file(engine, profile, name, run_id=run_id, folder=remote, work_dir=folder)
                except InputFileError:
                    archive.archive_file(engine, profile, name, run_id=run_id, folder=remote)
                    raise
            return {
                "file": file.id,
                "name": name,
                "size": file.size,
                "sha256": file.sha256,
                "records": file.records,
                "totals": to_json(file.totals or {}),
            }

        @task(max_active_tis_per_dagrun=1, map_index_template="{{ file_name }}", outlets=ledger)
        @recorded(profile, Job.IMPORT)
        def apply_payments(read: Summary) -> Summary:
            """Pays the fines of the file, once."""
            run_id = _run_with(read["name"])
            file = apply.apply_payments(ledger_engine(ledger_url()), read["file"], run_id=run_id)
            return {"file": file.id, "name": read["name"], "outcomes": to_json(file.outcomes or {})}

        @task(max_active_tis_per_dagrun=1, map_index_template="{{ file_name }}", **server)
        @recorded(profile, Job.IMPORT)
        def archive_file(applied: Summary) -> Summary:
            """Lists the records without effect, and moves the file to processed."""
            engine, run_id = ledger_engine(ledger_url()), _run_with(applied["name"])
            rejects.save_rejects(engine, applied["file"], folder / "rejects")
            with input_folder() as remote:
                path = archive.archive_file(engine, profile, applied["name"], run_id=run_id, folder=remote)
            return {"file": applied["file"], "name": applied["name"], "archived_path": path}

        @task_group
        def import_file(name: str) -> None:
            """One file of the bursar's. What goes wrong with it holds up no other."""
            archive_file(apply_payments(load_file(name)))  # type: ignore[arg-type]

        files = PaymentFileSensor(task_id="wait_for_files", profile=profile).output
        import_file.expand(name=files) >> report_run(profile, Job.IMPORT, dag)

    return dag


def _run_with(file_name: str) -> str:
    """The id of the run; Airflow shows the file's name beside its part of the run."""
    context = get_current_context()
    context["file_name"] = file_name  # type: ignore[typeddict-unknown-key]
    return context["run_id"]
