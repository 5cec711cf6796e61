"""The library's system of the demo: writes CSV files into the folder of a source, and has them loaded."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bursar.airflow.dag_ids import dag_id
from bursar.errors import BursarError
from bursar.ledger.jobs import Job
from demo.airflow_client import AirflowClient
from demo.changes import Change
from demo.library_files import write_files
from demo.profiles import DONE_FILE_SUFFIX

SOURCE = "LIBRARY"
ACCOUNT = "library_system"
"""The login at the SFTP server, and the id of the Airflow connection that the source names."""
FOLDER = "bursar/out"
SEED = 2028
"""In this library no credit is too young to be sent together with its charge; otherwise, the second exports send it."""


@dataclass(frozen=True)
class LibrarySystem:
    """The library's system. `folder` is that of its account at the SFTP server, `now` the moment of its first files."""

    folder: Path
    fines: int
    now: datetime

    def write_files(self, changes: Sequence[Change] = ()) -> None:
        """Writes the files of all users and fines, with what has changed since the first files, and done files."""
        folder = self.folder / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        kinds = write_files(folder, fines=self.fines, seed=SEED, now=self.now, changes=changes)
        for kind in kinds:
            (folder / f"{kind}.csv{DONE_FILE_SUFFIX}").touch()

    def load_files(self, client: AirflowClient, changes: Sequence[Change] = ()) -> None:
        """Writes the files, and has Airflow load them.

        Raises:
            BursarError: the run failed.
        """
        self.write_files(changes)
        synchronize(client, [SOURCE])


def synchronize(client: AirflowClient, sources: Iterable[str]) -> None:
    """Runs the DAGs of sources, given by their codes, simultaneously.

    Raises:
        BursarError: a run failed.
    """
    dags = [dag_id(Job.SYNC, source) for source in sources]
    client.wait_for_dags(dags)
    runs = {dag: client.trigger(dag) for dag in dags}
    for dag, run_id in runs.items():
        if client.wait(dag, run_id) != "success":
            raise BursarError(f"Run {run_id} of {dag} failed: the source has not been loaded.")
