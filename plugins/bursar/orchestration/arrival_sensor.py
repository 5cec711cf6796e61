"""The sensor that waits for the bursar's files. Between two looks it holds no worker."""

import logging
from datetime import timedelta
from typing import Any

from airflow.sdk import BaseSensorOperator, Context, PokeReturnValue
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowSensorTimeout, AirflowSkipException

from bursar.exporting.closing import clear_work_dirs
from bursar.importing.arrival import arrived
from bursar.ledger.connection import ledger_engine
from bursar.money import many
from bursar.orchestration.connections import ledger_url, open_folder
from bursar.orchestration.job_reporting import stage_of_run
from bursar.profiles import INCLUDE, Profile, load_settings

log = logging.getLogger(__name__)

SHORTEST, LONGEST = timedelta(seconds=5), timedelta(minutes=1)
"""Between two looks; in these bounds it is the time in which a file settles."""


class ArrivalSensor(BaseSensorOperator):
    """Waits until files of a profile are ready to be read, and gives their names, oldest first.

    None within the profile's waiting time: skipped or failed, as the profile says. A folder that can't be seen into is
    never taken for an empty one: it fails at once, or is tried again if the trouble can pass.
    """

    def __init__(self, *, profile: Profile, **arguments: Any) -> None:  # noqa: ANN401  passed on to Airflow
        section = profile.import_
        settling = timedelta(seconds=section.settle_seconds)
        super().__init__(
            mode="reschedule",
            poke_interval=max(SHORTEST, min(LONGEST, settling)),
            timeout=timedelta(minutes=section.waiting_time_minutes),
            **arguments,
        )
        self.profile = profile

    def poke(self, context: Context) -> PokeReturnValue:  # noqa: ARG002
        """Looks once.

        Raises:
            PassingError: the server can't be reached: try again.
            RemoteFolderError: the server refuses the login, can't prove who it is, or has no such folder.
        """
        with open_folder(
            self.profile.sftp_connection, self.profile.import_.input_file_path, may_create=False
        ) as folder:
            names = arrived(
                ledger_engine(ledger_url()),
                self.profile,
                folder.files(),
                most=conf.getint("core", "max_map_length"),
            )
        return PokeReturnValue(bool(names), names)

    def execute(self, context: Context) -> list[str]:
        """Looks until files are ready or the waiting time is over.

        Raises:
            AirflowSkipException: the time is over, and the profile does without a file.
            AirflowSensorTimeout: the time is over, and the profile needs a file; never tried again.
        """
        clear_work_dirs(ledger_engine(ledger_url()), load_settings(INCLUDE / "bursar.yaml").staging_folder)
        with stage_of_run(self.task_id, self.profile, "import", context):
            return self._look(context)

    def _look(self, context: Context) -> list[str]:
        try:
            names: list[str] = super().execute(context)
        except AirflowSensorTimeout as over:
            section = self.profile.import_
            marker = f" with {section.marker} beside it" if section.marker else ""
            waited_in_vain = (
                f"Within {many(section.waiting_time_minutes, 'minute')} no file was ready in "
                f"{section.input_file_path} of the connection {self.profile.sftp_connection} called "
                f"{' or '.join(section.file_patterns)}{marker}. Nothing was imported; the next run looks again."
            )
            if section.without_a_file == "skipped":
                raise AirflowSkipException(waited_in_vain) from over
            raise AirflowSensorTimeout(f"{waited_in_vain} Ask the bursar for the file.") from over
        return names
