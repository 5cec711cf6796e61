"""The trigger that waits for the files of a source."""

from bursar.airflow.connections import ledger_url
from bursar.airflow.file_trigger import FileTrigger
from bursar.airflow.source_folder import open_source_folder
from bursar.db.engine import ledger_engine, session_name
from bursar.errors import TransientError
from bursar.profiles import INCLUDE, Settings, load_settings
from bursar.sources.csv.model import CsvSource
from bursar.sources.read import load_sources
from bursar.sources.ready_files import FileSet, find_ready_sets


class SourceFileTrigger(FileTrigger):
    """Waits for the files of a source; those that are loaded together are returned as one set."""

    def find_ready_files(self, *, is_last_check: bool) -> list[FileSet]:
        """Checks the folder once; returns the sets of files that are ready, in the order in which they are loaded."""
        session_name.set(f"bursar sync {self.code} wait_for_files")
        settings = load_settings(INCLUDE / "bursar.yaml")
        source = _load_source(self.code, settings)
        with open_source_folder(source, settings.server_limits) as folder:
            return find_ready_sets(ledger_engine(ledger_url()), source, folder.files(), is_last_check=is_last_check)


def _load_source(code: str, settings: Settings) -> CsvSource:
    sources, _ = load_sources(INCLUDE / "sources", settings, code=code)
    for source in sources:
        if source.code == code and source.active and isinstance(source, CsvSource):
            return source
    raise TransientError(
        f"The source {code} has an error, has been removed, or is not active. Someone may be editing it "
        "(`bin/bursar sources check` shows what is wrong)."
    )
