"""The trigger that waits for statements."""

from typing import Any

from airflow.sdk.configuration import conf

from bursar.airflow.connections import ledger_url, open_folder
from bursar.airflow.file_trigger import FileTrigger
from bursar.airflow.profile_store import load_all_profiles
from bursar.db.engine import ledger_engine, session_name
from bursar.errors import TransientError
from bursar.imports.detect import select_ready_files
from bursar.page_names import Page
from bursar.profiles import INCLUDE, Profile, Settings, load_settings
from bursar.statements.files import watch_folder


class StatementTrigger(FileTrigger):
    """Waits for the statements of a profile; their names are returned, oldest first.

    Args:
        profile_code: the code of the profile, which each check reads anew.
        arguments: those of `FileTrigger`.
    """

    def __init__(self, *, profile_code: str, **arguments: Any) -> None:  # noqa: ANN401
        super().__init__(**arguments)
        self.profile_code = profile_code

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Returns the class path and the arguments that create this trigger again."""
        classpath, arguments = super().serialize()
        return classpath, {"profile_code": self.profile_code, **arguments}

    def find_ready_files(self, *, is_last_check: bool) -> list[str]:  # noqa: ARG002
        """Checks the folder once; returns the names of the statements that are ready, oldest first.

        Raises:
            TransientError: the server or the ledger can't be reached, or the profile can't be read.
            RemoteFolderError: the server rejects the login, its identity is not confirmed, or the folder is missing.
            BursarError: there is no such connection.
        """
        session_name.set(f"bursar statement {self.profile_code} wait_for_files")
        settings = load_settings(INCLUDE / "bursar.yaml")
        profile = _load_profile(self.profile_code, settings)
        path, limits = profile.statement.input_file_path, settings.server_limits
        with open_folder(profile.sftp_connection, path, may_create=False, limits=limits) as folder:
            return select_ready_files(
                ledger_engine(ledger_url()),
                watch_folder(profile),
                folder.files(),
                limit=conf.getint("core", "max_map_length"),
            )


def _load_profile(code: str, settings: Settings) -> Profile:
    profiles, _ = load_all_profiles(settings, code=code)
    for profile in profiles:
        if profile.code == code and profile.statement.active:
            return profile
    raise TransientError(
        f"The profile {code} has an error or has been removed, or its statement section is not active. Someone may be "
        f"editing it. {Page.PROFILES} shows what is wrong (`bin/bursar profiles check`)."
    )
