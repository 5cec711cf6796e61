"""The import DAG of a profile: wait for files; read, apply and put away each."""

from contextlib import AbstractContextManager

from airflow.sdk import DAG, get_current_context, task, task_group

from bursar.errors import InputFileError
from bursar.exchange.folder import RemoteFolder
from bursar.importing import application, intake, putting_away, rejects
from bursar.ledger.connection import ledger_engine
from bursar.orchestration import lineage
from bursar.orchestration.arrival_sensor import ArrivalSensor
from bursar.orchestration.connections import ledger_url, open_folder
from bursar.orchestration.deployment import at_the_server, work_dir
from bursar.orchestration.documentation import import_documentation
from bursar.orchestration.integration_dag import Summary, integration_dag
from bursar.orchestration.job_reporting import report_job, timed
from bursar.profiles import Profile, Settings


def import_dag(profile: Profile, settings: Settings) -> DAG:
    """Builds the DAG of a profile's active import section; the same profile always gives the same DAG.

    Files are worked off one after the other, oldest first: totals so far only make sense in the order they were made.
    """
    folder = work_dir(settings, profile)
    server = at_the_server(profile)
    payments, ledger = [lineage.payment_files(profile)], [lineage.ledger()]

    def input_folder() -> AbstractContextManager[RemoteFolder]:
        return open_folder(profile.sftp_connection, profile.import_.input_file_path, may_create=False)

    with integration_dag(
        profile,
        "import",
        profile.import_.schedule,
        dag_display_name=f"Import from Bursar using Profile {profile.name} Fines and Fees",
        doc_md=import_documentation(profile, settings),
        # A file is imported when it comes: a past day has none. Airflow refuses a backfill when it is asked for.
        allowed_run_types=["scheduled", "manual", "operator_triggered", "asset_triggered"],
    ) as dag:

        @task(
            max_active_tis_per_dagrun=1,
            map_index_template="{{ file_name }}",
            **server,
            inlets=payments,
        )
        @timed(profile, "import")
        def read_file(name: str) -> Summary:
            """Brings the records of a file into the ledger; what is no file of payments is moved to failed."""
            engine, run = ledger_engine(ledger_url()), _run_with(name)
            with input_folder() as remote:
                try:
                    file = intake.read_file(engine, profile, name, run=run, folder=remote, work_dir=folder)
                except InputFileError:
                    putting_away.put_away(engine, profile, name, run=run, folder=remote)
                    raise
            return {
                "file": file.id,
                "name": name,
                "size": file.size,
                "sha256": file.sha256,
                "records": file.records,
                "totals": file.totals,
            }

        @task(max_active_tis_per_dagrun=1, map_index_template="{{ file_name }}", outlets=ledger)
        @timed(profile, "import")
        def apply_payments(read: Summary) -> Summary:
            """Pays the fines of the file, once."""
            run = _run_with(read["name"])
            file = application.apply_payments(ledger_engine(ledger_url()), read["file"], run=run)
            return {"file": file.id, "name": read["name"], "outcomes": file.outcomes}

        @task(max_active_tis_per_dagrun=1, map_index_template="{{ file_name }}", **server)
        @timed(profile, "import")
        def put_away(applied: Summary) -> Summary:
            """Lists the records without effect, and moves the file to processed."""
            engine, run = ledger_engine(ledger_url()), _run_with(applied["name"])
            rejects.save_rejects(engine, applied["file"], folder / "rejects")
            with input_folder() as remote:
                path = putting_away.put_away(engine, profile, applied["name"], run=run, folder=remote)
            return {"file": applied["file"], "name": applied["name"], "put_away_to": path}

        @task_group
        def import_file(name: str) -> None:
            """One file of the bursar's. What goes wrong with it holds up no other."""
            put_away(apply_payments(read_file(name)))  # type: ignore[arg-type]

        files = ArrivalSensor(task_id="wait_for_files", profile=profile).output
        import_file.expand(name=files) >> report_job(profile, "import", dag)

    return dag


def _run_with(file_name: str) -> str:
    """The id of the run; Airflow shows the file's name beside its part of the run."""
    context = get_current_context()
    context["file_name"] = file_name  # type: ignore[typeddict-unknown-key]
    return context["run_id"]
