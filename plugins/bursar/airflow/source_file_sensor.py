"""The sensor that waits for the files of a source."""

from typing import Any

from sqlalchemy import Engine

from bursar.airflow.config import source_work_dir
from bursar.airflow.file_sensor import FileSensor
from bursar.airflow.source_file_trigger import SourceFileTrigger
from bursar.ledger.jobs import Job
from bursar.profiles import Settings
from bursar.sources.csv.model import CsvSource
from bursar.sources.loaded_files import remove_loaded_files


class SourceFileSensor(FileSensor):
    """Waits until the files of a source are ready, and returns those that are loaded together as one set, in order."""

    advice = "Find out why the library's system has not written it."

    def __init__(self, *, source: CsvSource, **arguments: Any) -> None:  # noqa: ANN401
        self.source = source
        super().__init__(job_owner=source, job=Job.SYNC, wait=source, **arguments)

    def make_trigger(self) -> SourceFileTrigger:
        """Returns the trigger, with the deadline of this task."""
        return SourceFileTrigger(connection_id=self.source.connection or "", **self.trigger_arguments)

    def describe_folder(self) -> str:
        """Returns where the files are expected, in words."""
        if self.source.connection is None:
            return f"{self.source.folder} of the machine"
        return f"{self.source.folder} of the connection {self.source.connection}"

    def describe_files(self) -> str:
        """Returns the patterns of the names of the files, in words."""
        return " or ".join(self.source.files.by_kind.values())

    def remove_kept_files(self, engine: Engine, settings: Settings) -> None:
        """Removes files from this machine that killed workers have left, and that the ledger has."""
        remove_loaded_files(engine, self.source.code, source_work_dir(settings, self.source))
