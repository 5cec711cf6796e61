"""The sensor that waits for payment files."""

from typing import Any

from sqlalchemy import Engine

from bursar.airflow.config import work_dir
from bursar.airflow.file_sensor import FileSensor
from bursar.airflow.payment_file_trigger import PaymentFileTrigger
from bursar.imports.load import remove_loaded_downloads
from bursar.ledger.jobs import Job
from bursar.profiles import Profile, Settings


class PaymentFileSensor(FileSensor):
    """Waits until payment files of a profile are ready to be loaded, and returns their names, oldest first."""

    advice = "Ask the bursar for the file."

    def __init__(self, *, profile: Profile, **arguments: Any) -> None:  # noqa: ANN401
        self.profile = profile
        super().__init__(job_owner=profile, job=Job.IMPORT, wait=profile.import_, **arguments)

    def make_trigger(self) -> PaymentFileTrigger:
        """Returns the trigger, with the deadline of this task."""
        return PaymentFileTrigger(
            profile_code=self.profile.code,
            connection_id=self.profile.sftp_connection,
            deadline=self.deadline,
            check_interval_seconds=self.check_interval_seconds,
        )

    def describe_folder(self) -> str:
        """Returns where the files are expected, in words."""
        return f"{self.profile.import_.input_file_path} of the connection {self.profile.sftp_connection}"

    def describe_files(self) -> str:
        """Returns the patterns of the names of the files, in words."""
        return " or ".join(self.profile.import_.file_patterns)

    def remove_kept_files(self, engine: Engine, settings: Settings) -> None:
        """Removes files from this machine that killed workers have left, and that the ledger has."""
        remove_loaded_downloads(engine, self.profile.code, work_dir(settings, self.profile))
