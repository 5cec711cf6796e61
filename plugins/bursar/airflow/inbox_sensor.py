"""The sensor that waits for the bursar's files: payment files or statements."""

from typing import Any

from sqlalchemy import Engine

from bursar.airflow.config import statement_work_dir, work_dir
from bursar.airflow.file_sensor import FileSensor
from bursar.airflow.inbox_trigger import InboxTrigger
from bursar.imports.load import remove_loaded_downloads
from bursar.ledger.jobs import InboxJob
from bursar.profiles import Profile, Settings
from bursar.statements.files import remove_compared_downloads


class InboxSensor(FileSensor):
    """Waits until files for a job of a profile are ready, and returns their names, oldest first."""

    advice = "Ask the bursar for the file."

    def __init__(self, *, profile: Profile, job: InboxJob, **arguments: Any) -> None:  # noqa: ANN401
        self.profile, self.section = profile, profile.inboxes[job.value]
        super().__init__(job_owner=profile, job=job, wait=self.section, **arguments)

    def make_trigger(self) -> InboxTrigger:
        """Returns the trigger, with the deadline of this task."""
        return InboxTrigger(job=self.job.value, connection_id=self.profile.sftp_connection, **self.trigger_arguments)

    def describe_folder(self) -> str:
        """Returns where the files are expected, in words."""
        return f"{self.section.input_file_path} of the connection {self.profile.sftp_connection}"

    def describe_files(self) -> str:
        """Returns the patterns of the names of the files, in words."""
        return " or ".join(self.section.file_patterns)

    def remove_kept_files(self, engine: Engine, settings: Settings) -> None:
        """Removes files from this machine that killed workers have left, and that the ledger has."""
        remove_kept_downloads(engine, settings, self.profile)


def remove_kept_downloads(engine: Engine, settings: Settings, profile: Profile) -> None:
    """Removes the bursar's files from this machine that killed workers have left, and that the ledger has."""
    remove_loaded_downloads(engine, profile.code, work_dir(settings, profile))
    remove_compared_downloads(engine, profile.code, statement_work_dir(settings, profile))
