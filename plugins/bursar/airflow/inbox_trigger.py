"""The trigger that waits for the bursar's files: payment files or statements."""

from typing import Any

from airflow.sdk.configuration import conf

from bursar.airflow.connections import ledger_url, open_folder
from bursar.airflow.file_trigger import FileTrigger
from bursar.airflow.profile_store import load_all_profiles
from bursar.db.engine import ledger_engine, session_name
from bursar.errors import TransientError
from bursar.imports.detect import WatchedFolder, select_ready_files
from bursar.ledger.jobs import Job
from bursar.page_names import Page
from bursar.profiles import INCLUDE, Profile, Settings, load_settings
from bursar.statements.files import watch_folder

_FOLDERS = {Job.IMPORT: WatchedFolder.of_import, Job.STATEMENT: watch_folder}


class InboxTrigger(FileTrigger):
    """Waits for the files that a job of a profile takes; their names are returned, oldest first.

    Args:
        job: the value of the job, which is the name of its section in the profile.
        arguments: those of `FileTrigger`.
    """

    def __init__(self, *, job: str, **arguments: Any) -> None:  # noqa: ANN401
        super().__init__(**arguments)
        self.job = job

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Returns the class path and the arguments that create this trigger again."""
        classpath, arguments = super().serialize()
        return classpath, {"job": self.job, **arguments}

    def find_ready_files(self, *, is_last_check: bool) -> list[str]:  # noqa: ARG002
        """Checks the folder once; returns the names of the files that are ready, oldest first.

        Raises:
            TransientError: the server or the ledger can't be reached, or the profile can't be read.
            RemoteFolderError: the server rejects the login, its identity is not confirmed, or the folder is missing.
            BursarError: there is no such connection.
        """
        session_name.set(f"bursar {self.job} {self.code} wait_for_files")
        settings = load_settings(INCLUDE / "bursar.yaml")
        profile = self._load_profile(settings)
        path, limits = profile.inboxes[self.job].input_file_path, settings.server_limits
        with open_folder(profile.sftp_connection, path, may_create=False, limits=limits) as folder:
            return select_ready_files(
                ledger_engine(ledger_url()),
                _FOLDERS[Job(self.job)](profile),
                folder.files(),
                limit=conf.getint("core", "max_map_length"),
            )

    def _load_profile(self, settings: Settings) -> Profile:
        profiles, _ = load_all_profiles(settings, code=self.code)
        for profile in profiles:
            if profile.code == self.code and self.job in profile.inboxes:
                return profile
        raise TransientError(
            f"The profile {self.code} has an error or has been removed, or its {self.job} section is not active. "
            f"Someone may be editing it. {Page.PROFILES} shows what is wrong (`bin/bursar profiles check`)."
        )
