"""The sensor that waits for statements."""

from typing import Any

from sqlalchemy import Engine

from bursar.airflow.config import statement_work_dir
from bursar.airflow.file_sensor import FileSensor
from bursar.airflow.statement_trigger import StatementTrigger
from bursar.ledger.jobs import Job
from bursar.profiles import Profile, Settings
from bursar.statements.files import remove_compared_downloads


class StatementSensor(FileSensor):
    """Waits until statements of a profile are ready to be compared, and returns their names, oldest first."""

    advice = "Ask the bursar for the statement."

    def __init__(self, *, profile: Profile, **arguments: Any) -> None:  # noqa: ANN401
        self.profile = profile
        super().__init__(job_owner=profile, job=Job.STATEMENT, wait=profile.statement, **arguments)

    def make_trigger(self) -> StatementTrigger:
        """Returns the trigger, with the deadline of this task."""
        return StatementTrigger(
            profile_code=self.profile.code,
            connection_id=self.profile.sftp_connection,
            deadline=self.deadline,
            check_interval_seconds=self.check_interval_seconds,
        )

    def describe_folder(self) -> str:
        """Returns where the files are expected, in words."""
        return f"{self.profile.statement.input_file_path} of the connection {self.profile.sftp_connection}"

    def describe_files(self) -> str:
        """Returns the patterns of the names of the files, in words."""
        return " or ".join(self.profile.statement.file_patterns)

    def remove_kept_files(self, engine: Engine, settings: Settings) -> None:
        """Removes files from this machine that killed workers have left, and that the ledger has."""
        remove_compared_downloads(engine, self.profile.code, statement_work_dir(settings, self.profile))
