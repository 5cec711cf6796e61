"""The statement DAG of a profile: wait for statements; compare each with the ledger and archive it; report."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from airflow.sdk import DAG, task_group

from bursar.airflow import assets, config
from bursar.airflow.base_dag import RUN_TYPES_WITHOUT_BACKFILL, base_dag, task_of_run
from bursar.airflow.dag_docs import statement_docs
from bursar.airflow.inbox_sensor import InboxSensor
from bursar.airflow.profile_run import InboxRun
from bursar.airflow.report_task import report_task
from bursar.airflow.task_summaries import ArchivedStatement, ComparedStatement
from bursar.errors import InputFileError
from bursar.ledger.jobs import Job
from bursar.profiles import Profile, Settings
from bursar.statements.files import StatementRun


@dataclass(frozen=True, kw_only=True)
class ComparisonRun(InboxRun):
    """A run of a profile's comparison with statements: the first argument of its tasks."""

    job = Job.STATEMENT

    @contextmanager
    def open(self) -> Iterator[StatementRun]:
        """Opens the remote folder that the bursar writes statements to."""
        with self.open_folder() as folder:
            yield StatementRun(
                engine=self.engine,
                profile=self.profile,
                folder=folder,
                work_dir=config.statement_work_dir(self.settings, self.profile),
                run_id=self.run_id,
            )


def statement_dag(profile: Profile, settings: Settings) -> DAG:
    """Builds the DAG of a profile's active statement section; the same profile always gives the same DAG.

    Statements are compared one after the other, oldest first: how long a difference has lasted follows from the
    earlier ones.
    """
    with base_dag(
        profile,
        Job.STATEMENT,
        profile.statement.schedule,
        description=profile.description,
        doc_md=statement_docs(profile, settings),
        allowed_run_types=RUN_TYPES_WITHOUT_BACKFILL,
    ) as dag:
        server = config.server_placement(profile.sftp_connection, settings)
        get_run = partial(ComparisonRun.from_context, profile, settings)
        task = partial(task_of_run, Job.STATEMENT, profile, get_run, max_active_tis_per_dagrun=1, **server)

        @task_group
        def statement(name: str) -> None:
            """Compares one statement. An error in it does not stop the comparison of the others."""
            compare = task(
                compare_file,
                inlets=[assets.statements_asset(profile), assets.ledger_asset()],
                map_index_template="{{ task.op_args[0] }}",
            )(name)
            archive = task(archive_file, map_index_template="{{ task.op_args[0].file_name }}")(compare)
            compare >> archive

        wait = InboxSensor(task_id="wait_for_files", profile=profile, job=Job.STATEMENT)
        wait >> statement.expand(name=wait.output) >> report_task(Job.STATEMENT, profile)
    return dag


def compare_file(run: ComparisonRun, name: str) -> ComparedStatement:
    """Compares a statement with the ledger, and changes nothing there; moves a file that is rejected to `failed`.

    Raises:
        InputFileError: the file is rejected.
    """
    with run.open() as opened:
        try:
            statement = opened.compare_file(name)
        except InputFileError:
            opened.archive_file(name)
            raise
    outcomes = statement.outcomes or {}
    return {
        "statement_id": statement.id,
        "file_name": name,
        "size": statement.size,
        "sha256": statement.sha256,
        "lines": statement.lines,
        "outcomes": {outcome: one.results for outcome, one in outcomes.items()},
    }


def archive_file(run: ComparisonRun, compared: ComparedStatement) -> ArchivedStatement:
    """Moves the file to `processed`."""
    with run.open() as opened:
        path = opened.archive_file(compared["file_name"])
    return {"statement_id": compared["statement_id"], "file_name": compared["file_name"], "archived_path": path}
