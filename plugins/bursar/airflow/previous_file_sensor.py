"""The sensor that waits until the bursar has collected the file of an earlier export."""

from typing import Any

from airflow.sdk import BaseSensorOperator, Context
from airflow.sdk.exceptions import AirflowSensorTimeout

from bursar.airflow import connections
from bursar.airflow.report_task import record_task_of_run
from bursar.airflow.run_params import parse_params
from bursar.airflow.task_failure import log_known_errors
from bursar.db.engine import ledger_engine
from bursar.errors import MissingFolderError, TransientError
from bursar.exports.previous_file import describe_previous_files, find_previous_files
from bursar.ledger.batches import get_batch
from bursar.ledger.jobs import Job
from bursar.money import pluralize
from bursar.profiles import Profile
from bursar.profiles.settings import ServerLimits

CHECK_SECONDS = 60
"""The pause between two checks, in which the task occupies no worker."""


class PreviousFileSensor(BaseSensorOperator):
    """Waits until no file of an earlier export is in the output folder, or fails after the time in the profile.

    Between two checks the task is rescheduled: it occupies neither a worker nor a slot of the pool.
    """

    def __init__(self, *, profile: Profile, limits: ServerLimits, **arguments: Any) -> None:  # noqa: ANN401
        minutes = profile.export.upload.previous_file_timeout_minutes
        super().__init__(mode="reschedule", poke_interval=CHECK_SECONDS, timeout=minutes * 60, **arguments)
        self.profile = profile
        self.limits = limits

    def execute(self, context: Context) -> None:
        """Checks once, and ends the task, reschedules it, or fails after the time in the profile."""
        with log_known_errors(), record_task_of_run(self.task_id, self.profile, Job.EXPORT, context):
            try:
                super().execute(context)
            except AirflowSensorTimeout as error:
                upload = self.profile.export.upload
                raise AirflowSensorTimeout(
                    f"Within {pluralize(upload.previous_file_timeout_minutes, 'minute')} the bursar has not collected "
                    f"the file of an earlier export from {self.profile.export.output_file_path}. Nothing was uploaded. "
                    "Ask the bursar to collect it, then clear this task; or the next run selects the fines again."
                ) from error

    def poke(self, context: Context) -> bool:
        """Returns whether the output folder has no file of an earlier export. An unreachable server is asked again."""
        if parse_params(context, self.profile).dry_run:
            return True
        engine = ledger_engine(connections.ledger_url())
        built = context["ti"].xcom_pull(task_ids="build_file")
        with engine.connect() as connection:
            batch = get_batch(connection, built["batch_id"])
        try:
            with connections.open_folder(
                batch.sftp_connection, batch.output_file_path, may_create=False, limits=self.limits
            ) as folder:
                names, address = find_previous_files(engine, batch, folder), folder.address
        except MissingFolderError:
            return True
        except TransientError as error:
            self.log.warning("%s", error)
            return False
        if names:
            self.log.info("%s %s waits.", describe_previous_files(names, address), batch.file_name)
        return not names
